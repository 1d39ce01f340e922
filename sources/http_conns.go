package sources

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

// limitedListener closes connections beyond a number, of all and of one address. Where all are taken, the address with
// the most connections loses its oldest one to an address with fewer: however many slow clients there are, another one is served, as long as
// they come from fewer addresses than there are connections.
type limitedListener struct {
	net.Listener
	most, perAddress int
	counters         *httpCounters

	mu   sync.Mutex
	open int
	by   map[netip.Addr]*list.List // of *limitedConn, the oldest first
}

func newLimitedListener(l net.Listener, most int, counters *httpCounters) *limitedListener {
	const share = 8 // of the connections one address may have one of so many
	return &limitedListener{Listener: l, most: most, perAddress: max(1, most/share), counters: counters, by: map[netip.Addr]*list.List{}}
}

// Accept returns the next connection that is within the limits.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn := &limitedConn{Conn: c, from: l, addr: peerAt(c.RemoteAddr()).key()}
		entered, victim := l.enter(conn)
		if victim != nil {
			l.counters.connections.add("displaced", 1)
			victim.Close()
		}
		if entered {
			return conn, nil
		}
		l.counters.connections.add("limit", 1)
		c.Close()
	}
}

// enter counts a connection. It reports false if there is no room for it, and returns the one that must go to make some.
func (l *limitedListener) enter(c *limitedConn) (entered bool, victim *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := 0
	if x := l.by[c.addr]; x != nil {
		own = x.Len()
	}
	// The machine itself and a socket are one address with many programs.
	if own >= l.perAddress && c.addr.IsValid() && !c.addr.IsLoopback() {
		return false, nil
	}
	if l.open >= l.most {
		heaviest := l.heaviest()
		if heaviest == nil || heaviest.Len() <= own+1 {
			return false, nil
		}
		victim = heaviest.Front().Value.(*limitedConn)
		l.remove(victim)
	}
	x := l.by[c.addr]
	if x == nil {
		x = list.New()
		l.by[c.addr] = x
	}
	c.place = x.PushBack(c)
	l.open++
	return true, victim
}

func (l *limitedListener) heaviest() (out *list.List) {
	for _, x := range l.by {
		if out == nil || x.Len() > out.Len() {
			out = x
		}
	}
	return out
}

// remove forgets a connection, if that has not been done.
func (l *limitedListener) remove(c *limitedConn) {
	if c.place == nil {
		return
	}
	x := l.by[c.addr]
	x.Remove(c.place)
	c.place = nil
	if x.Len() == 0 {
		delete(l.by, c.addr)
	}
	l.open--
}

// limitedConn is a connection that counts.
type limitedConn struct {
	net.Conn
	from  *limitedListener
	addr  netip.Addr
	place *list.Element // in its address's list; nil when it counts no more
}

// Close closes the connection and makes room for another.
func (c *limitedConn) Close() error {
	c.from.mu.Lock()
	c.from.remove(c)
	c.from.mu.Unlock()
	return c.Conn.Close()
}

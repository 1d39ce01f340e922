package sources

import (
	"container/heap"
	"container/list"
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// limitedListener closes connections beyond a number, of all and of one address. Where all are taken, a new one displaces
// another: of the address with the most connections, or of those with the most if several have as many, the one that has waited longest since its last
// answer. One of an address that has its share, or as many as any other, displaces one of its own. However many slow clients there are, and from however many addresses, one that sends and reads is served: each answer puts it behind all who are slow.
type limitedListener struct {
	net.Listener
	most, perAddress int
	counters         *httpCounters
	now              func() time.Time
	displaced        int // by Accept, which nobody calls twice at once

	mu    sync.Mutex
	open  int
	by    map[netip.Addr]*connsOf
	order connOrder
}

// connsOf are the connections of an address: of *limitedConn, the longest without an answer first.
type connsOf struct {
	list.List
	at int // in the order
}

// connOrder is a heap of addresses: those with the most connections first, among them the one with a connection that is the longest
// without an answer. A crowd that comes and goes is no reason to look at every address each time.
type connOrder []*connsOf

func (o connOrder) Len() int { return len(o) }

func (o connOrder) Less(i, j int) bool {
	if n, m := o[i].List.Len(), o[j].List.Len(); n != m {
		return n > m
	}
	return o[i].first().since.Before(o[j].first().since)
}

func (o connOrder) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].at, o[j].at = i, j
}

// Push is for package heap.
func (o *connOrder) Push(x any) {
	c := x.(*connsOf)
	c.at = len(*o)
	*o = append(*o, c)
}

// Pop is for package heap.
func (o *connOrder) Pop() any {
	last := len(*o) - 1
	c := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	return c
}

func (x *connsOf) first() *limitedConn { return x.Front().Value.(*limitedConn) }

func newLimitedListener(l net.Listener, most int, counters *httpCounters, now func() time.Time) *limitedListener {
	const share = 8 // of the connections one address may have one of so many
	return &limitedListener{Listener: l, most: most, perAddress: max(1, most/share), counters: counters, now: now, by: map[netip.Addr]*connsOf{}}
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
			if l.displaced++; l.displaced%breathe == 0 {
				pause := time.NewTimer(time.Millisecond)
				<-pause.C
			}
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
	switch {
	// The machine itself and a socket are one address with many programs.
	case own >= l.perAddress && c.addr.IsValid() && !c.addr.IsLoopback():
		victim = longestIdle(l.by[c.addr])
	case l.open >= l.most:
		victim = l.victim(own, c.addr)
	default:
		l.add(c)
		return true, nil
	}
	if victim == nil {
		return false, nil
	}
	l.remove(victim)
	l.add(c)
	return true, victim
}

// victim returns the connection that makes room for another one of an address that has own of them; nil if those that might are all at work.
func (l *limitedListener) victim(own int, addr netip.Addr) (out *limitedConn) {
	if len(l.order) == 0 {
		return nil
	}
	heaviest := l.order[0].Len()
	if own == heaviest { // it takes nothing from those that have less or as much
		return longestIdle(l.by[addr])
	}
	if c := l.order[0].first(); c.working == 0 {
		return c
	}
	for _, x := range l.order {
		if x.Len() < heaviest {
			continue
		}
		if c := longestIdle(x); c != nil && (out == nil || c.since.Before(out.since)) {
			out = c
		}
	}
	return out
}

// longestIdle returns the first connection of an address that nothing of is with the engine.
func longestIdle(x *connsOf) *limitedConn {
	for e := x.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*limitedConn); c.working == 0 {
			return c
		}
	}
	return nil
}

func (l *limitedListener) add(c *limitedConn) {
	x := l.by[c.addr]
	if x == nil {
		x = &connsOf{}
		l.by[c.addr] = x
	}
	c.since = l.now()
	c.place = x.PushBack(c)
	if x.Len() == 1 {
		heap.Push(&l.order, x)
	} else {
		heap.Fix(&l.order, x.at)
	}
	l.open++
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
		heap.Remove(&l.order, x.at)
	} else {
		heap.Fix(&l.order, x.at)
	}
	l.open--
}

// limitedConn is a connection that counts. Its methods but Close may be called on nil, for a request without one.
type limitedConn struct {
	net.Conn
	from *limitedListener
	addr netip.Addr

	// Under the listener's mutex.
	place   *list.Element // in its address's list; nil when it counts no more
	since   time.Time     // of its last answer, which has begun at least, or of its own beginning
	working int           // requests that wait for the engine, and not the engine for the client

	// idle is how many bytes were read that were neither of a body nor of a request that was answered: frames of HTTP/2 that ask for
	// nothing, requests that are taken back at once.
	idle atomic.Int64
}

const (
	// Beyond so many idle bytes a connection is read slowly: an attacker's frames cost little each, and more than a processor all
	// together. Package net/http holds up to 1 MiB of bodies that nobody has asked for yet.
	maxIdleBytes = 2 << 20
	idlePause    = 10 * time.Millisecond // before each read, which brings 16 KiB of HTTPS
	// A request that is answered pays for its headers, and for some pings.
	answerBytes = 2 * maxHeader
	// discardedBytes is what package net/http reads of a body that its handler has not read.
	discardedBytes = 256 << 10
)

// Read reads from the connection.
func (c *limitedConn) Read(b []byte) (int, error) {
	if c.idle.Load() > maxIdleBytes {
		pause := time.NewTimer(idlePause)
		<-pause.C
	}
	n, err := c.Conn.Read(b)
	c.idle.Add(int64(n))
	return n, err
}

// took notes that n bytes of a body were read, with what frames add to them.
func (c *limitedConn) took(n int) {
	if c != nil {
		c.idle.Add(-int64(n + n/8))
	}
}

// Close closes the connection and makes room for another.
func (c *limitedConn) Close() error {
	c.from.mu.Lock()
	c.from.remove(c)
	c.from.mu.Unlock()
	return c.Conn.Close()
}

// work notes that a request waits for the engine from now on, by -1 that it does so no more.
func (c *limitedConn) work(by int) {
	if c == nil {
		return
	}
	c.from.mu.Lock()
	c.working += by
	c.from.mu.Unlock()
}

// answers notes that an answer begins: a request that waited for the engine for long must not make its connection the one that
// goes, the moment that it waits for the engine no more.
func (c *limitedConn) answers() {
	if c == nil {
		return
	}
	c.from.mu.Lock()
	c.renew()
	c.from.mu.Unlock()
}

// answered notes that a request has been answered, unless its client is gone.
func (c *limitedConn) answered(r *http.Request) {
	if c == nil {
		return
	}
	if r.Context().Err() == nil {
		pays := int64(answerBytes)
		if r.ContentLength > 0 { // a body that is refused is read all the same, so far, for the next request
			pays += min(r.ContentLength, discardedBytes)
		} else if r.ContentLength < 0 {
			pays += discardedBytes
		}
		if c.idle.Add(-pays) < 0 {
			c.idle.Store(0)
		}
	}
	c.from.mu.Lock()
	c.working--
	c.renew()
	c.from.mu.Unlock()
}

// renew puts the connection behind all others. The mutex is held.
func (c *limitedConn) renew() {
	c.since = c.from.now()
	if c.place != nil {
		x := c.from.by[c.addr]
		x.MoveToBack(c.place)
		heap.Fix(&c.from.order, x.at)
	}
}

// breathe is after how many connections that displace others Accept pauses. While it always has one to accept, the
// runtime looks every 10 ms only for what else comes from the network: requests of those that are served would wait so long.
const breathe = 16

type connKey struct{}

// withConn notes who a connection belongs to, and the connection as it counts, behind what reads it strictly or decrypts it.
func withConn(ctx context.Context, c net.Conn) context.Context {
	ctx = withPeer(ctx, c)
	for {
		if counted, ok := c.(*limitedConn); ok {
			return context.WithValue(ctx, connKey{}, counted)
		}
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return ctx
		}
		c = outer.NetConn()
	}
}

// connOf returns the connection of a request, nil if it does not count.
func connOf(ctx context.Context) *limitedConn {
	c, _ := ctx.Value(connKey{}).(*limitedConn)
	return c
}

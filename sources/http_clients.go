package sources

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// clientKey is what a client is known by: its address. All clients of a socket in the file system are one.
type clientKey = netip.Addr

// clients knows what each client has in flight and how many requests it has made.
type clients struct {
	rate float64 // requests a second, 0 is no limit

	mu    sync.Mutex
	by    map[clientKey]*client
	bytes int // in flight, of all
	busy  int // clients with something in flight
}

type client struct {
	bytes  int     // in flight
	tokens float64 // requests that it may make at once
	seen   time.Time
}

func newClients(c httpConfig) clients {
	return clients{rate: c.ClientRate.Amount, by: map[clientKey]*client{}}
}

// Above mildPressure clients with more than their share wait, above hardPressure all do.
const (
	mildPressure = 0.7
	hardPressure = 0.9
)

// pressed returns why a client must come again later, nil if its request is taken.
func (c *clients) pressed(key clientKey, pressure float64) *apiError {
	if pressure < mildPressure {
		return nil
	}
	if pressure >= hardPressure {
		return errPressure
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.by[key]; x != nil && x.bytes > 0 && x.bytes*c.busy >= c.bytes {
		return errHeavy
	}
	return nil
}

// allow takes a request off the client's rate. It reports false if that is used up.
func (c *clients) allow(key clientKey, now time.Time) bool {
	if c.rate <= 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.by[key]
	burst := max(1, c.rate)
	if x == nil {
		c.forget(now)
		x = &client{tokens: burst, seen: now}
		c.by[key] = x
	}
	x.tokens = min(burst, x.tokens+c.rate*max(0, now.Sub(x.seen).Seconds()))
	x.seen = now
	if x.tokens < 1 {
		return false
	}
	x.tokens--
	return true
}

// forget removes clients whose rate has recovered, when there are many.
func (c *clients) forget(now time.Time) {
	const many = 10_000
	if len(c.by) < many {
		return
	}
	for key, x := range c.by {
		if x.bytes == 0 && now.Sub(x.seen) > time.Minute {
			delete(c.by, key)
		}
	}
}

func (c *clients) enter(key clientKey, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.by[key]
	if x == nil {
		x = &client{}
		c.by[key] = x
	}
	if x.bytes == 0 {
		c.busy++
	}
	x.bytes += bytes
	c.bytes += bytes
}

func (c *clients) leave(key clientKey, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.by[key]
	x.bytes -= bytes
	c.bytes -= bytes
	if x.bytes == 0 {
		c.busy--
		if c.rate <= 0 {
			delete(c.by, key)
		}
	}
}

// limitedListener closes connections beyond a number, of all and of one address, at once.
type limitedListener struct {
	net.Listener
	most, perAddress int
	counters         *httpCounters

	mu   sync.Mutex
	open int
	by   map[netip.Addr]int
}

func newLimitedListener(l net.Listener, most int, counters *httpCounters) *limitedListener {
	const share = 8 // of the connections one address may have one of so many
	return &limitedListener{Listener: l, most: most, perAddress: max(1, most/share), counters: counters, by: map[netip.Addr]int{}}
}

// Accept returns the next connection that is within the limits.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := addressOf(c)
		if l.enter(addr) {
			return &limitedConn{Conn: c, release: sync.OnceFunc(func() { l.leave(addr) })}, nil
		}
		l.counters.count("connections_refused", "limit")
		c.Close()
	}
}

// addressOf returns the address that connections are counted by. Loopback and sockets are one client with many programs: they are not counted by address.
func addressOf(c net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || ap.Addr().Unmap().IsLoopback() {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

func (l *limitedListener) enter(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.most || addr.IsValid() && l.by[addr] >= l.perAddress {
		return false
	}
	l.open++
	l.by[addr]++
	return true
}

func (l *limitedListener) leave(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.by[addr]--; l.by[addr] == 0 {
		delete(l.by, addr)
	}
}

type limitedConn struct {
	net.Conn
	release func()
}

// Close closes the connection and makes room for another.
func (c *limitedConn) Close() error {
	c.release()
	return c.Conn.Close()
}

package sources

import (
	"net/netip"
	"sync"
	"time"
)

// clientKey is what a client is known by: see [peer.key]. All clients of a socket in the file system are one.
type clientKey = netip.Addr

// clients knows what each client has in flight and how many requests it has made.
type clients struct {
	rate float64 // requests a second, 0 is no limit

	mu     sync.Mutex
	by     map[clientKey]*client
	bytes  int       // in flight, of all
	busy   int       // clients with something in flight
	looked time.Time // for clients to forget
}

type client struct {
	bytes  int     // in flight
	tokens float64 // requests that it may make at once
	seen   time.Time
}

func newClients(c httpConfig) *clients {
	return &clients{rate: c.ClientRate.Amount, by: map[clientKey]*client{}}
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
	if x := c.by[key]; x != nil && c.busy > 1 && x.bytes > 0 && x.bytes*c.busy >= c.bytes { // one alone takes nobody's share
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
	burst := max(1, c.rate)
	x := c.by[key]
	if x == nil && c.full(now) {
		key = clientKey{} // more clients than can be told apart share one rate
		x = c.by[key]
	}
	if x == nil {
		x = &client{tokens: burst, seen: now}
		c.by[key] = x
	} else if x.seen.IsZero() {
		x.tokens = burst
	}
	x.tokens = min(burst, x.tokens+c.rate*max(0, now.Sub(x.seen).Seconds()))
	x.seen = now
	if x.tokens < 1 {
		return false
	}
	x.tokens--
	return true
}

// full reports whether there are too many clients to remember another. Those whose rate has recovered are forgotten first, if
// that was not done just now.
func (c *clients) full(now time.Time) bool {
	const many, often = 10_000, time.Second
	if len(c.by) < many {
		return false
	}
	if now.Sub(c.looked) >= often {
		c.looked = now
		for key, x := range c.by {
			if x.bytes == 0 && now.Sub(x.seen) > time.Minute {
				delete(c.by, key)
			}
		}
	}
	return len(c.by) >= many
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
		if x.seen.IsZero() {
			delete(c.by, key)
		}
	}
}

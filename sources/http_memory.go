package sources

import "sync/atomic"

// bodies bounds the memory of requests from the first byte of a body until the answer. The window of the graph
// counts only what it has accepted; without this a thousand connections could each hold a body of the largest size.
type bodies struct {
	limit int64
	used  atomic.Int64
}

// leastBodies is room for many small bodies, however small max_body is.
const leastBodies = 64 << 20

func newBodies(c httpConfig) *bodies { return &bodies{limit: max(2*int64(c.MaxBody), leastBodies)} }

// A hold is what one request has taken.
type hold struct {
	of *bodies
	n  int64
}

// grow takes n bytes. It reports false if there is no room. One request alone always has room: its own limits hold it.
func (h *hold) grow(n int) bool {
	used := h.of.used.Add(int64(n))
	if used > h.of.limit && used-int64(n) > h.n {
		h.of.used.Add(int64(-n))
		return false
	}
	h.n += int64(n)
	return true
}

// release gives everything back.
func (h *hold) release() {
	h.of.used.Add(-h.n)
	h.n = 0
}

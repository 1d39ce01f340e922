package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// ErrSlow is the cause of an error when a destination was taking a body at the end of the time for it, and had not got all of it:
// it cannot have acted on it, and a smaller body would have got through.
var ErrSlow = errors.New("the destination takes the body too slowly")

// metered is a connection that counts the bytes that it has taken.
type metered struct {
	net.Conn
	written atomic.Int64
}

// meterPiece is what is written at once: of a longer piece nothing is seen until all of it has gone.
const meterPiece = 8 << 10

// Write writes in pieces.
func (m *metered) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = m.Conn.Write(b[n:min(len(b), n+meterPiece)])
		n += k
		m.written.Add(int64(k))
	}
	return n, err
}

// upload looks at a request on its way: half way through the time that it has, and shortly before its end. Then is too late: the connection is
// closed.
type upload struct {
	half, last *time.Timer

	mu         sync.Mutex
	conn       *metered
	sent       bool  // to the system's buffers, whole
	atHalf     int64 // bytes that the other end had got
	atLast     int64
	incomplete bool // at the last look
}

// watch begins to look at a request, which has so much time, and returns the context for it.
func (u *upload) watch(ctx context.Context, limit time.Duration) context.Context {
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end))
	}
	u.half = time.AfterFunc(limit/2, func() { u.look(&u.atHalf) })
	u.last = time.AfterFunc(limit-limit/32, func() { u.look(&u.atLast) })
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			c := i.Conn
			if t, ok := c.(*tls.Conn); ok {
				c = t.NetConn()
			}
			u.mu.Lock()
			defer u.mu.Unlock()
			u.conn, _ = c.(*metered)
			u.sent = false
		},
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.sent = i.Err == nil
		},
	})
}

// look notes how much the other end has got.
func (u *upload) look(at *int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn == nil {
		return
	}
	left := unacknowledged(u.conn.Conn)
	*at = u.conn.written.Load() - left
	u.incomplete = !u.sent || left > 0
}

// end ends looking.
func (u *upload) end() {
	u.half.Stop()
	u.last.Stop()
}

// slow reports of a request that was given up when its time was over whether the destination was still taking it: something has moved in the
// second half of the time. One that has stopped reading is not slow.
func (u *upload) slow() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.incomplete && u.atLast > u.atHalf
}

package hostile

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Pipe returns the two ends of a connection in memory that behaves as one of TCP does: each direction has a buffer of the given
// bytes, can be closed alone and can be reset. In a bubble of testing/synctest whoever waits for it is durably blocked.
func Pipe(buffer int) (a, b *Conn) {
	x, y := newStream(buffer), newStream(buffer)
	return &Conn{in: x, out: y}, &Conn{in: y, out: x}
}

// Conn is one end of a [Pipe].
type Conn struct {
	in, out *stream
}

// A stream is one direction of a connection.
type stream struct {
	mu              sync.Mutex
	data            []byte
	most            int
	writerGone      bool // what is in data can still be read
	readerGone      bool
	reset           bool
	readBy, writeBy time.Time     // deadlines, zero is none
	changed         chan struct{} // closed and replaced at every change
}

func newStream(most int) *stream { return &stream{most: most, changed: make(chan struct{})} }

// set changes the stream and wakes those who wait for it.
func (s *stream) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// until runs try until it is done, at most until the deadline that by points to.
func (s *stream) until(by *time.Time, try func() (done bool)) error {
	for {
		s.mu.Lock()
		if try() {
			s.mu.Unlock()
			return nil
		}
		deadline, changed := *by, s.changed
		s.mu.Unlock()
		var due <-chan time.Time
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			timer := time.NewTimer(left)
			defer timer.Stop()
			due = timer.C
		}
		select {
		case <-changed:
		case <-due:
		}
	}
}

func (s *stream) read(p []byte) (n int, err error) {
	late := s.until(&s.readBy, func() bool {
		switch {
		case s.reset:
			err = syscall.ECONNRESET
		case s.readerGone:
			err = net.ErrClosed
		case len(s.data) > 0:
			n = copy(p, s.data)
			s.data = append(s.data[:0], s.data[n:]...)
		case s.writerGone:
			err = io.EOF
		default:
			return len(p) == 0
		}
		return true
	})
	if late != nil {
		return 0, late
	}
	if n > 0 {
		s.set(func() {})
	}
	return n, err
}

func (s *stream) write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		k := 0
		late := s.until(&s.writeBy, func() bool {
			switch room := s.most - len(s.data); {
			case s.reset:
				err = syscall.ECONNRESET
			case s.writerGone:
				err = net.ErrClosed
			case s.readerGone:
				err = syscall.EPIPE
			case room > 0:
				k = min(room, len(p)-n)
				s.data = append(s.data, p[n:n+k]...)
			default:
				return false
			}
			return true
		})
		if late != nil {
			return n, late
		}
		n += k
		if k > 0 {
			s.set(func() {})
		}
	}
	return n, err
}

// Read reads what the other end has written.
func (c *Conn) Read(p []byte) (int, error) { return c.in.read(p) }

// Write waits for room in the buffer.
func (c *Conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both directions. The other end can read what was written before.
func (c *Conn) Close() error {
	c.out.set(func() { c.out.writerGone = true })
	c.in.set(func() { c.in.readerGone = true })
	return nil
}

// CloseWrite ends the direction to the other end.
func (c *Conn) CloseWrite() error {
	c.out.set(func() { c.out.writerGone = true })
	return nil
}

// Reset ends both directions at once; what is on its way is lost.
func (c *Conn) Reset() {
	c.out.set(func() { c.out.reset = true })
	c.in.set(func() { c.in.reset = true })
}

// AwaitGone blocks until the other end has closed the connection. It reads nothing.
func (c *Conn) AwaitGone() {
	var never time.Time
	_ = c.out.until(&never, func() bool { return c.out.readerGone || c.out.reset })
}

type address struct{}

func (address) Network() string { return "pipe" }
func (address) String() string  { return "pipe" }

// LocalAddr returns a name.
func (c *Conn) LocalAddr() net.Addr { return address{} }

// RemoteAddr returns a name.
func (c *Conn) RemoteAddr() net.Addr { return address{} }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline bounds reads, also one that waits.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.set(func() { c.in.readBy = t })
	return nil
}

// SetWriteDeadline bounds writes, also one that waits.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.set(func() { c.out.writeBy = t })
	return nil
}

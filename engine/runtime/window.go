package runtime

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A window bounds what is in flight between the sources and the last done, in bytes of estimated heap. Each
// source port has a share of its own, so that one that is stuck holds up no other. Only sources wait for it: what
// the middle of the graph makes larger overdraws, so that it cannot wait for memory that its own tail holds.
type window struct {
	total  int
	used   atomic.Int64
	open   atomic.Int64 // source batches that are not done
	shares []*share

	mu       sync.Mutex
	watchers []chan struct{}
}

func newWindow(total int) *window { return &window{total: total} }

// A share is one source port's part of the window.
type share struct {
	w     *window
	limit int

	mu          sync.Mutex
	used        int
	room        chan struct{} // closed and replaced when bytes come back to a share that somebody waits for
	oldest      *flight       // of a list in order of acceptance
	newest      *flight
	points      int
	blockedTime time.Duration
}

// A flight is one source batch on its way.
type flight struct {
	bytes, points int
	since         time.Time
	prev, next    *flight
}

// addShare makes a share. All are made before the first is used; they are equal.
func (w *window) addShare() *share {
	s := &share{w: w}
	w.shares = append(w.shares, s)
	for _, x := range w.shares {
		x.limit = w.total / len(w.shares)
	}
	return s
}

// take waits until the share has room for the given bytes and returns the flight to land. A batch that is
// larger than the share goes alone.
func (s *share) take(ctx context.Context, bytes, points int, now time.Time) (*flight, error) {
	s.mu.Lock()
	for s.used > 0 && s.used+bytes > s.limit {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		start := time.Now()
		select {
		case <-room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		s.mu.Lock()
		s.blockedTime += time.Since(start)
	}
	f := &flight{bytes: bytes, points: points, since: now, prev: s.newest}
	if s.newest != nil {
		s.newest.next = f
	} else {
		s.oldest = f
	}
	s.newest = f
	s.used += bytes
	s.points += points
	s.mu.Unlock()
	s.w.used.Add(int64(bytes))
	s.w.open.Add(1)
	return f, nil
}

// land gives the bytes of a flight back.
func (s *share) land(f *flight) {
	s.mu.Lock()
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		s.oldest = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		s.newest = f.prev
	}
	s.used -= f.bytes
	s.points -= f.points
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	s.mu.Unlock()
	s.w.used.Add(int64(-f.bytes))
	s.w.open.Add(-1)
	s.w.notify()
}

// unacked returns the points in flight and when the oldest of them was read.
func (s *share) unacked() (points int, oldest time.Time, blocked time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.oldest != nil {
		oldest = s.oldest.since
	}
	return s.points, oldest, s.blockedTime
}

// watch returns a channel that gets a signal after a source batch was done. Signals are not queued.
func (w *window) watch() <-chan struct{} {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	w.watchers = append(w.watchers, c)
	w.mu.Unlock()
	return c
}

func (w *window) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// pressure returns how full the window is, 0 to 1 and more.
func (w *window) pressure() float64 { return float64(w.used.Load()) / float64(w.total) }

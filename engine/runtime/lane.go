package runtime

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"dataflow/engine"
)

// A lane is the part of a sink that one category takes. Up to concurrency groups are sent at once. While the
// destination fails, one probe at a time goes out, the oldest body; the rest waits, which is backpressure: the
// window fills and the source slows down.
type lane struct {
	sink        *sinkNode
	name        string
	concurrency int
	slots       chan struct{} // of bodies on their way, where some come from the disk

	mu      sync.Mutex
	queue   []*group
	active  int
	tickets []uint64 // of the bodies on their way, oldest first
	next    uint64
	health  laneHealth
	spills  spills
	changed chan struct{} // closed and replaced at every change that a waiting body cares for
}

// laneHealth is what the lane knows of its destination.
type laneHealth struct {
	failures int // in a row, 0 is healthy
	since    time.Time
	until    time.Time // no attempt before
}

func newLane(s *sinkNode, name string, concurrency int) *lane {
	concurrency = max(concurrency, 1)
	return &lane{sink: s, name: name, concurrency: concurrency, slots: make(chan struct{}, concurrency), changed: make(chan struct{})}
}

// enqueue takes a group and starts another sender if there is room for one.
func (l *lane) enqueue(ctx context.Context, g *group, wg *sync.WaitGroup) {
	l.mu.Lock()
	l.queue = append(l.queue, g)
	alone := l.spills.taking && l.inOrder()
	start := l.active < l.workers() && !alone
	if start {
		l.active++
	}
	overflows := !start && !alone && l.overflows()
	l.mu.Unlock()
	if overflows {
		wg.Go(func() {
			for g := l.overflow(); g != nil; g = l.overflow() {
				l.sink.store(ctx, l, g)
			}
		})
	}
	if start {
		wg.Go(func() {
			for g, shelve := l.take(); g != nil; g, shelve = l.take() {
				l.sink.send(ctx, l, g, shelve)
			}
		})
	}
}

// take returns the next group, nil when there is none: then the sender ends. Of a sink with a disk buffer it says whether the
// group goes there.
func (l *lane) take() (g *group, shelve bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 || l.spills.taking && l.inOrder() {
		l.active--
		return nil, false
	}
	return l.front(), l.sink.shelf != nil && l.shelve()
}

// front takes the next group off the queue, which has one. Small groups that piled up while the lane was busy leave
// together. The mutex is held.
func (l *lane) front() *group {
	g := l.queue[0]
	n := 1
	for n < len(l.queue) && l.fits(g, l.queue[n]) {
		x := l.queue[n]
		g.bs = append(g.bs, x.bs...)
		g.points += x.points
		g.roots += x.roots
		g.bytes += x.bytes
		n++
	}
	l.queue = slices.Delete(l.queue, 0, n)
	return g
}

// fits reports whether two groups may leave as one.
func (l *lane) fits(a, b *group) bool {
	most := l.sink.batching
	return a.points+b.points <= most.MaxPoints && (most.MaxBytes == 0 || a.bytes+b.bytes <= int(most.MaxBytes))
}

// ticket puts a body in line.
func (l *lane) ticket() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.tickets = append(l.tickets, l.next)
	return l.next
}

// leave takes a body out of line.
func (l *lane) leave(ticket uint64) {
	l.mu.Lock()
	if i := slices.Index(l.tickets, ticket); i >= 0 {
		l.tickets = slices.Delete(l.tickets, i, i+1)
	}
	l.broadcast()
	l.mu.Unlock()
}

func (l *lane) broadcast() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// await blocks until the body may be sent: at once on a healthy lane; on a failing one when it is the oldest
// and the back-off has passed. It returns how many failures in a row there were before this attempt. ErrMoved says that the body
// goes to the disk instead, or stays there.
func (l *lane) await(ctx context.Context, ticket uint64, p load) (round int, err error) {
	for {
		l.mu.Lock()
		h, changed := l.health, l.changed
		first := l.tickets[0] == ticket
		l.mu.Unlock()
		if h.failures == 0 {
			return 0, ctx.Err()
		}
		if p.spill != nil && p.spill() {
			return 0, errMoved
		}
		wait := time.Duration(-1) // until somebody changes something
		if first {
			if wait = time.Until(h.until); wait <= 0 {
				return h.failures, ctx.Err()
			}
		}
		if err := pause(ctx, changed, p.leave, wait); err != nil {
			return 0, err
		}
	}
}

// pause waits for the channel, for d unless it is negative, or for the end of ctx or of leave, which are errors.
func pause(ctx context.Context, changed, leave <-chan struct{}, d time.Duration) error {
	var due <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-due:
	case <-leave:
		return errMoved
	case <-ctx.Done():
	}
	return ctx.Err()
}

// failed notes a failed attempt of the given round and returns how long the lane has been failing. Bodies that
// were on their way together and fail are one failure, or the back-off would jump.
func (l *lane) failed(round int, err *engine.SendError) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.health.failures == 0 {
		l.health.since = now
	}
	switch {
	case round >= l.health.failures:
		l.health.failures++
		l.health.until = now.Add(backoff(l.sink.retry, l.health.failures, err.After))
	case now.Add(err.After).After(l.health.until):
		l.health.until = now.Add(err.After)
	}
	l.broadcast()
	l.sink.note(l, err)
	return now.Sub(l.health.since)
}

// recovered notes that the destination has answered.
func (l *lane) recovered() {
	l.mu.Lock()
	if l.health.failures > 0 {
		l.health = laneHealth{}
		l.broadcast()
		l.sink.note(l, nil)
	}
	l.mu.Unlock()
}

// backoff returns the wait before the next attempt: full jitter, doubling up to the maximum; what the
// destination asks for overrides it.
func backoff(r retry, failures int, after time.Duration) time.Duration {
	if after > 0 {
		return after
	}
	ceiling := r.Max
	if shift := failures - 1; shift < 20 {
		ceiling = min(r.Max, r.Initial<<shift)
	}
	if ceiling <= 0 {
		return 0
	}
	// A jitter of nothing at all would be a busy loop.
	return max(time.Duration(rand.Int64N(int64(ceiling)+1)), min(ceiling, 10*time.Millisecond))
}

// Package watermark finds the position below which everything is done, when things are handed out in order
// and done in any order. The Kafka source commits that position, a disk buffer trims up to it. It is a leaf.
package watermark

import (
	"context"
	"sync"
)

// Position is where reading goes on: the offset of the next record, with the epoch of the leader that gave
// out the one before it (-1 is unknown).
type Position struct {
	Offset int64
	Epoch  int32
}

// Tracker is a ring of entries in the order of delivery, each with the position behind it. The head advances
// over entries that are done. It goes by order, not by the numbers, so that holes in them (compaction,
// transaction markers) need no special case. All methods may be called from any goroutine. In a steady state
// nothing is allocated.
type Tracker struct {
	onDone func(points int, late bool)

	mu      sync.Mutex
	ring    []*Entry // its length is a power of two; slots outside of head to tail hold entries for reuse
	head    uint64   // the oldest entry that is not done
	tail    uint64   // where the next one goes
	at      Position // behind the last entry that the head passed
	open    int      // points of entries that are not done
	pending int      // entries that are not done
	late    int      // points that were done after Revoke
	revoked bool
	idle    chan struct{} // closed when nothing is open, if somebody waits
}

// Entry is a range of positions that was handed out.
type Entry struct {
	tracker *Tracker
	ack     func()
	end     Position
	points  int
	added   int64
	done    bool
}

// New returns a tracker whose first entry begins at start. OnDone, if given, is called for every entry that
// is done, without a lock held; late says that the tracker had been revoked and the entry changed nothing.
func New(start Position, onDone func(points int, late bool)) *Tracker {
	return &Tracker{at: start, onDone: onDone, ring: make([]*Entry, 16)}
}

// Add hands out the range that begins where the last one ended and ends before end. Now, in ns, is for
// [Tracker.Oldest]. The entry is good until it is done.
func (t *Tracker) Add(end Position, points int, now int64) *Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tail-t.head == uint64(len(t.ring)) {
		t.grow()
	}
	slot := &t.ring[t.tail&uint64(len(t.ring)-1)]
	if *slot == nil {
		e := &Entry{tracker: t}
		e.ack = e.Done // bound once: a method value per batch would be an allocation per batch
		*slot = e
	}
	e := *slot
	e.end, e.points, e.added, e.done = end, points, now, false
	t.tail++
	t.open += points
	t.pending++
	return e
}

func (t *Tracker) grow() {
	ring := make([]*Entry, 2*len(t.ring))
	for i := t.head; i < t.tail; i++ {
		ring[i&uint64(len(ring)-1)] = t.ring[i&uint64(len(t.ring)-1)]
	}
	t.ring = ring
}

// Ack returns the entry's Done as a function, without allocating one.
func (e *Entry) Ack() func() { return e.ack }

// Done marks the entry. It must be called once: afterwards the entry may stand for another range.
func (e *Entry) Done() {
	t, points := e.tracker, e.points
	t.mu.Lock()
	late := t.revoked
	if late {
		t.late += points
	} else if !e.done {
		t.mark(e)
	}
	t.mu.Unlock()
	if t.onDone != nil {
		t.onDone(points, late)
	}
}

// Withdraw takes back the newest entry, whose range was not handed out after all. It reports false, and
// changes nothing, if another entry was added since or the tracker was revoked.
func (e *Entry) Withdraw() bool {
	t := e.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.revoked || t.tail == t.head || t.ring[(t.tail-1)&uint64(len(t.ring)-1)] != e {
		return false
	}
	t.tail--
	t.open -= e.points
	t.pending--
	t.wake()
	return true
}

// wake ends the waits when nothing is open.
func (t *Tracker) wake() {
	if t.pending == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

func (t *Tracker) mark(e *Entry) {
	e.done = true
	t.open -= e.points
	t.pending--
	for t.head < t.tail {
		first := t.ring[t.head&uint64(len(t.ring)-1)]
		if !first.done {
			break
		}
		t.at = first.end
		t.head++
	}
	t.wake()
}

// Head returns the position below which everything is done.
func (t *Tracker) Head() Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at
}

// Open returns the points that were handed out and are not done.
func (t *Tracker) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// Oldest returns the time at which the oldest range that is not done was handed out, 0 if there is none.
func (t *Tracker) Oldest() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head == t.tail {
		return 0
	}
	return t.ring[t.head&uint64(len(t.ring)-1)].added
}

// Wait returns nil when everything handed out is done or the tracker is revoked, and ctx's error when that
// ends first.
func (t *Tracker) Wait(ctx context.Context) error {
	t.mu.Lock()
	if t.pending == 0 || t.revoked {
		t.mu.Unlock()
		return nil
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Revoke freezes the head and returns it: what is done from now on is counted as late and moves nothing.
func (t *Tracker) Revoke() Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked = true
	if t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
	return t.at
}

// Late returns the points that were done after [Tracker.Revoke].
func (t *Tracker) Late() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.late
}

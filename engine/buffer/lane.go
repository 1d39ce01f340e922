package buffer

import (
	"context"
	"slices"

	"dataflow/engine/watermark"
)

// Lane is a FIFO of its own in a buffer: what is refused on one holds up no other.
type Lane struct {
	store   *Store
	buffer  *Buffer // nil as long as nobody has opened it
	id      laneID
	name    string
	tracker *watermark.Tracker // of what was handed out

	// The committer's own.
	assigned uint64 // sequence of the next frame
	trimmed  uint64 // where the last range delete ended
	named    bool   // the name table has it

	// The store's lock guards these.
	next    uint64    // behind the last frame that can be read
	low     uint64    // behind the last one that was deleted
	read    uint64    // behind the last one that was taken out of the tail or read from the disk
	tail    []*stored // the newest ones, without a gap up to next
	tailAt  uint64    // where they begin, next if there are none
	cached  int64     // bytes of their data
	ahead   []*stored // read from the disk, behind those that were handed out
	ready   []*stored // put back, in order
	out     map[*stored]struct{}
	loading bool
	bytes   int64
	waiting int           // bodies that were accepted and are not in the tail yet
	undone  uint64        // points done since the committer was told
	changed chan struct{} // closed and replaced when there may be something to read
	// what recovery found missing, until a buffer takes it over
	lostAtOpen map[string]int64
}

// stored is a frame in memory.
type stored struct {
	Entry
	lane   *Lane
	seq    uint64
	points uint64
	size   int64
	lost   bool // there is no frame: a hole that is counted
	mark   *watermark.Entry
	round  uint64 // changes whenever it is taken away from a reader
}

func (e *stored) end() uint64 { return e.seq + e.points }

func newLane(s *Store, id laneID, name string, low, next uint64) *Lane {
	l := &Lane{
		store: s, id: id, name: name, assigned: next, trimmed: low, next: next, low: low, read: low, tailAt: next,
		out: map[*stored]struct{}{}, changed: make(chan struct{}),
	}
	l.tracker = watermark.New(watermark.Position{Offset: int64(low)}, nil)
	s.lanes++
	return l
}

// Delivery is a body that a reader has. It ends with Done or PutBack.
type Delivery struct {
	Entry
	stored *stored
	round  uint64
}

// Name returns the lane's name.
func (l *Lane) Name() string { return l.name }

// Holds reports whether there is a body that is not done.
func (l *Lane) Holds() bool {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.waiting > 0 || uint64(l.tracker.Head().Offset) < l.next
}

// Next waits for the oldest body that is not handed out, and hands it out. It may come before its append is done: then
// a crash may bring it again. Several goroutines may call it.
func (l *Lane) Next(ctx context.Context) (*Delivery, error) {
	for {
		d, changed, err := l.try(ctx)
		if d != nil || err != nil {
			return d, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TryNext is Next without the wait for a body: it returns nil if there is none.
func (l *Lane) TryNext(ctx context.Context) (*Delivery, error) {
	d, _, err := l.try(ctx)
	return d, err
}

func (l *Lane) try(ctx context.Context) (*Delivery, <-chan struct{}, error) {
	l.fill(ctx)
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.store.err != nil {
		return nil, nil, l.store.err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if l.front() == nil {
		return nil, l.changed, nil
	}
	e := l.pop()
	l.out[e] = struct{}{}
	return &Delivery{Entry: e.Entry, stored: e, round: e.round}, nil, nil
}

// front returns what comes next, nil if it is not in memory or there is nothing.
func (l *Lane) front() *stored {
	switch {
	case len(l.ready) > 0:
		return l.ready[0]
	case len(l.ahead) > 0:
		return l.ahead[0]
	case len(l.tail) > 0 && l.tailAt == l.read:
		return l.tail[0]
	}
	return nil
}

// pop takes the front.
func (l *Lane) pop() *stored {
	var e *stored
	switch {
	case len(l.ready) > 0:
		e, l.ready = l.ready[0], l.ready[1:]
		return e
	case len(l.ahead) > 0:
		e, l.ahead = l.ahead[0], l.ahead[1:]
	default:
		e = l.tail[0]
		l.dropTail()
		l.read = e.end()
	}
	l.enter(e)
	l.passHoles() // after e: order is what the tracker goes by
	return e
}

// enter puts a frame, or a hole, into the order of what is to be done.
func (l *Lane) enter(e *stored) {
	e.mark = l.tracker.Add(watermark.Position{Offset: int64(e.end())}, int(e.points), e.Read)
}

// dropTail takes the oldest one out of the cache.
func (l *Lane) dropTail() {
	l.cached -= int64(len(l.tail[0].Body.Data))
	l.tailAt = l.tail[0].end()
	l.tail[0] = nil
	l.tail = l.tail[1:]
}

// add takes over a frame that was written, and keeps it in memory if there is room for it.
func (l *Lane) add(e *stored) {
	l.next = e.end()
	l.bytes += e.size
	l.tail = append(l.tail, e)
	l.cached += int64(len(e.Body.Data))
	share := max(l.store.o.CacheBytes, 0) / int64(l.store.lanes)
	for len(l.tail) > 0 && l.cached > share {
		l.dropTail()
	}
}

func (l *Lane) wakeAll() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// finish is the end of a frame that was taken.
func (l *Lane) finish(e *stored) {
	b := l.buffer
	e.mark.Done()
	l.bytes -= e.size
	b.bytes -= e.size
	if uint64(l.tracker.Head().Offset) == l.next {
		// Frames that could not be read were counted, too.
		b.bytes -= l.bytes
		l.bytes = 0
	}
	b.wakeRoom()
	if l.undone += e.points; l.undone >= trimPoints {
		l.undone = 0
		l.store.trims.Store(true)
		l.store.kick()
	}
}

// Done says that somebody else is responsible for the body now. It does nothing if the body was recalled, or is done
// already.
func (d *Delivery) Done() {
	l := d.stored.lane
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if !d.leave() {
		return
	}
	l.buffer.tally.outBodies++
	l.buffer.tally.outPoints += int64(d.Body.Points)
	l.buffer.tally.outBytes += d.stored.size
	l.finish(d.stored)
}

// leave ends the delivery, and reports false if it has ended before. The caller holds the lock.
func (d *Delivery) leave() bool {
	l := d.stored.lane
	if _, ok := l.out[d.stored]; !ok || d.round != d.stored.round {
		l.buffer.tally.late++
		return false
	}
	delete(l.out, d.stored)
	d.stored.round++
	return true
}

// PutBack gives the body back: it is handed out again, before all that come after it. What the caller has set in the
// entry's FirstAttempt is kept until a restart.
func (d *Delivery) PutBack() {
	l := d.stored.lane
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if !d.leave() {
		return
	}
	d.stored.FirstAttempt = d.FirstAttempt
	l.putBack(d.stored)
}

func (l *Lane) putBack(e *stored) {
	l.buffer.tally.putBack++
	i, _ := slices.BinarySearchFunc(l.ready, e.seq, func(x *stored, seq uint64) int {
		if x.seq < seq {
			return -1
		}
		return 1
	})
	l.ready = slices.Insert(l.ready, i, e)
	l.wakeAll()
}

// Recall takes back what is handed out, for another reader: what the former one says of it later is counted as late
// and changes nothing.
func (l *Lane) Recall() {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	for e := range l.out {
		delete(l.out, e)
		e.round++
		l.putBack(e)
	}
}

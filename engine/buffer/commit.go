package buffer

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	pipeDepth  = 4       // groups whose sync is under way
	groupBytes = 1 << 20 // of a group, unless one frame is larger
	trimPoints = 4096    // done points that move a cursor, see trimEvery
	trimEvery  = time.Second
	ownerEvery = 60 // of these
)

// request is a body on its way to the disk.
type request struct {
	lane   *Lane
	entry  Entry
	frame  []byte // without the checksum
	sum    uint32 // of the frame
	points uint64 // by which the sequence moves
	size   int64
	sync   Sync
	began  time.Time
	done   func(error)
}

// group is what one batch of Pebble holds.
type group struct {
	batch    *pebble.Batch
	requests []*request
	applied  bool // those that do not wait for the sync are answered; guarded by Store.mu
	marks    map[*Lane]mark
	started  time.Time
}

// committer is the state of the goroutine that writes.
type committer struct {
	*Store
	touched  map[*Lane]struct{} // since the last sync
	deadline time.Time          // of the next sync for what was said to be done without one; zero is none
	timer    *time.Timer
}

// kick wakes the committer.
func (s *Store) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// commitLoop writes what is queued, in order. Nothing waits to be grouped: groups form while the pipe is full.
func (s *Store) commitLoop() {
	c := &committer{Store: s, touched: map[*Lane]struct{}{}, timer: time.NewTimer(time.Hour)}
	defer c.timer.Stop()
	defer close(s.pipe)
	defer func() {
		if r := recover(); r != nil {
			s.fail(fmt.Errorf("pebble: %v", r))
		}
	}()
	for {
		last := false
		select {
		case <-s.wake:
		case <-c.timer.C:
		case <-s.closing:
			last = true
		case <-s.stop.Done():
			return
		}
		for {
			more, err := c.commit(last)
			if err != nil {
				s.fail(err)
				return
			}
			if !more {
				break
			}
		}
		if last {
			return
		}
	}
}

// take makes a group of the front of the queue, which may be empty. From here on its requests are answered by whoever
// comes first: this goroutine, the one that waits for the sync, or a failure.
func (c *committer) take() *group {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size := 0, int64(0)
	for n < len(c.queue) && (n == 0 || size+c.queue[n].size <= groupBytes) {
		size += c.queue[n].size
		n++
	}
	g := &group{requests: c.queue[:n:n]}
	if n > 0 {
		c.groups[g] = struct{}{}
	}
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue = nil
	}
	return g
}

// commit writes one group and the cursors that moved. It reports whether there is more to write.
func (c *committer) commit(last bool) (more bool, err error) {
	g := c.take()
	requests := g.requests
	now := c.o.Now()
	trim := c.trims.Swap(false) || last
	due := last && len(requests) == 0 || !c.deadline.IsZero() && !now.Before(c.deadline)
	if len(requests) == 0 && !trim && !due {
		return false, nil
	}
	size := int64(256)
	for _, r := range requests {
		size += r.size + 32
	}
	batch := c.db.NewBatchWithSize(int(size))
	g.batch, g.started = batch, now
	sync, err := c.fill(g)
	if err != nil {
		return false, errors.Join(err, batch.Close())
	}
	var trimmed []func()
	if trim {
		if trimmed, err = c.trim(batch, now); err != nil {
			return false, errors.Join(err, batch.Close())
		}
	}
	if batch.Empty() && !due {
		return false, batch.Close()
	}
	sync = sync || due
	if err := c.apply(g, sync); err != nil {
		return false, err
	}
	if c.publish(g, trimmed, sync) {
		for _, r := range requests {
			if r.sync != Group {
				r.done(nil)
			}
		}
	}
	if sync {
		c.pipe <- g
	}
	return len(requests) > 0, nil
}

// fill puts the requests into the batch and reports whether somebody waits for a sync.
func (c *committer) fill(g *group) (sync bool, err error) {
	var key [keyBytes]byte
	for _, r := range g.requests {
		l := r.lane
		if !l.named {
			k := appendKey(key[:0], kindName, l.id, 0)
			if err := g.batch.Set(k, appendNames(nil, k, l.buffer.name, l.name), nil); err != nil {
				return false, err
			}
			l.named = true
		}
		k := appendKey(key[:0], kindData, l.id, l.assigned)
		r.frame = sealFrame(r.frame, r.sum, k)
		if err := g.batch.Set(k, r.frame, nil); err != nil {
			return false, err
		}
		l.assigned += r.points
		c.touched[l] = struct{}{}
		switch r.sync {
		case Group:
			sync = true
		case Interval:
			c.syncBy(g.started.Add(l.buffer.interval()))
		}
	}
	return sync, nil
}

func (b *Buffer) interval() time.Duration {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return b.o.Interval
}

// syncBy sees to it that there is a sync until then.
func (c *committer) syncBy(t time.Time) {
	if c.deadline.IsZero() || t.Before(c.deadline) {
		c.deadline = t
		c.timer.Reset(t.Sub(c.o.Now()))
	}
}

// trim deletes what is done, up to the watermark of each lane. Ranges are adjacent, never from zero: those cost
// Pebble more the more of them there are. Losing them costs repetitions, not data.
func (c *committer) trim(batch *pebble.Batch, now time.Time) (after []func(), err error) {
	for _, l := range c.allLanes() {
		low, head := l.trimmed, uint64(l.tracker.Head().Offset)
		if head <= low {
			continue
		}
		if err := batch.DeleteRange(appendKey(nil, kindData, l.id, low), appendKey(nil, kindData, l.id, head), nil); err != nil {
			return nil, err
		}
		k := appendKey(nil, kindCursor, l.id, 0)
		if err := batch.Set(k, appendCursor(nil, k, head), nil); err != nil {
			return nil, err
		}
		l.trimmed = head
		c.touched[l] = struct{}{}
		if l.buffer.syncs() {
			c.syncBy(now.Add(trimEvery))
		}
		after = append(after, func() { l.low = head })
	}
	return after, nil
}

func (b *Buffer) syncs() bool {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return b.o.Sync != Never
}

func (s *Store) allLanes() []*Lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lanes []*Lane
	for _, b := range s.buffers {
		for _, l := range b.lanes {
			lanes = append(lanes, l)
		}
	}
	return lanes
}

// apply hands the batch to Pebble. Pebble's own wait for the sync is not used: with a logger that returns from
// Fatalf it says that a failed one was fine.
func (c *committer) apply(g *group, sync bool) error {
	if !sync {
		err := c.db.Apply(g.batch, pebble.NoSync)
		return errors.Join(err, g.batch.Close(), c.failure())
	}
	if g.batch.Empty() {
		if err := g.batch.LogData(nil, nil); err != nil {
			return err
		}
	}
	g.marks = map[*Lane]mark{}
	for l := range c.touched {
		g.marks[l] = mark{l.assigned, uint64(l.tracker.Head().Offset)}
	}
	clear(c.touched)
	c.deadline = time.Time{}
	if err := c.db.ApplyNoSyncWait(g.batch, pebble.Sync); err != nil {
		return err
	}
	return c.failure()
}

// failure returns what the store has failed with, nil if it is only closed.
func (s *Store) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, ErrFailed) {
		return s.err
	}
	return nil
}

// publish shows the bodies to the readers. It reports whether those that do not wait for a sync are to be answered:
// after a failure they are already.
func (c *committer) publish(g *group, trimmed []func(), sync bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, open := c.groups[g]
	if g.applied = true; !sync {
		delete(c.groups, g)
	}
	c.meter.groups++
	for _, f := range trimmed {
		f()
	}
	now := c.o.Now()
	for _, r := range g.requests {
		c.queued -= r.size
		l := r.lane
		l.waiting--
		b := l.buffer
		if r.sync != Group {
			b.tally.waited += now.Sub(r.began)
		}
		b.tally.inBodies++
		b.tally.inPoints += int64(r.entry.Body.Points)
		b.tally.inBytes += r.size
		l.add(&stored{Entry: r.entry, lane: l, seq: l.next, points: r.points, size: r.size})
		l.wakeAll()
		b.wakeRoom() // for the queue's sake
	}
	return open
}

// syncLoop waits for the syncs, in order, and says done.
func (s *Store) syncLoop() {
	for g := range s.pipe {
		err := g.batch.SyncWait()
		now := s.o.Now()
		s.mu.Lock()
		failed := errors.Is(s.err, ErrFailed)
		if err == nil && !failed {
			delete(s.groups, g)
			s.meter.synced(now.Sub(g.started))
			for _, r := range g.requests {
				if r.sync == Group {
					r.lane.buffer.tally.waited += now.Sub(r.began)
				}
			}
		}
		s.mu.Unlock()
		if err != nil {
			s.fail(fmt.Errorf("syncing: %w", err))
		}
		if err != nil || failed {
			s.drainPipe()
			return
		}
		for l, m := range g.marks {
			if err := s.marks.write(l.id.lane, m); err != nil {
				s.degrade(err.Error())
			}
		}
		for _, r := range g.requests {
			if r.sync == Group {
				r.done(nil)
			}
		}
		if err := g.batch.Close(); err != nil {
			s.degrade(err.Error())
		}
	}
}

// drainPipe lets the committer end. After a failure a sync may never answer.
func (s *Store) drainPipe() {
	for range s.pipe {
		continue
	}
}

package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"

	"dataflow/engine"
	"dataflow/engine/buffer"
)

// errMoved says that a body is, or stays, on the disk.
var errMoved = errors.New("the body is on the disk")

// spills is what a lane of a sink with `buffer: spill` knows of the disk: groups that come go there, too, until it is
// drained, so that the order stays. The lane's mutex guards it.
type spills struct {
	on      bool
	taking  bool // the queue is being taken to the disk, because all senders are busy
	storing int  // senders that put a group on the disk
	behind  map[*buffer.Lane]struct{}
}

// workers returns how many groups are worked on at once: those that go to the disk only need a processor each.
func (l *lane) workers() int {
	if d := l.sink.shelf; d == nil || d.spills || l.inOrder() {
		return l.concurrency
	}
	return max(l.concurrency, goruntime.GOMAXPROCS(0))
}

// inOrder reports whether what comes first must be sent first.
func (l *lane) inOrder() bool { return l.concurrency == 1 }

// behind notes a lane of the buffer that bodies of this one are on.
func (l *lane) behind(b *buffer.Lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spills.behind == nil {
		l.spills.behind = map[*buffer.Lane]struct{}{}
	}
	l.spills.behind[b] = struct{}{}
}

// shelve reports whether a group goes to the disk: always, or as long as others of its lane are there, or where bodies from there
// have all slots and may wait for a destination that fails. Shelved follows. A group that does not go there has a slot: nothing that comes
// behind it and goes to the disk is sent before it in a lane with an order. The mutex is held.
func (l *lane) shelve() bool {
	s := &l.spills
	if l.sink.shelf.spills && s.on && !s.taking {
		s.on = false
		for b := range s.behind {
			if b.Holds() {
				s.on = true
				break
			}
			delete(s.behind, b)
		}
	}
	if l.sink.shelf.spills && !s.on {
		select {
		case l.slots <- struct{}{}:
			return false
		default:
			s.on = true
		}
	}
	s.storing++
	return true
}

// shelved is the end of what shelve, or spill, began.
func (l *lane) shelved() {
	l.mu.Lock()
	l.spills.storing--
	l.mu.Unlock()
}

// spill turns the lane to the disk; shelved follows. A body of an ordered lane stays where it is if younger ones may be there already.
func (l *lane) spill() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inOrder() && l.spills.on {
		return false
	}
	l.spills.on = true
	l.spills.storing++
	return true
}

// overflows reports whether the queue must be taken to the disk: all senders are busy, and more than half of the window is in
// use. The mutex is held.
func (l *lane) overflows() bool {
	d := l.sink.shelf
	if d == nil || !d.spills || l.spills.taking || l.inOrder() && l.spills.storing > 0 || !l.sink.crowded() {
		return false
	}
	l.spills.taking, l.spills.on = true, true
	return true
}

// overflow returns the next group that must go to the disk, nil if the others may wait.
func (l *lane) overflow() *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	// What is behind others goes to the disk as they did; in a lane with an order nobody else may take it meanwhile.
	if len(l.queue) == 0 || !l.inOrder() && !l.sink.crowded() {
		l.spills.taking = false
		return nil
	}
	return l.front()
}

// store encodes a group and puts it on the disk.
func (s *sinkNode) store(ctx context.Context, l *lane, g *group) {
	parcels, ok := s.encode(ctx, partsOf(g))
	if !ok {
		s.sent(g, false)
		return
	}
	s.shelf.put(ctx, l, g, parcels)
}

// sendOrStore is send for a sink with a disk buffer.
func (s *sinkNode) sendOrStore(ctx context.Context, l *lane, g *group, shelve bool) {
	if shelve {
		s.store(ctx, l, g)
		l.shelved()
		return
	}
	rest, ok := s.sendHealthy(ctx, l, g)
	<-l.slots // before put, which may wait for room that others make, who need a slot
	if len(rest) == 0 {
		s.sent(g, ok)
		return
	}
	s.shelf.put(ctx, l, g, rest)
	l.shelved()
}

// sendHealthy sends the bodies of a group until its lane fails, and returns those that go to the disk. It reports false if
// the group must be forgotten.
func (s *sinkNode) sendHealthy(ctx context.Context, l *lane, g *group) (rest []parcel, ok bool) {
	parcels, ok := s.encode(ctx, partsOf(g))
	if !ok {
		return nil, false
	}
	for i, p := range parcels {
		ticket := l.ticket()
		x := loadOf(p.parts)
		x.spill = l.spill
		result, err := s.post(s.shelf.patience, l, ticket, p.body, x)
		if result == forgotten && ctx.Err() == nil && l.spill() { // the engine stops, and the destination does not answer
			result = moved
		}
		ok := result == moved || s.conclude(ctx, l, ticket, p.body, x, result, err)
		l.leave(ticket)
		switch {
		case !ok:
			return nil, false
		case result == moved:
			return parcels[i:], true
		}
	}
	return nil, true
}

// buryBody keeps a body as a dead letter whose points cannot be told.
func (s *sinkNode) buryBody(ctx context.Context, body engine.Body, cause error) bool {
	if err := s.letters.buryBody(ctx, s.id, body, cause); err != nil {
		if ctx.Err() == nil {
			s.stop.fail(fmt.Errorf("%s: writing dead letters: %w", s.id, err))
		}
		return false
	}
	s.log.Error("a stored body was refused and cannot be read: it went to the dead letters as it is", "id", body.ID, "points", body.Points, "error", cause)
	s.stats.failed.add("undecodable", max(body.Points, 1))
	return true
}

package buffer

import (
	"context"
	"time"
)

func (b *Buffer) dropped(reason string, points uint64) {
	b.store.mu.Lock()
	b.tally.dropped[reason] += int64(points)
	b.store.mu.Unlock()
}

// dropOldest drops bodies that are not handed out, oldest first, until need bytes are free. It reports whether one was.
func (b *Buffer) dropOldest(ctx context.Context, need int64) (any bool) {
	for freed := int64(0); freed < need; {
		n := b.dropOne(ctx, "full", func(*stored) bool { return true })
		if n == 0 {
			break
		}
		freed, any = freed+n, true
	}
	return any
}

// dropOld drops what is older than the user wants.
func (b *Buffer) dropOld(ctx context.Context) {
	b.store.mu.Lock()
	age := b.o.MaxAge
	b.store.mu.Unlock()
	if age <= 0 {
		return
	}
	before := b.store.o.Now().Add(-age).UnixNano()
	for b.dropOne(ctx, "max_age", func(e *stored) bool { return e.Read < before }) > 0 {
	}
}

// Discard drops what is not handed out, for `orphan: discard`, and returns how many points that were.
func (b *Buffer) Discard(ctx context.Context) (points int64) {
	const reason = "discarded"
	for b.dropOne(ctx, reason, func(*stored) bool { return true }) > 0 {
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return b.tally.dropped[reason]
}

// dropOne drops the oldest body that is not handed out if it pleases, and returns its bytes, 0 if there is none.
func (b *Buffer) dropOne(ctx context.Context, reason string, pleases func(*stored) bool) int64 {
	s := b.store
	s.mu.Lock()
	lanes := make([]*Lane, 0, len(b.lanes))
	for _, l := range b.lanes {
		lanes = append(lanes, l)
	}
	s.mu.Unlock()
	for _, l := range lanes {
		l.fill(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *Lane
	for _, l := range lanes {
		if e := l.front(); e != nil && (oldest == nil || e.Read < oldest.front().Read) {
			oldest = l
		}
	}
	if oldest == nil || !pleases(oldest.front()) {
		return 0
	}
	e := oldest.pop()
	b.tally.dropped[reason] += int64(e.points)
	b.tally.droppedAge = time.Duration(s.o.Now().UnixNano() - e.Read)
	oldest.finish(e)
	return e.size
}

// keep does what time asks for, until the store is closed or has failed.
func (s *Store) keep() {
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ticker.C:
		case <-s.closing:
			return
		case <-s.stop.Done():
			return
		}
		s.mu.Lock()
		buffers := make([]*Buffer, 0, len(s.buffers))
		for _, b := range s.buffers {
			buffers = append(buffers, b)
		}
		s.mu.Unlock()
		for _, b := range buffers {
			b.dropOld(s.stop)
		}
		s.trims.Store(true)
		s.kick()
		if n%ownerEvery == 0 {
			if err := s.checkOwner(); err != nil {
				s.fail(err)
			}
		}
	}
}

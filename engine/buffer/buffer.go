package buffer

import (
	"context"
	"fmt"
	"time"
)

// Sync says when a body counts as stored.
type Sync uint8

// The ways to sync.
const (
	Group    Sync = iota // after an fsync that all share who wait
	Interval             // at once; an fsync follows within the interval
	Never                // at once; nobody asks for an fsync
)

// WhenFull says what happens to a body for which there is no room.
type WhenFull uint8

// What can happen.
const (
	Block      WhenFull = iota // Append waits
	DropOldest                 // the oldest bodies that nobody is sending are dropped
	DropNewest                 // the body is dropped
)

// BufferOptions are a sink's `buffer:` options.
type BufferOptions struct {
	MaxBytes int64         // of frames that are not done, 1 GiB if 0
	MaxAge   time.Duration // since its points were read, 0 is any
	WhenFull WhenFull
	Sync     Sync
	Interval time.Duration // of Interval, 100 ms if 0
	Detach   bool          // on_io_error: detach: the process goes on without this buffer
}

const (
	defaultMaxBytes = 1 << 30
	defaultInterval = 100 * time.Millisecond

	maxQueued = 32 << 20 // bytes that wait for the committer, over all buffers
)

func (o BufferOptions) withDefaults() BufferOptions {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	return o
}

// Buffer is what a sink keeps on the disk.
type Buffer struct {
	store *Store
	name  string
	id    uint32

	// The store's lock guards these.
	o     BufferOptions
	lanes map[string]*Lane
	bytes int64         // of frames that are not done, those in the queue included
	room  chan struct{} // closed and replaced when there may be room
	tally tally
}

// Configure changes the options, for example at a reload.
func (b *Buffer) Configure(o BufferOptions) {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	b.o = o.withDefaults()
	b.wakeRoom()
}

// Lanes returns the names of the lanes that there are.
func (b *Buffer) Lanes() []string {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	names := make([]string, 0, len(b.lanes))
	for name := range b.lanes {
		names = append(names, name)
	}
	return names
}

// Lane returns the lane of that name, and makes it if it is not there.
func (b *Buffer) Lane(name string) *Lane {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return b.lane(name)
}

func (b *Buffer) lane(name string) *Lane {
	l := b.lanes[name]
	if l == nil {
		l = newLane(b.store, laneID{b.id, b.store.nextLane}, name, 0, 0)
		l.buffer = b
		b.store.nextLane++
		b.lanes[name] = l
	}
	return l
}

// Append stores a body and returns when it is stored in the sense of Sync. ErrDropped means that its points are done
// all the same. After another error, and when ctx ends first, the body may be stored nevertheless. Body.Data belongs to
// the buffer from now on.
func (b *Buffer) Append(ctx context.Context, e Entry) error {
	stored := make(chan error, 1)
	if err := b.AppendFunc(ctx, e, func(err error) { stored <- err }); err != nil {
		return err
	}
	select {
	case err := <-stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AppendFunc accepts a body, which may wait for room, and calls done once when it is stored, or is not: see Append.
// Done must not block. Bodies of one lane keep the order of the calls. Where AppendFunc returns an error, the body was
// not accepted and done is not called.
func (b *Buffer) AppendFunc(ctx context.Context, e Entry, done func(error)) error {
	s := b.store
	now := s.o.Now()
	if e.Read == 0 {
		e.Read = now.UnixNano()
	}
	if len(e.Body.Data) > maxPlain {
		return fmt.Errorf("storing a body of %d bytes: %w", len(e.Body.Data), ErrTooLarge)
	}
	r := &request{entry: e, done: done, points: weight(e.Body.Points), began: now}
	r.frame = appendFrame(nil, &frame{Entry: e, buffer: b.name})
	r.sum = checksum(r.frame)
	r.size = int64(len(r.frame) + crcBytes + keyBytes)

	waited := false
	for {
		s.space.refresh(s.o.Now())
		s.mu.Lock()
		if err := s.err; err != nil {
			s.mu.Unlock()
			return err
		}
		if r.size > b.o.MaxBytes {
			s.mu.Unlock()
			return fmt.Errorf("storing a body of %d bytes: %w", len(e.Body.Data), ErrTooLarge)
		}
		why := b.full(r.size)
		if why == roomy {
			break
		}
		policy, room, need := b.o.WhenFull, b.room, r.size
		if why == overBytes {
			need = b.bytes + r.size - b.o.MaxBytes
		}
		if !waited {
			waited = true
			b.tally.waits++
		}
		if why == tooMuchQueued {
			policy = Block
		}
		s.mu.Unlock()
		if policy != Block {
			dropped := policy == DropOldest && b.dropOldest(ctx, need)
			if !dropped { // the body itself is the oldest one that nobody is sending
				b.dropped(why.String(), r.points)
				done(ErrDropped)
				return nil
			}
			if why == overBytes {
				continue
			}
			room = nil // the drop itself says that there is some, but the volume gets it back later
		}
		if err := waitRoom(ctx, room, why); err != nil {
			return err
		}
	}
	r.lane = b.lane(e.Body.Lane)
	r.sync = b.o.Sync
	r.lane.waiting++
	b.bytes += r.size
	s.queue = append(s.queue, r)
	s.queued += r.size
	s.mu.Unlock()
	s.kick()
	return nil
}

// fullness is why there is no room.
type fullness uint8

const (
	roomy fullness = iota
	overBytes
	belowFloor
	tooMuchQueued
)

func (f fullness) String() string { return [...]string{"", "full", "low_space", "queue"}[f] }

func (b *Buffer) full(size int64) fullness {
	switch {
	case b.bytes+size > b.o.MaxBytes:
		return overBytes
	case b.store.space.below():
		return belowFloor
	case b.store.queued+size > maxQueued && b.store.queued > 0:
		return tooMuchQueued
	}
	return roomy
}

// waitRoom waits until there may be room, which nobody says on a nil channel. Nobody tells when the volume has room again.
func waitRoom(ctx context.Context, room <-chan struct{}, why fullness) error {
	var again <-chan time.Time
	if why == belowFloor {
		timer := time.NewTimer(spaceFor)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-room:
	case <-again:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (b *Buffer) wakeRoom() {
	close(b.room)
	b.room = make(chan struct{})
}

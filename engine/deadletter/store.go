package deadletter

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"dataflow/engine"
)

// WhenFull says what happens when the store has no room.
type WhenFull uint8

// What can happen.
const (
	Block      WhenFull = iota // Append waits until somebody makes room
	DropOldest                 // the oldest segments are removed
)

// Options of a store.
type Options struct {
	Dir          string   // made at the first write
	MaxBytes     int64    // of all segments, 256 MiB if 0
	SegmentBytes int64    // of one, 8 MiB if 0, and at most a quarter of MaxBytes
	WhenFull     WhenFull //
}

const (
	defaultMaxBytes     = 256 << 20
	defaultSegmentBytes = 8 << 20
)

var (
	// ErrClosed is returned for entries that come after Close, or that still waited for room then.
	ErrClosed = errors.New("dead letters are closed")
	// ErrFull is what the node's health says while Append waits for room.
	ErrFull = errors.New("dead letters are full")
	// ErrTooLarge is returned for an entry that a store of this size can never hold.
	ErrTooLarge = errors.New("entry is larger than the store")
)

// Store writes dead letters. It is safe for use by several goroutines.
type Store struct {
	env     engine.Env
	options Options

	mu      sync.Mutex
	started bool
	closed  bool

	queue chan *request
	stop  chan struct{} // closed by Close
	done  chan struct{} // closed when the committer has ended; then err says why
	err   error
}

// request is entries of one Append.
type request struct {
	frames []byte
	gone   <-chan struct{} // closed when the caller does not wait any more
	reply  chan error      // holds one
}

// New returns a store that touches nothing on the disk before the first Append.
func New(env engine.Env, o Options) *Store {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	o.SegmentBytes = min(o.SegmentBytes, o.MaxBytes/4)
	return &Store{env: env, options: o, queue: make(chan *request), stop: make(chan struct{}), done: make(chan struct{})}
}

// Append stores the entries and returns when they are on the disk, in one fsync with what other callers
// store at the same time. The entries belong to the caller again. An I/O error fails the store for good: what
// reached the disk is then unknown, and only a new process can find out. After an error, and when ctx ends
// first, some or all of the entries may be stored nevertheless.
func (s *Store) Append(ctx context.Context, entries []Entry) error {
	var frames []byte
	for i := range entries {
		start := len(frames)
		frames = appendFrame(frames, &entries[i])
		if n := len(frames) - start; int64(n) > s.options.MaxBytes-headerBytes {
			return fmt.Errorf("storing a dead letter of %d bytes: %w", n, ErrTooLarge)
		}
		// What does not fit a segment leaves in pieces.
		if start > 0 && int64(len(frames)) > s.options.SegmentBytes-headerBytes {
			if err := s.append(ctx, frames[:start]); err != nil {
				return err
			}
			frames = append([]byte(nil), frames[start:]...) // the committer may still hold the others if ctx has ended
		}
	}
	if len(frames) == 0 {
		return ctx.Err()
	}
	return s.append(ctx, frames)
}

// append has the committer write frames, which belong to it from now on.
func (s *Store) append(ctx context.Context, frames []byte) error {
	r := &request{frames: frames, gone: ctx.Done(), reply: make(chan error, 1)}
	if !s.start() {
		return ErrClosed
	}
	select {
	case s.queue <- r: // the committer answers whatever it takes
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start sees to it that the committer runs. It reports false after Close.
func (s *Store) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if !s.started {
		s.started = true
		c := &committer{env: s.env, options: s.options, queue: s.queue, stop: s.stop}
		go func() {
			s.err = c.run()
			close(s.done)
		}()
	}
	return true
}

// Close stores what has come, as far as there is room, and closes the files. It returns the error that the
// store has failed with.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	started := s.started
	s.mu.Unlock()
	if !started {
		return nil
	}
	if first {
		close(s.stop)
	}
	<-s.done
	if errors.Is(s.err, ErrClosed) {
		return nil
	}
	return s.err
}

// Package buffer is the disk buffer of sinks: a FIFO of encoded bodies for each lane, in one Pebble database for each
// data directory (guarantees B5). Append says done when the body is on the disk; the reader takes bodies in order, and
// acknowledges them in any order.
package buffer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system of a store. Its GetDiskUsage is what the free-space floor asks.
type FS = vfs.FS

// Options of a store.
type Options struct {
	Dir string       // the store's own; made if it is not there
	FS  FS           // the operating system's if nil
	Log *slog.Logger // none if nil
	Now func() time.Time
	// Exit ends the process with code 74 after an I/O error that leaves open what is on the disk: the restart's
	// recovery is the repair. It is called once, from any goroutine, while a buffer is open that does not Detach.
	Exit func(err error)

	MemTableBytes int64   // of one of two, 16 MiB if 0
	CacheBytes    int64   // of recent bodies kept in memory, over all lanes, 16 MiB if 0, none if negative
	FloorBytes    int64   // of free space that is left to others, 1 GiB if 0, none if negative
	FloorShare    float64 // and of the volume, 0.05 if 0, none if negative; the larger of the two counts
}

const (
	defaultMemTable = 16 << 20
	defaultCache    = 16 << 20
	defaultFloor    = 1 << 30
	defaultShare    = 0.05
)

var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("buffer is closed")
	// ErrFailed is in every error after an I/O error: nothing is stored or read any more.
	ErrFailed = errors.New("buffer has failed")
	// ErrInUse says that another process, or another store of this one, has the directory.
	ErrInUse = errors.New("data directory is in use")
	// ErrFormat says that a later version of the engine has written the directory.
	ErrFormat = errors.New("data directory has a later format")
	// ErrRepair says that the directory is damaged, and that too many damaged ones are kept already.
	ErrRepair = errors.New("buffer needs repair")
	// ErrTooLarge is returned for a body that the buffer can never hold.
	ErrTooLarge = errors.New("body is larger than the buffer")
	// ErrDropped says that the buffer was full and, as the user wants it then, the body was dropped and counted. Its
	// points are done.
	ErrDropped = errors.New("buffer is full, body dropped")
)

// State is how a store is.
type State uint8

// The states.
const (
	Healthy  State = iota
	Degraded       // it works; something was damaged, or goes wrong in the background
	Stalled        // writes wait for more than 5 s: not ready
	Failed         // for good
)

func (s State) String() string {
	return [...]string{"healthy", "degraded", "stalled", "failed"}[s]
}

// Store is a data directory with its buffers. All methods are safe for use by several goroutines.
type Store struct {
	o     Options
	fs    vfs.FS
	dbMu  sync.RWMutex // readers hold it while they use db, which Close takes away
	db    *pebble.DB
	lock  io.Closer
	marks *marks
	token string // of the owner file
	space space
	meter meter

	wake    chan struct{} // for the committer, holds one
	pipe    chan *group   // from the committer to the syncer
	stop    context.Context
	end     context.CancelFunc
	closing chan struct{}
	wg      sync.WaitGroup // of the committer, the syncer and the keeper

	trims  atomic.Bool   // the committer has cursors to move
	opened atomic.Bool   // Pebble was
	parked chan struct{} // closed when Pebble is not to be touched any more
	park   sync.Once

	mu       sync.Mutex
	buffers  map[string]*Buffer
	orphans  map[string][]*Lane // of buffers that nobody has opened
	nextLane uint32
	nextID   uint32
	queue    []*request
	queued   int64               // bytes of the queue
	groups   map[*group]struct{} // taken off the queue, with requests that are not answered yet
	lanes    int                 // that share the cache
	err      error               // closed or failed
	degraded string              // why
}

// Open opens the directory, or makes it. A damaged database is put aside and counted, and an empty one takes its
// place. The errors are ErrInUse, ErrFormat, ErrRepair, and those of the file system.
func Open(o Options) (*Store, error) {
	o = withDefaults(o)
	s := &Store{
		o: o, fs: o.FS, wake: make(chan struct{}, 1), pipe: make(chan *group, pipeDepth), closing: make(chan struct{}), parked: make(chan struct{}),
		buffers: map[string]*Buffer{}, orphans: map[string][]*Lane{}, groups: map[*group]struct{}{}, nextLane: 1, nextID: 1,
	}
	s.stop, s.end = context.WithCancel(context.Background())
	if s.fs == nil {
		s.fs = vfs.Default
	}
	s.space.init(s.fs, o)
	s.meter.init()
	opened := make(chan error, 1)
	go func() { opened <- s.open() }()
	var err error
	select {
	case err = <-opened:
	case <-s.parked:
		s.end()
		return nil, fmt.Errorf("opening buffers in %s: %w", o.Dir, ErrFailed)
	}
	if err != nil {
		s.end()
		return nil, fmt.Errorf("opening buffers in %s: %w", o.Dir, errors.Join(err, s.release()))
	}
	s.wg.Go(s.commitLoop)
	s.wg.Go(s.syncLoop)
	s.wg.Go(s.keep)
	return s, nil
}

func withDefaults(o Options) Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Exit == nil {
		o.Exit = func(error) {}
	}
	if o.MemTableBytes <= 0 {
		o.MemTableBytes = defaultMemTable
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCache
	}
	if o.FloorBytes == 0 {
		o.FloorBytes = defaultFloor
	}
	if o.FloorShare == 0 {
		o.FloorShare = defaultShare
	}
	return o
}

// Buffer opens the buffer of that name, and makes it if it is not there. A buffer can be open once.
func (s *Store) Buffer(name string, o BufferOptions) (*Buffer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if s.buffers[name] != nil {
		return nil, fmt.Errorf("opening buffer %s: %w", name, errors.New("it is open already"))
	}
	b := &Buffer{store: s, name: name, o: o.withDefaults(), lanes: map[string]*Lane{}, room: make(chan struct{})}
	b.tally.init()
	for _, l := range s.orphans[name] {
		l.buffer = b
		b.id = l.id.buffer
		b.bytes += l.bytes
		b.lanes[l.name] = l
		for reason, n := range l.lostAtOpen {
			b.tally.lost[reason] += n
		}
	}
	delete(s.orphans, name)
	if b.id == 0 {
		b.id = s.nextID
		s.nextID++
	}
	s.buffers[name] = b
	return b, nil
}

// Stored is what is on the disk for a buffer that nobody has opened.
type Stored struct {
	Buffer string
	Points int64
	Bytes  int64
}

// Unopened lists the buffers with content that were not opened: of sinks that are not in the graph any more.
func (s *Store) Unopened() []Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Stored
	for name, lanes := range s.orphans {
		found := Stored{Buffer: name}
		for _, l := range lanes {
			found.Points += int64(l.next - l.low)
			found.Bytes += l.bytes
		}
		if found.Points > 0 {
			out = append(out, found)
		}
	}
	return out
}

// State returns how the store is, and why.
func (s *Store) State() (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return Failed, s.err
	case s.meter.stalled(s.o.Now()):
		return Stalled, errors.New("writes wait for the disk")
	case s.degraded != "":
		return Degraded, errors.New(s.degraded)
	}
	return Healthy, nil
}

// degrade says so in the log and in State. Pebble's listener says other things of its own at any time.
func (s *Store) degrade(why string) {
	s.mu.Lock()
	s.degraded = why
	s.mu.Unlock()
	s.o.Log.Warn("disk buffer is degraded", "dir", s.o.Dir, "why", why)
}

// fail puts the store out of use: whoever waits gets the error, and nothing is acknowledged any more. What the disk
// holds is not known then, and only a new process can find out.
func (s *Store) fail(err error) {
	s.mu.Lock()
	if errors.Is(s.err, ErrFailed) {
		s.mu.Unlock()
		return
	}
	failure := fmt.Errorf("%w: %w", ErrFailed, err)
	s.err = failure
	exits := false
	for _, b := range s.buffers {
		exits = exits || !b.o.Detach
	}
	answers := s.forget()
	s.broadcast()
	s.mu.Unlock()
	s.o.Log.Error("disk buffer has failed", "dir", s.o.Dir, "error", err)
	for _, r := range answers {
		r.done(failure)
	}
	s.end()
	if exits {
		s.o.Exit(err)
	}
}

// forget takes back every request that is not answered yet. The caller holds the lock and answers them.
func (s *Store) forget() []*request {
	answers := s.queue
	s.queue, s.queued = nil, 0
	for g := range s.groups {
		for _, r := range g.requests {
			if !g.applied || r.sync == Group {
				answers = append(answers, r)
			}
		}
		delete(s.groups, g)
	}
	return answers
}

// broadcast wakes whoever waits for room or for bodies. The caller holds the lock.
func (s *Store) broadcast() {
	for _, b := range s.buffers {
		b.wakeRoom()
		for _, l := range b.lanes {
			l.wakeAll()
		}
	}
}

// Close stores what has been accepted, moves the cursors, syncs and closes. What was handed out and is not done is
// handed out again after the next Open. An error of ctx means that the disk did not answer in time. After a failure
// Pebble, its goroutines and the lock may stay until the process ends.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	failed := s.err
	if errors.Is(failed, ErrClosed) {
		s.mu.Unlock()
		return nil
	}
	if failed == nil {
		s.err = ErrClosed
	}
	s.broadcast()
	s.mu.Unlock()
	closed := make(chan error, 1)
	go func() {
		if failed == nil {
			close(s.closing)
		}
		s.wg.Wait()
		s.end()
		closed <- s.release()
	}()
	select {
	case err := <-closed:
		if failed != nil {
			return failed
		}
		if err != nil {
			return fmt.Errorf("closing buffers in %s: %w", s.o.Dir, err)
		}
		return nil
	case <-s.parked:
		return fmt.Errorf("closing buffers in %s: %w", s.o.Dir, ErrFailed)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// abandon fails the store and never returns: the goroutine stays where it is, and Pebble with it.
func (s *Store) abandon(err error) {
	s.park.Do(func() { close(s.parked) })
	s.fail(err)
	select {}
}

// release closes the files. After a failure Pebble may not be able to: that is no news then.
func (s *Store) release() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.Join(err, fmt.Errorf("pebble: %v", r))
		}
		if s.lock != nil {
			err = errors.Join(err, s.lock.Close())
			s.lock = nil
		}
	}()
	if s.marks != nil {
		err = errors.Join(err, s.marks.close())
		s.marks = nil
	}
	s.dbMu.Lock()
	db := s.db
	s.db = nil
	s.dbMu.Unlock()
	if db != nil {
		err = errors.Join(err, db.Close())
	}
	return err
}

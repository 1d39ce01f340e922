package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dataflow/engine"
)

// tail follows files as they grow. Run's goroutine reads; another one, the watch, looks for files and stores positions,
// so that both go on while the graph takes no more: a file that is rotated away meanwhile is open by then.
type tail struct {
	file
	store  cursorFile
	health *health
	counts tailCounts
	errors atomic.Int64 // that were met, for the watch to see whether all is well

	wake chan struct{} // the watch has found something

	// saving is held from taking the positions until they are written.
	saving sync.Mutex

	mu      sync.Mutex
	begun   bool
	files   []*followed // in the order of their discovery
	byID    map[fileID]*followed
	ended   []*followed       // not followed any more, and not all of it is done
	past    map[fileID]cursor // of files that are not followed
	holders map[string]*followed
	turn    int  // of looking for files
	dirty   bool // something but the positions has changed since they were stored
	open    int  // files that are open
}

var _ interface {
	engine.Source
	engine.Decoder
	engine.Closer
} = (*tail)(nil)

// tailCounts are the node's counters.
type tailCounts struct{ truncations, mismatches, corrupt, errors, lost engine.Counter }

func newTail(f file) *tail {
	return &tail{
		file: f, store: cursorFile{f.env.FS, f.env.DataDir}, health: newHealth(f.env),
		counts: tailCounts{
			truncations: f.env.Counter("file_truncations", ""),
			mismatches:  f.env.Counter("file_positions_invalid", ""),
			corrupt:     f.env.Counter("file_positions_corrupt", ""),
			errors:      f.env.Counter("file_errors", ""),
			lost:        f.env.Counter("file_unread", ""),
		},
		wake: make(chan struct{}, 1), byID: map[fileID]*followed{}, past: map[fileID]cursor{}, holders: map[string]*followed{},
	}
}

// Run follows the files until ctx ends.
func (t *tail) Run(ctx context.Context, emit engine.Emit) error {
	if err := t.begin(); err != nil {
		return engine.Permanent(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { t.watch(ctx) })
	err := t.follow(ctx, emit)
	cancel()
	watch.Wait()
	t.closeAll()
	return err
}

// begin reads the stored positions, looks for files and stores where reading begins: a kill before the first lines
// are done must not make start: end skip what came in between.
func (t *tail) begin() error {
	if t.started() {
		return nil
	}
	cs, first, err := t.store.read()
	if errors.Is(err, errCursorsCorrupt) {
		t.counts.corrupt.Add(1)
		t.health.note("the stored positions are damaged: all files are read from their beginning", "file", t.store.name())
	} else if err != nil {
		return fmt.Errorf("reading the positions in %s: %w", t.store.name(), err)
	}
	for _, c := range cs {
		id := fileID{c.Device, c.Inode}
		if old, ok := t.past[id]; !ok || old.Gone != 0 { // where the name identifies, one that is followed comes before those that were
			t.past[id] = c
		}
	}
	t.scan(first && t.config.Start == startEnd)
	t.findMoved()
	if err := t.save(); err != nil {
		return fmt.Errorf("storing positions: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = true
	return nil
}

// follow reads the files in turns until ctx ends.
func (t *tail) follow(ctx context.Context, emit engine.Emit) error {
	var files []*followed
	timer := time.NewTimer(t.config.Poll)
	defer timer.Stop()
	for ctx.Err() == nil {
		t.mu.Lock()
		files = append(files[:0], t.files...)
		t.mu.Unlock()
		more := false
		for _, f := range files {
			m, err := t.visit(ctx, f, emit)
			if err != nil {
				return err
			}
			more = more || m
		}
		clear(files)
		if more {
			continue
		}
		timer.Reset(t.config.Poll)
		select {
		case <-timer.C:
		case <-t.wake:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// watch looks for files and stores positions until ctx ends.
func (t *tail) watch(ctx context.Context) {
	look, commit := time.NewTicker(t.config.Poll), time.NewTicker(t.config.CommitInterval)
	defer look.Stop()
	defer commit.Stop()
	calm := t.errors.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if t.scan(false) {
				t.commit() // a file that is renamed while the engine is down is looked for only if it is known
			}
			if n := t.errors.Load(); n == calm {
				t.health.good()
			} else {
				calm = n
			}
		case <-commit.C:
			t.commit()
		}
	}
}

// commit stores the positions; what fails is tried again.
func (t *tail) commit() {
	if err := t.save(); err != nil {
		t.trouble("storing the positions of files fails", err)
	}
}

// trouble says that something fails that will be tried again.
func (t *tail) trouble(what string, err error) {
	t.errors.Add(1)
	t.counts.errors.Add(1)
	t.health.bad(what, err)
}

// closeAll closes the files; a later Run opens them again.
func (t *tail) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.files {
		if f.in != nil {
			_ = f.in.Close() // it was only read
			f.in, f.seen = nil, -1
			t.open--
		}
	}
}

// Close stores the last positions.
func (t *tail) Close(context.Context) error {
	if !t.started() {
		return nil
	}
	if err := t.save(); err != nil {
		return fmt.Errorf("storing positions: %w", err)
	}
	return nil
}

func (t *tail) started() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begun
}

const (
	// A file that is not followed any more may come back: its folder was unmounted, or it was renamed twice.
	keepPast = 24 * time.Hour
	maxPast  = 1000
)

// save stores the positions up to which everything is done, if they have changed.
func (t *tail) save() error {
	t.saving.Lock()
	defer t.saving.Unlock()
	cs, changed := t.cursors()
	if !changed {
		return nil
	}
	if err := t.store.write(cs); err != nil {
		t.mu.Lock()
		t.dirty = true
		t.mu.Unlock()
		return err
	}
	return nil
}

// cursors returns where reading would go on, and whether that has changed since the last call.
func (t *tail) cursors() (cs []cursor, changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed, t.dirty = t.dirty || !t.begun, false
	t.ended = slices.DeleteFunc(t.ended, func(f *followed) bool {
		if f.tracker.Open() > 0 {
			return false
		}
		changed = true
		if !f.unlinked { // else its inode is free for another file
			c, _ := f.cursor()
			c.Gone = t.env.Now().Unix()
			t.past[f.id] = c
		}
		return true
	})
	t.forget()
	for _, list := range [][]*followed{t.files, t.ended} {
		for _, f := range list {
			c, moved := f.cursor()
			changed = changed || moved
			if !f.unlinked {
				cs = append(cs, c)
			}
		}
	}
	if changed {
		for _, c := range t.past {
			cs = append(cs, c)
		}
	}
	return cs, changed
}

// forget drops the positions of files that are gone for long, and the oldest where there are many.
func (t *tail) forget() {
	now := t.env.Now()
	for id, c := range t.past {
		if c.Gone != 0 && now.Sub(time.Unix(c.Gone, 0)) > keepPast {
			delete(t.past, id)
		}
	}
	for len(t.past) > maxPast {
		var oldest fileID
		at := int64(1<<63 - 1)
		for id, c := range t.past {
			if c.Gone < at {
				oldest, at = id, c.Gone
			}
		}
		delete(t.past, oldest)
	}
}

package runtime

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"dataflow/engine/buffer"
)

// openStore opens the disk buffers, if the graph has any. The code is that of a run that ends with the error.
func (e *Engine) openStore() (code int, err error) {
	var sum int64
	for _, s := range e.sinks {
		if s.keeps.OnDisk() {
			sum += int64(s.keeps.MaxBytes)
		}
	}
	if sum == 0 {
		return ExitDone, nil
	}
	o := buffer.Options{
		Dir: path.Join(filepath.ToSlash(e.graph.DataDir), "buffers"), FS: e.options.BufferFS, Log: e.log.Logger, Now: e.options.Env.Now,
		Exit: func(err error) { e.stop.fail(&diskError{fmt.Errorf("disk buffer: %w", err)}) },
	}
	store, err := buffer.Open(o)
	switch {
	case errors.Is(err, buffer.ErrInUse), errors.Is(err, buffer.ErrFormat):
		return ExitConfig, err
	case errors.Is(err, buffer.ErrRepair):
		return ExitRepair, err
	case err != nil:
		return ExitDisk, err
	}
	e.store = store
	if total := store.VolumeBytes(); total > 0 && sum > total {
		return ExitConfig, fmt.Errorf("the disk buffers may hold %d bytes and the volume of %s has %d: lower buffer.max_bytes, or take another data_dir", sum, o.Dir, total)
	}
	for _, s := range e.sinks {
		if !s.keeps.OnDisk() {
			continue
		}
		b, err := store.Buffer(s.id, bufferOptions(s.keeps))
		if err != nil {
			return ExitDisk, err
		}
		s.shelf = newShelf(s, b, e.leaving, e.options.DrainTimeout/4)
	}
	for _, x := range store.Unopened() {
		e.log.Warn("a disk buffer holds points of a sink that the graph does not have: they stay where they are", "sink", x.Buffer, "points", x.Points, "bytes", x.Bytes)
	}
	e.opened.Store(true)
	return ExitDone, nil
}

// closeStore syncs and closes the disk buffers.
func (e *Engine) closeStore() error {
	if e.store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), max(e.options.DrainTimeout/5, 2*time.Second))
	defer cancel()
	err := e.store.Close(ctx)
	if errors.Is(err, buffer.ErrFailed) && e.detached() {
		return nil // said when it happened: the graph went on without
	}
	return err
}

// detached reports whether every sink with a disk buffer goes on without after an I/O error.
func (e *Engine) detached() bool {
	for _, s := range e.sinks {
		if s.shelf != nil && s.keeps.OnIOError != "detach" {
			return false
		}
	}
	return true
}

// stored returns how many points are on the disk and not done, but those of branches that are not required.
func (e *Engine) stored() (points int64) {
	for _, s := range e.sinks {
		if s.shelf != nil && !s.spare {
			points += s.shelf.holds()
		}
	}
	return points
}

// storeHealth returns what is wrong with the disk buffers so that the graph is not ready, nil if nothing is.
func (e *Engine) storeHealth() []NodeHealth {
	if !e.opened.Load() {
		return nil
	}
	if state, why := e.store.State(); state == buffer.Stalled || state == buffer.Failed && !errors.Is(why, buffer.ErrClosed) {
		return []NodeHealth{{Node: "disk_buffer", Err: why, Since: time.Now()}}
	}
	return nil
}

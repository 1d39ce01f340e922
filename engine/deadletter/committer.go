package deadletter

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"time"

	"dataflow/engine"
)

// recheck is how often a full store looks whether somebody has removed segments.
const recheck = time.Second

// committer is the goroutine that owns the files of a store. Its state is the files' as far as they are known:
// after the first I/O error it is not any more, so the committer ends.
type committer struct {
	env     engine.Env
	options Options
	queue   <-chan *request
	stop    <-chan struct{}

	waiting  []*request
	opened   bool
	full     bool
	segments []segment // that are not written any more, oldest first
	total    int64     // bytes of these and of the current one
	next     uint64    // number of the next segment
	file     engine.FSFile
	current  segment
	mark     uint64
}

// run serves the queue until the store is closed or an operation fails. It answers every request that it took and whose caller still waits.
func (c *committer) run() error {
	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	for {
		var due <-chan time.Time
		if c.full {
			due = ticker.C
		}
		select {
		case r := <-c.queue:
			c.waiting = append(c.waiting, r)
		case <-due:
		case <-c.stop:
			return c.end(ErrClosed)
		}
		c.gather()
		if err := c.commit(); err != nil {
			return c.end(fmt.Errorf("storing dead letters: %w", err))
		}
	}
}

// gather takes the requests of all callers that came while the last commit was under way.
func (c *committer) gather() {
	for {
		select {
		case r := <-c.queue:
			c.waiting = append(c.waiting, r)
		default:
			return
		}
	}
}

// end answers those that wait with err and closes the file. What has been acknowledged is synced already.
func (c *committer) end(err error) error {
	for _, r := range c.waiting {
		r.reply <- err
	}
	c.waiting = nil
	if c.file != nil {
		if failed := c.file.Close(); failed != nil && errors.Is(err, ErrClosed) {
			err = fmt.Errorf("closing dead letters: %w", failed)
		}
		c.file = nil
	}
	return err
}

// commit writes as many requests as there is room for, in order, and answers them after one sync. An error
// answers them too: their bytes may or may not be on the disk.
func (c *committer) commit() (err error) {
	if err := c.open(); err != nil {
		return err
	}
	if c.full {
		if err := c.look(); err != nil {
			return err
		}
	}
	var written []*request
	defer func() {
		for _, r := range written {
			r.reply <- err
		}
	}()
	for len(c.waiting) > 0 {
		r := c.waiting[0]
		select {
		case <-r.gone:
			c.waiting = c.waiting[1:]
			continue
		default:
		}
		ok, err := c.makeRoom(int64(len(r.frames)))
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		c.waiting = c.waiting[1:]
		written = append(written, r)
		if err := c.write(r.frames); err != nil {
			return err
		}
	}
	if len(written) > 0 && c.file != nil {
		if err := c.file.Sync(); err != nil {
			return err
		}
	}
	return c.setFull(len(c.waiting) > 0)
}

// setFull notes whether requests wait for room. The current segment is closed then, so that all that is there
// can be removed.
func (c *committer) setFull(full bool) error {
	if full == c.full {
		return nil
	}
	c.full = full
	if !full {
		c.env.Health(nil)
		return nil
	}
	c.env.Health(ErrFull)
	c.env.Log.Warn("dead letters are full, waiting for room", "dir", c.options.Dir, "max_bytes", c.options.MaxBytes)
	return c.finishSegment()
}

// open finds out what is on the disk and cuts what a crash left unfinished at the end of it.
func (c *committer) open() error {
	if c.opened {
		return nil
	}
	if err := c.env.FS.MkdirAll(c.options.Dir, 0o700); err != nil {
		return err
	}
	if err := c.look(); err != nil {
		return err
	}
	if n := len(c.segments); n > 0 {
		c.next = c.segments[n-1].number + 1
		if err := c.cutTail(n - 1); err != nil {
			return err
		}
	}
	c.opened = true
	return nil
}

// look lists the segments anew: somebody may have removed some.
func (c *committer) look() error {
	segments, err := list(c.env.FS, c.options.Dir)
	if err != nil {
		return err
	}
	c.segments, c.total = c.segments[:0], 0
	if c.file != nil {
		c.total = c.current.size
	}
	for _, s := range segments {
		if c.file == nil || s.number != c.current.number {
			c.segments = append(c.segments, s)
			c.total += s.size + s.list
		}
	}
	return nil
}

func (c *committer) name(number uint64) string {
	return path.Join(c.options.Dir, segmentName(number))
}

// cutTail removes what stands behind the last intact entry of segment i, the last one; all of it if there is
// no entry.
func (c *committer) cutTail(i int) error {
	s := &c.segments[i]
	name := c.name(s.number)
	data, err := readFile(c.env.FS, name)
	if err != nil {
		return err
	}
	end, _, err := scan(data, func(int, []byte) error { return nil })
	if err != nil || end == len(data) {
		return err
	}
	if foreign(data) {
		return nil
	}
	c.env.Log.Warn("cutting an unfinished write off the dead letters", "file", name, "bytes", len(data)-end)
	c.total -= s.size - int64(end)
	s.size = int64(end)
	if end == 0 {
		c.total -= s.list
		gone := *s
		c.segments = c.segments[:i]
		return removeSegment(c.env.FS, c.options.Dir, gone)
	}
	file, err := c.env.FS.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(int64(end)), file.Sync(), file.Close())
}

// makeRoom sees to it that n more bytes can be written to the current segment. It reports false if the store
// is full.
func (c *committer) makeRoom(n int64) (ok bool, err error) {
	if c.file != nil && c.current.size+n > c.options.SegmentBytes {
		if err := c.finishSegment(); err != nil {
			return false, err
		}
	}
	need := n
	if c.file == nil {
		need += headerBytes
	}
	for c.total+need > c.options.MaxBytes {
		if c.options.WhenFull == Block {
			return false, nil
		}
		if len(c.segments) == 0 {
			if err := c.finishSegment(); err != nil {
				return false, err
			}
			need = n + headerBytes
		}
		if err := c.dropOldest(); err != nil {
			return false, err
		}
	}
	if c.file == nil {
		return true, c.beginSegment()
	}
	return true, nil
}

// dropOldest removes a segment and counts what was in it.
func (c *committer) dropOldest() error {
	s := c.segments[0]
	entries := 0
	if content, err := load(c.env.FS, c.options.Dir, s.number); err == nil {
		_, _, _ = content.each(func(int, []byte) error { entries++; return nil })
	}
	if err := removeSegment(c.env.FS, c.options.Dir, s); err != nil {
		return err
	}
	c.env.Counter("dead_letters_dropped", "full").Add(int64(entries))
	c.segments = c.segments[1:]
	c.total -= s.size + s.list
	return nil
}

func (c *committer) beginSegment() error {
	file, err := c.env.FS.OpenFile(c.name(c.next), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	c.file, c.current, c.mark = file, segment{number: c.next}, c.env.Rand()
	c.next++
	if err := c.put(appendHeader(nil, c.mark)); err != nil {
		return err
	}
	return syncDir(c.env.FS, c.options.Dir)
}

// syncDir makes the names of files in a folder as durable as what is in them.
func syncDir(fsys engine.FS, name string) error {
	if runtime.GOOS == "windows" { // which has no sync of folders
		return nil
	}
	dir, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// finishSegment syncs and closes the current segment.
func (c *committer) finishSegment() error {
	if c.file == nil {
		return nil
	}
	err := errors.Join(c.file.Sync(), c.file.Close())
	c.file = nil
	c.segments = append(c.segments, c.current)
	return err
}

func (c *committer) write(frames []byte) error {
	setMarks(frames, c.mark)
	return c.put(frames)
}

func (c *committer) put(b []byte) error {
	if _, err := c.file.Write(b); err != nil {
		return err
	}
	c.current.size += int64(len(b))
	c.total += int64(len(b))
	return nil
}

package sources

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"dataflow/engine"
	"dataflow/engine/watermark"
)

// followed is a file that is followed, whatever its name becomes. What stands first belongs to the reader, or to who makes it.
type followed struct {
	lineFile
	id      fileID
	info    fs.FileInfo // of when it was found
	in      engine.FSFile
	resume  *cursor // a stored position that is not checked yet
	fromEnd bool    // it begins at its end, which is not looked at yet
	tail    []byte  // what was read last, in front of at
	want    int     // bytes to read next: more while a line does not fit

	found   time.Time
	after   *followed // had its name before: is read to its end first
	caught  time.Time // when all of it had been read for the last time
	next    time.Time // not looked at before
	seen    int64     // size at the last look, -1 to look whatever the size
	grew    time.Time // when seen changed
	partial int64     // size at which what is left is a line without its end
	flushed bool      // which was taken as it was

	buffer []byte // what is being cut into lines, and
	base   int64  // where it begins in the file

	// Under the mutex of tail.
	head      []byte // the first bytes, as far as they were read
	path      string
	size      int64
	modified  time.Time // at the last look at its name
	denied    bool      // it may not be opened
	turn      int
	gone      time.Time // since when no name is known
	unlinked  bool      // and it has none
	tracker   *watermark.Tracker
	marks     []mark // of batches that are not done, in order
	committed mark
}

// A mark is what stood in front of the end of a batch.
type mark struct {
	end   int64
	sum   uint64
	bytes int
}

// begin sets where reading begins.
func (f *followed) begin(c *cursor, size int64) {
	switch {
	case c != nil:
		f.resume, f.at, f.fromEnd = c, c.Offset, false
	case f.fromEnd:
		f.at = size
	}
	f.restart(f.at)
}

// restart forgets what was read. What is in flight is not stored any more: it is of another content.
func (f *followed) restart(at int64) {
	if f.tracker != nil {
		f.tracker.Revoke()
	}
	f.at, f.skip, f.partial, f.flushed = at, false, -1, false
	f.head, f.tail = nil, nil
	f.tracker = watermark.New(watermark.Position{Offset: at}, nil)
	f.marks, f.committed = nil, mark{end: at}
}

// hand enters a batch into the books.
func (f *followed) hand(end int64, points int, now int64) *watermark.Entry {
	before := f.buffer[:end-f.base]
	before = before[max(0, len(before)-tailBytes):]
	f.marks = append(f.marks, mark{end, sum(before), len(before)})
	return f.tracker.Add(watermark.Position{Offset: end}, points, now)
}

// cursor returns up to where everything is done, and whether that has changed since the last call.
func (f *followed) cursor() (c cursor, moved bool) {
	if f.resume != nil {
		c = *f.resume
		c.Path, c.Gone = f.path, 0
		return c, false
	}
	done, n := f.tracker.Head().Offset, 0
	for n < len(f.marks) && f.marks[n].end <= done {
		f.committed, moved = f.marks[n], true
		n++
	}
	f.marks = slices.Delete(f.marks, 0, n)
	head := f.head[:min(int64(len(f.head)), f.committed.end)]
	return cursor{
		Device: f.id.Device, Inode: f.id.Inode, Path: f.path, Offset: f.committed.end,
		HeadBytes: len(head), Head: sum(head), TailBytes: f.committed.bytes, Tail: f.committed.sum,
	}, moved
}

// visit reads a file once and reports whether there is more to read at once. An error is that of emit, or ctx's.
func (t *tail) visit(ctx context.Context, f *followed, emit engine.Emit) (more bool, err error) {
	now := time.Now()
	if now.Before(f.next) {
		return false, nil
	}
	if f.after != nil {
		if !f.after.caught.After(f.found) {
			return false, nil
		}
		f.after = nil
	}
	t.mu.Lock()
	gone, size := f.gone, f.size
	t.mu.Unlock()
	if f.in == nil {
		if size == f.seen && gone.IsZero() && !t.flushes(f, now) {
			return false, nil // closed, and nothing new
		}
		if !t.makeRoom(f) {
			return false, nil
		}
		if err := t.openFile(f); err != nil {
			t.failed(f, gone, now, err)
			return false, nil
		}
	}
	info, err := f.in.Stat()
	if err != nil {
		t.failed(f, gone, now, err)
		return false, nil
	}
	size = info.Size()
	if size != f.seen {
		f.seen, f.grew = size, now
	}
	if size < f.at {
		t.truncated(f)
	}
	over := !gone.IsZero() && now.Sub(later(gone, f.grew)) >= t.config.RotateWait
	end := f.partial == size && (over || t.flushes(f, now))
	if size == f.at || f.partial == size && !end {
		f.caught, f.next = now, now.Add(t.config.Poll)
		if over && size == f.at {
			t.retire(f, unlinked(info))
		}
		return false, nil
	}
	refused, err := t.read(ctx, f, size, end, emit)
	if refused != nil {
		return false, refused
	}
	if err != nil {
		t.failed(f, gone, now, err)
		return false, nil
	}
	return true, ctx.Err()
}

// flushes reports whether a line without its end has stood still for long enough.
func (t *tail) flushes(f *followed, now time.Time) bool {
	return t.config.FlushAfter > 0 && f.partial == f.seen && f.seen > f.at && now.Sub(f.grew) >= t.config.FlushAfter
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// read reads from the position on and emits the lines. The bytes in front of the position are read again, because a file that was
// truncated and has grown beyond it looks like one that has only grown.
func (t *tail) read(ctx context.Context, f *followed, size int64, end bool, emit engine.Emit) (refused, err error) {
	k := len(f.tail)
	if _, err := f.in.Seek(f.at-int64(k), io.SeekStart); err != nil {
		return nil, err
	}
	buf := make([]byte, k+int(min(int64(f.want), size-f.at)))
	n, err := io.ReadFull(f.in, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if buf = buf[:n]; n < k || !bytes.Equal(buf[:k], f.tail) {
		t.truncated(f)
		return nil, nil
	}
	data, from := buf[k:], f.at
	upTo := from + int64(len(data))
	if f.flushed && len(data) > 0 {
		// The end of a line that was taken without it is no line.
		if data[0] == '\n' {
			data = data[1:]
			f.at++
		}
		f.flushed = false
	}
	t.mu.Lock()
	if from < headBytes {
		f.head = append(f.head[:from:from], buf[k:][:min(upTo-from, headBytes-from)]...)
	}
	f.buffer, f.base = buf, from-int64(k)
	t.mu.Unlock()
	refused = f.emitLines(ctx, data, end && upTo == size, emit)
	used := int(f.at - from)
	f.flushed = end && f.at == size
	f.rest, f.buffer = nil, nil
	read := buf[:k+used]
	f.tail = append(f.tail[:0], read[max(0, len(read)-tailBytes):]...)
	switch {
	case used > 0:
		f.want = fileChunk
	case upTo < size:
		f.want = min(2*f.want, f.env.Limits.Message+fileChunk)
	}
	f.partial = -1
	if upTo == size && f.at < size {
		f.partial = size
	}
	return refused, nil
}

// truncated reads a file from its beginning again: its content is not the one that was read.
func (t *tail) truncated(f *followed) {
	t.counts.truncations.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	f.restart(0)
	t.dirty = true
}

// failed says that a file cannot be read. One that is gone is given up in the end.
func (t *tail) failed(f *followed, gone, now time.Time, err error) {
	if errors.Is(err, fs.ErrNotExist) && gone.IsZero() {
		f.next = now.Add(t.config.Poll) // renamed just now: the watch finds out
		return
	}
	vanished := errors.Is(err, fs.ErrNotExist)
	f.caught, f.next = now, now.Add(t.config.Poll/2)
	switch {
	case vanished:
	case errors.Is(err, fs.ErrPermission) && t.deny(f):
		f.next = now.Add(deniedWait)
		t.counts.errors.Add(1)
		t.health.note("a file may not be read", "error", err)
	default:
		t.trouble("reading a file fails", err)
	}
	if !gone.IsZero() && (vanished || now.Sub(gone) >= t.config.RotateWait) {
		if f.seen != f.at {
			// It was closed, or could not be read: what it had grown since is lost.
			t.counts.lost.Add(1)
			t.health.note("a file went away before all of it was read", "file", f.origin.Topic, "position", f.at)
		}
		t.retire(f, vanished)
	}
}

// deniedWait is when a file that may not be read is tried again.
const deniedWait = 5 * time.Second

// deny notes that a file may not be read, and reports whether others may: then the node is well.
func (t *tail) deny(f *followed) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.denied = true
	return slices.ContainsFunc(t.files, func(x *followed) bool { return !x.denied })
}

// retire ends the following of a file. Its position is stored until all of it is done.
func (t *tail) retire(f *followed, unlinked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.in != nil {
		_ = f.in.Close() // it was only read
		f.in = nil
		t.open--
	}
	if f.gone.IsZero() { // it came back just now
		return
	}
	f.unlinked = unlinked
	if i := slices.Index(t.files, f); i >= 0 {
		t.files = slices.Delete(t.files, i, i+1)
	}
	if t.byID[f.id] == f {
		delete(t.byID, f.id)
	}
	t.ended = append(t.ended, f)
	t.dirty = true
}

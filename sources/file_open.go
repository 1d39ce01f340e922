package sources

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"dataflow/engine"
)

// opens opens a new file if there is room for it; else its turn comes when it is read.
func (t *tail) opens(f *followed) {
	if !t.room() {
		return
	}
	if err := t.openFile(f); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) { // the reader says what may not be read
		t.trouble("opening a file fails", err)
	}
}

func (t *tail) room() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open < t.config.MaxOpen
}

// openFile opens a file under the name that it has now and checks that it is what it was.
func (t *tail) openFile(f *followed) error {
	t.mu.Lock()
	name := f.path
	t.mu.Unlock()
	in, err := t.openAs(name, f)
	if errors.Is(err, fs.ErrNotExist) {
		moved, _ := t.search(name, f.id)
		if moved == "" {
			return err
		}
		in, err = t.openAs(moved, f)
	}
	if err != nil {
		return err
	}
	if err := t.check(f, in); err != nil {
		return errors.Join(err, in.Close())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f.in, f.denied = in, false
	t.open++
	return nil
}

// openAs opens the file of that name if it is f.
func (t *tail) openAs(name string, f *followed) (engine.FSFile, error) {
	in, err := t.env.FS.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	info, err := in.Stat()
	if err == nil && (identity(name, info) != f.id || nameIdentifies && !os.SameFile(f.info, info)) {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist} // another one
	}
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// check finds where reading goes on in a file that was just opened: where it stopped, if the content is the same.
func (t *tail) check(f *followed, in engine.FSFile) error {
	if f.fromEnd {
		at, err := lineStart(in, f.at)
		if err != nil {
			return err
		}
		f.at = at
	}
	head, tail, err := around(in, f.at)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	same := true
	switch {
	case f.fromEnd:
		f.restart(f.at)
		f.committed = mark{f.at, sum(tail), len(tail)}
	case f.resume != nil:
		if same = f.resume.fits(head, tail) && int64(len(head)) == min(headBytes, f.at); same {
			f.committed = mark{f.at, f.resume.Tail, f.resume.TailBytes}
		}
	case f.at > 0:
		same = len(head) > 0 && bytes.HasPrefix(f.head, head) && bytes.Equal(tail, f.tail)
	}
	f.fromEnd, f.resume = false, nil
	if !same {
		t.counts.mismatches.Add(1)
		f.restart(0)
		t.dirty = true
		return nil
	}
	f.head, f.tail = head, tail
	return nil
}

// lineStart returns where the line begins that holds, or ends before, a position: a file that is read from its end on
// begins with a whole line.
func lineStart(in io.ReadSeeker, at int64) (int64, error) {
	back := make([]byte, min(at, 64<<10))
	if _, err := in.Seek(at-int64(len(back)), io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(in, back)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // it was truncated; the next look sees that
	}
	if i := bytes.LastIndexByte(back[:n], '\n'); i >= 0 {
		return at - int64(len(back)) + int64(i) + 1, err
	}
	if at == int64(len(back)) {
		return 0, err // the first line has no end yet
	}
	return at, err
}

// makeRoom closes the file that has not grown for longest, or waits for another one, if too many are open. It reports false if all
// have something to read.
func (t *tail) makeRoom(f *followed) bool {
	if t.room() {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var idle *followed
	for _, x := range t.files {
		resting := x.after != nil || x.gone.IsZero() && (x.seen == x.at || x.partial == x.seen)
		if x != f && x.in != nil && resting && (idle == nil || x.grew.Before(idle.grew)) {
			idle = x
		}
	}
	if idle == nil {
		return false
	}
	_ = idle.in.Close() // it was only read
	idle.in = nil
	t.open--
	return true
}

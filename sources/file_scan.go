package sources

import (
	"io/fs"
	"os"
	"path"
	"time"

	"dataflow/engine/watermark"
)

// scan looks for the files that are there now: new ones are followed from now on, those that are not found by any name are
// gone. FromEnd begins new files at their end. It reports whether there were new ones.
func (t *tail) scan(fromEnd bool) (discovered bool) {
	blind := false
	names := t.matching(func(string) {}, func(err error) {
		blind = true
		t.trouble("looking for files fails", err)
	})
	t.mu.Lock()
	t.turn++
	before := t.holders
	t.holders = make(map[string]*followed, len(before))
	t.mu.Unlock()
	for _, name := range names {
		info, err := t.env.FS.Stat(name)
		if err != nil {
			notThere(err, func(err error) { blind = true; t.trouble("looking at a file fails", err) })
			continue
		}
		if !info.Mode().IsRegular() {
			continue
		}
		if f := t.known(name, info); f == nil {
			last := before[name]
			if last != nil {
				last = t.missed(name, last, last.modified)
			}
			t.discover(name, info, last, fromEnd)
			discovered = true
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now, changed := time.Now(), discovered
	for _, f := range t.files {
		// A folder that cannot be read says nothing about its files.
		if f.turn != t.turn && f.gone.IsZero() && !blind {
			f.gone, changed = now, true
		}
	}
	if changed {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	return discovered
}

// known notes that a file is there, and returns nil if nobody follows it.
func (t *tail) known(name string, info fs.FileInfo) *followed {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.byID[identity(name, info)]
	if f == nil || nameIdentifies && !os.SameFile(f.info, info) {
		return nil
	}
	if f.turn != t.turn { // else the file has several names, and the first holds
		t.dirty = t.dirty || f.path != name
		f.path, f.turn, f.gone = name, t.turn, time.Time{}
	}
	f.size, f.modified = info.Size(), info.ModTime()
	t.holders[name] = f
	return f
}

// discover follows a new file, which has taken the name of another one if before is not nil.
func (t *tail) discover(name string, info fs.FileInfo, before *followed, fromEnd bool) {
	f := t.newFollowed(name, identity(name, info), info)
	f.after, f.fromEnd = before, fromEnd
	t.mu.Lock()
	for i, x := range t.ended {
		// It is back before all of it was done: it goes on where it was.
		if x.id == f.id && !x.unlinked {
			t.ended = append(t.ended[:i], t.ended[i+1:]...)
			f = x
			f.path, f.size, f.gone, f.seen = name, info.Size(), time.Time{}, -1
			break
		}
	}
	t.mu.Unlock()
	if f.tracker == nil {
		f.begin(t.resume(f.id, name), info.Size())
	}
	t.opens(f)
	f.turn = t.turn // which only the caller, the watch, changes
	t.add(f)
	t.mu.Lock()
	t.holders[name] = f
	t.mu.Unlock()
}

// resume takes the stored position of a file, if there is one. Device numbers may change when the machine starts:
// the inode under the same name is then believed, if the content bears it out.
func (t *tail) resume(id fileID, name string) *cursor {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.past[id]; ok {
		delete(t.past, id)
		return &c
	}
	for old, c := range t.past {
		if c.Path == name && old.Inode == id.Inode && c.Gone == 0 {
			delete(t.past, old)
			return &c
		}
	}
	return nil
}

// findMoved follows files to their end that were renamed while nobody watched, so that no pattern finds them. Positions of
// files that are not there, or not wanted any more, are kept for a while.
func (t *tail) findMoved() {
	t.mu.Lock()
	var lost []cursor
	for id, c := range t.past {
		if c.Gone == 0 {
			if t.wants(c.Path) {
				lost = append(lost, c)
			}
			c.Gone = t.env.Now().Unix()
			t.past[id] = c
		}
	}
	t.mu.Unlock()
	for _, c := range lost {
		id := fileID{c.Device, c.Inode}
		name, info := t.search(c.Path, id)
		if name == "" {
			continue
		}
		f := t.newFollowed(c.Path, id, info)
		f.gone = time.Now() // its path stays the wanted one, by which the next start looks for it again
		f.begin(t.resume(id, name), info.Size())
		t.opens(f)
		t.add(f)
		last := t.missed(c.Path, f, info.ModTime())
		t.mu.Lock()
		if holder := t.holders[c.Path]; holder != nil && holder.after == nil {
			holder.after = last
		}
		t.mu.Unlock()
	}
}

// search looks for a file by its identity among those beside its former name.
func (t *tail) search(former string, id fileID) (name string, info fs.FileInfo) {
	dir := path.Dir(former)
	entries, err := t.env.FS.ReadDir(dir)
	if err != nil {
		notThere(err, func(err error) { t.trouble("looking for a renamed file fails", err) })
		return "", nil
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		name := path.Join(dir, e.Name())
		if info, err := e.Info(); err == nil && identity(name, info) == id {
			return name, info
		}
	}
	return "", nil
}

func (t *tail) newFollowed(name string, id fileID, info fs.FileInfo) *followed {
	f := &followed{lineFile: t.lines(name), id: id, info: info, path: name, size: info.Size(), modified: info.ModTime(), seen: -1, want: fileChunk, found: time.Now()}
	f.enter = func(end int64, points int, now int64) *watermark.Entry {
		t.mu.Lock()
		defer t.mu.Unlock()
		return f.hand(end, points, now)
	}
	return f
}

func (t *tail) add(f *followed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.files = append(t.files, f)
	t.byID[f.id] = f
	t.dirty = true
}

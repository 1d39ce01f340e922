package deadletter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"dataflow/engine"
)

// Dropped is what was removed.
type Dropped struct {
	Entries int
	Damage  Damage // that went with the segments that it stood in
}

// Drop removes the entries in dir that chosen wants, for good: when Drop returns without an error, they do not come
// again. After an error or a crash some of them may still be there; the others always are. A segment of which nothing
// is left is removed, the last one except for its header: so its number, and the ids of its entries, are not given
// again. An entry is good until chosen returns. No store may write to dir meanwhile.
func Drop(fsys engine.FS, dir string, chosen func(*Entry) bool) (Dropped, error) {
	d := dropper{fsys: fsys, dir: dir, chosen: chosen}
	err := d.run()
	return d.done, err
}

// DropAll is Drop of every entry, and of what is damaged. Segments that another version wrote stay.
func DropAll(fsys engine.FS, dir string) (Dropped, error) {
	d := dropper{fsys: fsys, dir: dir, all: true, chosen: func(*Entry) bool { return true }}
	err := d.run()
	return d.done, err
}

// dropper goes through the segments. Each change of the disk is durable before the next one that relies on it.
type dropper struct {
	fsys   engine.FS
	dir    string
	all    bool // damage too
	chosen func(*Entry) bool
	done   Dropped
}

func (d *dropper) run() error {
	segments, err := list(d.fsys, d.dir)
	if err != nil {
		return err
	}
	for i, s := range segments {
		if err := d.segment(s, i == len(segments)-1); err != nil {
			return fmt.Errorf("dropping dead letters: %w", err)
		}
	}
	return d.sweep()
}

// segment drops what is chosen of a segment.
func (d *dropper) segment(s segment, last bool) error {
	c, err := load(d.fsys, d.dir, s.number)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || foreign(c.data) {
		return err
	}
	var (
		out    []int64
		kept   int
		unread Damage
	)
	end, damage, err := c.each(func(at int, payload []byte) error {
		e, err := readEntry(payload)
		if err != nil {
			unread.add(len(payload))
			return nil
		}
		if e.ID = (ID{s.number, int64(at)}); d.chosen(&e) {
			out = append(out, int64(at))
		} else {
			kept++
		}
		return nil
	})
	if err != nil {
		return err
	}
	damage.Places += unread.Places
	damage.Bytes += unread.Bytes
	if !last { // what ends the last one was being written
		damage.add(len(c.data) - end)
	}
	switch {
	case kept == 0 && (d.all || damage == (Damage{})):
		if err := d.remove(s, &c, last); err != nil {
			return err
		}
		d.done.Damage.Places += damage.Places
		d.done.Damage.Bytes += damage.Bytes
	case len(out) > 0:
		if err := d.list(s, &c, out); err != nil {
			return err
		}
	}
	d.done.Entries += len(out)
	return nil
}

// remove removes a segment, or all of the last one but its header.
func (d *dropper) remove(s segment, c *content, last bool) error {
	if _, intact := headerOf(c.data); !last || !intact {
		return removeSegment(d.fsys, d.dir, s)
	}
	if len(c.data) > headerBytes {
		file, err := d.fsys.OpenFile(path.Join(d.dir, segmentName(s.number)), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(file.Truncate(headerBytes), file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	if s.list == 0 {
		return nil
	}
	return d.fsys.Remove(path.Join(d.dir, listName(s.number)))
}

// list adds entries to the list of a segment. The new list replaces the old one in one step.
func (d *dropper) list(s segment, c *content, out []int64) error {
	all := slices.Concat(c.dropped, out)
	slices.Sort(all)
	name := path.Join(d.dir, listName(s.number))
	file, err := d.fsys.OpenFile(name+unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(appendList(nil, markOf(c.data), all))
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := d.fsys.Rename(name+unfinished, name); err != nil {
		return err
	}
	return syncDir(d.fsys, d.dir)
}

// sweep removes lists whose segments are gone, and those that were not finished.
func (d *dropper) sweep() error {
	files, err := d.fsys.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing dead letters: %w", err)
	}
	there := map[string]bool{}
	for _, file := range files {
		there[file.Name()] = true
	}
	for name := range there {
		number, ok := numberOf(strings.TrimSuffix(name, unfinished), listSuffix)
		if !ok || name == listName(number) && there[segmentName(number)] {
			continue
		}
		if err := d.fsys.Remove(path.Join(d.dir, name)); err != nil {
			return fmt.Errorf("dropping dead letters: %w", err)
		}
	}
	return nil
}

// removeSegment removes a segment, then its list. When the list goes, the segment must be gone for good: without it the
// entries that were dropped would come again.
func removeSegment(fsys engine.FS, dir string, s segment) error {
	if err := fsys.Remove(path.Join(dir, segmentName(s.number))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncDir(fsys, dir); err != nil || s.list == 0 {
		return err
	}
	if err := fsys.Remove(path.Join(dir, listName(s.number))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

package buffer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// View is a store's directory as the disk has it, for those who look into it while no engine runs. It changes nothing: what recovery
// would do at the next start is only said. One goroutine uses it.
type View struct {
	store  *Store // without its goroutines
	marks  map[uint32]mark
	lanes  []*ViewLane
	faults []error
	broken error
}

// ViewLane is a lane of a buffer. Of several with one name each holds a part.
type ViewLane struct {
	Buffer, Lane string

	id   laneID
	low  uint64 // everything below is done
	sure bool   // low is known; else the first frame says where the lane begins
}

// OpenView opens the directory for reading. The errors are ErrInUse, ErrFormat, those of the file system, and one that is
// fs.ErrNotExist where there is no such directory. A database that is too damaged to be opened is no error: see Broken.
func OpenView(o Options) (*View, error) {
	o = withDefaults(o)
	below := o.FS
	if below == nil {
		below = vfs.Default
	}
	s := &Store{o: o, fs: readOnlyFS{FS: below}}
	s.o.FS = s.fs
	s.stop, s.end = context.WithCancel(context.Background())
	s.meter.init()
	v := &View{store: s}
	if err := v.open(below); err != nil {
		return nil, fmt.Errorf("reading buffers in %s: %w", o.Dir, errors.Join(err, v.Close()))
	}
	return v, nil
}

func (v *View) open(below vfs.FS) error {
	s := v.store
	if _, err := s.fs.Stat(s.o.Dir); err != nil {
		return err
	}
	// A directory without a lock file never had a running engine, or is a copy.
	if _, err := s.fs.Stat(s.path(lockName)); err == nil {
		s.lock, err = below.Lock(s.path(lockName))
		var path *fs.PathError
		switch {
		case errors.As(err, &path):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", ErrInUse, err)
		}
	}
	if err := v.readFormat(); err != nil {
		return err
	}
	if err := v.readMarks(); err != nil {
		return err
	}
	made, err := s.made()
	if err != nil || !made {
		return err
	}
	if err = v.openDB(); err == nil {
		err = v.findLanes()
	}
	if err != nil && isDamage(err) {
		v.broken, v.lanes = errors.New(line(err.Error())), nil
		return nil
	}
	return err
}

func (v *View) readFormat() error {
	s := v.store
	text, err := readFile(s.fs, s.path(formatName), 1<<10)
	if err != nil {
		return err
	}
	version, ok := readFormat(string(text))
	switch {
	case ok && version > formatVersion:
		return fmt.Errorf("%w: %s is of format %d, this engine knows %d", ErrFormat, s.path(formatName), version, formatVersion)
	case !ok && text != nil:
		v.fault("the file %s is damaged", formatName)
	}
	return nil
}

// readMarks reads the watermark file. One of a lane's two slots may be torn, not both.
func (v *View) readMarks() error {
	s := v.store
	var err error
	if v.marks, _, err = readMarks(s.fs, s.path(marksName)); err != nil {
		return err
	}
	data, err := readFile(s.fs, s.path(marksName), maxLanes*laneBytes)
	if err != nil {
		return err
	}
	for lane := uint32(0); len(data) > 0; lane++ {
		n := min(laneBytes, len(data))
		if _, ok := v.marks[lane]; !ok && slices.ContainsFunc(data[:n], func(b byte) bool { return b != 0 }) {
			v.fault("the watermark of lane %d is damaged", lane)
		}
		data = data[n:]
	}
	return nil
}

// openDB opens Pebble, if need be without the notes of its options, as Open does.
func (v *View) openDB() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v: %w", r, errDamage)
		}
	}()
	s := v.store
	o := s.pebbleOptions()
	o.FS, o.ReadOnly, o.DisableTableStats = s.fs, true, true
	s.db, err = pebble.Open(s.path(dbName), o)
	if err == nil || !isDamage(err) {
		return err
	}
	without := s.pebbleOptions()
	without.FS, without.ReadOnly, without.DisableTableStats = readOnlyFS{FS: s.fs, hide: optionsPrefix}, true, true
	db, again := pebble.Open(s.path(dbName), without)
	if again != nil {
		return err
	}
	s.db = db
	v.fault("Pebble's notes of its options are damaged: %s", line(err.Error()))
	return nil
}

// findLanes finds the lanes by their names, their cursors and their frames.
func (v *View) findLanes() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v: %w", r, errDamage)
		}
	}()
	known := map[laneID]*ViewLane{}
	at := func(id laneID) *ViewLane {
		if known[id] == nil {
			m, ok := v.marks[id.lane]
			known[id] = &ViewLane{id: id, low: m.low, sure: ok}
		}
		return known[id]
	}
	err = v.readTable(kindName, "name", func(id laneID, key, value []byte) bool {
		buffer, lane, ok := readNames(key, value)
		if ok {
			at(id).Buffer, at(id).Lane = buffer, lane
		}
		return ok
	})
	if err != nil {
		return err
	}
	err = v.readTable(kindCursor, "cursor", func(id laneID, key, value []byte) bool {
		low, ok := readCursor(key, value)
		if ok {
			at(id).low, at(id).sure = max(low, at(id).low), true
		}
		return ok
	})
	if err != nil {
		return err
	}
	if err := v.findFrames(func(id laneID) { at(id) }); err != nil {
		return err
	}
	seen := map[uint32]bool{}
	for _, l := range known {
		seen[l.id.lane] = true
		if l.Buffer == "" {
			if err := v.nameByFrame(l); err != nil {
				return err
			}
		}
		if l.Buffer == "" {
			v.fault("nothing of lane %d can be read", l.id.lane)
			continue
		}
		v.lanes = append(v.lanes, l)
	}
	for lane, m := range v.marks {
		if lost := m.next - m.low; lost > 0 && !seen[lane] {
			v.fault("nothing is left of lane %d, which had %d points", lane, lost)
		}
	}
	slices.SortFunc(v.lanes, func(a, b *ViewLane) int {
		return cmp.Or(strings.Compare(a.Buffer, b.Buffer), strings.Compare(a.Lane, b.Lane), compareLanes(a.id, b.id))
	})
	return nil
}

// readTable hands the entries of a kind to take, which says whether the entry is sound.
func (v *View) readTable(kind byte, what string, take func(id laneID, key, value []byte) bool) error {
	_, err := v.store.iterate([]byte{kind}, []byte{kind + 1}, func(key, value []byte) bool {
		if _, id, _, ok := readKey(key); ok && !take(id, key, value) {
			v.fault("the %s of lane %d is damaged", what, id.lane)
		}
		return true
	})
	if err != nil && isDamage(err) {
		v.fault("the table of %ss is damaged: %s", what, line(err.Error()))
		return nil
	}
	return err
}

// findFrames tells of every lane that has frames, by the first of each. Behind a place that is damaged there are names only.
func (v *View) findFrames(found func(laneID)) error {
	for lower := []byte{kindData}; ; {
		var first []byte
		_, err := v.store.iterate(lower, []byte{kindData + 1}, func(key, _ []byte) bool {
			first = bytes.Clone(key)
			return false
		})
		if err != nil {
			if isDamage(err) {
				return nil // whoever walks the lane meets it
			}
			return err
		}
		_, id, _, ok := readKey(first)
		if !ok {
			return nil
		}
		found(id)
		if id.lane == math.MaxUint32 {
			return nil
		}
		lower = appendKey(nil, kindData, laneID{id.buffer, id.lane + 1}, 0)
	}
}

// nameByFrame takes the names of a lane from its first frame that can be read.
func (v *View) nameByFrame(l *ViewLane) error {
	return v.Walk(l, func(x Item) bool {
		if x.Fault == nil {
			l.Buffer, l.Lane = x.buffer, x.Body.Lane
		}
		return x.Fault != nil
	})
}

func (v *View) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Errorf(format, args...))
}

// Lanes returns the lanes in the order of their buffers' names and their own, those without content too.
func (v *View) Lanes() []*ViewLane { return v.lanes }

// Broken says why the database cannot be opened, so that the next start will put it aside; nil if it can.
func (v *View) Broken() error { return v.broken }

// Faults returns what is damaged beside the frames: Walk finds those.
func (v *View) Faults() []error { return v.faults }

// Kept is something that is kept for a person to look at.
type Kept struct {
	Name  string // in the store's directory
	Files int
	Bytes int64
}

// Kept returns the damaged databases and the folder of damaged frames that earlier starts have put aside.
func (v *View) Kept() ([]Kept, error) {
	s := v.store
	names, err := s.fs.List(s.o.Dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []Kept
	for _, name := range names {
		if name != damagedName && !strings.HasPrefix(name, quarantine) {
			continue
		}
		files, err := s.fs.List(s.path(name))
		if err != nil {
			return nil, err
		}
		out = append(out, Kept{name, len(files), s.sizeOf(name)})
	}
	return out, nil
}

// Close closes the files and gives the lock back.
func (v *View) Close() error {
	v.store.end()
	return v.store.release()
}

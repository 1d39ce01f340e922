package deadletter

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dataflow/engine"
)

// offsetsIn returns the offsets of the entries in d, which name them in these tests.
func offsetsIn(t testing.TB, fsys engine.FS) []int64 {
	t.Helper()
	entries, damage := readAll(t, fsys, "d")
	if damage != (Damage{}) {
		t.Errorf("damage %+v", damage)
	}
	return numbers(entries)
}

func numbers(entries []Entry) []int64 {
	out := []int64{}
	for _, e := range entries {
		out = append(out, e.Offset)
	}
	return out
}

// filled returns a disk with n entries in several segments.
func filled(t testing.TB, n int) *memFS {
	t.Helper()
	fsys := newMemFS()
	s := New(envOn(fsys), Options{Dir: "d", SegmentBytes: 320}) // three of them
	for i := range n {
		appendAll(t, s, record(i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fsys
}

func dropIf(t testing.TB, fsys engine.FS, chosen func(*Entry) bool) Dropped {
	t.Helper()
	d, err := Drop(fsys, "d", chosen)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestIDsStay(t *testing.T) {
	fsys := filled(t, 12)
	ids := func() map[int64]ID {
		out := map[int64]ID{}
		entries, _ := readAll(t, fsys, "d")
		for _, e := range entries {
			out[e.Offset] = e.ID
		}
		return out
	}
	before := ids()
	seen := map[ID]bool{}
	for n, id := range before {
		if back, err := ParseID(id.String()); err != nil || back != id || seen[id] {
			t.Errorf("entry %d has id %s, read as %s, %v", n, id, back, err)
		}
		seen[id] = true
	}
	if len(before) != 12 || before[0] != (ID{0, headerBytes}) || before[11].Segment < 3 {
		t.Fatalf("ids %v", before)
	}
	dropIf(t, fsys, func(e *Entry) bool { return e.ID == before[e.Offset] && e.Offset%5 != 0 })
	s := New(envOn(fsys), Options{Dir: "d"})
	appendAll(t, s, record(100))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after := ids()
	for n, id := range after {
		if n == 100 && seen[id] || n < 100 && id != before[n] {
			t.Errorf("entry %d: %s was %s", n, id, before[n])
		}
	}
	if got := slices.Sorted(maps.Keys(after)); !slices.Equal(got, []int64{0, 5, 10, 100}) {
		t.Errorf("there are %v", got)
	}
	// Numbers are not given again, even when nothing is left.
	if _, err := DropAll(fsys, "d"); err != nil {
		t.Fatal(err)
	}
	if err := New(envOn(fsys), Options{Dir: "d"}).roundTrip([]Entry{record(200)}); err != nil {
		t.Fatal(err)
	}
	if id := ids()[200]; id.Segment <= after[100].Segment || id.Offset != headerBytes {
		t.Errorf("id %s was given before: %s", id, after[100])
	}
}

func TestParseID(t *testing.T) {
	if id, err := ParseID("7-1024"); err != nil || id != (ID{7, 1024}) {
		t.Errorf("%v, %v", id, err)
	}
	for _, bad := range []string{"", "-", "7", "7-", "-7", "07-1", "7-01", "7--1", "+7-1", "7-1 ", "7-1-2", "x-1", "18446744073709551616-1", "1-9223372036854775808"} {
		if id, err := ParseID(bad); err == nil || id != (ID{}) || !strings.Contains(err.Error(), `is no id of a dead letter: write it as in 7-1024`) {
			t.Errorf("%q: %v, %v", bad, id, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("7-1024")
	f.Add("0-20")
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := ParseID(text); err == nil && (id.String() != text || id.Offset < 0) {
			t.Errorf("%q was read as %s", text, id)
		}
	})
}

// TestDropFiles: what is on the disk after drops.
func TestDropFiles(t *testing.T) {
	fsys := filled(t, 9)
	perSegment := map[uint64][]int64{}
	entries, _ := readAll(t, fsys, "d")
	for _, e := range entries {
		perSegment[e.ID.Segment] = append(perSegment[e.ID.Segment], e.Offset)
	}
	if len(perSegment) != 3 || len(perSegment[1]) != 3 {
		t.Fatalf("segments %v", perSegment)
	}
	files := func() string {
		out := fsys.list()
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	none := dropIf(t, fsys, func(*Entry) bool { return false })
	if want := "000000000000.dlq 000000000001.dlq 000000000002.dlq"; none != (Dropped{}) || files() != want {
		t.Errorf("after nothing: %+v, %s", none, files())
	}
	one := dropIf(t, fsys, func(e *Entry) bool { return e.Offset == 1 })
	if want := "000000000000.dlq 000000000000.dropped 000000000001.dlq 000000000002.dlq"; one.Entries != 1 || files() != want {
		t.Errorf("after one: %+v, %s", one, files())
	}
	whole := dropIf(t, fsys, func(e *Entry) bool { return e.ID.Segment == 1 })
	if want := "000000000000.dlq 000000000000.dropped 000000000002.dlq"; whole.Entries != 3 || files() != want {
		t.Errorf("after a segment: %+v, %s", whole, files())
	}
	rest := dropIf(t, fsys, func(e *Entry) bool { return e.Offset < 3 })
	if want := "000000000002.dlq"; rest.Entries != 2 || files() != want || !slices.Equal(offsetsIn(t, fsys), []int64{6, 7, 8}) {
		t.Errorf("after the others of the first: %+v, %s", rest, files())
	}
	last := dropIf(t, fsys, func(*Entry) bool { return true })
	if size := len(fsys.files["d/"+segmentName(2)].data); last.Entries != 3 || files() != "000000000002.dlq" || size != headerBytes {
		t.Errorf("after the last: %+v, %s of %d bytes", last, files(), size)
	}
	// What keeps the number goes once it is not the last any more.
	if err := New(envOn(fsys), Options{Dir: "d"}).roundTrip([]Entry{record(9)}); err != nil {
		t.Fatal(err)
	}
	if d := dropIf(t, fsys, func(*Entry) bool { return false }); d != (Dropped{}) || files() != "000000000003.dlq" {
		t.Errorf("%+v, %s", d, files())
	}
	for _, dir := range []string{"nowhere", "d"} {
		if d, err := DropAll(newMemFS(), dir); err != nil || d != (Dropped{}) {
			t.Errorf("no store: %+v, %v", d, err)
		}
	}
}

// TestForgottenLists: a list says nothing about another segment of its number, and is cleared away.
func TestForgottenLists(t *testing.T) {
	fsys := filled(t, 9)
	dropIf(t, fsys, func(e *Entry) bool { return e.ID.Offset == headerBytes })
	old := bytes.Clone(fsys.files["d/"+listName(0)].data)
	fsys = filled(t, 9) // with other marks
	fsys.files["d/"+listName(0)] = &memData{old, len(old)}
	fsys.files["d/"+listName(77)] = &memData{old, len(old)}
	fsys.files["d/"+listName(2)+unfinished] = &memData{old[:5], 5}
	if got := offsetsIn(t, fsys); len(got) != 9 {
		t.Errorf("there are %v", got)
	}
	dropIf(t, fsys, func(e *Entry) bool { return e.Offset == 1 })
	if got := offsetsIn(t, fsys); !slices.Equal(got, []int64{0, 2, 3, 4, 5, 6, 7, 8}) || len(fsys.list()) != 4 {
		t.Errorf("there are %v in %v", got, fsys.list())
	}
}

// TestDamagedList: entries whose list is damaged come again, and that is said. The next drop writes the list anew.
func TestDamagedList(t *testing.T) {
	fsys := filled(t, 9)
	dropIf(t, fsys, func(e *Entry) bool { return e.Offset == 0 || e.Offset == 1 })
	data := fsys.files["d/"+listName(0)].data
	for i := range data {
		data[i] ^= 0x41
		got, damage := readAll(t, fsys, "d")
		data[i] ^= 0x41
		if len(got) != 9 || damage != (Damage{1, int64(len(data))}) {
			t.Fatalf("byte %d: %d entries, damage %+v", i, len(got), damage)
		}
	}
	for n := range data {
		if _, _, err := readList(data[:n]); !errors.Is(err, errList) {
			t.Errorf("%d bytes of %d: %v", n, len(data), err)
		}
	}
	data[0] ^= 1
	if d := dropIf(t, fsys, func(e *Entry) bool { return e.Offset == 2 }); d.Entries != 1 {
		t.Errorf("%+v", d)
	}
	if got := offsetsIn(t, fsys); !slices.Equal(got, []int64{0, 1, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("there are %v", got)
	}
}

// TestDropDamaged: Drop leaves a segment with damage where it is, DropAll does not; what another version wrote stays.
func TestDropDamaged(t *testing.T) {
	fsys := filled(t, 9)
	fsys.files["d/"+segmentName(0)].data[headerBytes+frameBytes+3] ^= 1
	foreign := appendHeader(nil, 7)
	foreign[len(magic)] = 9
	foreign = appendCRC(foreign[:headerBytes-4])
	fsys.files["d/"+segmentName(1)].data = foreign
	size := len(fsys.files["d/"+segmentName(0)].data)
	got, before := readAll(t, fsys, "d")
	if len(got) != 5 || before.Places != 2 {
		t.Fatalf("%d entries, damage %+v", len(got), before)
	}
	if d := dropIf(t, fsys, func(*Entry) bool { return true }); d != (Dropped{Entries: 5}) {
		t.Errorf("%+v", d)
	}
	if got, damage := readAll(t, fsys, "d"); len(got) != 0 || damage != before {
		t.Errorf("%d entries, damage %+v, was %+v", len(got), damage, before)
	}
	d, err := DropAll(fsys, "d")
	if err != nil || d.Entries != 0 || d.Damage.Places != 1 || d.Damage.Bytes >= int64(size) {
		t.Errorf("%+v, %v", d, err)
	}
	if _, damage := readAll(t, fsys, "d"); damage != (Damage{1, headerBytes}) {
		t.Errorf("damage %+v", damage)
	}
}

func appendCRC(header []byte) []byte {
	return binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, castagnoli))
}

// TestDropFailures: an error is said, and what was not chosen is there.
func TestDropFailures(t *testing.T) {
	broken := errors.New("broken disk")
	for _, op := range []string{"open", "write", "sync", "rename", "remove", "truncate", "readdir"} {
		fsys := filled(t, 9)
		fsys.fail = func(o, _ string) error {
			if o == op {
				return broken
			}
			return nil
		}
		if _, err := Drop(fsys, "d", func(e *Entry) bool { return e.Offset > 0 }); !errors.Is(err, broken) {
			t.Errorf("%s: %v", op, err)
		}
		fsys.fail = nil
		if got := offsetsIn(t, fsys); !slices.Contains(got, 0) {
			t.Errorf("%s: there are %v", op, got)
		}
		dropIf(t, fsys, func(e *Entry) bool { return e.Offset > 0 })
		if got := offsetsIn(t, fsys); !slices.Equal(got, []int64{0}) {
			t.Errorf("%s: there are %v", op, got)
		}
	}
}

// TestDropCrashes: what was not chosen survives every power cut; what was dropped does not come again after one; what is
// stored later is read.
func TestDropCrashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := newMemFS()
		options := Options{Dir: "d", SegmentBytes: int64(rapid.IntRange(100, 1500).Draw(t, "segment"))}
		there := map[int64]bool{} // to be there
		gone := map[int64]bool{}  // not to be
		next := int64(0)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			s := New(envOn(fsys), options)
			for range rapid.IntRange(0, 8).Draw(t, "entries") {
				appendAll2(t, s, record(int(next)))
				there[next] = true
				next++
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			chosen := map[int64]bool{}
			for _, n := range rapid.SliceOfN(rapid.Int64Range(0, max(next-1, 0)), 0, 12).Draw(t, "chosen") {
				if there[n] {
					chosen[n] = true
				}
			}
			if rapid.IntRange(0, 4).Draw(t, "whole") == 0 {
				chosen = maps.Clone(there)
			}
			crash := rapid.Bool().Draw(t, "crash")
			if after := rapid.IntRange(0, 12).Draw(t, "after"); crash {
				fsys.fail = func(string, string) error {
					if after--; after < 0 {
						return errors.New("power is going")
					}
					return nil
				}
			}
			_, err := Drop(fsys, "d", func(e *Entry) bool { return chosen[e.Offset] })
			fsys.fail = nil
			if err != nil && !crash {
				t.Fatal(err)
			}
			for n := range chosen {
				if delete(there, n); err == nil {
					gone[n] = true
				}
			}
			if rapid.Bool().Draw(t, "cut") {
				fsys.forget(func(name string) bool { return rapid.Bool().Draw(t, "undone "+path.Base(name)) })
				fsys = fsys.crash(rapid.IntRange(0, 100).Draw(t, "kept"), rapid.SliceOfN(rapid.Byte(), 0, 10).Draw(t, "garbage"))
			}
			var got []int64
			damage, err := Read(fsys, "d", func(e Entry) error { got = append(got, e.Offset); return nil })
			if err != nil || damage != (Damage{}) {
				t.Fatalf("damage %+v, %v", damage, err)
			}
			for _, n := range got {
				if gone[n] {
					t.Fatalf("entry %d was dropped; there are %v", n, got)
				}
			}
			for _, n := range slices.Sorted(maps.Keys(there)) {
				if !slices.Contains(got, n) {
					t.Fatalf("entry %d is lost; there are %v", n, got)
				}
			}
			if !slices.IsSorted(got) {
				t.Fatalf("order %v", got)
			}
			for _, n := range got { // of what a crash left undone
				there[n] = true
			}
		}
	})
}

// TestStoreWithLists: a store bounds lists too, removes them with their segments, and counts no dropped entry again.
func TestStoreWithLists(t *testing.T) {
	fsys := filled(t, 9)
	dropIf(t, fsys, func(e *Entry) bool { return e.Offset%3 != 1 })
	env := envOn(fsys)
	var dropped counter
	env.Counter = func(string, string) engine.Counter { return &dropped }
	s := New(env, Options{Dir: "d", MaxBytes: 1500, WhenFull: DropOldest})
	for i := range 100 {
		appendAll(t, s, record(1000+i))
		total := 0
		for _, d := range fsys.files {
			total += len(d.data)
		}
		if total > 1500 {
			t.Fatalf("%d bytes", total)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := offsetsIn(t, fsys); int(dropped.n.Load())+len(got) != 103 {
		t.Errorf("%d counted, %d there", dropped.n.Load(), len(got))
	}
	if slices.ContainsFunc(fsys.list(), func(name string) bool { return strings.HasSuffix(name, listSuffix) }) {
		t.Errorf("lists are left: %v", fsys.list())
	}
}

// TestOldStore reads and drops in a store that the engine wrote before entries could be dropped.
func TestOldStore(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/before-drop")); err != nil {
		t.Fatal(err)
	}
	got, damage := readAll(t, engine.OS{}, dir)
	want := []Entry{record(0), record(1), record(2), pointEntry(3), record(4), record(5), record(6)}
	if !same(got, want) || damage != (Damage{}) || got[0].ID != (ID{0, headerBytes}) || got[6].ID.Segment != 2 {
		t.Fatalf("read %+v, damage %+v", got, damage)
	}
	if d, err := Drop(engine.OS{}, dir, func(e *Entry) bool { return e.Offset != 4 }); err != nil || d.Entries != 6 {
		t.Errorf("%+v, %v", d, err)
	}
	if got, damage := readAll(t, engine.OS{}, dir); !same(got, want[4:5]) || damage != (Damage{}) {
		t.Errorf("read %+v, damage %+v", got, damage)
	}
	if err := New(envOn(engine.OS{}), Options{Dir: dir}).roundTrip([]Entry{record(7)}); err != nil {
		t.Fatal(err)
	}
	if got, _ := readAll(t, engine.OS{}, dir); !slices.Equal(numbers(got), []int64{4, 7}) {
		t.Errorf("there are %v", numbers(got))
	}
}

// The list of format version 1 must stay readable.
func TestGoldenList(t *testing.T) {
	const name = "testdata/v1.dropped"
	mark, offsets := []byte("the mark"), []int64{20, 150, 1 << 40}
	written := appendList(nil, mark, offsets)
	if *update {
		if err := os.WriteFile(name, written, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	gotMark, got, err := readList(golden)
	if !bytes.Equal(golden, written) || err != nil || !bytes.Equal(gotMark, mark) || !slices.Equal(got, offsets) {
		t.Errorf("written\n%x, want\n%x; read %q %v, %v", written, golden, gotMark, got, err)
	}
}

func FuzzList(f *testing.F) {
	f.Add(appendList(nil, []byte("the mark"), []int64{20, 150}))
	f.Add(appendList(nil, []byte("the mark"), nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		mark, offsets, err := readList(data)
		if err != nil {
			return
		}
		if !slices.IsSortedFunc(offsets, func(a, b int64) int { return cmp.Or(cmp.Compare(a, b), 1) }) {
			t.Fatalf("offsets %v", offsets)
		}
		if again := appendList(nil, mark, offsets); len(again) != len(data) || !bytes.Equal(again[8:len(again)-4], data[8:len(data)-4]) {
			t.Fatalf("written\n%x, read from\n%x", again, data)
		}
	})
}

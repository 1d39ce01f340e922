package buffer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// contentOf returns all files below dir with their bytes.
func contentOf(t testing.TB, fs vfs.FS, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	paths, _ := filesOf(t, fs, dir)
	for _, p := range paths {
		out[p] = string(readBytes(t, fs, p))
	}
	return out
}

func openView(t testing.TB, fs vfs.FS) *View {
	t.Helper()
	v, err := OpenView(smallOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func closeView(t testing.TB, v *View) {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// viewed is what a view finds: the numbers of the messages, in order, for each lane, and the points that are lost.
type viewed struct {
	numbers map[string][]uint64
	lost    int64
	whys    []string
}

func viewAll(v *View) (out viewed, err error) {
	out.numbers = map[string][]uint64{}
	for _, l := range v.Lanes() {
		var bad error
		err := v.Walk(l, func(x Item) bool {
			if x.Fault != nil {
				out.lost += x.Lost
				out.whys = append(out.whys, x.Fault.Error())
				return true
			}
			var n uint64
			if n, bad = number(x.Entry); bad != nil {
				return false
			}
			out.numbers[l.Lane] = append(out.numbers[l.Lane], n)
			return true
		})
		if err := errors.Join(err, bad); err != nil {
			return out, err
		}
	}
	return out, nil
}

// TestViewChangesNothing: whatever is on the disk, after a clean end and after a kill, looking at it leaves every byte as it was, and
// finds what the engine will deliver.
func TestViewChangesNothing(t *testing.T) {
	seed := seeded(t)
	for i := range uint64(6) {
		clean := i%2 == 0
		disk, live := rotten(t, seed+i, clean)
		before := contentOf(t, disk, "data")
		v := openView(t, disk)
		got, err := viewAll(v)
		if err != nil {
			t.Fatal(err)
		}
		if v.Broken() != nil || len(v.Faults()) > 0 || got.lost != 0 {
			t.Errorf("sound, and the view says %v %v %+v", v.Broken(), v.Faults(), got.whys)
		}
		var names []string
		for _, l := range v.Lanes() {
			names = append(names, l.Buffer+"/"+l.Lane)
		}
		if fmt.Sprint(names) != "[dw/0 dw/1 dw/2]" {
			t.Error(names)
		}
		closeView(t, v)
		if after := contentOf(t, disk, "data"); !maps.Equal(before, after) {
			t.Errorf("clean %v: looking has changed the disk: %v, before %v", clean, slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
		}
		s := openStore(t, smallOptions(disk))
		b := openBuffer(t, s, "dw", BufferOptions{})
		for lane, numbers := range got.numbers {
			if !slices.IsSorted(numbers) {
				t.Errorf("lane %s: %v", lane, numbers)
			}
			for _, n := range numbers {
				d, err := b.Lane(lane).TryNext(context.Background())
				if err != nil || d == nil {
					t.Fatal(d, err)
				}
				if m, err := number(d.Entry); m != n || err != nil {
					t.Fatalf("lane %s: the engine delivers %d, %v; the view says %d", lane, m, err, n)
				}
				d.Done()
				delete(live, n)
			}
		}
		if rest := drain(t, b); len(rest) > 0 || len(live) > 0 {
			t.Errorf("the view has missed %v, of those that are live %v", rest, live)
		}
		closeStore(t, s)
	}
}

// TestViewOfRot: a view of a damaged disk counts exactly what it cannot show, and changes no byte; what the engine loses or puts aside does not go
// unnoticed.
func TestViewOfRot(t *testing.T) {
	seed := seeded(t)
	cases := max(*casesFlag/5, 1)
	noticed := map[string]int{}
	for c := range cases {
		r := random(seed, uint64(c)+100)
		disk, live := rotten(t, seed+uint64(c%4), c%2 == 0)
		disk = copyFS(t, disk, "data")
		paths, sizes := filesOf(t, disk, "data")
		paths = slices.DeleteFunc(paths, func(p string) bool { return sizes[p] == 0 })
		slices.Sort(paths)
		file := paths[r.IntN(len(paths))]
		what := fmt.Sprintf("case %d: %s", c, damage(t, disk, file, r))
		before := contentOf(t, disk, "data")
		v, err := OpenView(smallOptions(disk))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got, err := viewAll(v)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		broken, faults := v.Broken(), v.Faults()
		closeView(t, v)
		if after := contentOf(t, disk, "data"); !maps.Equal(before, after) {
			t.Fatalf("%s: looking has changed the disk", what)
		}
		result := readRotten(disk, maps.Clone(live))
		if result.err != nil {
			t.Fatalf("%s: %v", what, result.err)
		}
		if (broken != nil) != (result.quarantined > 0) {
			t.Errorf("%s: broken %v, put aside %d", what, broken, result.quarantined)
		}
		missing := int64(0)
		for n := range live {
			missing += points(n)
		}
		for _, numbers := range got.numbers {
			for _, n := range numbers {
				if live[n] {
					missing -= points(n)
				}
			}
		}
		if broken == nil && len(faults) == 0 && got.lost != missing {
			t.Errorf("%s: %d points are missing, the view says %d: %v", what, missing, got.lost, got.whys)
		}
		if result.lost > 0 && broken == nil && len(got.whys) == 0 && len(faults) == 0 {
			t.Errorf("%s: not noticed", what)
		}
		if broken != nil || len(got.whys) > 0 || len(faults) > 0 {
			noticed[kindOf(file)]++
		}
	}
	t.Logf("damage that was noticed: %v", noticed)
}

// TestViewOfFrames damages frames by hand: values that Pebble takes for sound.
func TestViewOfFrames(t *testing.T) {
	mem := vfs.NewMem()
	s := openStore(t, smallOptions(mem))
	b := openBuffer(t, s, "dw", BufferOptions{})
	seqs := map[uint64]uint64{}
	next := uint64(0)
	for n := range uint64(10) {
		if err := b.Append(context.Background(), message(n, "a", 100)); err != nil {
			t.Fatal(err)
		}
		seqs[n] = next
		next += uint64(points(n))
	}
	id := b.Lane("a").id
	change := func(n uint64, value []byte) {
		batch := s.db.NewBatch()
		key := appendKey(nil, kindData, id, seqs[n])
		var err error
		if value == nil {
			err = batch.Delete(key, nil)
		} else {
			err = batch.Set(key, value, nil)
		}
		if err := errors.Join(err, s.applySynced(batch)); err != nil {
			t.Fatal(err)
		}
	}
	change(3, []byte("no frame at all"))
	change(6, nil)
	change(9, []byte("the last one"))
	closeStore(t, s)

	v := openView(t, mem)
	defer closeView(t, v)
	got, err := viewAll(v)
	if err != nil {
		t.Fatal(err)
	}
	want := "[wrong checksum frames are missing wrong checksum]"
	if fmt.Sprint(got.numbers["a"]) != "[0 1 2 4 5 7 8]" || fmt.Sprint(got.whys) != want || got.lost != points(3)+points(6)+points(9) {
		t.Errorf("%+v, want %s and %d lost", got, want, points(3)+points(6)+points(9))
	}
	// A walk ends when it is told to.
	calls := 0
	if err := v.Walk(v.Lanes()[0], func(Item) bool { calls++; return calls < 4 }); err != nil || calls != 4 {
		t.Error(calls, err)
	}
}

// TestViewErrors: what is refused, and what is no error.
func TestViewErrors(t *testing.T) {
	mem := vfs.NewMem()
	if _, err := OpenView(smallOptions(mem)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	s := openStore(t, smallOptions(mem))
	if _, err := OpenView(smallOptions(mem)); !errors.Is(err, ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	b := openBuffer(t, s, "dw", BufferOptions{})
	if err := b.Append(context.Background(), message(1, "a", 100)); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	v := openView(t, mem)
	if _, err := Open(smallOptions(mem)); !errors.Is(err, ErrInUse) {
		t.Errorf("a store beside a view: %v", err)
	}
	closeView(t, v)

	// What earlier starts have put aside.
	if err := mem.MkdirAll("data/quarantine-1", 0o700); err != nil {
		t.Fatal(err)
	}
	writeBytes(t, mem, "data/quarantine-1/x.sst", make([]byte, 10))
	v = openView(t, mem)
	kept, err := v.Kept()
	if err != nil || fmt.Sprint(kept) != "[{quarantine-1 1 10}]" {
		t.Error(kept, err)
	}
	closeView(t, v)

	good := readBytes(t, mem, "data/format")
	writeBytes(t, mem, "data/format", []byte("engine buffer 1 00000000\n"))
	v = openView(t, mem)
	if fmt.Sprint(v.Faults()) != "[the file format is damaged]" {
		t.Error(v.Faults())
	}
	closeView(t, v)
	writeBytes(t, mem, "data/format", []byte(formatText(2)))
	if _, err := OpenView(smallOptions(mem)); !errors.Is(err, ErrFormat) {
		t.Errorf("a later format: %v", err)
	}
	writeBytes(t, mem, "data/format", good)

	// Without its options Pebble opens; without its manifest it does not.
	paths, _ := filesOf(t, mem, "data/db")
	for _, p := range paths {
		if strings.Contains(p, "/OPTIONS-") {
			writeBytes(t, mem, p, []byte("nonsense\n"))
		}
	}
	v = openView(t, mem)
	if got, err := viewAll(v); len(got.numbers["a"]) != 1 || err != nil || v.Broken() != nil || len(v.Faults()) != 1 {
		t.Errorf("damaged options: %+v %v %v %v", got, err, v.Broken(), v.Faults())
	}
	closeView(t, v)
	for _, p := range paths {
		if strings.Contains(p, "/MANIFEST-") {
			data := readBytes(t, mem, p)
			writeBytes(t, mem, p, bytes.Repeat([]byte{0xff}, len(data)))
		}
	}
	v = openView(t, mem)
	if v.Broken() == nil || len(v.Lanes()) != 0 {
		t.Errorf("damaged manifest: %v %v", v.Broken(), v.Lanes())
	}
	closeView(t, v)
}

// TestTrim: what is old enough is dropped, counted, and gone after a restart.
func TestTrim(t *testing.T) {
	mem := vfs.NewMem()
	s := openStore(t, smallOptions(mem))
	b := openBuffer(t, s, "dw", BufferOptions{})
	for n := range uint64(20) {
		if err := b.Append(context.Background(), message(n, fmt.Sprint(n%2), 100)); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	s = openStore(t, smallOptions(mem))
	b = openBuffer(t, s, "dw", BufferOptions{})
	whole := b.Stats().LiveBytes
	got := b.Trim(context.Background(), time.Unix(0, 9)) // message n was read at n+1
	want := Trimmed{Bodies: 8, Bytes: whole - b.Stats().LiveBytes}
	for n := range uint64(8) {
		want.Points += points(n)
	}
	if got != want || got.Bytes <= 0 || b.Stats().Dropped["trimmed"] != want.Points {
		t.Errorf("%+v, want %+v; %+v", got, want, b.Stats())
	}
	closeStore(t, s)
	v := openView(t, mem)
	seen, err := viewAll(v)
	if err != nil || fmt.Sprint(seen.numbers) != "map[0:[8 10 12 14 16 18] 1:[9 11 13 15 17 19]]" || seen.lost != 0 {
		t.Errorf("%+v, %v", seen, err)
	}
	closeView(t, v)
	s = openStore(t, smallOptions(mem))
	b = openBuffer(t, s, "dw", BufferOptions{})
	if got := b.Trim(context.Background(), time.Time{}); got.Bodies != 12 || b.Stats().LiveBytes != 0 {
		t.Errorf("%+v, %+v", got, b.Stats())
	}
	closeStore(t, s)
}

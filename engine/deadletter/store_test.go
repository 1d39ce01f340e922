package deadletter

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"dataflow/engine"
	"dataflow/engine/point"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata anew")

type counter struct{ n atomic.Int64 }

func (c *counter) Add(n int64) { c.n.Add(int64(n)) }

func envOn(fsys engine.FS) engine.Env {
	env := engine.HostEnv(slog.New(slog.DiscardHandler))
	env.FS = fsys
	return env
}

func record(i int) Entry {
	return Entry{
		Kind: Record, Time: 1700000000000000000 + int64(i), Node: "decode", Error: fmt.Sprintf("bad record %d", i), Attempts: 1, Version: "1.0.0",
		Origin: engine.Origin{Node: "mq", Topic: "logs", Partition: 3, Epoch: 2}, Offset: int64(i), Read: 1699999999000000000,
		Key: []byte("k"), Value: []byte(fmt.Sprintf("value %d", i)), Headers: []engine.KV{{Key: "h", Value: []byte("v")}, {Key: "nil"}},
	}
}

func pointEntry(i int) Entry {
	return Entry{
		Kind: Point, Time: 1700000000000000000 + int64(i), Node: "out", Error: "answered 400 Bad Request", Attempts: 7, Version: "1.0.0", Offset: int64(i),
		Point: point.Point{Name: "cpu", Category: point.Logging, Time: 1700000000000000000, Record: -1, Extra: &point.Extra{StorageIndex: "idx"}, Fields: []point.Field{
			{Key: "host", Value: point.String("h"), Tag: true}, {Key: "f", Value: point.Float(1.5)}, {Key: "s", Value: point.String("x\n")}}},
	}
}

func appendAll(t testing.TB, s *Store, entries ...Entry) {
	t.Helper()
	if err := s.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
}

func readAll(t testing.TB, fsys engine.FS, dir string) ([]Entry, Damage) {
	t.Helper()
	var out []Entry
	d, err := Read(fsys, dir, func(e Entry) error { out = append(out, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out, d
}

func TestStore(t *testing.T) {
	dir := filepath.ToSlash(filepath.Join(t.TempDir(), "a", "dlq"))
	s := New(envOn(engine.OS{}), Options{Dir: dir})
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there before the first entry: %v", err)
	}
	want := []Entry{record(1), pointEntry(2), {Kind: Record, Key: []byte{}}}
	appendAll(t, s, want[0], want[1])
	appendAll(t, s, want[2])
	got, damage := readAll(t, engine.OS{}, dir) // while the store is open
	if !same(got, want) || damage != (Damage{}) {
		t.Errorf("read %+v, damage %v\nwant %+v", got, damage, want)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(context.Background(), want); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	s = New(envOn(engine.OS{}), Options{Dir: dir})
	appendAll(t, s, record(3))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ = readAll(t, engine.OS{}, dir); len(got) != 4 || got[3].Offset != 3 {
		t.Errorf("after another start: %d entries", len(got))
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{dir: 0o700, dir + "/" + segmentName(0): 0o600} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: mode %v, error %v", name, info.Mode(), err)
			}
		}
	}
	stop := errors.New("stop")
	if _, err := Read(engine.OS{}, dir, func(Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("f's error is lost: %v", err)
	}
	if got, _ := readAll(t, engine.OS{}, dir+"/nothing"); got != nil {
		t.Errorf("%d entries in no folder", len(got))
	}
}

// same compares entries. Values point to memory, which reflect would compare.
func same(a, b []Entry) bool {
	return slices.EqualFunc(a, b, func(x, y Entry) bool {
		p, q := x.Point, y.Point
		x.Point.Fields, y.Point.Fields = nil, nil
		x.ID, y.ID = ID{}, ID{}
		return reflect.DeepEqual(x, y) && slices.EqualFunc(p.Fields, q.Fields, func(f, g point.Field) bool {
			return f.Key == g.Key && f.Tag == g.Tag && f.Value.Equal(g.Value)
		})
	})
}

func TestErrorIsCut(t *testing.T) {
	e := record(1)
	e.Error = "x" + strings.Repeat("ä", 4000)
	got, err := readEntry(appendEntry(nil, &e))
	if err != nil || len(got.Error) != maxError-1 || !strings.HasSuffix(got.Error, "ä") {
		t.Errorf("%d bytes, %v", len(got.Error), err)
	}
}

// The file of format version 1 must stay readable, and as long as the version is 1, be written the same.
func TestGolden(t *testing.T) {
	const name = "testdata/v1.dlq"
	fsys := newMemFS()
	env := envOn(fsys)
	env.Rand = func() uint64 { return 0x1122334455667788 }
	s := New(env, Options{Dir: "d"})
	want := []Entry{record(1), pointEntry(2), {Kind: Record}}
	appendAll(t, s, want...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	written := fsys.files["d/"+segmentName(0)].data
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(name, written, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(golden, written) {
		t.Errorf("written\n%x, want\n%x", written, golden)
	}
	fsys.files["d/"+segmentName(0)].data = golden
	if got, damage := readAll(t, fsys, "d"); !same(got, want) || damage != (Damage{}) {
		t.Errorf("read %+v, damage %v", got, damage)
	}
}

func TestGroupCommit(t *testing.T) {
	fsys := newMemFS()
	var entered, release chan struct{}
	first := true
	fsys.fail = func(op, name string) error {
		if op == "sync" && strings.HasSuffix(name, suffix) && first {
			first = false
			close(entered)
			fsys.mu.Unlock()
			<-release
			fsys.mu.Lock()
		}
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		entered, release = make(chan struct{}), make(chan struct{})
		s := New(envOn(fsys), Options{Dir: "d"})
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if err := s.Append(context.Background(), []Entry{record(i)}); err != nil {
					t.Error(err)
				}
			})
			if i == 0 {
				<-entered
			}
		}
		synctest.Wait() // 99 wait for the committer
		close(release)
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if got, _ := readAll(t, fsys, "d"); len(got) != 100 || fsys.syncs > 6 {
		t.Errorf("%d entries, %d syncs", len(got), fsys.syncs)
	}
}

func TestDropOldest(t *testing.T) {
	fsys := newMemFS()
	env := envOn(fsys)
	var dropped counter
	env.Counter = func(string, string) engine.Counter { return &dropped }
	s := New(env, Options{Dir: "d", MaxBytes: 4000, WhenFull: DropOldest})
	for i := range 100 {
		appendAll(t, s, record(i))
		total := 0
		for _, d := range fsys.files {
			total += len(d.data)
		}
		if total > 4000 {
			t.Fatalf("%d bytes", total)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, _ := readAll(t, fsys, "d")
	if int(dropped.n.Load())+len(got) != 100 || len(got) < 10 || got[len(got)-1].Offset != 99 {
		t.Errorf("%d dropped, %d there", dropped.n.Load(), len(got))
	}
	for i, e := range got {
		if e.Offset != got[0].Offset+int64(i) {
			t.Errorf("entry %d is %d", i, e.Offset)
		}
	}
	big := record(1)
	big.Value = make([]byte, 5000)
	s = New(env, Options{Dir: "d", MaxBytes: 4000, WhenFull: DropOldest})
	if err := s.Append(context.Background(), []Entry{big}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
	many := make([]Entry, 200) // more than the store holds: it leaves in several pieces
	for i := range many {
		many[i] = record(1000 + i)
	}
	if err := New(env, Options{Dir: "other", MaxBytes: 4000, WhenFull: DropOldest}).roundTrip(many); err != nil {
		t.Error(err)
	}
	big.Value = make([]byte, 3700) // drives out all the others
	appendAll(t, s, big)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := readAll(t, fsys, "d"); len(got) != 1 {
		t.Errorf("%d entries", len(got))
	}
}

// roundTrip stores entries and closes the store.
func (s *Store) roundTrip(entries []Entry) error {
	return errors.Join(s.Append(context.Background(), entries), s.Close())
}

func TestBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := newMemFS()
		env := envOn(fsys)
		var health error
		env.Health = func(err error) { health = err }
		s := New(env, Options{Dir: "d", MaxBytes: 4000})
		n := 0
		for ; ; n++ {
			ctx, cancel := context.WithTimeout(context.Background(), 90*recheck+recheck/2) // between two looks
			err := s.Append(ctx, []Entry{record(n)})
			cancel()
			if err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
				break
			}
		}
		synctest.Wait()
		if n < 10 || !errors.Is(health, ErrFull) {
			t.Errorf("full after %d entries, health %v", n, health)
		}
		done := make(chan error)
		go func() { done <- s.Append(context.Background(), []Entry{record(1000)}) }()
		synctest.Wait()
		oldest := slices.Sorted(slices.Values(fsys.list()))[0]
		if err := fsys.Remove("d/" + oldest); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || health != nil {
			t.Errorf("after room was made: %v, health %v", err, health)
		}
		got, _ := readAll(t, fsys, "d")
		if last := got[len(got)-1]; last.Offset != 1000 {
			t.Errorf("last entry %d", last.Offset)
		}
		// Close does not wait for room.
		go func() {
			for i := 0; ; i++ {
				if err := s.Append(context.Background(), []Entry{record(i)}); err != nil {
					done <- err
					return
				}
			}
		}()
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("waiting while closed: %v", err)
		}
	})
}

func TestFailures(t *testing.T) {
	broken := errors.New("broken disk")
	for _, op := range []string{"mkdir", "readdir", "open", "write", "sync"} {
		fsys := newMemFS()
		fsys.fail = func(o, _ string) error {
			if o == op {
				return broken
			}
			return nil
		}
		s := New(envOn(fsys), Options{Dir: "d"})
		if err := s.Append(context.Background(), []Entry{record(1)}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", op, err)
		}
		fsys.mu.Lock()
		fsys.fail = nil // it is not tried again: the kernel may have dropped the pages that it could not write
		fsys.mu.Unlock()
		if err := s.Append(context.Background(), []Entry{record(2)}); !errors.Is(err, broken) {
			t.Errorf("%s: the store works again: %v", op, err)
		}
		if err := s.Close(); !errors.Is(err, broken) {
			t.Errorf("%s: Close: %v", op, err)
		}
	}
}

// Every damaged byte costs the entry that it stands in and no other.
func TestDamage(t *testing.T) {
	fsys := newMemFS()
	s := New(envOn(fsys), Options{Dir: "d"})
	var ends []int
	for i := range 5 {
		appendAll(t, s, record(i))
		ends = append(ends, len(fsys.files["d/"+segmentName(0)].data))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// One more segment, so that the end of the first one is no torn tail.
	s = New(envOn(fsys), Options{Dir: "d"})
	appendAll(t, s, record(5))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data := fsys.files["d/"+segmentName(0)].data
	for i := range data {
		data[i] ^= 0x41
		got, damage := readAll(t, fsys, "d")
		data[i] ^= 0x41
		if i < headerBytes {
			if len(got) != 6 || damage != (Damage{}) {
				t.Fatalf("byte %d of the header: %d entries, damage %v", i, len(got), damage)
			}
			continue
		}
		bad, _ := slices.BinarySearch(ends, i+1)
		if len(got) != 5 || damage.Places != 1 || slices.ContainsFunc(got, func(e Entry) bool { return e.Offset == int64(bad) }) {
			t.Fatalf("byte %d, of entry %d: %d entries, damage %v", i, bad, len(got), damage)
		}
	}
}

// What was acknowledged survives every crash, in order; what failed may be there or not; nothing else is.
func TestCrashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := newMemFS()
		segmentBytes := int64(rapid.IntRange(100, 2000).Draw(t, "segment"))
		open := func() *Store {
			return New(envOn(fsys), Options{Dir: "d", SegmentBytes: segmentBytes})
		}
		s := open()
		var acked, tried []int64
		next := 0
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch op := rapid.SampledFrom([]string{"append", "append", "reopen", "crash"}).Draw(t, "op"); op {
			case "append":
				var entries []Entry
				for range rapid.IntRange(1, 4).Draw(t, "entries") {
					e := record(next)
					if next%3 == 0 {
						e = pointEntry(next)
					}
					e.Key = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "key")
					entries = append(entries, e)
					tried = append(tried, int64(next))
					next++
				}
				err := s.Append(context.Background(), entries)
				if err != nil {
					t.Fatalf("healthy disk: %v", err)
				}
				for _, e := range entries {
					acked = append(acked, e.Offset)
				}
			case "reopen":
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open()
			case "crash":
				failOn, after := rapid.SampledFrom([]string{"write", "sync"}).Draw(t, "fail"), rapid.IntRange(0, 2).Draw(t, "after")
				fsys.mu.Lock()
				fsys.fail = func(op, _ string) error {
					if op != failOn {
						return nil
					}
					if after--; after < 0 {
						return errors.New("power is going")
					}
					return nil
				}
				fsys.mu.Unlock()
				for range 5 {
					e := record(next)
					tried = append(tried, e.Offset)
					next++
					if s.Append(context.Background(), []Entry{e}) == nil {
						acked = append(acked, e.Offset)
					}
				}
				_ = s.Close() // fails, or not, by what was drawn
				fsys = fsys.crash(rapid.IntRange(0, 300).Draw(t, "kept"), rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "garbage"))
				s = open()
			}
		}
		appendAll2(t, s, record(next))
		acked, tried = append(acked, int64(next)), append(tried, int64(next))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var got []int64
		damage, err := Read(fsys, "d", func(e Entry) error { got = append(got, e.Offset); return nil })
		if err != nil || damage != (Damage{}) {
			t.Fatalf("damage %v, error %v: the tails were cut", damage, err)
		}
		if !within(acked, got) || !within(got, tried) {
			t.Fatalf("acknowledged %v\nthere %v\ntried %v", acked, got, tried)
		}
	})
}

func appendAll2(t *rapid.T, s *Store, e Entry) {
	if err := s.Append(context.Background(), []Entry{e}); err != nil {
		t.Fatal(err)
	}
}

// within reports whether all of a stands in b in the same order.
func within(a, b []int64) bool {
	for _, x := range b {
		if len(a) > 0 && a[0] == x {
			a = a[1:]
		}
	}
	return len(a) == 0
}

func FuzzEntry(f *testing.F) {
	r, p := record(1), pointEntry(2)
	f.Add(appendEntry(nil, &r))
	f.Add(appendEntry(nil, &p))
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := readEntry(payload)
		if err != nil {
			return
		}
		if len(e.Error) > maxError || e.Attempts < 0 {
			return // not written by us
		}
		once := appendEntry(nil, &e)
		again, err := readEntry(once)
		if err != nil {
			t.Fatalf("reading what was written: %v", err)
		}
		if twice := appendEntry(nil, &again); !bytes.Equal(once, twice) {
			t.Fatalf("written\n%x, then\n%x", once, twice)
		}
	})
}

func FuzzScan(f *testing.F) {
	e := record(1)
	segment := appendHeader(nil, 42)
	for range 3 {
		segment = appendFrame(segment, &e)
	}
	setMarks(segment[headerBytes:], 42)
	f.Add(segment, 20)
	f.Add(segment[:len(segment)-3], 0)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		read := func(data []byte) (n, size int) {
			end, d, err := scan(data, func(at int, payload []byte) error {
				if frameAt(data[at:], markOf(data)) != frameBytes+len(payload) {
					t.Fatalf("no entry begins at %d", at)
				}
				n++
				size += frameBytes + len(payload)
				return nil
			})
			if err != nil || end > len(data) || end > 0 && headerBytes+size+int(d.Bytes) != end {
				t.Fatalf("end %d of %d, %d in entries, damage %v, error %v", end, len(data), size, d, err)
			}
			return n, end
		}
		n, end := read(data)
		if cut, cutEnd := read(data[:end]); cut != n || cutEnd != end {
			t.Fatalf("%d entries, %d after the tail was cut", n, cut)
		}
		if _, intact := headerOf(data); intact && at >= headerBytes && at < end {
			damaged := bytes.Clone(data)
			damaged[at] ^= 0x80
			if left, _ := read(damaged); left < n-1 {
				t.Fatalf("one byte cost %d entries", n-left)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s := New(envOn(newMemFS()), Options{Dir: "d", WhenFull: DropOldest})
	entries := make([]Entry, 100)
	for i := range entries {
		entries[i] = pointEntry(i)
	}
	for b.Loop() {
		if err := s.Append(context.Background(), entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(entries)), "ns/entry")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

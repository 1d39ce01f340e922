package buffer

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var updateFlag = flag.Bool("update", false, "write testdata/v1 anew: only for a format that was never released")

const compatDir = "testdata/v1"

// TestCompat drains a directory that format 1 has written: tables, a log, cursors and watermarks (D30).
func TestCompat(t *testing.T) {
	if *updateFlag {
		writeCompat(t)
	}
	fs := vfs.NewMem()
	err := filepath.WalkDir(compatDir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(compatDir, path)
		if err != nil {
			return err
		}
		to := filepath.ToSlash(filepath.Join("data", name))
		if entry.IsDir() {
			return fs.MkdirAll(to, 0o700)
		}
		data, err := os.ReadFile(path)
		if err == nil {
			writeBytes(t, fs, to, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t, smallOptions(fs))
	b := openBuffer(t, s, "dw", BufferOptions{})
	seen := drain(t, b)
	for n := range uint64(40) {
		if want := min(1, n/10); uint64(seen[n]) != want {
			t.Errorf("%d came %d times, want %d", n, seen[n], want)
		}
	}
	if st := b.Stats(); len(st.Lost) != 0 || st.LivePoints != 0 {
		t.Errorf("%+v", st)
	}
	closeStore(t, s)
}

// writeCompat stores 40 messages on two lanes, of which the first ten are done; half of them are in tables.
func writeCompat(t *testing.T) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	s := openStore(t, smallOptions(mem))
	b := openBuffer(t, s, "dw", BufferOptions{})
	for n := range uint64(40) {
		if err := b.Append(context.Background(), message(n, fmt.Sprint(n%2), 200)); err != nil {
			t.Fatal(err)
		}
		if n == 20 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if n < 10 {
			d, err := b.Lane(fmt.Sprint(n % 2)).Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			d.Done()
		}
	}
	clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: random(1, 1)})
	closeStore(t, s)
	if err := os.RemoveAll(compatDir); err != nil {
		t.Fatal(err)
	}
	paths, _ := filesOf(t, clone, "data")
	for _, path := range paths {
		name, err := filepath.Rel("data", path)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(compatDir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, readBytes(t, clone, path), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkAppend stores bodies of 50 kB on the disk, with fsync, from 16 goroutines, and reads and ends them.
func BenchmarkAppend(b *testing.B) {
	o := smallOptions(nil)
	o.FS, o.Dir, o.MemTableBytes, o.CacheBytes = nil, b.TempDir(), 0, 0
	s := openStore(b, o)
	defer closeStore(b, s)
	buffer := openBuffer(b, s, "dw", BufferOptions{MaxBytes: 1 << 30})
	body := message(0, "logging", 50_000)
	b.SetBytes(50_000)
	b.ResetTimer()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := buffer.Append(context.Background(), body); err != nil {
				b.Error(err)
			}
			d, err := buffer.Lane("logging").Next(context.Background())
			if err != nil {
				b.Error(err)
				return
			}
			d.Done()
		}
	})
	st := s.Stats()
	b.ReportMetric(float64(b.N)/float64(max(st.Syncs, 1)), "bodies/sync")
}

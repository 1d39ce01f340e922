package buffer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// writes reports whether an operation changes the disk.
func writes(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }

// inChild runs the test in a process of its own and reports true, unless this is it: stores that have failed leave
// goroutines behind, which goleak must not see.
func inChild(t *testing.T, seed uint64) bool {
	t.Helper()
	if os.Getenv(childEnv) != "" {
		return false
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-seed", fmt.Sprint(seed), "-faults", fmt.Sprint(*faultsFlag))
	child.Env = append(os.Environ(), childEnv+"=1")
	out, err := child.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// TestFaultFS lets one writing operation fail, the n-th, or each with a small probability: nothing is acknowledged
// that a power cut then takes away (D9).
func TestFaultFS(t *testing.T) {
	seed := seeded(t)
	if inChild(t, seed) {
		return
	}
	var failedStates, failedOpens, acked int
	for n := 1; n <= *faultsFlag; n++ {
		r := random(seed, uint64(n))
		mem := vfs.NewCrashableMem()
		var ops, hits atomic.Int64
		var kind atomic.Value
		randomly := n%8 == 0
		rolls := random(seed, uint64(n)+1<<32)
		var mu sync.Mutex
		at := int64(n)
		if *faultsFlag < 2000 { // spread what few there are
			at = int64(n * 2000 / *faultsFlag)
		}
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !writes(op) {
				return nil
			}
			fail := ops.Add(1) == at
			if randomly {
				mu.Lock()
				fail = rolls.IntN(1000) == 0
				mu.Unlock()
			}
			if !fail {
				return nil
			}
			hits.Add(1)
			kind.Store(fmt.Sprint(op.Kind, " ", op.Path))
			return &os.PathError{Op: "injected", Path: op.Path, Err: syscall.EIO}
		}))
		exited := make(chan error, 1)
		o := smallOptions(fs)
		o.Exit = func(err error) { exited <- err }
		l := newLedger()
		s, err := Open(o)
		if err != nil {
			failedOpens++
		} else {
			b := openBuffer(t, s, "dw", BufferOptions{})
			worked := make(chan struct{})
			go func() { l.work(s, b, r, 300); close(worked) }()
			select {
			case <-worked:
			case <-time.After(10 * time.Second):
				t.Fatalf("operation %d (%v): hangs", n, kind.Load())
			}
			if state, _ := s.State(); state == Failed {
				failedStates++
				select {
				case <-exited:
				case <-time.After(time.Second):
					t.Fatalf("operation %d (%v): failed and does not exit", n, kind.Load())
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			if err := s.Close(ctx); errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("operation %d (%v): Close hangs", n, kind.Load())
			}
			cancel()
		}
		clone := mem.CrashClone(vfs.CrashCloneCfg{})
		s = openStore(t, smallOptions(clone))
		b := openBuffer(t, s, "dw", BufferOptions{})
		if missing := l.missing(l.snapshot(), drain(t, b)); len(missing) > 0 {
			t.Fatalf("operation %d (%v): %d of %d missing", n, kind.Load(), len(missing), len(l.acked))
		}
		if whole := s.Stats(); whole.Quarantined > 0 || sum(whole.Lost)+sum(b.Stats().Lost) > 0 {
			t.Fatalf("operation %d (%v): %+v", n, kind.Load(), whole)
		}
		acked += len(l.acked)
		closeStore(t, s)
	}
	t.Logf("%d faults: %d opens and %d running stores failed; %d acknowledged, 0 missing", *faultsFlag, failedOpens, failedStates, acked)
}

// TestFailedSync names the decisive case: the sync of the log fails once, and the next one would not.
func TestFailedSync(t *testing.T) {
	if inChild(t, 0) {
		return
	}
	for _, detach := range []bool{false, true} {
		mem := vfs.NewCrashableMem()
		var armed atomic.Bool
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
			if sync && strings.HasSuffix(op.Path, ".log") && armed.CompareAndSwap(true, false) {
				return syscall.EIO
			}
			return nil
		}))
		exited := make(chan error, 1)
		o := smallOptions(fs)
		o.Exit = func(err error) { exited <- err }
		s := openStore(t, o)
		b := openBuffer(t, s, "dw", BufferOptions{Detach: detach})
		if err := b.Append(context.Background(), message(1, "", 100)); err != nil {
			t.Fatal(err)
		}
		armed.Store(true)
		for n := uint64(2); n < 4; n++ {
			if err := b.Append(context.Background(), message(n, "", 100)); !errors.Is(err, ErrFailed) {
				t.Errorf("message %d: %v", n, err)
			}
		}
		if _, err := b.Lane("").Next(context.Background()); !errors.Is(err, ErrFailed) {
			t.Error(err)
		}
		if detach {
			select {
			case err := <-exited:
				t.Error("exits for", err)
			default:
			}
		} else if err := <-exited; !errors.Is(err, syscall.EIO) {
			t.Error(err)
		}
		if err := s.Close(context.Background()); !errors.Is(err, ErrFailed) {
			t.Error(err)
		}
		s = openStore(t, smallOptions(mem.CrashClone(vfs.CrashCloneCfg{})))
		if seen := drain(t, openBuffer(t, s, "dw", BufferOptions{})); seen[1] != 1 {
			t.Error(seen)
		}
		closeStore(t, s)
	}
}

// TestSlowDisk: appends wait, and say so; those that cannot wait get away; nothing piles up (D10).
func TestSlowDisk(t *testing.T) {
	seed := seeded(t)
	mem := vfs.NewMem()
	slow := errorfs.RandomLatency(errorfs.Writes, 3*time.Millisecond, int64(seed), 120*time.Millisecond)
	s := openStore(t, smallOptions(errorfs.Wrap(mem, slow)))
	b := openBuffer(t, s, "dw", BufferOptions{MaxBytes: 40_000})
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	const producers, each = 8, 12
	for p := range uint64(producers) {
		wg.Go(func() {
			for n := range uint64(each) {
				if err := b.Append(ctx, message((p*100+n)*32, "", 2000)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	most := 0
	for range producers * each {
		d, err := b.Lane("").Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, runtime.NumGoroutine())
		d.Done()
	}
	wg.Wait()
	st := b.Stats()
	if st.Waited == 0 || st.InBodies != producers*each {
		t.Errorf("%+v", st)
	}
	if most > before+producers+20 {
		t.Errorf("%d goroutines, %d before", most, before)
	}
	short, stop := context.WithTimeout(ctx, time.Microsecond)
	defer stop()
	if err := b.Append(short, message(0, "", 10)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	t.Logf("waited %v for %d appends, %d goroutines at most, %d before", st.Waited, st.InBodies, most, before)
	closeStore(t, s)
}

// tinyFS is a volume of a fixed size, which others fill, too. A write that does not fit fails.
type tinyFS struct {
	vfs.FS
	total  int64
	filler atomic.Int64
	full   atomic.Int64 // writes that failed
}

func (fs *tinyFS) used() (used int64) {
	var walk func(dir string)
	walk = func(dir string) {
		names, _ := fs.FS.List(dir)
		for _, name := range names {
			path := fs.PathJoin(dir, name)
			info, err := fs.FS.Stat(path)
			switch {
			case err != nil:
			case info.IsDir():
				walk(path)
			default:
				used += info.Size()
			}
		}
	}
	walk("data")
	return used + fs.filler.Load()
}

func (fs *tinyFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	used := fs.used()
	return vfs.DiskUsage{TotalBytes: uint64(fs.total), UsedBytes: uint64(used), AvailBytes: uint64(max(0, fs.total-used))}, nil
}

func (fs *tinyFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &tinyFile{f, fs}, nil
}

func (fs *tinyFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.wrap(fs.FS.Create(name, c))
}

func (fs *tinyFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return fs.wrap(fs.FS.OpenReadWrite(name, c, opts...))
}

func (fs *tinyFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.wrap(fs.FS.ReuseForWrite(from, to, c))
}

type tinyFile struct {
	vfs.File
	fs *tinyFS
}

func (f *tinyFile) Write(p []byte) (int, error) {
	if f.fs.used()+int64(len(p)) > f.fs.total {
		f.fs.full.Add(1)
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

// TestENOSPC lets others fill the volume and leave it again: the floor refuses appends before Pebble meets a full
// disk, what is done makes room below the floor, and nothing is lost (D8).
func TestENOSPC(t *testing.T) {
	seed := seeded(t)
	fs := &tinyFS{FS: vfs.NewMem(), total: 12 << 20}
	o := smallOptions(fs)
	o.FloorBytes = 4 << 20
	s := openStore(t, o)
	b := openBuffer(t, s, "dw", BufferOptions{})
	r := random(seed, 1)
	acked, seen := map[uint64]bool{}, map[uint64]bool{}
	refused := 0
	take := func(d *Delivery) {
		n, err := number(d.Entry)
		if err != nil {
			t.Fatal(err)
		}
		seen[n] = true
		d.Done()
	}
	n := uint64(0)
	for range 12 {
		// The others leave 2.5 MiB at least: what they take at once below the floor is theirs to answer for.
		free := fs.total - fs.used() + fs.filler.Load() - 5<<19
		fs.filler.Store(r.Int64N(max(1, free)))
		for range 120 {
			ctx, cancel := context.WithTimeout(context.Background(), 15*time.Millisecond)
			n++
			if err := b.Append(ctx, message(n*32, "", r.IntN(20_000))); err == nil {
				acked[n*32] = true
			} else if errors.Is(err, context.DeadlineExceeded) {
				refused++
				acked[n*32] = false // it may have been accepted just then
			} else {
				t.Fatal(err)
			}
			cancel()
			if s.space.below() {
				break
			}
		}
		for range r.IntN(50) {
			d, err := b.Lane("").TryNext(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if d != nil {
				take(d)
			}
		}
	}
	fs.filler.Store(0)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Append(ctx, message(0, "", 10)); err != nil {
		t.Fatal(err)
	}
	if back := time.Since(begin); back > 5*time.Second {
		t.Errorf("%v until there was room again", back)
	}
	for {
		d, err := b.Lane("").TryNext(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			break
		}
		take(d)
	}
	for n, ok := range acked {
		if ok && !seen[n] {
			t.Errorf("%d is missing", n)
		}
	}
	if fs.full.Load() != 0 || refused == 0 {
		t.Errorf("the disk was full %d times, %d appends were refused", fs.full.Load(), refused)
	}
	closeStore(t, s)
	t.Logf("%d appends, %d refused, the disk was full %d times", n, refused, fs.full.Load())
}

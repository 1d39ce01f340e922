package buffer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// ledger is what producers and readers know.
type ledger struct {
	mu    sync.Mutex
	acked map[uint64]bool
	done  map[uint64]bool
	next  atomic.Uint64
}

func newLedger() *ledger { return &ledger{acked: map[uint64]bool{}, done: map[uint64]bool{}} }

func (l *ledger) ack(n uint64) {
	l.mu.Lock()
	l.acked[n] = true
	l.mu.Unlock()
}

func (l *ledger) finish(n uint64) {
	l.mu.Lock()
	l.done[n] = true
	l.mu.Unlock()
}

// snapshot returns what is acknowledged now.
func (l *ledger) snapshot() map[uint64]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	acked := make(map[uint64]bool, len(l.acked))
	for n := range l.acked {
		acked[n] = true
	}
	return acked
}

// missing returns what was acknowledged and is neither seen nor done.
func (l *ledger) missing(acked map[uint64]bool, seen map[uint64]int) (out []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range acked {
		if seen[n] == 0 && !l.done[n] {
			out = append(out, n)
		}
	}
	return out
}

// work appends and reads until the store fails, or enough is done.
func (l *ledger) work(s *Store, b *Buffer, r *rand.Rand, appends int) {
	ctx := context.Background()
	var wg sync.WaitGroup
	for p := range 3 {
		sizes := random(r.Uint64(), uint64(p))
		wg.Go(func() {
			for range appends / 3 {
				n := l.next.Add(1)
				if b.Append(ctx, message(n, fmt.Sprint(n%2), sizes.IntN(3000))) != nil {
					return
				}
				l.ack(n)
			}
		})
	}
	lane := b.Lane(fmt.Sprint(r.IntN(2)))
	choice := random(r.Uint64(), 9)
	wg.Go(func() {
		for range appends / 2 {
			d, err := lane.TryNext(ctx)
			if err != nil {
				return
			}
			if d == nil {
				continue
			}
			if n, err := number(d.Entry); err == nil && choice.IntN(3) > 0 {
				l.finish(n)
				d.Done()
			} else {
				d.PutBack()
			}
		}
	})
	wg.Wait()
	if choice.IntN(2) == 0 {
		s.trims.Store(true)
		s.kick()
	}
}

// cutFS takes a clone, and the ledger before it, at one operation.
type cutFS struct {
	vfs.FS
	clone *vfs.MemFS
	acked map[uint64]bool
}

func newCutFS(mem *vfs.MemFS, l *ledger, at int64, cfg vfs.CrashCloneCfg) *cutFS {
	c := &cutFS{}
	var ops atomic.Int64
	var mu sync.Mutex
	cut := func() {
		mu.Lock()
		defer mu.Unlock()
		if c.clone == nil {
			c.acked = l.snapshot()
			c.clone = mem.CrashClone(cfg)
		}
	}
	c.FS = errorfs.Wrap(mem, errorfs.InjectorFunc(func(errorfs.Op) error {
		if ops.Add(1) == at {
			cut()
		}
		return nil
	}))
	return c
}

// TestPowerCut takes the power at random operations, those of opening included, and again while it recovers: what was
// acknowledged is there (D4).
func TestPowerCut(t *testing.T) {
	seed := seeded(t)
	total := 0
	for trial := range *trialsFlag {
		r := random(seed, uint64(trial))
		l := newLedger()
		mem := vfs.NewCrashableMem()
		acked := map[uint64]bool{}
		for run, rounds := 0, 1+r.IntN(3); run <= rounds; run++ {
			at := int64(-1)
			if run < rounds {
				at = 1 + r.Int64N([]int64{80, 400, 1200}[r.IntN(3)])
			}
			cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 100, r.IntN(101)}[r.IntN(3)], RNG: random(seed+uint64(trial), uint64(run))}
			fs := newCutFS(mem, l, at, cfg)
			s, err := Open(smallOptions(fs))
			if err != nil {
				t.Fatalf("trial %d, run %d: %v", trial, run, err)
			}
			b := openBuffer(t, s, "dw", BufferOptions{})
			if st, whole := b.Stats(), s.Stats(); sum(st.Lost)+sum(whole.Lost) != 0 || whole.Quarantined != 0 {
				t.Fatalf("trial %d, run %d: %v %+v", trial, run, st.Lost, whole)
			}
			if run < rounds {
				l.work(s, b, r, 12+r.IntN(90))
				closeStore(t, s)
				if fs.clone == nil {
					fs.acked, fs.clone = l.snapshot(), mem.CrashClone(cfg)
				}
				mem, acked = fs.clone, fs.acked
				// What came after the cut has never been.
				l.mu.Lock()
				l.acked = map[uint64]bool{}
				for n := range acked {
					l.acked[n] = true
				}
				l.mu.Unlock()
				continue
			}
			seen := drain(t, b)
			if missing := l.missing(acked, seen); len(missing) != 0 {
				t.Fatalf("trial %d: %d of %d missing: %v", trial, len(missing), len(acked), missing)
			}
			if st := b.Stats(); sum(st.Lost) != 0 {
				t.Fatalf("trial %d: %v", trial, st.Lost)
			}
			total += len(acked)
			closeStore(t, s)
		}
	}
	t.Logf("%d trials, %d acknowledged, 0 missing", *trialsFlag, total)
}

// TestTornWAL cuts the newest log at random lengths: the count of what is lost is the real one (D6).
func TestTornWAL(t *testing.T) {
	seed := seeded(t)
	cut := 0
	for trial := range *tornFlag {
		r := random(seed, uint64(trial))
		mem := vfs.NewCrashableMem()
		o := smallOptions(mem)
		o.MemTableBytes = 8 << 20
		s := openStore(t, o)
		b := openBuffer(t, s, "dw", BufferOptions{})
		live := map[uint64]bool{}
		for n := range uint64(30 + r.IntN(60)) {
			if err := b.Append(context.Background(), message(n, fmt.Sprint(n%2), r.IntN(60_000))); err != nil {
				t.Fatal(err)
			}
			live[n] = true
		}
		if r.IntN(2) == 0 {
			for range r.IntN(15) {
				d, err := b.Lane("1").Next(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				n, err := number(d.Entry)
				if err != nil {
					t.Fatal(err)
				}
				d.Done()
				delete(live, n)
			}
			// The cursor reaches the watermark file with the next sync.
			s.trims.Store(true)
			n := uint64(1000)
			if err := b.Append(context.Background(), message(n, "1", 10)); err != nil {
				t.Fatal(err)
			}
			live[n] = true
		}
		clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: r})
		closeStore(t, s)

		paths, _ := filesOf(t, clone, "data/db")
		newest := ""
		for _, p := range paths {
			if strings.HasSuffix(p, ".log") && path.Base(p) > path.Base(newest) {
				newest = p
			}
		}
		log := readBytes(t, clone, newest)
		writeBytes(t, clone, newest, log[:r.IntN(len(log)+1)])

		for again := range 2 { // the count is not repeated
			o.FS = clone
			s = openStore(t, o)
			b = openBuffer(t, s, "dw", BufferOptions{})
			reported := sum(b.Stats().Lost) + sum(s.Stats().Lost)
			if again == 1 && reported != 0 {
				t.Fatalf("trial %d: %d lost again", trial, reported)
			}
			if again == 0 {
				seen := drain(t, b)
				lost := int64(0)
				for n := range live {
					if seen[n] == 0 {
						lost += points(n)
					}
				}
				reported = sum(b.Stats().Lost) + sum(s.Stats().Lost)
				if lost != reported {
					t.Fatalf("trial %d: %d lost, %d reported: %+v %+v", trial, lost, reported, b.Stats().Lost, s.Stats().Lost)
				}
				if lost > 0 {
					cut++
				}
				if st := b.Stats(); st.LivePoints != 0 || st.LiveBytes != 0 {
					t.Fatalf("trial %d: %+v", trial, st)
				}
			}
			closeStore(t, s)
		}
	}
	if cut == 0 {
		t.Error("no cut lost anything: the test sees nothing")
	}
	t.Logf("%d trials, %d of them lost something, every count was right", *tornFlag, cut)
}

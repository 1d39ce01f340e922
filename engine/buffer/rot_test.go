package buffer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// rotten returns a store on disk with tables, logs and cursors, and what is live in it.
func rotten(t *testing.T, seed uint64, clean bool) (vfs.FS, map[uint64]bool) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	s := openStore(t, smallOptions(mem))
	b := openBuffer(t, s, "dw", BufferOptions{})
	r := random(seed, 1)
	live := map[uint64]bool{}
	for n := range uint64(150) {
		if err := b.Append(context.Background(), message(n, fmt.Sprint(n%3), r.IntN(4000))); err != nil {
			t.Fatal(err)
		}
		live[n] = true
		if n%4 != 3 {
			continue
		}
		d, err := b.Lane(fmt.Sprint(r.IntN(2))).TryNext(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if d != nil {
			n, err := number(d.Entry)
			if err != nil {
				t.Fatal(err)
			}
			d.Done()
			delete(live, n)
		}
	}
	s.trims.Store(true)
	for n := uint64(1000); n < 1003; n++ { // with these the cursors reach the watermark file
		if err := b.Append(context.Background(), message(n, fmt.Sprint(n%3), 100)); err != nil {
			t.Fatal(err)
		}
		live[n] = true
	}
	if clean {
		closeStore(t, s)
		return mem, live
	}
	clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: r})
	closeStore(t, s)
	return clone, live
}

// TestBitRot damages a file: no wrong payload, no hang, and the lost are counted exactly (D7).
func TestBitRot(t *testing.T) {
	seed := seeded(t)
	bases := []vfs.FS{}
	lives := []map[uint64]bool{}
	for i := range uint64(4) {
		fs, live := rotten(t, seed+i, i%2 == 0)
		bases, lives = append(bases, fs), append(lives, live)
	}
	type outcome struct{ cases, lost, quarantined int }
	outcomes := map[string]*outcome{}
	for c := range *casesFlag {
		r := random(seed, uint64(c)+100)
		which := r.IntN(len(bases))
		fs := copyFS(t, bases[which], "data")
		paths, sizes := filesOf(t, fs, "data")
		paths = slices.DeleteFunc(paths, func(p string) bool { return sizes[p] == 0 })
		slices.Sort(paths)
		byKind := map[string][]string{}
		for _, p := range paths {
			byKind[kindOf(p)] = append(byKind[kindOf(p)], p)
		}
		kinds := slices.Sorted(maps.Keys(byKind))
		kind := kinds[r.IntN(len(kinds))]
		file := byKind[kind][r.IntN(len(byKind[kind]))]
		what := fmt.Sprintf("case %d: %s", c, damage(t, fs, file, r))

		finished := make(chan rotResult, 1)
		go func() { finished <- readRotten(fs, lives[which]) }()
		var result rotResult
		select {
		case result = <-finished:
		case <-time.After(hangs):
			buf := make([]byte, 1<<20)
			t.Fatalf("%s: hangs\n%s", what, buf[:runtime.Stack(buf, true)])
		}
		if result.err != nil {
			t.Fatalf("%s: %v", what, result.err)
		}
		if result.lost != result.reported {
			t.Fatalf("%s: %d points lost, %d reported", what, result.lost, result.reported)
		}
		if outcomes[kind] == nil {
			outcomes[kind] = &outcome{}
		}
		o := outcomes[kind]
		o.cases++
		o.lost += min(1, int(result.lost))
		o.quarantined += result.quarantined
	}
	for _, kind := range slices.Sorted(maps.Keys(outcomes)) {
		o := outcomes[kind]
		t.Logf("%-10s %4d cases, %4d lost something, %4d put aside", kind, o.cases, o.lost, o.quarantined)
	}
}

func kindOf(file string) string {
	name := path.Base(file)
	switch ext := path.Ext(name); {
	case ext != "" && !strings.HasPrefix(name, "marker"):
		return ext[1:]
	case strings.HasPrefix(name, "marker"):
		return "marker"
	}
	kind, _, _ := strings.Cut(name, "-")
	return kind
}

// damage changes a bit, a byte or 4 KiB of a file and says so.
func damage(t *testing.T, fs vfs.FS, file string, r *rand.Rand) string {
	t.Helper()
	data := readBytes(t, fs, file)
	at := r.IntN(len(data))
	how := r.IntN(3)
	switch how {
	case 0:
		data[at] ^= 1 << r.IntN(8)
	case 1:
		data[at] += byte(1 + r.IntN(255))
	case 2:
		clear(data[at:min(at+4096, len(data))])
	}
	writeBytes(t, fs, file, data)
	return fmt.Sprintf("%s at %d of %d in %s", []string{"bit", "byte", "4 KiB of zeros"}[how], at, len(data), file)
}

// hangs is when reading damaged files counts as hanging. Pebble searches a damaged block for the flipped bit, which
// takes the race detector seconds.
const hangs = 2 * time.Minute

type rotResult struct {
	lost, reported int64
	quarantined    int
	err            error
}

// readRotten opens and reads everything. It runs beside the test, which watches that it comes back.
func readRotten(fs vfs.FS, live map[uint64]bool) (out rotResult) {
	s, err := Open(smallOptions(fs))
	if err != nil {
		out.err = err
		return out
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	defer func() { out.err = errors.Join(out.err, s.Close(ctx)) }()
	b, err := s.Buffer("dw", BufferOptions{})
	if err != nil {
		out.err = err
		return out
	}
	seen := map[uint64]bool{}
	for _, name := range b.Lanes() {
		for {
			d, err := b.Lane(name).TryNext(ctx)
			if err != nil {
				out.err = err
				return out
			}
			if d == nil {
				break
			}
			n, err := number(d.Entry)
			if err != nil {
				out.err = fmt.Errorf("wrong payload: %w", err)
				return out
			}
			seen[n] = true
			d.Done()
		}
	}
	for n := range live {
		if !seen[n] {
			out.lost += points(n)
		}
	}
	whole := s.Stats()
	out.reported = sum(b.Stats().Lost) + sum(whole.Lost)
	out.quarantined = whole.Quarantined
	return out
}

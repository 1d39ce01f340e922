package buffer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestInOrderAndAgain(t *testing.T) {
	fs := vfs.NewMem()
	s := openStore(t, smallOptions(fs))
	b := openBuffer(t, s, "dw", BufferOptions{})
	ctx := context.Background()
	const total = 400
	for n := range uint64(total) {
		if err := b.Append(ctx, message(n, "ab"[n%2:n%2+1], 800)); err != nil {
			t.Fatal(err)
		}
	}
	// Every third is done, the others come again in order.
	for _, lane := range []string{"a", "b"} {
		last := -1
		for range total / 2 {
			d, err := b.Lane(lane).Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			n, err := number(d.Entry)
			if err != nil {
				t.Fatal(err)
			}
			if int(n) <= last || n%2 != uint64(lane[0]-'a') {
				t.Fatalf("lane %s: %d after %d", lane, n, last)
			}
			last = int(n)
			if n%3 == 0 {
				d.Done()
				d.Done()
				d.PutBack()
			}
		}
		if d, err := b.Lane(lane).TryNext(ctx); d != nil || err != nil {
			t.Fatal(d, err)
		}
	}
	if st := b.Stats(); st.InBodies != total || st.OutBodies != 134 || st.Late != 2*134 || st.LiveBytes <= 0 {
		t.Errorf("%+v", st)
	}
	closeStore(t, s)

	s = openStore(t, smallOptions(fs))
	if left := s.Unopened(); len(left) != 1 || left[0].Buffer != "dw" || left[0].Points == 0 {
		t.Errorf("unopened: %+v", left)
	}
	b = openBuffer(t, s, "dw", BufferOptions{})
	seen := drain(t, b)
	for n := range uint64(total) {
		if times := seen[n]; times > 1 || times == 0 && n%3 != 0 {
			t.Errorf("%d came %d times", n, times)
		}
	}
	if st := b.Stats(); sum(st.Lost) != 0 || st.LivePoints != 0 || st.LiveBytes != 0 {
		t.Errorf("%+v", st)
	}
	closeStore(t, s)
	s = openStore(t, smallOptions(fs))
	b = openBuffer(t, s, "dw", BufferOptions{})
	if seen := drain(t, b); len(seen) != 0 {
		t.Errorf("%d came again after they were done and the store was closed", len(seen))
	}
	closeStore(t, s)
	if _, err := b.Lane("a").Next(ctx); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := b.Append(ctx, message(1, "a", 1)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestPutBackAndRecallKeepOrder(t *testing.T) {
	s := openStore(t, smallOptions(vfs.NewMem()))
	defer closeStore(t, s)
	b := openBuffer(t, s, "dw", BufferOptions{})
	ctx := context.Background()
	for n := range uint64(10) {
		if err := b.Append(ctx, message(n, "", 10)); err != nil {
			t.Fatal(err)
		}
	}
	l := b.Lane("")
	var ds []*Delivery
	for range 6 {
		d, err := l.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, d)
	}
	ds[4].PutBack()
	ds[1].PutBack()
	ds[0].Done()
	l.Recall() // 2, 3, 5
	ds[2].Done()
	var order []uint64
	for {
		d, err := l.TryNext(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			break
		}
		n, err := number(d.Entry)
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, n)
		d.Done()
	}
	if fmt.Sprint(order) != "[1 2 3 4 5 6 7 8 9]" {
		t.Error(order)
	}
	if st := b.Stats(); st.Late != 1 || st.PutBack != 5 {
		t.Errorf("%+v", st)
	}
}

func TestWhenFull(t *testing.T) {
	ctx := context.Background()
	one := int64(len(appendFrame(nil, &frame{Entry: message(0, "", 1000), buffer: "dw"})) + crcBytes + keyBytes)
	for _, policy := range []WhenFull{Block, DropOldest, DropNewest} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			s := openStore(t, smallOptions(vfs.NewMem()))
			defer closeStore(t, s)
			b := openBuffer(t, s, "dw", BufferOptions{MaxBytes: 4*one + one/2, WhenFull: policy})
			if err := b.Append(ctx, message(0, "", 9000)); !errors.Is(err, ErrTooLarge) {
				t.Error(err)
			}
			for n := range uint64(4) {
				if err := b.Append(ctx, message(n*32, "", 1000)); err != nil {
					t.Fatal(err)
				}
			}
			first, err := b.Lane("").Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			accepted := make(chan error, 1)
			go func() { accepted <- b.AppendFunc(ctx, message(4*32, "", 1000), func(err error) { done <- err }) }()
			var want []uint64
			dropped := int64(0)
			switch policy {
			case Block:
				short, cancel := context.WithCancel(ctx)
				cancel()
				if err := b.Append(short, message(5*32, "", 1000)); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				first.Done()
				want = []uint64{32, 64, 96, 128}
			case DropOldest: // the first is in flight
				want = []uint64{64, 96, 128}
				dropped = points(32)
			case DropNewest:
				want = []uint64{32, 64, 96}
				dropped = points(128)
			}
			if err := <-accepted; err != nil {
				t.Fatal(err)
			}
			if err := <-done; policy == DropNewest && !errors.Is(err, ErrDropped) || policy != DropNewest && err != nil {
				t.Fatal(err)
			}
			var got []uint64
			for n := range drain(t, b) {
				got = append(got, n)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			first.Done()
			if st := b.Stats(); sum(st.Dropped) != dropped || st.LiveBytes != 0 || st.LivePoints != 0 || st.Waits < 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, smallOptions(vfs.NewMem()))
		b := openBuffer(t, s, "dw", BufferOptions{MaxAge: time.Minute})
		ctx := context.Background()
		for n := range uint64(10) {
			e := message(n, "ab"[n%2:n%2+1], 10)
			e.Read = time.Now().Add(-10*time.Second*time.Duration(3-n/3) - time.Second).UnixNano()
			if err := b.Append(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(45 * time.Second) // of the bubble: six bodies are older than a minute then
		synctest.Wait()
		st := b.Stats()
		if got := st.Dropped["max_age"]; got != points(0)+points(1)+points(2)+points(3)+points(4)+points(5) || st.Oldest > 62*time.Second {
			t.Errorf("%+v", st)
		}
		closeStore(t, s)
	})
}

// TestReclaim sees that what is done leaves the disk while nothing else happens.
func TestReclaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		s := openStore(t, smallOptions(fs))
		b := openBuffer(t, s, "dw", BufferOptions{})
		for n := range uint64(500) {
			if err := b.Append(context.Background(), message(n*32, "", 4000)); err != nil {
				t.Fatal(err)
			}
		}
		before := s.Stats().DiskBytes
		if seen := drain(t, b); len(seen) != 500 {
			t.Fatal(len(seen))
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if after := s.Stats().DiskBytes; after > before/4 {
			t.Errorf("%d bytes are on the disk, %d before", after, before)
		}
		closeStore(t, s)
	})
}

func TestSyncModes(t *testing.T) {
	for _, test := range []struct {
		sync     Sync
		at, late bool // kept at once, and after the interval
	}{{Group, true, true}, {Interval, false, true}, {Never, false, false}} {
		t.Run(fmt.Sprint(test.sync), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := vfs.NewCrashableMem()
				s := openStore(t, smallOptions(fs))
				b := openBuffer(t, s, "dw", BufferOptions{Sync: test.sync})
				if err := b.Append(context.Background(), message(0, "", 10)); err != nil {
					t.Fatal(err)
				}
				kept := func() bool {
					s := openStore(t, smallOptions(fs.CrashClone(vfs.CrashCloneCfg{})))
					defer closeStore(t, s)
					return len(drain(t, openBuffer(t, s, "dw", BufferOptions{}))) == 1
				}
				at := kept()
				time.Sleep(150 * time.Millisecond)
				synctest.Wait()
				if late := kept(); at != test.at || late != test.late {
					t.Errorf("kept at once: %v, after the interval: %v", at, late)
				}
				closeStore(t, s)
			})
		})
	}
}

func TestManyProducersShareSyncs(t *testing.T) {
	s := openStore(t, smallOptions(vfs.NewMem()))
	defer closeStore(t, s)
	b := openBuffer(t, s, "dw", BufferOptions{})
	var wg sync.WaitGroup
	for p := range uint64(16) {
		wg.Go(func() {
			for n := range uint64(50) {
				if err := b.Append(context.Background(), message(p*1000+n, fmt.Sprint(p%3), 300)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[uint64]bool{}
	var mu sync.Mutex
	for lane := range 3 {
		wg.Go(func() {
			l := b.Lane(fmt.Sprint(lane))
			last := map[uint64]uint64{}
			for range 50 * (16/3 + min(1, max(0, 16%3-lane))) {
				d, err := l.Next(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				n, err := number(d.Entry)
				if err != nil {
					t.Error(err)
				}
				if p := n / 1000; n < last[p] {
					t.Errorf("%d after %d", n, last[p])
				} else {
					last[p] = n
				}
				mu.Lock()
				seen[n] = true
				mu.Unlock()
				d.Done()
			}
		})
	}
	wg.Wait()
	if len(seen) != 800 {
		t.Error(len(seen))
	}
	if st := s.Stats(); st.Syncs > 800 || st.Syncs == 0 {
		t.Errorf("%+v", st)
	}
}

func TestOneOwner(t *testing.T) {
	fs := vfs.NewMem()
	s := openStore(t, smallOptions(fs))
	if _, err := Open(smallOptions(fs)); !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
	openBuffer(t, s, "dw", BufferOptions{})
	if _, err := s.Buffer("dw", BufferOptions{}); err == nil {
		t.Error("the buffer was opened twice")
	}
	closeStore(t, s)
	writeBytes(t, fs, "data/format", []byte(formatText(2)))
	if _, err := Open(smallOptions(fs)); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

// TestDirectoryTaken replaces the directory under a running store (D29).
func TestDirectoryTaken(t *testing.T) {
	for _, removed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			fs := vfs.NewMem()
			exit := make(chan error, 1)
			o := smallOptions(fs)
			o.Exit = func(err error) { exit <- err }
			s := openStore(t, o)
			b := openBuffer(t, s, "dw", BufferOptions{})
			if removed {
				if err := fs.Remove("data/owner"); err != nil {
					t.Fatal(err)
				}
			} else {
				writeBytes(t, fs, "data/owner", []byte("another"))
			}
			if err := <-exit; err == nil {
				t.Error("no reason")
			}
			if err := b.Append(context.Background(), message(1, "", 1)); !errors.Is(err, ErrFailed) {
				t.Error(err)
			}
			if state, _ := s.State(); state != Failed {
				t.Error(state)
			}
			if err := s.Close(context.Background()); !errors.Is(err, ErrFailed) {
				t.Error(err)
			}
		})
	}
}

// TestLateIsFenced: a body that was recalled and handed out again belongs to the new reader alone.
func TestLateIsFenced(t *testing.T) {
	s := openStore(t, smallOptions(vfs.NewMem()))
	defer closeStore(t, s)
	b := openBuffer(t, s, "dw", BufferOptions{})
	ctx := context.Background()
	if err := b.Append(ctx, message(1, "", 10)); err != nil {
		t.Fatal(err)
	}
	l := b.Lane("")
	former, err := l.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l.Recall()
	latter, err := l.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	former.Done()
	former.PutBack()
	if st := b.Stats(); st.Late != 2 || st.OutBodies != 0 || st.LivePoints == 0 {
		t.Errorf("%+v", st)
	}
	if d, err := l.TryNext(ctx); d != nil || err != nil {
		t.Error(d, err)
	}
	latter.Done()
	if st := b.Stats(); st.OutBodies != 1 || st.LivePoints != 0 {
		t.Errorf("%+v", st)
	}
}

// TestDiscard empties a buffer whose sink is gone.
func TestDiscard(t *testing.T) {
	fs := vfs.NewMem()
	s := openStore(t, smallOptions(fs))
	b := openBuffer(t, s, "dw", BufferOptions{})
	want := int64(0)
	for n := range uint64(100) {
		if err := b.Append(context.Background(), message(n, fmt.Sprint(n%2), 2000)); err != nil {
			t.Fatal(err)
		}
		want += points(n)
	}
	closeStore(t, s)
	s = openStore(t, smallOptions(fs))
	if got := openBuffer(t, s, "dw", BufferOptions{}).Discard(context.Background()); got != want {
		t.Errorf("%d points discarded, want %d", got, want)
	}
	closeStore(t, s)
	s = openStore(t, smallOptions(fs))
	if left := s.Unopened(); len(left) != 0 {
		t.Errorf("%+v", left)
	}
	closeStore(t, s)
}

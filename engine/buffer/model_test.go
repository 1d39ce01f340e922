package buffer

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// model is what a buffer with two lanes should hold. Every append is acknowledged before the next step.
type model struct {
	mem   *vfs.MemFS
	s     *Store
	b     *Buffer
	o     BufferOptions
	next  uint64
	lanes map[string]*modelLane
}

type modelLane struct {
	waiting []uint64             // in order, not handed out
	out     map[uint64]*Delivery // handed out
	done    map[uint64]bool      // may come again after a crash
	old     []*Delivery          // of former readers
	size    map[uint64]int64
}

func (m *model) open(t *rapid.T) {
	s, err := Open(smallOptions(m.mem))
	if err != nil {
		t.Fatal(err)
	}
	m.s = s
	if m.b, err = s.Buffer("dw", m.o); err != nil {
		t.Fatal(err)
	}
	if st := m.b.Stats(); sum(st.Lost)+sum(s.Stats().Lost) != 0 {
		t.Fatalf("lost: %v", st.Lost)
	}
}

func (m *model) close(t *rapid.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := m.s.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// restart opens again, and looks at what is there: all that was not done, in order. What was done may come again if
// its end was not on the disk yet; from then on it is expected.
func (m *model) restart(t *rapid.T) {
	m.open(t)
	for name, l := range m.lanes {
		for n := range l.out {
			l.waiting = append(l.waiting, n)
		}
		slices.Sort(l.waiting)
		clear(l.out)
		l.old = nil
		var found []uint64
		for d := m.next1(t, name); d != nil; d = m.next1(t, name) {
			n, err := number(d.Entry)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) > 0 && n <= found[len(found)-1] {
				t.Fatalf("lane %s: %d after %v", name, n, found)
			}
			found = append(found, n)
		}
		for _, n := range l.waiting {
			if !slices.Contains(found, n) {
				t.Fatalf("lane %s: %d is missing in %v", name, n, found)
			}
		}
		for _, n := range found {
			if !slices.Contains(l.waiting, n) && !l.done[n] {
				t.Fatalf("lane %s: %d was never acknowledged", name, n)
			}
		}
		m.b.Lane(name).Recall()
		l.waiting = found
	}
}

func (m *model) next1(t *rapid.T, lane string) *Delivery {
	d, err := m.b.Lane(lane).TryNext(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (m *model) live() (size int64) {
	for _, l := range m.lanes {
		for _, n := range l.waiting {
			size += l.size[n]
		}
		for n := range l.out {
			size += l.size[n]
		}
	}
	return size
}

func (m *model) append(t *rapid.T) {
	lane := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "lane")
	l := m.lanes[lane]
	e := message(m.next, lane, rapid.SampledFrom([]int{0, 100, 2000, 30_000}).Draw(t, "size"))
	size := int64(len(appendFrame(nil, &frame{Entry: e, buffer: "dw"})) + crcBytes + keyBytes)
	full := m.live()+size > m.o.MaxBytes
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	if full && m.o.WhenFull == Block {
		cancel()
	}
	defer cancel()
	err := m.b.Append(ctx, e)
	switch {
	case !full && err != nil, full && err == nil && m.o.WhenFull != DropOldest, size > m.o.MaxBytes && err == nil:
		t.Fatalf("append of %d bytes to %d of %d: %v", size, m.live(), m.o.MaxBytes, err)
	case err == nil && full:
		m.dropOldest(t, m.live()+size-m.o.MaxBytes)
	}
	if err == nil {
		l.size[m.next] = size
		l.waiting = append(l.waiting, m.next)
	} else if full && m.o.WhenFull == DropOldest && size <= m.o.MaxBytes {
		m.dropOldest(t, m.live()+size-m.o.MaxBytes) // and then there was nothing left
	}
	m.next++
}

// dropOldest expects the heads of the lanes to have gone, the one read first before the other.
func (m *model) dropOldest(t *rapid.T, need int64) {
	for need > 0 {
		var from *modelLane
		for _, l := range m.lanes {
			if len(l.waiting) > 0 && (from == nil || l.waiting[0] < from.waiting[0]) {
				from = l
			}
		}
		if from == nil {
			return
		}
		n := from.waiting[0]
		from.waiting = from.waiting[1:]
		from.done[n] = true
		need -= from.size[n]
	}
}

// take expects the oldest body that waits.
func (m *model) take(t *rapid.T) {
	lane := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "lane")
	l := m.lanes[lane]
	d := m.next1(t, lane)
	if d == nil {
		if len(l.waiting) > 0 {
			t.Fatalf("lane %s: nothing, want %d", lane, l.waiting[0])
		}
		return
	}
	n, err := number(d.Entry)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.waiting) == 0 || n != l.waiting[0] {
		t.Fatalf("lane %s: got %d, want the first of %v", lane, n, l.waiting)
	}
	l.waiting = l.waiting[1:]
	l.out[n] = d
}

// pick draws one that is handed out.
func (m *model) pick(t *rapid.T) (l *modelLane, n uint64, ok bool) {
	lane := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "lane")
	l = m.lanes[lane]
	if len(l.out) == 0 {
		return l, 0, false
	}
	return l, rapid.SampledFrom(slices.Sorted(maps.Keys(l.out))).Draw(t, "which"), true
}

// TestModel drives a buffer and the model beside each other (D11).
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{mem: vfs.NewCrashableMem(), o: BufferOptions{MaxBytes: 1 << 30}, lanes: map[string]*modelLane{}}
		for _, lane := range []string{"a", "b"} {
			m.lanes[lane] = &modelLane{out: map[uint64]*Delivery{}, done: map[uint64]bool{}, size: map[uint64]int64{}}
		}
		m.open(t)
		defer func() { _ = m.s.Close(context.Background()) }()
		t.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"append2": m.append,
			"take":    m.take,
			"take2":   m.take,
			"done": func(t *rapid.T) {
				if l, n, ok := m.pick(t); ok {
					l.out[n].Done()
					l.old = append(l.old, l.out[n])
					delete(l.out, n)
					l.done[n] = true
				}
			},
			"put back": func(t *rapid.T) {
				if l, n, ok := m.pick(t); ok {
					l.out[n].PutBack()
					l.old = append(l.old, l.out[n])
					delete(l.out, n)
					l.waiting = append(l.waiting, n)
					slices.Sort(l.waiting)
				}
			},
			"recall": func(t *rapid.T) {
				lane := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "lane")
				l := m.lanes[lane]
				m.b.Lane(lane).Recall()
				for n, d := range l.out {
					l.waiting = append(l.waiting, n)
					l.old = append(l.old, d)
				}
				slices.Sort(l.waiting)
				clear(l.out)
			},
			"late": func(t *rapid.T) {
				for _, l := range m.lanes {
					for _, d := range l.old {
						d.Done()
						d.PutBack()
					}
				}
			},
			"trim": func(*rapid.T) {
				m.s.trims.Store(true)
				m.s.kick()
			},
			"flush": func(t *rapid.T) {
				if err := m.s.db.Flush(); err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(t *rapid.T) {
				m.close(t)
				m.restart(t)
			},
			"crash": func(t *rapid.T) {
				cfg := vfs.CrashCloneCfg{
					UnsyncedDataPercent: rapid.IntRange(0, 100).Draw(t, "kept"),
					RNG:                 rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
				}
				clone := m.mem.CrashClone(cfg)
				m.close(t)
				m.mem = clone
				m.restart(t)
			},
			"policy": func(t *rapid.T) {
				m.o.WhenFull = rapid.SampledFrom([]WhenFull{Block, DropOldest, DropNewest}).Draw(t, "when full")
				m.o.MaxBytes = rapid.SampledFrom([]int64{5_000, 40_000, 100_000, 1 << 30}).Draw(t, "max bytes")
				m.b.Configure(m.o)
			},
			"": func(t *rapid.T) {
				st := m.b.Stats()
				if len(st.Lost) != 0 {
					t.Fatalf("lost: %v", st.Lost)
				}
			},
		})
		// What is left comes, and then there is nothing.
		for name, l := range m.lanes {
			m.b.Lane(name).Recall()
			want := len(l.waiting) + len(l.out)
			for d := m.next1(t, name); d != nil; d = m.next1(t, name) {
				d.Done()
				want--
			}
			if want != 0 {
				t.Fatalf("lane %s: %d are missing", name, want)
			}
			l.waiting = nil
			clear(l.out)
		}
		if st := m.b.Stats(); st.LiveBytes != 0 || st.LivePoints != 0 {
			t.Fatalf("%+v", st)
		}
		m.close(t)
		clear(m.lanes["a"].done)
		clear(m.lanes["b"].done)
		m.restart(t) // nothing
		m.close(t)
	})
}

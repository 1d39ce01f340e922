package batch

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"dataflow/engine/point"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbered returns an accepted batch of count points that hold first and the numbers after it, with a list on
// every third.
func numbered(o *Origin, first, count int, ack func(), release func(int)) *Batch {
	b := Reserve(count, 3)
	b.Origin = o
	for n := first; n < first+count; n++ {
		b.Records = append(b.Records, Record{Origin: o, Offset: int64(n)})
		p := b.Add()
		p.Name, p.Record = "p", int32(n-first)
		p.Fields = append(p.Fields, point.Field{Key: "n", Value: point.Int(int64(n))})
		if n%3 == 0 {
			p.Fields = append(p.Fields, point.Field{Key: "list", Value: point.List([]point.Value{point.Int(int64(n))})})
		}
	}
	b.Arm(count*10, ack)
	Accept(b, release)
	return b
}

func number(p *point.Point) int64 {
	v, _ := p.Get("n")
	return v.Int()
}

// A holding is a batch that the model holds, and what it must hold.
type holding struct {
	b       *Batch
	ns      []int64
	roots   []int // the sources that its done will count for
	changed int64 // was added to the numbers of its points, which are its own
	shared  bool
}

func (h *holding) check(t *rapid.T, origins map[*Origin]int) {
	if len(h.b.Points) != len(h.ns) {
		t.Fatalf("%d points, want %d", len(h.b.Points), len(h.ns))
	}
	for i := range h.b.Points {
		p := &h.b.Points[i]
		if n := number(p); n != h.ns[i]+h.changed {
			t.Fatalf("point %d is %d, want %d", i, n, h.ns[i]+h.changed)
		}
		r := h.b.Records[p.Record]
		if r.Offset != h.ns[i] || origins[r.Origin] != int(h.ns[i]/1000) {
			t.Fatalf("point %d of %d has the record %d of %v", i, h.ns[i], r.Offset, r.Origin)
		}
		if list, ok := p.Get("list"); ok != (h.ns[i]%3 == 0) || ok && list.Items()[0].Int() != h.ns[i]+h.changed {
			t.Fatalf("point %d of %d has the list %v", i, h.ns[i], list)
		}
	}
}

// However batches are split, cloned, shared and merged, each source batch is acknowledged once, when the last that
// came of it is done and not before; until then the memory of its points is nobody else's.
func TestReferenceTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			held    []*holding
			acks    []int
			given   []int
			origins = map[*Origin]int{}
		)
		pick := func() (int, *holding) {
			i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
			return i, held[i]
		}
		t.Repeat(map[string]func(*rapid.T){
			"new": func(t *rapid.T) {
				id, count := len(acks), rapid.IntRange(0, 20).Draw(t, "points")
				acks, given = append(acks, 0), append(given, 0)
				o := &Origin{Partition: int32(id)}
				origins[o] = id
				b := numbered(o, id*1000, count, func() { acks[id]++ }, func(n int) { given[id] += n })
				h := &holding{b: b, roots: []int{id}}
				for n := range count {
					h.ns = append(h.ns, int64(id*1000+n))
				}
				held = append(held, h)
			},
			"split": func(t *rapid.T) {
				if len(held) == 0 {
					return
				}
				_, h := pick()
				at := rapid.IntRange(0, len(h.ns)).Draw(t, "at")
				n := &holding{b: h.b.Split(h.b.Points[at:]), ns: slices.Clone(h.ns[at:]), roots: h.roots, changed: h.changed, shared: h.shared}
				h.b.Points, h.ns = h.b.Points[:at:at], h.ns[:at]
				held = append(held, n)
			},
			"clone": func(t *rapid.T) {
				if len(held) == 0 {
					return
				}
				_, h := pick()
				held = append(held, &holding{b: h.b.Clone(), ns: slices.Clone(h.ns), roots: h.roots, changed: h.changed})
			},
			"share": func(t *rapid.T) {
				if len(held) == 0 {
					return
				}
				_, h := pick()
				h.shared = true
				held = append(held, &holding{b: h.b.Share(), ns: slices.Clone(h.ns), roots: h.roots, changed: h.changed, shared: true})
			},
			"write": func(t *rapid.T) {
				if len(held) == 0 {
					return
				}
				_, h := pick()
				if h.shared {
					return // read only
				}
				h.changed += 500_000
				for i := range h.b.Points {
					p := &h.b.Points[i]
					n := point.Int(h.ns[i] + h.changed)
					p.Set("n", n)
					if list, ok := p.Get("list"); ok {
						list.Items()[0] = n
					}
				}
			},
			"merge": func(t *rapid.T) {
				if len(held) == 0 {
					return
				}
				_, first := pick()
				// Points of different histories in one batch would need a history each in the model.
				var parts []*holding
				var rest []*holding
				for _, h := range held {
					if h.changed == first.changed && h.shared == first.shared && rapid.Bool().Draw(t, "too") {
						parts = append(parts, h)
					} else {
						rest = append(rest, h)
					}
				}
				if len(parts) < 2 {
					return
				}
				m := &holding{changed: first.changed, shared: first.shared}
				var bs []*Batch
				roots := 0
				for _, h := range parts {
					bs = append(bs, h.b)
					roots += Roots(h.b)
					m.ns = append(m.ns, h.ns...)
					m.roots = append(m.roots, h.roots...)
				}
				m.b = Merge(bs...)
				if Roots(m.b) != roots {
					t.Fatalf("a merged batch stands for %d, want %d", Roots(m.b), roots)
				}
				held = append(rest, m)
			},
			"done": func(t *rapid.T) {
				if len(held) == 0 {
					return
				}
				i, h := pick()
				held = slices.Delete(held, i, i+1)
				Done(h.b)
			},
			"": func(t *rapid.T) {
				open := map[int]bool{}
				for _, h := range held {
					h.check(t, origins)
					for _, r := range h.roots {
						open[r] = true
					}
				}
				for id, n := range acks {
					want := 1
					if open[id] {
						want = 0
					}
					if n != want {
						t.Fatalf("batch %d was acknowledged %d times, want %d", id, n, want)
					}
				}
			},
		})
		for _, h := range held {
			Done(h.b)
		}
		for id, n := range acks {
			if n != 1 || given[id]%10 != 0 {
				t.Fatalf("batch %d was acknowledged %d times, %d bytes were given back", id, n, given[id])
			}
		}
		if live := Live(); len(live) > 0 {
			t.Fatalf("%d batches are live", len(live))
		}
	})
}

// The bytes that a batch was armed with come back once, after the ack.
func TestRelease(t *testing.T) {
	var events []string
	b := numbered(nil, 0, 4, func() { events = append(events, "ack") }, func(n int) { events = append(events, fmt.Sprint(n)) })
	if Bytes(b) != 40 || Roots(b) != 1 {
		t.Errorf("%d bytes, %d roots", Bytes(b), Roots(b))
	}
	c := b.Clone()
	Done(b)
	if len(events) != 0 {
		t.Errorf("%v before the last done", events)
	}
	Done(c)
	if !slices.Equal(events, []string{"ack", "40"}) {
		t.Errorf("events %v", events)
	}
}

// A steady stream of batches allocates what cannot be pooled, however many points they hold.
func TestSteadyStreamAllocates(t *testing.T) {
	if Invariants || raceDetector {
		t.Log("the checks allocate")
		return
	}
	ack, release := func() {}, func(int) {}
	const most = 2 // the batch and its node
	got := testing.AllocsPerRun(200, func() {
		b := Reserve(1024, 4)
		for range 1024 {
			p := b.Add()
			p.Fields = append(p.Fields, point.Field{Key: "n"})
		}
		b.Arm(1, ack)
		Accept(b, release)
		Done(b)
	})
	if got > most {
		t.Errorf("%v allocations, want %d", got, most)
	}
}

// What an arena's points referred to does not live on in the pool, and odd ones are not kept.
func TestRecycledArenaIsEmpty(t *testing.T) {
	a := &arena{used: 1}
	a.points = append(a.points, point.Point{Name: "old"})
	a.fields = append(a.fields, point.Field{Key: "old"})
	a.records = append(a.records, Record{Key: []byte("old")})
	a.recycle()
	if Invariants {
		if a.points[0].Name != "read after done" || a.fields[0].Key != "read after done" {
			t.Error("not poisoned")
		}
		return
	}
	if a.points[0].Name != "" || a.fields[0].Key != "" || a.records[0].Key != nil {
		t.Error("an arena in the pool still refers to what is done")
	}
}

func panics(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}

func TestMisusePanics(t *testing.T) {
	b := numbered(nil, 0, 1, nil, func(int) {})
	Done(b)
	if !panics(func() { Done(b) }) {
		t.Error("done twice goes unnoticed")
	}
	b, c := numbered(nil, 0, 1, nil, func(int) {}), numbered(nil, 1, 1, nil, func(int) {})
	m := Merge(b, c)
	if !panics(func() { Done(b) }) {
		t.Error("done after merge goes unnoticed")
	}
	Done(m)
	if Invariants {
		for name, write := range map[string]func(p *point.Point){
			"field": func(p *point.Point) { p.Fields[0].Value = point.Int(7) },
			"float": func(p *point.Point) { p.Set("f", point.Float(2)) },
			"list":  func(p *point.Point) { p.Fields[1].Value.Items()[0] = point.Int(7) },
			"name":  func(p *point.Point) { p.Name = "q" },
			// Two sinks that do this write to the same memory, though neither sees it.
			"append": func(p *point.Point) { _ = append(p.Fields, point.Field{Key: "mine"}) },
		} {
			b := numbered(nil, 0, 1, nil, func(int) {})
			b.Points[0].Set("f", point.Float(1))
			b.Points[0].Fields = slices.Grow(b.Points[0].Fields, 1)
			twin := b.Share()
			write(&twin.Points[0])
			if !panics(func() { Done(twin) }) {
				t.Errorf("a write to a shared batch goes unnoticed: %s", name)
			}
		}
		b = numbered(nil, 0, 3, nil, func(int) {})
		late := b.Points
		Done(b)
		if late[0].Name != "read after done" {
			t.Error("a reader after done sees points")
		}
		Forget()
	}
}

func TestVerdicts(t *testing.T) {
	b := numbered(nil, 0, 6, nil, func(int) {})
	if HasVerdicts(b) || len(Rest(b)) != 6 {
		t.Error("verdicts on a fresh batch")
	}
	b.Fail(4, nil)
	b.Drop(1, "why")
	b.Route(1, "late")
	b.Route(5, "port")
	b.Fail(-1, errors.New("out of range"))
	b.Fail(6, errors.New("out of range"))
	if rest := Rest(b); len(rest) != 3 || number(&rest[2]) != 3 {
		t.Errorf("the rest is %v", rest)
	}
	only := Only(b)
	if HasVerdicts(b) {
		t.Error("verdicts are still there")
	}
	vs := Verdicts(only)
	if len(vs) != 3 || vs[1].Kind != Failed || vs[1].Err == nil || vs[0].Kind != Dropped || vs[0].Text != "why" || vs[2].Kind != Routed || vs[2].Text != "port" {
		t.Errorf("verdicts %+v", vs)
	}
	for i, want := range []int64{1, 4, 5} {
		if got := number(&only.Points[vs[i].Index]); got != want {
			t.Errorf("verdict %d is about %d, want %d", i, got, want)
		}
	}
	Done(b)
}

// A point that the reserved fields have no room for grows on its own, not into its neighbour.
func TestFieldsDoNotOverlap(t *testing.T) {
	b := Reserve(2, 2)
	for range 5 { // more than were reserved
		b.Add()
	}
	for i := range b.Points {
		for k := range 4 {
			b.Points[i].Fields = append(b.Points[i].Fields, point.Field{Key: fmt.Sprint(i, k)})
		}
	}
	for i := range b.Points {
		for k, f := range b.Points[i].Fields {
			if f.Key != fmt.Sprint(i, k) {
				t.Errorf("field %d of point %d is %q", k, i, f.Key)
			}
		}
	}
}

func BenchmarkReserveForkDone(b *testing.B) {
	b.ReportAllocs()
	ack, release := func() {}, func(int) {}
	for b.Loop() {
		x := Reserve(256, 4)
		x.Arm(1, ack)
		Accept(x, release)
		y := x.Share()
		Done(x)
		Done(y)
	}
}

// A detached copy is done with nothing and outlives what it came from.
func TestDetach(t *testing.T) {
	acked := 0
	b := Reserve(2, 2)
	b.Arm(1, func() { acked++ })
	b.Records = append(b.Records, Record{Offset: 7})
	b.Add().Set("n", point.Int(1))
	c := Detach(b)
	Done(b)
	if acked != 1 {
		t.Fatal("the copy holds the batch")
	}
	other := Reserve(2, 2) // from the same arena, if it was recycled
	other.Records = append(other.Records, Record{Offset: 8})
	other.Add().Set("n", point.Int(2))
	if v, _ := c.Points[0].Get("n"); v.Int() != 1 || c.Records[0].Offset != 7 {
		t.Errorf("the copy is %v of offset %d", v.Int(), c.Records[0].Offset)
	}
	Done(c)
	Done(other)
	if acked != 1 {
		t.Error("the copy has acked")
	}
}

//go:build invariants

package batch

import (
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"sync"

	"dataflow/engine/point"
)

type trace struct{ stack string }

// sharing is the points of a batch when they were shared, and their hash.
type sharing struct {
	shared bool
	whole  []point.Point
	sum    uint64
}

// Invariants reports whether the checks are compiled in.
const Invariants = true

var live = struct {
	sync.Mutex
	nodes map[*node]struct{}
}{nodes: map[*node]struct{}{}}

func (t *trace) start(n *node) {
	t.stack = string(debug.Stack())
	live.Lock()
	live.nodes[n] = struct{}{}
	live.Unlock()
}

func (t *trace) end(n *node) {
	live.Lock()
	delete(live.nodes, n)
	live.Unlock()
}

// Live returns the stacks that made the batches that are not done.
func Live() []string {
	live.Lock()
	defer live.Unlock()
	var out []string
	for n := range live.nodes {
		out = append(out, n.trace.stack)
	}
	return out
}

// Forget empties what Live knows. A hard stop leaves batches that are never done; tests of it clean up with this.
func Forget() {
	live.Lock()
	defer live.Unlock()
	clear(live.nodes)
}

// poison overwrites the memory of a batch that is done, so that a late reader sees nonsense instead of the
// next batch's points, and keeps it out of the pool.
func poison(a *arena) bool {
	for i := range a.points[:cap(a.points)] {
		a.points[:cap(a.points)][i] = point.Point{Name: "read after done"}
	}
	for i := range a.fields {
		a.fields[i] = point.Field{Key: "read after done"}
	}
	return true
}

var seed = maphash.MakeSeed()

func (s *sharing) hash() uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var text []byte
	for i := range s.whole {
		p := &s.whole[i]
		fmt.Fprintf(&h, "%q %d %d %d;", p.Name, p.Time, p.Category, p.Record)
		// The spare room is shared too: two sinks that append in place would write to the same memory.
		for _, f := range p.Fields[:cap(p.Fields)] {
			text = point.AppendText(text[:0], f.Value)
			fmt.Fprintf(&h, "%q %v %v %q;", f.Key, f.Tag, f.Value.Kind(), text)
		}
	}
	return h.Sum64()
}

func (s *sharing) begin(b *Batch) {
	if !s.shared {
		s.shared, s.whole = true, b.Points
		s.sum = s.hash()
	}
}

// check panics if somebody wrote to the points of a shared batch. It looks at those that were shared: a sink may
// replace the slice by what is undelivered.
func (s *sharing) check(*Batch) {
	if s.shared && s.hash() != s.sum {
		panic("batch: a shared batch was written to")
	}
}

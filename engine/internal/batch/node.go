package batch

import (
	"sync"
	"sync/atomic"

	"dataflow/engine/point"
)

// A node counts the references to one source batch, or to one merged or cloned batch, whose parents it then
// completes. The tree of nodes is the acknowledgement tree: done travels from the leaves to the source.
type node struct {
	refs    atomic.Int32
	bytes   int
	ack     func()
	release func(bytes int)
	parents []*node
	arena   *arena
	roots   int // source batches that it stands for
	trace   trace
}

// Accept is called by the runtime when it takes an armed batch from its source: release gets the batch's
// bytes back when it is done.
func Accept(b *Batch, release func(bytes int)) {
	b.node.release = release
	b.node.trace.start(b.node)
}

// Roots returns how many source batches b stands for.
func Roots(b *Batch) int { return b.node.roots }

// Bytes returns what the batch was armed with.
func Bytes(b *Batch) int { return b.node.bytes }

// Done gives up one reference. After the last one the arena is recycled, the ack called and the bytes given
// back. The batch must not be used afterwards.
func Done(b *Batch) {
	n := b.node
	if n == nil {
		panic("batch: done twice, or done after merge")
	}
	b.sharing.check(b)
	b.node, b.Points, b.Records = nil, nil, nil
	n.done()
}

func (n *node) done() {
	switch refs := n.refs.Add(-1); {
	case refs > 0:
		return
	case refs < 0:
		panic("batch: more dones than references")
	}
	n.trace.end(n)
	n.arena.recycle()
	n.arena = nil
	if n.ack != nil {
		n.ack()
	}
	if n.release != nil {
		n.release(n.bytes)
	}
	for _, p := range n.parents {
		p.done()
	}
}

// An arena is the memory of the points of one batch. It goes back to its pool after the last done, so that a
// steady stream of batches allocates nothing (without this the engine ran 1.5 times as long and held twice the memory).
type arena struct {
	points  []point.Point
	fields  []point.Field // those that the batch may use
	records []Record
	used    int // points that the batch may use; beyond, and beyond fields, the memory is clear
}

var arenas = sync.Pool{New: func() any { return new(arena) }}

// Arenas that one odd batch blew up stay out of the pool.
const (
	maxPooledPoints = 1 << 14
	maxPooledFields = 1 << 17
)

func takeArena(points, fields int) *arena {
	a := arenas.Get().(*arena)
	if cap(a.points) < points {
		a.points = make([]point.Point, 0, points)
	}
	if cap(a.records) < points && fields > 0 {
		a.records = make([]Record, 0, points)
	}
	if cap(a.fields) < fields {
		a.fields = make([]point.Field, fields)
	}
	a.fields, a.used = a.fields[:fields], points
	return a
}

func (a *arena) recycle() {
	if a == nil || poison(a) || cap(a.fields) > maxPooledFields || cap(a.points) > maxPooledPoints {
		return
	}
	// What the points referred to (fetch buffers, script text) must not live as long as the pool does.
	clear(a.points[:a.used])
	clear(a.fields)
	clear(a.records[:min(a.used, cap(a.records))])
	arenas.Put(a)
}

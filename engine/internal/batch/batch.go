// Package batch holds the batch of points with its references, arenas and verdicts. Component authors see
// it through the alias engine.Batch; what stands here as a function instead of a method is for the runtime.
package batch

import (
	"dataflow/engine/point"
)

// KV is a header.
type KV struct {
	Key   string
	Value []byte
}

// Origin says where the points of a batch were read. One Origin is shared by all batches of a partition and
// epoch, and its address stands for the partition wherever order matters.
type Origin struct {
	Node      string // id of the source
	Topic     string // topic, path or route
	Partition int32
	Epoch     int32 // of the assignment
}

// Record is what a point was read from. Key, Value and Headers refer to the source's buffer.
type Record struct {
	Origin  *Origin
	Offset  int64
	Time    int64 // ns since 1970, as the record says; 0 is unknown
	Key     []byte
	Value   []byte
	Headers []KV
}

// Batch is what moves through the graph: about 1,024 points that were read together. One goroutine owns it
// at a time; passing it on passes ownership.
type Batch struct {
	Points  []point.Point
	Origin  *Origin  // shared by all points; nil in a merged batch
	Records []Record // point.Record indexes it
	Port    string   // the stream or port a source emits it on; "" is the main one
	Read    int64    // time of reading, ns since 1970

	node     *node
	fields   []point.Field // what is left of the arena's fields
	perPoint int
	verdicts []Verdict
	sharing  sharing // what -tags invariants knows of a shared batch
}

// Reserve returns an empty batch with room for the given number of points and of fields per point, from a
// pooled arena that goes back to the pool after the last reference to the batch is done. [Batch.Add] fills it.
func Reserve(points, fieldsPerPoint int) *Batch {
	n := &node{roots: 1}
	n.refs.Store(1)
	n.arena = takeArena(points, points*fieldsPerPoint)
	return &Batch{
		Points: n.arena.points[:0:points], Records: n.arena.records[:0:min(points, cap(n.arena.records))],
		fields: n.arena.fields, perPoint: fieldsPerPoint, node: n,
	}
}

// Add appends a point and returns it: empty, without a record, its Fields with spare capacity. The pointer
// is good until the next Add.
func (b *Batch) Add() *point.Point {
	b.Points = append(b.Points, point.Point{Record: -1})
	p := &b.Points[len(b.Points)-1]
	n := b.perPoint
	if n == 0 || len(b.fields) < n {
		return p
	}
	p.Fields = b.fields[:0:n]
	b.fields = b.fields[n:]
	return p
}

// Arm says what the batch costs while it is in flight, in bytes of estimated heap, and what to do when it is
// done. Ack is called once, from any goroutine, and must not block. A source arms a batch before it emits it.
func (b *Batch) Arm(bytes int, ack func()) {
	b.node.bytes, b.node.ack = bytes, ack
}

// Merge returns one batch that carries the references and the points of all of bs, which belong to it from
// now on. Operators that hold points use it.
func Merge(bs ...*Batch) *Batch {
	if len(bs) == 1 {
		return bs[0]
	}
	n := &node{}
	n.refs.Store(1)
	points, records := 0, 0
	for _, b := range bs {
		points += len(b.Points)
		records += len(b.Records)
		n.parents = append(n.parents, b.node)
		n.roots += b.node.roots
	}
	n.arena = takeArena(points, 0)
	out := &Batch{Points: n.arena.points[:0:points], node: n, Port: bs[0].Port, Read: bs[0].Read, Origin: bs[0].Origin}
	if records > 0 {
		out.Records = make([]Record, 0, records)
	}
	for _, b := range bs {
		base := int32(len(out.Records))
		first := len(out.Points)
		out.Records = append(out.Records, b.Records...)
		out.Points = append(out.Points, b.Points...)
		if base > 0 {
			for i := range out.Points[first:] {
				if p := &out.Points[first+i]; p.Record >= 0 {
					p.Record += base
				}
			}
		}
		if b.Origin != out.Origin {
			out.Origin = nil
		}
		out.Read = min(out.Read, b.Read)
		b.sharing.check(b)
		b.node = nil
	}
	n.trace.start(n)
	return out
}

// Split returns a batch of the points ps with one more reference to what b came from. Ps is usually a part
// of b.Points, which the caller gives away with it; the piece cannot grow into what stands behind.
func (b *Batch) Split(ps []point.Point) *Batch {
	b.node.refs.Add(1)
	return &Batch{Points: ps[:len(ps):len(ps)], Origin: b.Origin, Records: b.Records, Port: b.Port, Read: b.Read, node: b.node}
}

// Clone returns a copy of b whose points and fields stand in an arena of their own, with one more reference.
// Texts are shared: they do not change.
func (b *Batch) Clone() *Batch {
	b.node.refs.Add(1)
	return b.copyTo(&node{parents: []*node{b.node}, roots: b.node.roots})
}

// Detach returns a copy of b that is bound to nothing: it is done with nobody's work and holds nobody up. It is
// for branches that may lose what they get.
func Detach(b *Batch) *Batch {
	c := b.copyTo(&node{})
	c.Records = append([]Record(nil), b.Records...) // those of b go back to its arena
	return c
}

// copyTo returns a copy of b's points in an arena that belongs to n. Texts are shared: the buffers that they lie
// in are the collector's.
func (b *Batch) copyTo(n *node) *Batch {
	fields := 0
	for i := range b.Points {
		fields += len(b.Points[i].Fields) + spareFields
	}
	n.refs.Store(1)
	n.arena = takeArena(len(b.Points), fields)
	c := &Batch{Points: n.arena.points[:len(b.Points):len(b.Points)], Origin: b.Origin, Records: b.Records, Port: b.Port, Read: b.Read, node: n}
	copy(c.Points, b.Points)
	room := n.arena.fields
	for i := range c.Points {
		p := &c.Points[i]
		k := len(p.Fields)
		copy(room, p.Fields)
		p.Fields, room = room[:k:k+spareFields], room[k+spareFields:]
		for j := range p.Fields {
			// Lists and maps are references; a clone must not write through to its twin.
			if f := &p.Fields[j]; f.Value.Kind() == point.KindList || f.Value.Kind() == point.KindMap {
				f.Value = f.Value.Clone()
			}
		}
	}
	n.trace.start(n)
	return c
}

// spareFields is the room a cloned point gets for fields that are added to it later.
const spareFields = 4

// Share returns a batch with the same points, read only, and one more reference. From then on b is read only too.
func (b *Batch) Share() *Batch {
	b.node.refs.Add(1)
	b.sharing.begin(b)
	c := &Batch{Points: b.Points[:len(b.Points):len(b.Points)], Origin: b.Origin, Records: b.Records, Port: b.Port, Read: b.Read, node: b.node}
	c.sharing.begin(c)
	return c
}

// Package point holds the data model of the engine, one record of observability data, and its codecs: line
// protocol in DataKit's dialect, protobuf points and JSON points. It is a leaf: it imports nothing of ours.
package point

import (
	"slices"
	"time"
)

// DefaultName is the name of a point that came without one.
const DefaultName = "__default"

// Field is a key with a value. A tag is a field whose Tag is set; its value is a string.
// Tags and fields are one name space: a key stands on a point once.
type Field struct {
	Key   string
	Value Value
	Tag   bool
}

// Point is one record. Fields keep the order in which they were added. Strings may refer to the buffers of
// the source: whoever keeps one beyond the point's batch copies it.
type Point struct {
	Name     string   // measurement, source or class
	Fields   []Field  // tags and fields in insertion order
	Time     int64    // ns since 1970; 0 is not set
	Extra    *Extra   // nil on the hot path
	Record   int32    // index of what it came from in the batch's Records; -1 is none
	Category Category //
}

// Extra is what few points have.
type Extra struct {
	Warns        []Warn
	Types        map[string]MetricType // of fields, by key
	Units        map[string]string     // of fields, by key
	StorageIndex string                // of the sink's index, logging only
	NoGlobalTags bool                  // a sink does not add its global tags
}

// Warn is a change that a check made to a point.
type Warn struct{ Type, Message string }

// MetricType says what a metric's field counts. It is informational.
type MetricType uint8

// The metric types, with their numbers in the protobuf encoding.
const (
	MetricUnspecified MetricType = iota
	MetricCount
	MetricRate
	MetricGauge
)

// Index returns the position of key in p.Fields, or -1.
func (p *Point) Index(key string) int {
	for i := range p.Fields {
		if p.Fields[i].Key == key {
			return i
		}
	}
	return -1
}

// Get returns the value of the tag or field key.
func (p *Point) Get(key string) (v Value, ok bool) {
	if i := p.Index(key); i >= 0 {
		return p.Fields[i].Value, true
	}
	return Value{}, false
}

// Set writes v to key. An existing key keeps its place and stays the tag or field that it is; v must be a
// string when it is a tag. A new key becomes a field at the end.
func (p *Point) Set(key string, v Value) {
	if i := p.Index(key); i >= 0 {
		p.Fields[i].Value = v
		return
	}
	p.Fields = append(p.Fields, Field{Key: key, Value: v})
}

// SetTag makes key a tag with the given value, whatever it was before.
func (p *Point) SetTag(key, value string) {
	if i := p.Index(key); i >= 0 {
		p.Fields[i].Value, p.Fields[i].Tag = String(value), true
		return
	}
	p.Fields = append(p.Fields, Field{Key: key, Value: String(value), Tag: true})
}

// Delete removes key and reports whether it was there. The others keep their order.
func (p *Point) Delete(key string) bool {
	i := p.Index(key)
	if i < 0 {
		return false
	}
	p.Fields = slices.Delete(p.Fields, i, i+1)
	return true
}

// Rename gives the key old the name key. An existing key of that name is removed first. It reports whether
// old was there.
func (p *Point) Rename(key, old string) bool {
	i := p.Index(old)
	if i < 0 || key == old {
		return i >= 0
	}
	if j := p.Index(key); j >= 0 {
		p.Fields = slices.Delete(p.Fields, j, j+1)
		if j < i {
			i--
		}
	}
	p.Fields[i].Key = key
	return true
}

// When returns the point's time, the zero Time if it is not set.
func (p *Point) When() time.Time {
	if p.Time == 0 {
		return time.Time{}
	}
	return time.Unix(0, p.Time)
}

// Clone returns a copy of p that shares no memory with it but Extra, which is never changed in place.
func (p *Point) Clone() Point {
	q := *p
	q.Name = string(append([]byte(nil), p.Name...))
	q.Fields = make([]Field, len(p.Fields))
	for i, f := range p.Fields {
		q.Fields[i] = Field{Key: string(append([]byte(nil), f.Key...)), Value: f.Value.Clone(), Tag: f.Tag}
	}
	return q
}

// HeapSize returns the estimated bytes of heap that p holds, apart from shared buffers.
func (p *Point) HeapSize() int {
	const pointSize, fieldSize = 64, 48
	n := pointSize + fieldSize*cap(p.Fields)
	for i := range p.Fields {
		n += int(p.Fields[i].Value.Len())
	}
	return n
}

package state

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dataflow/engine/point"
)

// Buckets aggregate values by group.
type Buckets struct {
	// Tags come first on each point. They are set before the state is used.
	Tags []point.Field

	mu    sync.Mutex
	byID  map[ID]*bucket
	ready []point.Point // of buckets that were full
	any   atomic.Bool   // ready is not empty
	key   []byte        // room for the key of a group
	bytes int
	limit int
	lost  atomic.Int64
}

// ID names a bucket.
type ID struct {
	Category point.Category
	Name     string
}

// Spec says how a bucket is emptied, and what its points have in common.
type Spec struct {
	Interval time.Duration // after which it is; 0 or less: never
	Count    int64         // of values after which it is; 0 or less: never
	Keep     bool          // the groups stay as they are when their points are made
	Tags     []point.Field // of all points
	Rules    point.Rules   // by which points of its category are built
}

// Function says what becomes of the values of a group.
type Function uint8

// The functions. Set is the last value.
const (
	Avg Function = iota
	Sum
	Max
	Min
	Set
)

// Measure is where a value goes: a field of a group. The groups are those of the values of the keys By, which are sorted. The first
// measure of a field says what its function is.
type Measure struct {
	Field    string
	Function Function
	By       []string
}

type bucket struct {
	Spec
	id     ID
	next   time.Time // when it is emptied
	values int64     // since it was last emptied for their number
	groups map[string]*group
}

type group struct {
	tags   []point.Field
	fields []aggregate
	bytes  int
}

type aggregate struct {
	name     string
	function Function
	value    float64 // of Avg, the sum
	count    int64
}

const (
	groupBytes = 256 // of a group without tags and fields, estimated
	tagBytes   = 64
	fieldBytes = 64
	maxReady   = 4096 // points that wait for the end of a run; full buckets go on beyond it
)

// Has reports whether there is such a bucket.
func (b *Buckets) Has(id ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byID[id] != nil
}

// Create makes a bucket, unless there is one already. It copies the tags.
func (b *Buckets) Create(id ID, spec Spec, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byID[id] != nil {
		return
	}
	if b.byID == nil {
		b.byID = map[ID]*bucket{}
	}
	tags := make([]point.Field, len(spec.Tags))
	for i, t := range spec.Tags {
		tags[i] = point.Field{Key: strings.Clone(t.Key), Value: t.Value.Clone(), Tag: true}
	}
	spec.Tags = tags
	b.byID[id] = &bucket{Spec: spec, id: id, next: now.Add(spec.Interval), groups: map[string]*group{}}
}

// Add adds a value to the group with the given values of m.By, which are strings. It does nothing if there is no such bucket.
// The points of a bucket that is full by that come out with the next [State.Settle] or [Buckets.Due].
func (b *Buckets) Add(id ID, m *Measure, by []point.Value, value float64, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	to := b.byID[id]
	if to == nil {
		return
	}
	a := b.aggregate(to, m, by)
	if a == nil {
		b.lost.Add(1)
		return
	}
	a.add(value)
	if to.values++; to.Count > 0 && to.values >= to.Count && len(b.ready) < maxReady {
		to.values = 0
		b.ready = b.emit(b.ready, to, now, to.Keep)
		b.any.Store(len(b.ready) > 0)
	}
}

// aggregate returns the field of the group, nil if there is no room for it.
func (b *Buckets) aggregate(to *bucket, m *Measure, by []point.Value) *aggregate {
	b.key = b.key[:0]
	for i, name := range m.By {
		b.key = appendText(appendText(b.key, name), by[i].Str())
	}
	g := to.groups[string(b.key)]
	if g == nil {
		g = &group{bytes: groupBytes + 2*len(b.key) + tagBytes*len(by)}
		if b.bytes+g.bytes+fieldBytes > b.limit {
			return nil
		}
		for i, name := range m.By {
			g.tags = append(g.tags, point.Field{Key: name, Value: by[i].Clone(), Tag: true})
		}
		to.groups[string(b.key)] = g
		b.bytes += g.bytes
	}
	for i := range g.fields {
		if g.fields[i].name == m.Field {
			return &g.fields[i]
		}
	}
	g.fields = append(g.fields, aggregate{name: m.Field, function: m.Function})
	g.bytes += fieldBytes
	b.bytes += fieldBytes
	return &g.fields[len(g.fields)-1]
}

func (a *aggregate) add(v float64) {
	a.count++
	switch {
	case a.count == 1 || a.function == Set:
		a.value = v
	case a.function == Max:
		a.value = max(a.value, v)
	case a.function == Min:
		a.value = min(a.value, v)
	default:
		a.value += v
	}
}

func (a *aggregate) result() float64 {
	if a.function == Avg {
		return a.value / float64(a.count)
	}
	return a.value
}

// Due returns the points of the buckets whose interval is over, and of those that were full, by bucket and group. With all it
// returns those of every bucket, and all are empty after it, also those that keep their values.
func (b *Buckets) Due(now time.Time, all bool) []point.Point {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []*bucket
	for _, x := range b.byID {
		if all || x.Interval > 0 && !now.Before(x.next) {
			due = append(due, x)
		}
	}
	slices.SortFunc(due, func(x, y *bucket) int {
		return cmp.Or(strings.Compare(x.id.Name, y.id.Name), cmp.Compare(x.id.Category, y.id.Category))
	})
	out := b.ready
	b.ready = nil
	b.any.Store(false)
	for _, x := range due {
		if x.Interval > 0 && !now.Before(x.next) {
			x.next = x.next.Add((now.Sub(x.next)/x.Interval + 1) * x.Interval)
		}
		out = b.emit(out, x, now, x.Keep && !all)
	}
	return out
}

// takeReady appends the points of full buckets to out.
func (b *Buckets) takeReady(out []point.Point) []point.Point {
	if !b.any.Load() {
		return out
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out = append(out, b.ready...)
	b.ready = nil
	b.any.Store(false)
	return out
}

// emit appends a point for each group, sorted by their tags, and empties the bucket unless keep is set.
func (b *Buckets) emit(out []point.Point, x *bucket, now time.Time, keep bool) []point.Point {
	groups := make([]*group, 0, len(x.groups))
	for _, g := range x.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(g, h *group) int {
		return slices.CompareFunc(g.tags, h.tags, func(s, t point.Field) int {
			return cmp.Or(strings.Compare(s.Key, t.Key), strings.Compare(s.Value.Str(), t.Value.Str()))
		})
	})
	for _, g := range groups {
		out = append(out, b.point(x, g, now))
		if !keep {
			b.bytes -= g.bytes
		}
	}
	if !keep {
		x.groups = map[string]*group{} // not cleared: a map never gives memory back
	}
	return out
}

// point makes the point of a group. A field wins over a tag of its name, and a later tag over an earlier one. A key time has no
// meaning on points that scripts create, so none is written.
func (b *Buckets) point(x *bucket, g *group, now time.Time) point.Point {
	p := point.Point{
		Name: x.id.Name, Category: x.id.Category, Time: now.UnixNano(), Record: -1,
		Fields: make([]point.Field, 0, len(b.Tags)+len(x.Tags)+len(g.tags)+len(g.fields)+1),
	}
	for _, tags := range [...][]point.Field{b.Tags, x.Tags, g.tags} {
		for _, t := range tags {
			isField := slices.ContainsFunc(g.fields, func(a aggregate) bool { return a.name == t.Key })
			if !isField && t.Key != "time" {
				p.SetTag(t.Key, t.Value.Str())
			}
		}
	}
	for i := range g.fields {
		if a := &g.fields[i]; a.name != "time" {
			p.Fields = append(p.Fields, point.Field{Key: a.name, Value: point.Float(a.result())})
		}
	}
	x.Rules.Check(&p)
	return p
}

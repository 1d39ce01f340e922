package point

import (
	"errors"
	"math"
)

// ErrTooManyPoints is returned by the readers for a body with more than [ReadOptions].MaxPoints points.
var ErrTooManyPoints = errors.New("too many points")

// errTimeRange is returned for a time that no int64 of nanoseconds can hold.
var errTimeRange = errors.New("timestamp out of range")

// ReadOptions are the parts of reading a body that do not depend on its encoding.
type ReadOptions struct {
	Precision Precision // unit of times
	Now       int64     // ns, of points without a time; 0 leaves them without
	Category  Category  // of the points
	Spare     int       // capacity behind the fields of each point, for those that operators add
	MaxPoints int       // 0 is no limit
}

// Precision is the unit of the times of a body. The zero Precision guesses it from the size of each time.
type Precision uint8

// The precisions.
const (
	Guess Precision = iota
	Nanoseconds
	Microseconds
	Milliseconds
	Seconds
	Minutes
	Hours
)

var precisionUnits = [...]int64{Nanoseconds: 1, Microseconds: 1e3, Milliseconds: 1e6, Seconds: 1e9, Minutes: 60e9, Hours: 3600e9}

// PrecisionOf returns the precision of a query parameter: n, u, ms, s, m, h, or "" to guess. Anything else is
// nanoseconds and false.
func PrecisionOf(s string) (p Precision, known bool) {
	switch s {
	case "":
		return Guess, true
	case "n":
		return Nanoseconds, true
	case "u":
		return Microseconds, true
	case "ms":
		return Milliseconds, true
	case "s":
		return Seconds, true
	case "m":
		return Minutes, true
	case "h":
		return Hours, true
	}
	return Nanoseconds, false
}

// Time returns t in nanoseconds. Guessing takes numbers below 1e10 as seconds, below 1e13 as milliseconds,
// below 1e16 as microseconds. It reports false if the time does not fit.
func (p Precision) Time(t int64) (ns int64, ok bool) {
	if p == Guess {
		switch {
		case t < 1e10:
			p = Seconds
		case t < 1e13:
			p = Milliseconds
		case t < 1e16:
			p = Microseconds
		default:
			p = Nanoseconds
		}
	}
	if int(p) >= len(precisionUnits) {
		p = Nanoseconds
	}
	unit := precisionUnits[p]
	if t > math.MaxInt64/unit || t < math.MinInt64/unit {
		return 0, false
	}
	return t * unit, true
}

// builder collects the fields of one point in an arena.
type builder struct {
	arena *Arena
	start int            // of the point's fields in the arena
	index map[string]int // of the fields by key once there are many

	tags, others int // of the point

	clean bool // what is behind the last field is clear, as memory of the arena is that nobody has written to
}

// More tags and fields than these are not even read: [Rules.Check] would remove them, and whoever sends a million of them
// wants the memory.
const (
	mostTags   = 4 * MaxTags
	mostFields = 4 * MaxFields
)

// manyFields is where a map finds a key faster than a look at all. It also bounds the cost of a hostile point.
const manyFields = 48

func (b *builder) begin() {
	b.start, b.tags, b.others = len(b.arena.fields), 0, 0
	if len(b.index) > 0 {
		clear(b.index)
	}
}

// abandon forgets the fields of the point that was begun.
func (b *builder) abandon() {
	a := b.arena
	clear(a.fields[b.start:min(len(a.fields)+1, cap(a.fields))]) // with the slot that is none of them
	a.fields = a.fields[:b.start]
}

func (b *builder) fields() []Field { return b.arena.fields[b.start:] }

// find returns the position of key among the fields so far, or -1.
func (b *builder) find(key string) int {
	fields := b.fields()
	if len(fields) < manyFields {
		for i := range fields {
			if fields[i].Key == key {
				return i
			}
		}
		return -1
	}
	if len(b.index) == 0 {
		if b.index == nil {
			b.index = make(map[string]int, 2*manyFields)
		}
		for i := range fields {
			b.index[fields[i].Key] = i
		}
	}
	if i, ok := b.index[key]; ok {
		return i
	}
	return -1
}

// slot returns room for a field, which is part of the point only after add or put.
func (b *builder) slot() *Field {
	b.arena.fields, b.start = room(b.arena.fields, b.start, 1)
	n := len(b.arena.fields)
	f := &b.arena.fields[:n+1][n]
	if !b.clean {
		*f = Field{}
	}
	b.clean = false // until add has taken it
	return f
}

// add makes the slot a field of the point whatever keys there are. It reports false if the point has too many already.
func (b *builder) add() bool {
	n := len(b.arena.fields)
	count, most := &b.others, mostFields
	if b.arena.fields[:n+1][n].Tag {
		count, most = &b.tags, mostTags
	}
	if *count == most {
		return false
	}
	*count++
	b.arena.fields, b.clean = b.arena.fields[:n+1], true
	if len(b.index) > 0 {
		b.index[b.arena.fields[n].Key] = n - b.start
	}
	return true
}

// put makes the slot a field of the point. It replaces one of the same key, unless that is a tag and it is not, and reports false then.
func (b *builder) put() (isNew bool) {
	n := len(b.arena.fields)
	f := &b.arena.fields[:n+1][n]
	i := b.find(f.Key)
	if i < 0 {
		b.add()
		return true
	}
	if old := &b.fields()[i]; f.Tag || !old.Tag {
		*old = *f
	}
	return false
}

// finish returns the fields with spare capacity.
func (b *builder) finish(spare int) (fields []Field) {
	b.arena.fields, fields = take(b.arena.fields, b.start, spare)
	return fields
}

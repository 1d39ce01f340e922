package refer

import (
	"hash/maphash"
	"math"
	"math/bits"
	"strings"

	"dataflow/engine/point"
)

// index finds rows by the values of some columns: a hash table with linear probing that holds, of rows that are equal in
// these columns, the first.
type index struct {
	columns   []string
	positions []int
	seed      maphash.Seed
	places    []int32 // number of the row plus one, 0 is free; a power of two, at most half full
}

func newIndex(t *Table, columns []string, positions []int) *index {
	x := &index{
		positions: positions,
		seed:      maphash.MakeSeed(),
		places:    make([]int32, 2<<bits.Len(uint(t.rows))),
	}
	for _, name := range columns {
		x.columns = append(x.columns, strings.Clone(name)) // it may come from a point
	}
	values := make([]point.Value, len(positions))
	for n := range t.rows {
		row := t.row(n)
		for i, p := range positions {
			values[i] = row[p]
		}
		if row, place := x.look(t, values); row < 0 {
			x.places[place] = int32(n) + 1
		}
	}
	return x
}

// find returns the number of the first row with the values, or -1.
func (x *index) find(t *Table, values []point.Value) int {
	row, _ := x.look(t, values)
	return row
}

// look returns the row, or -1 and the free place that it would have.
func (x *index) look(t *Table, values []point.Value) (row, place int) {
	mask := len(x.places) - 1
	for place = int(x.hash(values)) & mask; ; place = (place + 1) & mask {
		row = int(x.places[place]) - 1
		if row < 0 || t.matches(row, x.positions, values) {
			return row, place
		}
	}
}

const spread = 0x9E3779B97F4A7C15 // odd, with bits all over

// hash is equal for values that are equal.
func (x *index) hash(values []point.Value) uint64 {
	h := maphash.String(x.seed, "")
	for _, v := range values {
		n := uint64(v.Kind())
		switch v.Kind() {
		case point.KindString:
			n ^= maphash.String(x.seed, v.Str())
		case point.KindFloat:
			n ^= math.Float64bits(v.Float()+0) * spread // adding makes -0 the 0 that it equals
		case point.KindBool:
			if v.Bool() {
				n ^= spread
			}
		default:
			n ^= v.Uint() * spread
		}
		hi, lo := bits.Mul64(h^n, spread)
		h = hi ^ lo
	}
	return h
}

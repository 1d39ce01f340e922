// Package refer holds reference tables: rows of values that scripts look up by the values of some columns.
package refer

import (
	"slices"
	"sync"
	"sync/atomic"

	"dataflow/engine/point"
)

// Table is one reference table. It never changes and is safe for use by several goroutines.
type Table struct {
	columns []string
	cells   []point.Value // row by row
	rows    int

	indexes atomic.Pointer[[]*index] // for lists of columns that were asked for; a new slice for each addition
	adding  sync.Mutex
}

// maxIndexes bounds the indexes of a table, because a script may make the list of columns of what it reads. Look-ups by
// further lists go through the rows.
const maxIndexes = 16

// Row is a row of a table, with the names and values of all columns in their order. Both are shared with the table and must
// not be changed. Values are of the kinds string, int, float, bool and nil.
type Row struct {
	Columns []string
	Values  []point.Value
}

// Find returns the first row whose columns have the values, which must be equal in type and value. ok is false if there is
// none, if there is no column of a name, and if the lists are empty or of different lengths. The first look-up by a list
// of columns goes through all rows; the later ones do not, and allocate nothing.
func (t *Table) Find(columns []string, values []point.Value) (row Row, ok bool) {
	if len(columns) != len(values) || len(columns) == 0 {
		return Row{}, false
	}
	n := -1
	if x := t.index(columns); x != nil {
		n = x.find(t, values)
	} else {
		n = t.scan(columns, values)
	}
	if n < 0 {
		return Row{}, false
	}
	return Row{Columns: t.columns, Values: t.row(n)}, true
}

func (t *Table) row(n int) []point.Value {
	w := len(t.columns)
	return t.cells[n*w : (n+1)*w : (n+1)*w]
}

// index returns the index for the columns, nil if there can be none.
func (t *Table) index(columns []string) *index {
	if x, full := t.indexed(columns); x != nil || full {
		return x
	}
	positions, ok := t.positions(columns)
	if !ok {
		return nil
	}
	t.adding.Lock()
	defer t.adding.Unlock()
	if x, full := t.indexed(columns); x != nil || full {
		return x
	}
	x := newIndex(t, columns, positions)
	var all []*index
	if old := t.indexes.Load(); old != nil {
		all = append(all, *old...)
	}
	all = append(all, x)
	t.indexes.Store(&all)
	return x
}

func (t *Table) indexed(columns []string) (x *index, full bool) {
	all := t.indexes.Load()
	if all == nil {
		return nil, false
	}
	for _, x := range *all {
		if slices.Equal(x.columns, columns) {
			return x, false
		}
	}
	return nil, len(*all) >= maxIndexes
}

// positions returns where the columns stand. ok is false if there is none of a name.
func (t *Table) positions(columns []string) (positions []int, ok bool) {
	for _, name := range columns {
		if !slices.Contains(t.columns, name) {
			return nil, false
		}
	}
	positions = make([]int, len(columns))
	for i, name := range columns {
		positions[i] = slices.Index(t.columns, name)
	}
	return positions, true
}

// scan looks at one row after the other.
func (t *Table) scan(columns []string, values []point.Value) int {
	positions, ok := t.positions(columns)
	if !ok {
		return -1
	}
	for n := range t.rows {
		if t.matches(n, positions, values) {
			return n
		}
	}
	return -1
}

func (t *Table) matches(n int, positions []int, values []point.Value) bool {
	row := t.row(n)
	for i, p := range positions {
		if !row[p].Equal(values[i]) {
			return false
		}
	}
	return true
}

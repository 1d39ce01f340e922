package expr

import (
	"bytes"
	"cmp"
	"math"

	"dataflow/engine/point"
)

// operator is a comparison.
type operator uint8

const (
	equal operator = iota
	unequal
	less
	lessEqual
	greater
	greaterEqual
)

var operators = map[string]operator{"==": equal, "!=": unequal, "<": less, "<=": lessEqual, ">": greater, ">=": greaterEqual}

// mirrored is the operator with its sides swapped.
var mirrored = [...]operator{equal: equal, unequal: unequal, less: greater, lessEqual: greaterEqual, greater: less, greaterEqual: lessEqual}

// holds compares two values that are there. Values of different kinds (a text and a number) are unequal, and
// neither is less. Numbers are compared by what they mean, whatever their types.
func (op operator) holds(a, b point.Value) bool {
	switch op {
	case equal:
		return same(a, b)
	case unequal:
		return !same(a, b)
	}
	order, ok := compare(a, b)
	if !ok {
		return false
	}
	switch op {
	case less:
		return order < 0
	case lessEqual:
		return order <= 0
	case greater:
		return order > 0
	}
	return order >= 0
}

func isText(v point.Value) bool { return v.Kind() == point.KindString || v.Kind() == point.KindBytes }

func same(a, b point.Value) bool {
	switch {
	case isText(a) && isText(b):
		return string(a.Raw()) == string(b.Raw())
	case a.Kind() == b.Kind():
		return a.Equal(b)
	}
	order, ok := compare(a, b)
	return ok && order == 0
}

// compare orders two numbers or two texts. Ok is false for everything else, NaN included.
func compare(a, b point.Value) (order int, ok bool) {
	if isText(a) && isText(b) {
		return bytes.Compare(a.Raw(), b.Raw()), true
	}
	if !isNumber(a) || !isNumber(b) {
		return 0, false
	}
	if a.Kind() == point.KindFloat || b.Kind() == point.KindFloat {
		return compareFloats(a, b)
	}
	if aNeg, bNeg := negative(a), negative(b); aNeg || bNeg {
		if aNeg && bNeg {
			return cmp.Compare(a.Int(), b.Int()), true
		}
		if aNeg {
			return -1, true
		}
		return 1, true
	}
	return cmp.Compare(a.Uint(), b.Uint()), true
}

func isNumber(v point.Value) bool {
	return v.Kind() == point.KindInt || v.Kind() == point.KindUint || v.Kind() == point.KindFloat
}

func negative(v point.Value) bool { return v.Kind() == point.KindInt && v.Int() < 0 }

// compareFloats compares numbers of which one at least is a float.
func compareFloats(a, b point.Value) (int, bool) {
	x, _ := a.Number()
	y, _ := b.Number()
	switch {
	case math.IsNaN(x) || math.IsNaN(y):
		return 0, false
	case x != y || a.Kind() == b.Kind() || math.Abs(x) < 1<<53:
		return cmp.Compare(x, y), true
	case a.Kind() == point.KindFloat:
		return -compareWhole(b, x), true
	}
	return compareWhole(a, y), true
}

// compareWhole compares an integer with a float that is equal to it as floats go: from 2^53 on an integer has no
// float of its own, and the float no fraction.
func compareWhole(i point.Value, f float64) int {
	switch {
	case f >= 1<<64:
		return -1
	case f >= 0:
		return cmp.Compare(i.Uint(), uint64(f)) // i is not negative, or it would not be equal
	}
	return cmp.Compare(i.Int(), int64(f))
}

package eval

import (
	"math"

	"dataflow/engine/point"
)

// Void is what a call without a result yields. It reads as nil.
func Void() point.Value { return point.Ref(nil, 0) }

// Unset is what the slot of a variable holds as long as the variable does not exist.
func Unset() point.Value { return point.Ref(nil, 1) }

// IsVoid reports whether v is void.
func IsVoid(v point.Value) bool {
	if v.Kind() != point.KindRef {
		return false
	}
	doc, pos := v.Ref()
	return doc == nil && pos == 0
}

// IsUnset reports whether v says that a variable does not exist.
func IsUnset(v point.Value) bool {
	if v.Kind() != point.KindRef {
		return false
	}
	doc, pos := v.Ref()
	return doc == nil && pos == 1
}

// NotVoid returns v, or nil if v is void.
func NotVoid(v point.Value) point.Value {
	if IsVoid(v) {
		return point.Nil()
	}
	return v
}

// Tree returns v with references and void replaced by what they stand for.
func Tree(v point.Value) point.Value {
	if v.Kind() != point.KindRef {
		return v
	}
	doc, n := Doc(v)
	if doc == nil {
		return point.Nil()
	}
	return doc.Value(n)
}

// KindOf returns the kind of v, of what a reference stands for, and nil for void.
func KindOf(v point.Value) point.Kind {
	k := v.Kind()
	if k != point.KindRef {
		return k
	}
	doc, n := Doc(v)
	if doc == nil {
		return point.KindNil
	}
	return doc.Kind(n)
}

// Len returns the bytes of a text, the elements of a list or map, else 0.
func Len(v point.Value) int {
	if v.Kind() == point.KindRef {
		if doc, n := Doc(v); doc != nil {
			return doc.Len(n)
		}
		return 0
	}
	return v.Len()
}

// Truth returns whether v counts as true.
func Truth(v point.Value) bool {
	switch v.Kind() {
	case point.KindBool:
		return v.Bool()
	case point.KindInt:
		return v.Int() != 0
	case point.KindFloat:
		f := v.Float()
		return f != 0 || math.IsNaN(f)
	}
	return Len(v) != 0
}

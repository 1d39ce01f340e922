package eval

import (
	"unicode/utf8"

	"dataflow/engine/point"
)

// At returns v[key], one step of a chain of indexes. ends is set when the chain ends here, with nil, because a map has
// no such key.
func At(f *Frame, v, key point.Value) (elem point.Value, ends, ok bool) {
	doc, n := Doc(v)
	k := v.Kind()
	if doc != nil {
		k = doc.Kind(n)
	}
	switch k {
	case point.KindMap:
		if key.Kind() != point.KindString {
			f.Failf("key type is not string but %s", TypeName(key))
			return point.Nil(), false, false
		}
		if doc != nil {
			child, has := doc.Get(n, key.Str())
			if !has {
				return point.Nil(), true, true
			}
			return f.Node(doc, child), false, true
		}
		elem, has := v.Map()[key.Str()]
		return elem, !has, true
	case point.KindList:
		i, ok := position(f, Len(v), key)
		if !ok {
			return point.Nil(), false, false
		}
		return f.Element(v, i), false, true
	}
	f.Failf("unindexable data type: %s", TypeName(v))
	return point.Nil(), false, false
}

// position returns the place that key names in a list of n elements.
func position(f *Frame, n int, key point.Value) (int, bool) {
	if key.Kind() != point.KindInt {
		f.Failf("index type is not int but %s", TypeName(key))
		return 0, false
	}
	i := key.Int()
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		f.Failf("list index out of range: %d of %d", key.Int(), n)
		return 0, false
	}
	return int(i), true
}

// Put sets v[key] = elem. It is for trees: a script that has such an assignment loads JSON as trees.
func Put(f *Frame, v, key, elem point.Value) bool {
	elem = Tree(elem)
	switch v.Kind() {
	case point.KindMap:
		if key.Kind() != point.KindString {
			f.Failf("key type is not string but %s", TypeName(key))
			return false
		}
		v.Map()[key.Str()] = elem
		return true
	case point.KindList:
		i, ok := position(f, v.Len(), key)
		if ok {
			v.Items()[i] = elem
		}
		return ok
	}
	f.Failf("unindexable data type: %s", TypeName(v))
	return false
}

// Bounds are the parts of a slice; those that are not written are nil and not set.
type Bounds struct {
	Lo, Hi, Step          point.Value
	HasLo, HasHi, HasStep bool
}

// resolve returns where a slice of n elements starts, its step and how many elements it has.
func (b *Bounds) resolve(f *Frame, n int) (start, step, count int64, ok bool) {
	for _, part := range [...]struct {
		v   point.Value
		has bool
	}{{b.Lo, b.HasLo}, {b.Hi, b.HasHi}, {b.Step, b.HasStep}} {
		if part.has && part.v.Kind() != point.KindInt {
			f.Failf("a part of a slice is not int but %s", TypeName(part.v))
			return 0, 0, 0, false
		}
	}
	size := int64(n)
	step = 1
	if b.HasStep {
		step = b.Step.Int()
	}
	if step == 0 {
		f.Failf("the step of a slice is 0")
		return 0, 0, 0, false
	}
	first, last := int64(0), size // what the parts are clipped to, and their defaults
	lo, hi := first, last
	if step < 0 {
		first, last = -1, size-1
		lo, hi = last, first
	}
	clip := func(v int64) int64 {
		if v < 0 {
			v += size
		}
		return min(max(v, first), last)
	}
	if b.HasLo {
		lo = clip(b.Lo.Int())
	}
	if b.HasHi {
		hi = clip(b.Hi.Int())
	}
	switch {
	case step > 0 && lo < hi:
		count = (hi-lo-1)/step + 1
	case step < 0 && lo > hi:
		count = (hi-lo+1)/step + 1
	}
	return lo, step, count, true
}

// Cut returns the slice of a text or list. A text is cut by bytes, and each byte becomes the character of that
// code.
func Cut(f *Frame, v point.Value, b *Bounds) (point.Value, bool) {
	k := KindOf(v)
	if k != point.KindString && k != point.KindList {
		return f.Failf("unsupported data type for a slice: %s", TypeName(v))
	}
	at, step, count, ok := b.resolve(f, Len(v))
	if !ok {
		return point.Nil(), false
	}
	if k == point.KindList {
		if !f.Spend(int(count) * ItemSize) {
			return point.Nil(), false
		}
		items := make([]point.Value, 0, count)
		for ; count > 0; count-- {
			item, ok := f.Tree(f.Element(v, int(at)))
			if !ok {
				return point.Nil(), false
			}
			items = append(items, item)
			at += step
		}
		return point.List(items), true
	}
	s := v.Str()
	if step == 1 && isASCII(s[at:at+count]) {
		return point.String(s[at : at+count]), f.Work(int(count))
	}
	if !f.Spend(int(count) * 2) {
		return point.Nil(), false
	}
	text := f.Begin()
	for ; count > 0; count-- {
		text = utf8.AppendRune(text, rune(s[at]))
		at += step
	}
	return point.String(f.End(text)), true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

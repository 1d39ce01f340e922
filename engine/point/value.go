package point

import (
	"math"
	"slices"
	"unsafe"
)

// Kind is the type of a [Value].
type Kind uint8

// The kinds of a value. The numbers are not stored anywhere: codecs have their own.
const (
	KindNil Kind = iota
	KindBool
	KindInt
	KindUint
	KindFloat
	KindString
	KindBytes
	KindList
	KindMap
	// KindRef is a position in a document that a language runtime holds, a node of a parsed JSON text say.
	// It never stands on a point: a runtime resolves it before it writes one.
	KindRef
)

var kindNames = [...]string{"nil", "bool", "int", "uint", "float", "string", "bytes", "list", "map", "ref"}

// String returns the name of the kind as it appears in messages.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// Value is one value of a point or a script: 24 bytes, scalars and strings unboxed. The zero Value is nil.
//
// A string, bytes or list value refers to memory that it does not own: the source's buffer, an arena, a
// script's chunk. Whoever keeps a value beyond the life of its batch copies it with [Value.Clone].
// Values are not comparable with ==; use [Value.Equal].
//
//	kind     ptr                   num
//	bool                           0 or 1
//	int                            two's complement
//	uint                           the number
//	float                          IEEE 754 bits
//	string   first byte            length in bytes
//	bytes    first byte            length in bytes
//	list     first element         number of elements
//	map      *map[string]Value
//	ref      the document          position
type Value struct {
	_    [0]func()
	ptr  unsafe.Pointer
	num  uint64
	kind Kind
}

// Nil returns the nil value: a key without a value.
func Nil() Value { return Value{} }

// Bool returns a bool value.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, num: 1}
	}
	return Value{kind: KindBool}
}

// Int returns a signed 64-bit value.
func Int(i int64) Value { return Value{kind: KindInt, num: uint64(i)} }

// Uint returns an unsigned 64-bit value.
func Uint(u uint64) Value { return Value{kind: KindUint, num: u} }

// Float returns a float value.
func Float(f float64) Value { return Value{kind: KindFloat, num: math.Float64bits(f)} }

// String returns a string value that shares the bytes of s.
func String(s string) Value {
	return Value{kind: KindString, ptr: unsafe.Pointer(unsafe.StringData(s)), num: uint64(len(s))}
}

// Bytes returns a bytes value that shares b, which must not change while the value lives.
func Bytes(b []byte) Value {
	return Value{kind: KindBytes, ptr: unsafe.Pointer(unsafe.SliceData(b)), num: uint64(len(b))}
}

// StringOf returns a string value that shares b, which must not change while the value lives.
func StringOf(b []byte) Value {
	return Value{kind: KindString, ptr: unsafe.Pointer(unsafe.SliceData(b)), num: uint64(len(b))}
}

// List returns a list value that shares items: writing to an element through one copy of the value is
// seen through all. Its length is fixed.
func List(items []Value) Value {
	return Value{kind: KindList, ptr: unsafe.Pointer(unsafe.SliceData(items)), num: uint64(len(items))}
}

// Map returns a map value that shares m. A nil m gives an empty map of its own.
func Map(m map[string]Value) Value {
	if m == nil {
		m = map[string]Value{}
	}
	return Value{kind: KindMap, ptr: unsafe.Pointer(&m)}
}

// Ref returns a value that stands for position pos of the document doc. See [KindRef].
func Ref(doc unsafe.Pointer, pos uint64) Value { return Value{kind: KindRef, ptr: doc, num: pos} }

// Kind returns the type of v.
func (v Value) Kind() Kind { return v.kind }

// IsNil reports whether v is nil.
func (v Value) IsNil() bool { return v.kind == KindNil }

// Bool returns the bool of a bool value, false for every other kind.
func (v Value) Bool() bool { return v.kind == KindBool && v.num != 0 }

// Int returns the number of an int or uint value (a uint above 2^63-1 wraps) and 0 for every other kind.
func (v Value) Int() int64 {
	if v.kind == KindInt || v.kind == KindUint {
		return int64(v.num)
	}
	return 0
}

// Uint returns the number of a uint or int value (a negative int wraps) and 0 for every other kind.
func (v Value) Uint() uint64 {
	if v.kind == KindInt || v.kind == KindUint {
		return v.num
	}
	return 0
}

// Float returns the number of a float value and 0 for every other kind.
func (v Value) Float() float64 {
	if v.kind == KindFloat {
		return math.Float64frombits(v.num)
	}
	return 0
}

// Str returns the text of a string value and "" for every other kind. It shares the bytes of v.
func (v Value) Str() string {
	if v.kind == KindString {
		return unsafe.String((*byte)(v.ptr), int(v.num))
	}
	return ""
}

// Raw returns the bytes of a bytes or string value, which must not be changed, and nil for every other kind.
func (v Value) Raw() []byte {
	if v.kind == KindBytes || v.kind == KindString {
		return unsafe.Slice((*byte)(v.ptr), int(v.num))
	}
	return nil
}

// Items returns the elements of a list value, shared, and nil for every other kind.
func (v Value) Items() []Value {
	if v.kind == KindList {
		return unsafe.Slice((*Value)(v.ptr), int(v.num))
	}
	return nil
}

// Map returns the entries of a map value, shared, and nil for every other kind.
func (v Value) Map() map[string]Value {
	if v.kind == KindMap {
		return *(*map[string]Value)(v.ptr)
	}
	return nil
}

// Ref returns what [Ref] was given, and nil for every other kind.
func (v Value) Ref() (doc unsafe.Pointer, pos uint64) {
	if v.kind == KindRef {
		return v.ptr, v.num
	}
	return nil, 0
}

// Len returns the bytes of a string or bytes value, the elements of a list or map, else 0.
func (v Value) Len() int {
	switch v.kind {
	case KindString, KindBytes, KindList:
		return int(v.num)
	case KindMap:
		return len(v.Map())
	}
	return 0
}

// Number returns a bool, int, uint or float value as a float.
func (v Value) Number() (f float64, ok bool) {
	switch v.kind {
	case KindBool, KindUint:
		return float64(v.num), true
	case KindInt:
		return float64(int64(v.num)), true
	case KindFloat:
		return math.Float64frombits(v.num), true
	}
	return 0, false
}

// Equal reports deep equality, strict about kinds: Int(1) and Float(1) differ. A NaN equals nothing.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case KindNil:
		return true
	case KindFloat:
		return v.Float() == w.Float()
	case KindString:
		return v.Str() == w.Str()
	case KindBytes:
		return string(v.Raw()) == string(w.Raw())
	case KindList:
		return slices.EqualFunc(v.Items(), w.Items(), Value.Equal)
	case KindMap:
		a, b := v.Map(), w.Map()
		if len(a) != len(b) {
			return false
		}
		for k, x := range a {
			if y, ok := b[k]; !ok || !x.Equal(y) {
				return false
			}
		}
		return true
	case KindRef:
		return v.ptr == w.ptr && v.num == w.num
	}
	return v.num == w.num
}

// Clone returns a copy of v that shares no memory with it.
func (v Value) Clone() Value {
	switch v.kind {
	case KindString, KindBytes:
		if v.num == 0 {
			return Value{kind: v.kind}
		}
		b := append([]byte(nil), v.Raw()...)
		return Value{kind: v.kind, ptr: unsafe.Pointer(unsafe.SliceData(b)), num: v.num}
	case KindList:
		items := make([]Value, len(v.Items()))
		for i, x := range v.Items() {
			items[i] = x.Clone()
		}
		return List(items)
	case KindMap:
		m := make(map[string]Value, len(v.Map()))
		for k, x := range v.Map() {
			m[string(append([]byte(nil), k...))] = x.Clone()
		}
		return Map(m)
	}
	return v
}

package eval

import (
	"unsafe"

	"dataflow/dsl/pipeline/jsontape"
	"dataflow/engine/point"
)

// Key reads a tag or field of the point as the language sees it: a uint as an int, bytes as text, a list or map as its
// JSON text.
func (f *Frame) Key(name string) (v point.Value, known bool) {
	if i := f.Index(name); i >= 0 {
		return f.seen(f.Point.Fields[i].Value), true
	}
	return point.Nil(), false
}

// hints are where names were found last, by the address of the name: points of one origin have their keys in one order,
// so that what a place in a script asks for is where it was the last time.
type hints [64]uint16

const fewKeys = 8 // looking through them is faster than remembering

func (h *hints) of(name string) *uint16 {
	at := uintptr(unsafe.Pointer(unsafe.StringData(name)))
	return &h[(at^at>>6^uintptr(len(name)))%uintptr(len(h))]
}

// Index returns the position of a key of the point, or -1. Looking through very many keys costs steps.
func (f *Frame) Index(name string) int {
	fields := f.Point.Fields
	if len(fields) <= fewKeys {
		return f.Point.Index(name)
	}
	hint := f.hints.of(name)
	if i := int(*hint); i < len(fields) && fields[i].Key == name {
		return i
	}
	for i := range fields {
		if fields[i].Key == name {
			*hint = uint16(i)
			f.steps -= int64(i / keysPerStep)
			return i
		}
	}
	f.steps -= int64(len(fields) / keysPerStep)
	return -1
}

func (f *Frame) seen(v point.Value) point.Value {
	switch v.Kind() {
	case point.KindUint:
		return point.Int(v.Int())
	case point.KindBytes:
		return point.StringOf(v.Raw())
	case point.KindList, point.KindMap:
		text := f.End(jsontape.AppendText(f.Begin(), v))
		f.steps -= int64(len(text) / bytesPerStep)
		f.output -= int64(len(text)) // the next step notices
		return point.String(text)
	}
	return v
}

// Delete removes a key of the point, which may not be there.
func (f *Frame) Delete(name string) {
	if i := f.Index(name); i >= 0 {
		f.Point.Fields = without(f.Point.Fields, i)
	}
}

// without removes field i of a few, in place. It does so one by one: moving memory in one go costs a call that asks the collector first.
func without(fields []point.Field, i int) []point.Field {
	last := len(fields) - 1
	for ; i < last; i++ {
		fields[i] = fields[i+1]
	}
	fields[last] = point.Field{}
	return fields[:last]
}

// keySize is what a new key costs of the output, besides its value.
const keySize = int64(unsafe.Sizeof(point.Field{}))

// Write writes v to the key name of the point. A tag stays a tag and gets the text of v; a list or map becomes
// its JSON text. It reports false, with an error, if that is too long, or the output of the run.
func (f *Frame) Write(name string, v point.Value) bool {
	i := f.Index(name)
	isTag := i >= 0 && f.Point.Fields[i].Tag
	if k := v.Kind(); isTag && k != point.KindString || k >= point.KindList {
		if !isTag && KindOf(v) == point.KindNil { // void
			v = point.Nil()
		} else {
			text, ok := f.Text(v)
			if !ok {
				return false
			}
			v = point.String(text)
		}
	}
	return f.put(i, name, v, isTag)
}

// WriteTag makes the key name of the point a tag with the text of v.
func (f *Frame) WriteTag(name string, v point.Value) bool {
	text, ok := f.Text(v)
	return ok && f.put(f.Index(name), name, point.String(text), true)
}

// put writes to field i of the point, to a new one if i is negative.
func (f *Frame) put(i int, name string, v point.Value, isTag bool) bool {
	p := f.Point
	if i >= 0 {
		to := &p.Fields[i]
		to.Value, to.Tag = v, isTag
		return true
	}
	f.output -= keySize
	f.steps -= keySize / bytesPerStep
	if (f.output < 0 || f.steps < f.pause) && !f.withinBudget() {
		return false
	}
	p.Fields = append(p.Fields, point.Field{Key: name, Value: v, Tag: isTag})
	return true
}

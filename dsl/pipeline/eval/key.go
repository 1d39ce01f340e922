package eval

import (
	"dataflow/dsl/pipeline/jsontape"
	"dataflow/engine/point"
)

// Key reads a tag or field of the point as the language sees it: a uint as an int, bytes as text, a list or map as its
// JSON text.
func (f *Frame) Key(name string) (v point.Value, known bool) {
	fields := f.Point.Fields
	for i := range fields {
		if fields[i].Key == name {
			return f.seen(fields[i].Value), true
		}
	}
	return point.Nil(), false
}

func (f *Frame) seen(v point.Value) point.Value {
	switch v.Kind() {
	case point.KindUint:
		return point.Int(v.Int())
	case point.KindBytes:
		return point.StringOf(v.Raw())
	case point.KindList, point.KindMap:
		return point.String(f.End(jsontape.AppendText(f.Begin(), v)))
	}
	return v
}

// Write writes v to the key name of the point. A tag stays a tag and gets the text of v; a list or map becomes
// its JSON text. It reports false, with an error, if that is too long.
func (f *Frame) Write(name string, v point.Value) bool {
	p := f.Point
	i := p.Index(name)
	isTag := i >= 0 && p.Fields[i].Tag
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
	if i >= 0 {
		p.Fields[i].Value = v
		return true
	}
	p.Fields = append(p.Fields, point.Field{Key: name, Value: v})
	return true
}

// WriteTag makes the key name of the point a tag with the text of v.
func (f *Frame) WriteTag(name string, v point.Value) bool {
	text, ok := f.Text(v)
	if ok {
		f.Point.SetTag(name, text)
	}
	return ok
}

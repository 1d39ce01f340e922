package sinks

import (
	"math"
	"strconv"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// The formats of stdout and file.
const (
	formatLine   = "line"
	formatJSON   = "json"
	formatPretty = "pretty"
)

// formatter writes points as text. It is for one goroutine.
type formatter struct {
	format string
	tags   []point.Field // added to points that do not have them
	now    func() time.Time
	lines  point.LineEncoder
	buf    []byte
}

// batch returns the text of b's points, good until the next call. Points that have none get a verdict.
func (f *formatter) batch(b *engine.Batch) []byte {
	f.buf = f.buf[:0]
	for i := range b.Points {
		p := &b.Points[i]
		if p.Time == 0 {
			stamped := *p
			stamped.Time = f.now().UnixNano()
			p = &stamped
		}
		switch f.format {
		case formatJSON:
			f.buf = appendJSONPoint(f.buf, p, f.tags)
		case formatPretty:
			f.buf = appendPretty(f.buf, p, f.tags)
		default:
			var ok bool
			if f.buf, ok = f.lines.Append(f.buf, p, f.tags); !ok {
				b.Drop(i, "no_fields")
				continue
			}
		}
		f.buf = append(f.buf, '\n')
	}
	return f.buf
}

// release keeps memory that one odd batch needed from being held for ever.
func (f *formatter) release() {
	const keep = 4 << 20
	if cap(f.buf) > keep {
		f.buf = nil
	}
}

// appendJSONPoint appends p as {"category","name","time","tags":{},"fields":{}}: floats always with a decimal
// point or exponent, bytes as {"base64":...}, NaN and infinities as strings.
func appendJSONPoint(dst []byte, p *point.Point, extra []point.Field) []byte {
	dst = append(dst, `{"category":`...)
	dst = point.AppendJSONString(dst, p.Category.String(), false)
	dst = append(dst, `,"name":`...)
	dst = point.AppendJSONString(dst, p.Name, false)
	dst = append(dst, `,"time":`...)
	dst = strconv.AppendInt(dst, p.Time, 10)
	dst = append(dst, `,"tags":{`...)
	start := len(dst)
	eachTag(p, extra, func(f *point.Field) {
		dst = appendMember(dst, start, f.Key)
		dst = appendJSONValue(dst, f.Value)
	})
	dst = append(dst, `},"fields":{`...)
	start = len(dst)
	for i := range p.Fields {
		if f := &p.Fields[i]; !f.Tag {
			dst = appendMember(dst, start, f.Key)
			dst = appendJSONValue(dst, f.Value)
		}
	}
	return append(dst, "}}"...)
}

// eachTag calls f with the tags of p and the extra ones that it does not have.
func eachTag(p *point.Point, extra []point.Field, f func(*point.Field)) {
	for i := range p.Fields {
		if p.Fields[i].Tag {
			f(&p.Fields[i])
		}
	}
	for i := range extra {
		if p.Index(extra[i].Key) < 0 {
			f(&extra[i])
		}
	}
}

func appendMember(dst []byte, start int, key string) []byte {
	if len(dst) > start {
		dst = append(dst, ',')
	}
	dst = point.AppendJSONString(dst, key, false)
	return append(dst, ':')
}

func appendJSONValue(dst []byte, v point.Value) []byte {
	switch v.Kind() {
	case point.KindFloat:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			dst = append(dst, '"')
			dst = point.AppendFloat(dst, f)
			return append(dst, '"')
		}
		if f == math.Trunc(f) {
			if math.Abs(f) < 1e15 {
				return append(point.AppendFloat(dst, f), ".0"...)
			}
			return strconv.AppendFloat(dst, f, 'e', -1, 64)
		}
		return strconv.AppendFloat(dst, f, 'g', -1, 64)
	case point.KindString:
		return point.AppendJSONString(dst, v.Str(), false)
	case point.KindBytes:
		dst = append(dst, `{"base64":`...)
		dst = point.AppendJSON(dst, v)
		return append(dst, '}')
	}
	return point.AppendJSON(dst, v)
}

// appendPretty appends p for people: a heading, then a tag or field a line.
func appendPretty(dst []byte, p *point.Point, extra []point.Field) []byte {
	dst = p.When().UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
	dst = append(dst, ' ')
	dst = append(dst, p.Category.String()...)
	dst = append(dst, ' ')
	dst = appendVisible(dst, p.Name)
	row := func(mark byte, f *point.Field) {
		dst = append(dst, '\n', ' ', ' ', mark, ' ')
		dst = appendVisible(dst, f.Key)
		dst = append(dst, " = "...)
		dst = appendJSONValue(dst, f.Value)
	}
	eachTag(p, extra, func(f *point.Field) { row('#', f) })
	for i := range p.Fields {
		if !p.Fields[i].Tag {
			row(' ', &p.Fields[i])
		}
	}
	return dst
}

// appendVisible appends s, quoted if a terminal could take it for something else.
func appendVisible(dst []byte, s string) []byte {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.AppendQuote(dst, s)
		}
	}
	return append(dst, s...)
}

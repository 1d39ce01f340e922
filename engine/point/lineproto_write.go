package point

import (
	"cmp"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
)

// What the infinities become where a format has none.
const (
	positiveInfinity = 1.8446744073709552e19
	negativeInfinity = -9.223372036854776e18
)

// LineEncoder writes points as line protocol, tags and fields sorted by key. It remembers the keys of the last
// few kinds of points, in order, so that neither sorting nor escaping of keys is done for more points of the
// same kind. The zero LineEncoder is ready; it is for one goroutine.
//
// What line protocol cannot say is changed so that every line can be read: a newline or the backslashes at the
// end of a name, key or tag value become a space or nothing, as do blanks in front of a name; an infinity becomes 18446744073709552000 or
// -9223372036854776000; a list of mixed types and a map become their JSON text. Left out are tags with an empty
// value, nil fields, empty lists and, counted in LeftOut, NaN. A name that begins with # is read as a comment.
type LineEncoder struct {
	LeftOut int // fields left out because they are or hold NaN

	shapes  [4]shape
	current int    // the shape of the last point
	text    []byte // JSON text before it is quoted

	// Most points have the name and the time of the one before.
	name     []byte // of the last point
	nameText []byte // escaped
	time     int64
	timeText []byte
}

// shape is the keys of a point and the order in which they are written.
type shape struct {
	fields int        // how many of keys are the point's
	keys   []shapeKey // of the point, then of the extra tags
	text   []byte     // backs the keys and labels; own memory, because points' strings are gone with their batch
	order  []slot
	tags   int // how many of order are tags
}

type shapeKey struct {
	key string
	tag bool
}

// slot is one tag or field in the order of writing.
type slot struct {
	key   string // without what no line can say
	label string // the escaped key and an equals sign
	index int    // in the point's fields, or behind them in the extra tags
	tag   bool
}

// AppendLine appends p as line protocol, without a newline. It appends nothing if p has no field to write.
// A LineEncoder is faster for many points.
func AppendLine(dst []byte, p *Point) []byte {
	var e LineEncoder
	dst, _ = e.Append(dst, p, nil)
	return dst
}

// Append appends p as line protocol, without a newline, and reports whether there was a field to write;
// nothing is appended otherwise. Of the extra tags those are written whose key p does not have. The time is
// written as it is, in nanoseconds, also when it is 0.
func (e *LineEncoder) Append(dst []byte, p *Point, extra []Field) ([]byte, bool) {
	s := e.shapeOf(p, extra)
	start := len(dst)
	if p.Name != string(e.name) || len(e.nameText) == 0 {
		e.name = append(e.name[:0], p.Name...)
		e.nameText = appendName(e.nameText[:0], p.Name)
	}
	dst = append(dst, e.nameText...)
	for _, slot := range s.order[:s.tags] {
		v := at(p, extra, slot.index)
		if v.kind != KindString {
			if v = tagText(v); v.num == 0 {
				continue
			}
		}
		before := len(dst)
		dst = append(dst, ',')
		dst = append(dst, slot.label...)
		value := len(dst)
		if dst = appendEscaped(dst, v.Str(), &escapeInTags); len(dst) == value {
			dst = dst[:before]
		}
	}
	separator, first := byte(' '), len(dst)
	for _, slot := range s.order[s.tags:] {
		before := len(dst)
		dst = append(dst, separator)
		dst = append(dst, slot.label...)
		var ok bool
		if dst, ok = e.appendValue(dst, p.Fields[slot.index].Value); ok {
			separator = ','
		} else {
			dst = dst[:before]
		}
	}
	if len(dst) == first {
		return dst[:start], false
	}
	if p.Time != e.time || len(e.timeText) == 0 {
		e.time, e.timeText = p.Time, strconv.AppendInt(append(e.timeText[:0], ' '), p.Time, 10)
	}
	return append(dst, e.timeText...), true
}

func at(p *Point, extra []Field, i int) Value {
	if i < len(p.Fields) {
		return p.Fields[i].Value
	}
	return extra[i-len(p.Fields)].Value
}

// tagText makes a string of a tag's value that is none, which no part of the engine produces.
func tagText(v Value) Value { return StringOf(AppendText(nil, v)) }

func (e *LineEncoder) appendValue(dst []byte, v Value) (_ []byte, ok bool) {
	switch v.kind {
	case KindFloat:
		f := v.Float()
		if f != f {
			e.LeftOut++
			return dst, false
		}
		return AppendFloat(dst, finite(f)), true
	case KindInt:
		return append(strconv.AppendInt(dst, int64(v.num), 10), 'i'), true
	case KindUint:
		return append(strconv.AppendUint(dst, v.num, 10), 'u'), true
	case KindBool:
		return strconv.AppendBool(dst, v.num != 0), true
	case KindString:
		return appendQuoted(dst, v.Str()), true
	case KindBytes:
		return appendBase64(dst, v.Raw()), true
	case KindList:
		if kind := elementKind(v.Items()); kind != KindNil {
			return e.appendArray(dst, v.Items())
		} else if v.num == 0 {
			return dst, false
		}
		fallthrough
	case KindMap:
		e.text = AppendJSON(e.text[:0], v)
		return appendQuoted(dst, shared(e.text)), true
	}
	return dst, false
}

func (e *LineEncoder) appendArray(dst []byte, items []Value) (_ []byte, ok bool) {
	for i, x := range items {
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		dst = append(dst, separator)
		if dst, ok = e.appendValue(dst, x); !ok {
			return dst, false
		}
	}
	return append(dst, ']'), true
}

// elementKind returns the kind of the elements of a list if all are scalars of one kind, else nil.
func elementKind(items []Value) Kind {
	if len(items) == 0 {
		return KindNil
	}
	kind := items[0].kind
	if kind < KindBool || kind > KindBytes {
		return KindNil
	}
	for _, x := range items[1:] {
		if x.kind != kind {
			return KindNil
		}
	}
	return kind
}

// finite returns f, or what stands for an infinity.
func finite(f float64) float64 {
	switch {
	case f > math.MaxFloat64:
		return positiveInfinity
	case f < -math.MaxFloat64:
		return negativeInfinity
	}
	return f
}

// shapeOf returns the shape of p, a remembered one if there is one.
func (e *LineEncoder) shapeOf(p *Point, extra []Field) *shape {
	if s := &e.shapes[e.current]; s.fits(p, extra) {
		return s
	}
	for i := range e.shapes {
		if s := &e.shapes[i]; i != e.current && s.fits(p, extra) {
			e.current = i
			return s
		}
	}
	e.current = (e.current + 1) % len(e.shapes)
	s := &e.shapes[e.current]
	s.learn(p, extra)
	return s
}

func (s *shape) fits(p *Point, extra []Field) bool {
	if s.fields != len(p.Fields) || len(s.keys) != len(p.Fields)+len(extra) {
		return false
	}
	for i := range p.Fields {
		f, k := &p.Fields[i], &s.keys[i]
		if f.Key != k.key || f.Tag != k.tag {
			return false
		}
	}
	for i := range extra {
		if extra[i].Key != s.keys[s.fields+i].key {
			return false
		}
	}
	return true
}

// learn makes s the shape of p.
func (s *shape) learn(p *Point, extra []Field) {
	s.fields, s.keys, s.order, s.text = len(p.Fields), s.keys[:0], s.order[:0], s.text[:0]
	size := 0
	for _, f := range p.Fields {
		size += 3*len(f.Key) + 1
	}
	for _, f := range extra {
		size += 3*len(f.Key) + 1
	}
	s.text = slices.Grow(s.text, size) // once, so that keys and labels can point into it
	for i, f := range p.Fields {
		s.add(f.Key, f.Tag, i, true)
	}
	for i, f := range extra {
		s.add(f.Key, true, s.fields+i, p.Index(f.Key) < 0)
	}
	slices.SortFunc(s.order, func(a, b slot) int {
		if a.tag != b.tag {
			return b2i(b.tag) - b2i(a.tag)
		}
		return cmp.Or(strings.Compare(a.key, b.key), b.index-a.index)
	})
	// Two keys can be the same once they are cleaned, and a line with a tag twice is refused: the last one stays.
	s.order = slices.CompactFunc(s.order, func(a, b slot) bool { return a.tag == b.tag && a.key == b.key })
	s.tags = 0
	for s.tags < len(s.order) && s.order[s.tags].tag {
		s.tags++
	}
}

// add remembers a key, and unless it is an extra tag that yields to the point, when to write it. A key that is
// empty cannot be written.
func (s *shape) add(key string, tag bool, index int, write bool) {
	s.keys = append(s.keys, shapeKey{s.keep(func(dst []byte) []byte { return append(dst, key...) }), tag})
	clean := cleanLine(s.keys[len(s.keys)-1].key)
	if !write || clean == "" {
		return
	}
	escape := &escapeInFieldKeys
	if tag {
		escape = &escapeInTags
	}
	label := s.keep(func(dst []byte) []byte { return append(appendEscaped(dst, clean, escape), '=') })
	s.order = append(s.order, slot{key: clean, label: label, index: index, tag: tag})
}

// keep returns what build appends to the text of the shape.
func (s *shape) keep(build func([]byte) []byte) string {
	start := len(s.text)
	s.text = build(s.text)
	return shared(s.text[start:])
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// What takes a backslash. Newlines are replaced on the way.
var (
	escapeInNames     = escapeSet(", \n")
	escapeInTags      = escapeSet(", =\n")
	escapeInFieldKeys = escapeSet(", =\"\n")
)

func escapeSet(chars string) (set [256]bool) {
	for _, c := range []byte(chars) {
		set[c] = true
	}
	return set
}

func appendName(dst []byte, name string) []byte {
	start := len(dst)
	for name != "" && name[0] != ' ' && isBlank(name[0]) { // readers skip them
		name = name[1:]
	}
	if dst = appendEscaped(dst, name, &escapeInNames); len(dst) == start {
		return append(dst, DefaultName...)
	}
	return dst
}

// appendEscaped appends s without the backslashes at its end, which would escape the separator that follows.
func appendEscaped(dst []byte, s string, escape *[256]bool) []byte {
	for s != "" && s[len(s)-1] == '\\' {
		s = s[:len(s)-1]
	}
	done := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !escape[c] {
			continue
		}
		dst = append(dst, s[done:i]...)
		if c == '\n' {
			c = ' '
		}
		dst = append(dst, '\\', c)
		done = i + 1
	}
	return append(dst, s[done:]...)
}

// appendQuoted appends s as a string value.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		i := strings.IndexByte(s, '"')
		clean := s
		if i >= 0 {
			clean = s[:i]
		}
		for j := strings.IndexByte(clean, '\\'); j >= 0; j = strings.IndexByte(clean, '\\') {
			dst = append(dst, clean[:j+1]...)
			dst = append(dst, '\\')
			clean = clean[j+1:]
		}
		dst = append(dst, clean...)
		if i < 0 {
			return append(dst, '"')
		}
		dst = append(dst, '\\', '"')
		s = s[i+1:]
	}
}

func appendBase64(dst []byte, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"', 'b')
}

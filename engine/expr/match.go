package expr

import (
	"regexp"
	"strings"

	"dataflow/engine"
	"dataflow/engine/point"
)

// matcher is a part of a condition. None of those in this file allocates.
type matcher interface {
	match(b *engine.Batch, i int) bool
}

type (
	always bool
	not    struct{ x matcher }
	all    struct{ x, y matcher }
	either struct{ x, y matcher }

	// withConst compares a name with a constant, on its right.
	withConst struct {
		name  Name
		op    operator
		value point.Value
	}
	// withText is withConst for the equality with a text, which is most conditions.
	withText struct {
		name  Name
		text  string
		equal bool
	}
	withName struct {
		left  Name
		op    operator
		right Name
	}
	// oneOf is `in` with texts, and with other constants.
	oneOf struct {
		name   Name
		texts  map[string]struct{}
		others []point.Value
	}
	// present is a comparison with nil.
	present struct {
		name  Name
		there bool
	}
	// flag is a name where a condition stands.
	flag struct{ name Name }
	// part is startsWith, endsWith or contains.
	part struct {
		name Name
		has  func(s, part string) bool
		text string
	}
	pattern struct {
		name Name
		re   *regexp.Regexp
	}
)

var parts = map[string]func(s, part string) bool{
	"startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix, "contains": strings.Contains,
}

func (m always) match(*engine.Batch, int) bool { return bool(m) }

func (m not) match(b *engine.Batch, i int) bool { return !m.x.match(b, i) }

func (m all) match(b *engine.Batch, i int) bool { return m.x.match(b, i) && m.y.match(b, i) }

func (m either) match(b *engine.Batch, i int) bool { return m.x.match(b, i) || m.y.match(b, i) }

func (m withConst) match(b *engine.Batch, i int) bool {
	v, ok := m.name.Value(b, i)
	return ok && m.op.holds(v, m.value)
}

func (m withText) match(b *engine.Batch, i int) bool {
	v, ok := m.name.Value(b, i)
	return ok && (isText(v) && string(v.Raw()) == m.text) == m.equal
}

func (m withName) match(b *engine.Batch, i int) bool {
	v, ok := m.left.Value(b, i)
	if !ok {
		return false
	}
	w, ok := m.right.Value(b, i)
	return ok && m.op.holds(v, w)
}

func (m oneOf) match(b *engine.Batch, i int) bool {
	v, ok := m.name.Value(b, i)
	if !ok {
		return false
	}
	if isText(v) {
		_, ok := m.texts[string(v.Raw())]
		return ok
	}
	for _, x := range m.others {
		if same(v, x) {
			return true
		}
	}
	return false
}

func (m present) match(b *engine.Batch, i int) bool {
	_, ok := m.name.Value(b, i)
	return ok == m.there
}

func (m flag) match(b *engine.Batch, i int) bool {
	v, ok := m.name.Value(b, i)
	return ok && v.Bool()
}

func (m part) match(b *engine.Batch, i int) bool {
	v, ok := m.name.Value(b, i)
	return ok && m.has(textOf(v), m.text)
}

func (m pattern) match(b *engine.Batch, i int) bool {
	v, ok := m.name.Value(b, i)
	return ok && isText(v) && m.re.Match(v.Raw())
}

// textOf returns the text of a string or bytes value without a copy, "" of another.
func textOf(v point.Value) string {
	if v.Kind() == point.KindBytes {
		return point.StringOf(v.Raw()).Str()
	}
	return v.Str()
}

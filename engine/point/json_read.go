package point

import (
	"strconv"
	"strings"
)

// exactInt is the largest magnitude below which every integer is a float64.
const exactInt = 1 << 53

// ParseJSON appends the points of a JSON body to dst, all or none. The body is an array of points, each
// in the simple shape (measurement, tags, fields, time) or in that of PBJSON (name, a list of fields, time), told
// apart by their members. null as body is no point. Strings without escapes share the body, which must not change
// while the points live, the rest stands in the arena. Fields keep the order of the text.
//
// Numbers of the simple shape are floats, but integers beyond 2^53, which a float cannot hold, are ints or
// uints. null, objects and arrays of mixed types are nil fields. A null in place of a point is an error.
func ParseJSON(dst []Point, a *Arena, body []byte, o ReadOptions) ([]Point, error) {
	r := jsonReader{jsonScanner: jsonScanner{s: shared(body), arena: a}, b: builder{arena: a}, o: o}
	before := len(dst)
	switch {
	case r.null():
	case r.next('['):
		for first := true; r.more(first, ']'); first = false {
			if o.MaxPoints > 0 && len(dst)-before == o.MaxPoints {
				return dst[:before], ErrTooManyPoints
			}
			if p := r.point(); r.err == nil {
				dst = append(dst, p)
			} else {
				r.b.abandon()
			}
		}
	default:
		r.fail("cannot unmarshal %s into Go value of type []*point.Point", r.kind())
	}
	if r.err == nil && r.peek() != 0 || r.i < len(r.s) {
		r.fail("data after the list of points")
	}
	if r.err != nil {
		return dst[:before], r.problem()
	}
	return dst, nil
}

type jsonReader struct {
	jsonScanner
	b builder
	o ReadOptions
}

// mismatch fails with the words of encoding/json.
func (r *jsonReader) mismatch(member, goType string) {
	kind := r.kind()
	if kind == "number" && goType != "string" {
		kind += " " + r.number()
	}
	r.fail("cannot unmarshal %s into Go struct field JSONPoint.%s of type %s", kind, member, goType)
}

// member returns the name of a member of a point. DataKit reads the simple shape with encoding/json, which ignores case: a point with
// Fields would else have none.
func member(key string) string {
	for _, known := range [...]string{"measurement", "tags", "fields", "time"} {
		if len(key) == len(known) && strings.EqualFold(key, known) {
			return known
		}
	}
	return key
}

func (r *jsonReader) point() (p Point) {
	p = Point{Record: -1, Category: r.o.Category}
	r.b.begin()
	if r.null() {
		r.fail("null is not a point")
		return p
	}
	if !r.next('{') {
		r.fail("cannot unmarshal %s into Go value of type point.JSONPoint", r.kind())
		return p
	}
	time, simple := "", false
	for first := true; r.more(first, '}'); first = false {
		switch key := member(r.key()); key {
		case "measurement", "name":
			if !r.null() {
				if r.peek() != '"' {
					r.mismatch(key, "string")
				}
				if name := r.text(); name != "" {
					p.Name = name
				}
				simple = simple || key == "measurement"
			}
		case "tags":
			simple = true
			r.tags()
		case "fields":
			switch {
			case r.null():
			case r.next('{'):
				simple = true
				r.fields()
			case r.next('['):
				for first := true; r.more(first, ']'); first = false {
					r.field(&p)
				}
			default:
				r.mismatch(key, "map[string]interface {}")
			}
		case "time":
			time = r.time()
		case "warns":
			r.warns(&p)
		default:
			r.skip(0)
		}
	}
	r.setTime(&p, time, simple)
	if r.err == nil {
		p.Fields = r.b.finish(r.o.Spare)
	}
	return p
}

// time returns the text of the time, a string with its quotes.
func (r *jsonReader) time() string {
	switch c := r.peek(); {
	case r.null():
		return ""
	case c == '"':
		start := r.i
		r.text()
		return r.s[start:r.i]
	case c == '-' || c-'0' <= 9:
		return r.number()
	}
	r.mismatch("time", "int64")
	return ""
}

// setTime sets the time of p. A point in the simple shape cannot have it in quotes.
func (r *jsonReader) setTime(p *Point, text string, simple bool) {
	if r.err != nil {
		return // text may be half a token
	}
	digits := text
	if strings.HasPrefix(text, `"`) {
		if simple {
			r.fail("cannot unmarshal string into Go struct field JSONPoint.time of type int64")
			return
		}
		digits = text[1 : len(text)-1]
	}
	if digits == "" {
		p.Time = r.o.Now
		return
	}
	t, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		r.fail("cannot unmarshal number %s into Go struct field JSONPoint.time of type int64", digits)
		return
	}
	if t == 0 {
		p.Time = r.o.Now
		return
	}
	ns, ok := r.o.Precision.Time(t)
	if p.Time = ns; !ok {
		r.fail("%w", errTimeRange)
	}
}

func (r *jsonReader) tags() {
	if r.null() {
		return
	}
	if r.peek() != '{' {
		r.mismatch("tags", "map[string]string")
	}
	r.next('{')
	for first := true; r.more(first, '}'); first = false {
		f := r.b.slot()
		f.Key, f.Tag, f.Value = r.key(), true, String("")
		if !r.null() {
			if r.peek() != '"' {
				r.mismatch("tags", "string")
			}
			f.Value = String(r.text())
		}
		r.b.put()
	}
}

func (r *jsonReader) fields() {
	for first := true; r.more(first, '}'); first = false {
		f := r.b.slot()
		f.Key = r.key()
		f.Value = r.value()
		r.b.put()
	}
}

// value reads a value of the simple shape.
func (r *jsonReader) value() Value {
	switch r.peek() {
	case '{':
		r.skip(1)
		return Nil()
	case '[':
		r.i++
		return r.list()
	}
	return r.scalar()
}

func (r *jsonReader) scalar() Value {
	switch r.peek() {
	case '"':
		return String(r.text())
	case 't':
		return Bool(r.word("true"))
	case 'f':
		r.word("false")
		return Bool(false)
	case 'n':
		r.word("null")
		return Nil()
	}
	text := r.number()
	if r.err != nil {
		return Nil()
	}
	if len(text) > 15 && !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			if n > exactInt || n < -exactInt {
				return Int(n)
			}
		} else if u, err := strconv.ParseUint(text, 10, 64); err == nil {
			return Uint(u)
		}
	}
	f, ok := ParseDecimal(text)
	if !ok {
		r.fail("cannot unmarshal number %s into Go struct field JSONPoint.fields of type float64", text)
	}
	return Float(f)
}

// list reads the elements behind an opening bracket. If they are not of one scalar type the list is nil.
func (r *jsonReader) list() Value {
	a := r.arena
	start, mixed := len(a.values), false
	for first := true; r.more(first, ']'); first = false {
		if c := r.peek(); c == '{' || c == '[' {
			r.skip(1)
			mixed = true
			continue
		}
		v := r.scalar()
		a.values, start = room(a.values, start, 1)
		a.values = append(a.values, v)
	}
	items := a.values[start:]
	mixed = mixed || len(items) > 0 && !sameKind(items)
	if mixed {
		a.values = a.values[:start]
		return Nil()
	}
	a.values, items = take(a.values, start, 0)
	return List(items)
}

// sameKind reports whether the items are scalars of one kind. Integers beyond the floats among floats become
// floats first.
func sameKind(items []Value) bool {
	numbers, kinds := 0, 0
	for i, x := range items {
		if x.kind == KindInt || x.kind == KindUint || x.kind == KindFloat {
			numbers++
		}
		if x.kind != items[max(i-1, 0)].kind {
			kinds++
		}
	}
	if kinds > 0 && numbers == len(items) {
		for i, x := range items {
			f, _ := x.Number()
			items[i] = Float(f)
		}
		return true
	}
	return kinds == 0 && items[0].kind != KindNil
}

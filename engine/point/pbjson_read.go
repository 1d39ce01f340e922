package point

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
)

// field reads a field of PBJSON.
func (r *jsonReader) field(p *Point) {
	var (
		f    = r.b.slot()
		kind MetricType
		unit string
	)
	if r.null() || !r.next('{') {
		r.fail("a field must be an object")
	}
	for first := true; r.more(first, '}'); first = false {
		key := r.key()
		if r.null() {
			continue
		}
		switch key {
		case "key":
			f.Key = r.text()
		case "is_tag", "isTag":
			f.Tag = r.scalar().Bool()
		case "type":
			kind = r.metricType()
		case "unit":
			unit = r.text()
		case "a":
			f.Value = r.packed()
		default:
			r.basic(key, &f.Value)
		}
	}
	if r.err != nil {
		return
	}
	if f.Tag && f.Value.kind != KindString {
		v := f.Value
		f.Value = String(r.arena.text(func(dst []byte) []byte { return AppendText(dst, v) }))
	}
	key := f.Key
	if r.b.add() {
		p.describe(key, kind, unit)
	}
}

var metricTypeNames = [...]string{"UNSPECIFIED", "COUNT", "RATE", "GAUGE"}

func (r *jsonReader) metricType() MetricType {
	if r.peek() != '"' {
		n, err := strconv.ParseUint(r.number(), 10, 8)
		if err != nil {
			return MetricUnspecified
		}
		return MetricType(n)
	}
	name := r.text()
	for i, n := range metricTypeNames {
		if n == name {
			return MetricType(i)
		}
	}
	return MetricUnspecified
}

// basic reads the value of a member that has the name of a scalar type, and skips others.
func (r *jsonReader) basic(name string, v *Value) {
	switch name {
	case "i":
		n, err := strconv.ParseInt(r.numeral(), 10, 64)
		if err != nil {
			r.fail("invalid int: %w", err)
		}
		*v = Int(n)
	case "u":
		u, err := strconv.ParseUint(r.numeral(), 10, 64)
		if err != nil {
			r.fail("invalid uint: %w", err)
		}
		*v = Uint(u)
	case "f":
		*v = Float(r.float())
	case "b":
		if *v = r.scalar(); v.kind != KindBool {
			r.fail("invalid bool")
		}
	case "s":
		*v = String(r.text())
	case "d":
		*v = r.bytes()
	default:
		r.skip(2)
	}
}

// numeral returns the text of a number, with or without quotes.
func (r *jsonReader) numeral() string {
	if r.peek() == '"' {
		return r.text()
	}
	return r.number()
}

func (r *jsonReader) float() float64 {
	text := r.numeral()
	switch text {
	case "NaN":
		return math.NaN()
	case "Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	f, ok := ParseDecimal(text)
	if !ok {
		r.fail("invalid float %q", text)
	}
	return f
}

// bytes reads base64 in any of its spellings.
func (r *jsonReader) bytes() Value {
	text := strings.TrimRight(r.text(), "=")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	var err error
	raw := r.arena.text(func(dst []byte) []byte {
		decoded, e := encoding.AppendDecode(dst, []byte(text))
		if err = e; err != nil {
			return dst
		}
		return decoded
	})
	if err != nil {
		r.fail("invalid bytes: %w", err)
	}
	v := String(raw)
	v.kind = KindBytes
	return v
}

// packed reads an Array or a Map.
func (r *jsonReader) packed() (v Value) {
	if !r.next('{') {
		r.fail("a packed value must be an object")
	}
	v = List(nil)
	for first := true; r.more(first, '}'); first = false {
		key := r.key()
		switch {
		case r.null():
		case key == "arr" && r.next('['):
			a := r.arena
			start := len(a.values)
			for first := true; r.more(first, ']'); first = false {
				x := r.element()
				a.values, start = room(a.values, start, 1)
				a.values = append(a.values, x)
			}
			var items []Value
			a.values, items = take(a.values, start, 0)
			v = List(items)
		case key == "map" && r.next('{'):
			m := make(map[string]Value)
			for first := true; r.more(first, '}'); first = false {
				k := r.key()
				m[k] = r.element()
			}
			v = Map(m)
		case key == "@type" && r.peek() == '"':
			if url := r.text(); url == mapURL && v.kind != KindMap {
				v = Map(nil)
			} else if url != mapURL && url != arrayURL {
				r.fail("unknown type %q of a packed value", url)
			}
		default:
			r.skip(2)
		}
	}
	return v
}

// element reads an element of an Array or Map.
func (r *jsonReader) element() (v Value) {
	if r.null() || !r.next('{') {
		r.fail("an element must be an object")
	}
	for first := true; r.more(first, '}'); first = false {
		if key := r.key(); !r.null() {
			r.basic(key, &v)
		}
	}
	return v
}

func (r *jsonReader) warns(p *Point) {
	if !r.next('[') {
		r.skip(1)
		return
	}
	for first := true; r.more(first, ']'); first = false {
		if !r.next('{') {
			r.skip(2)
			continue
		}
		var w Warn
		for first := true; r.more(first, '}'); first = false {
			switch key := r.key(); {
			case r.peek() == '"' && key == "type":
				w.Type = r.text()
			case r.peek() == '"' && (key == "message" || key == "msg"):
				w.Message = r.text()
			default:
				r.skip(2)
			}
		}
		p.addWarn(w)
	}
}

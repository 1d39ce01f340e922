package sources

import (
	"errors"
	"fmt"

	"dataflow/engine"
	"dataflow/engine/point"
)

// decodeJSONBatch puts the top-level keys of each message's object in place of the fields that describe the
// message: nested values as their JSON text, whole numbers that fit as int. Of an array every element gives a
// point. Depth is how deep the values may be nested. Of the fields of the message only the tags stay, and status where the object has none.
func decodeJSONBatch(b *engine.Batch, depth int) {
	var (
		r    = jsonReader{depth: depth}
		out  []point.Point // once a message gave other than one point
		fail []failure
		drop []int
	)
	for i := range b.Points {
		p := &b.Points[i]
		at := i
		if out != nil {
			at = len(out)
		}
		err := r.open(b.Records[p.Record].Value)
		switch {
		case err != nil:
		case r.peek() == '[':
			if out == nil {
				out = append(make([]point.Point, 0, 2*len(b.Points)), b.Points[:i]...)
			}
			first := len(out)
			if out, err = r.array(out, p); err != nil {
				out = out[:first]
			} else if len(out) == first { // an empty array
				drop = append(drop, first)
			} else {
				continue
			}
		default:
			var fields []point.Field
			if fields, err = r.message(r.fields[:0], p); err == nil {
				p.Fields = append(p.Fields[:0], fields...)
			}
			r.fields = fields
		}
		if err != nil {
			if b.Records[p.Record].Value == nil {
				err = errNull
			}
			fail = append(fail, failure{at, fmt.Errorf("decoding JSON: %w", err)})
		}
		if out != nil {
			out = append(out, *p)
		}
	}
	if out != nil {
		b.Points = out
	}
	for _, f := range fail {
		b.Fail(f.index, f.err)
	}
	for _, i := range drop {
		b.Drop(i, "empty_array")
	}
}

// errNull is said of a message without a value: nothing was encoded, so that there is nothing to decode. To text it is an empty message.
var errNull = errors.New("the message is null")

type failure struct {
	index int
	err   error
}

// jsonReader reads one JSON text. Strings without escapes are parts of it.
type jsonReader struct {
	in     []byte
	at     int
	depth  int // that is accepted
	fields []point.Field
	keys   map[string]int // positions of the fields of a large object
	text   []byte         // room for strings with escapes
}

// manyKeys is where a map finds a key faster than a look at all of them. It also bounds the cost of a hostile object.
const manyKeys = 32

// open begins a text whose value is an object or an array.
func (r *jsonReader) open(in []byte) error {
	r.in, r.at = in, 0
	r.space()
	if c := r.peek(); c != '{' && c != '[' {
		return errors.New("the message is neither an object nor an array")
	}
	return nil
}

// message reads an object that is the whole text.
func (r *jsonReader) message(dst []point.Field, p *point.Point) ([]point.Field, error) {
	dst, err := r.object(dst, p)
	if err == nil {
		err = r.close()
	}
	return dst, err
}

// array reads an array of objects that is the whole text and adds a point for each, in the likeness of p.
func (r *jsonReader) array(out []point.Point, p *point.Point) ([]point.Point, error) {
	r.at++
	r.space()
	if r.peek() == ']' {
		r.at++
		return out, r.close()
	}
	for n := 0; ; n++ {
		r.space()
		if r.peek() != '{' {
			return out, r.errorf("an element of the array is no object")
		}
		if n == maxElements {
			return out, r.errorf("the array has more than %d elements", maxElements)
		}
		fields, err := r.object(r.fields[:0], p)
		r.fields = fields
		if err != nil {
			return out, err
		}
		q := *p
		q.Fields = append(make([]point.Field, 0, len(fields)+4), fields...)
		out = append(out, q)
		r.space()
		switch r.peek() {
		case ',':
			r.at++
		case ']':
			r.at++
			return out, r.close()
		default:
			return out, r.errorf("expected , or ] in an array")
		}
	}
}

// object appends the fields of an object, after the tags of p and before its status.
func (r *jsonReader) object(dst []point.Field, p *point.Point) ([]point.Field, error) {
	for i := range p.Fields {
		if p.Fields[i].Tag {
			dst = append(dst, p.Fields[i])
		}
	}
	clear(r.keys)
	r.at++
	r.space()
	if r.peek() == '}' {
		r.at++
		return r.status(dst, p), nil
	}
	for {
		r.space()
		if r.peek() != '"' {
			return dst, r.errorf("expected a key")
		}
		key, err := r.str()
		if err != nil {
			return dst, err
		}
		r.space()
		if r.peek() != ':' {
			return dst, r.errorf("expected : after a key")
		}
		r.at++
		r.space()
		v, err := r.value()
		if err != nil {
			return dst, err
		}
		dst = r.put(dst, point.Field{Key: key, Value: v})
		r.space()
		switch r.peek() {
		case ',':
			r.at++
		case '}':
			r.at++
			return r.status(dst, p), nil
		default:
			return dst, r.errorf("expected , or } in an object")
		}
	}
}

// put adds a field or, for a key that is there, replaces it.
func (r *jsonReader) put(dst []point.Field, f point.Field) []point.Field {
	if i := r.find(dst, f.Key); i >= 0 {
		dst[i] = f
		return dst
	}
	if len(dst) >= manyKeys {
		r.keys[f.Key] = len(dst)
	}
	return append(dst, f)
}

func (r *jsonReader) find(fields []point.Field, key string) int {
	if len(fields) < manyKeys {
		for i := range fields {
			if fields[i].Key == key {
				return i
			}
		}
		return -1
	}
	if len(r.keys) == 0 {
		if r.keys == nil {
			r.keys = make(map[string]int, 2*manyKeys)
		}
		for i := range fields {
			r.keys[fields[i].Key] = i
		}
	}
	if i, ok := r.keys[key]; ok {
		return i
	}
	return -1
}

// status adds the status that p has if the object brought none.
func (r *jsonReader) status(dst []point.Field, p *point.Point) []point.Field {
	if i := p.Index("status"); i >= 0 && r.find(dst, "status") < 0 {
		dst = append(dst, p.Fields[i])
	}
	return dst
}

// value reads a value: a nested one as its text.
func (r *jsonReader) value() (point.Value, error) {
	switch c := r.peek(); c {
	case '"':
		s, err := r.str()
		return point.String(s), err
	case '{', '[':
		start := r.at
		err := r.skip(1)
		return point.StringOf(r.in[start:r.at]), err
	case 't':
		return point.Bool(true), r.word("true")
	case 'f':
		return point.Bool(false), r.word("false")
	case 'n':
		return point.Nil(), r.word("null")
	default:
		return r.number()
	}
}

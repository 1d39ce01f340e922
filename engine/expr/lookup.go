package expr

import (
	"errors"
	"fmt"
	"strconv"

	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// Lookup is an option with one value for all points, or one that depends on the point:
//
//	rate: 2MB/s
//	rate: {by: tags.tenant, map: {gold: 50MB/s}, default: 2MB/s}
//
// T is string, bool, int, float64, engine.Rate, engine.Size, engine.File, or a type whose pointer is an
// engine.OptionUnmarshaler. It is read only once it is decoded. The zero Lookup, an option that was not given, has no values.
type Lookup[T any] struct {
	by       Name
	table    map[string]T
	values   []T
	fallback T
	has      bool // a fallback
	constant bool
}

// Constant returns a lookup with one value for all points, for defaults of options.
func Constant[T any](v T) Lookup[T] {
	return Lookup[T]{fallback: v, has: true, constant: true, values: []T{v}}
}

// IsSet reports whether there is anything to look up.
func (l *Lookup[T]) IsSet() bool { return l.has || l.table != nil }

// Const returns the value if it is the same for all points.
func (l *Lookup[T]) Const() (T, bool) { return l.fallback, l.constant }

// Values returns every value there can be, in the order of the file, the default last. Components prepare what
// belongs to each when they are built.
func (l *Lookup[T]) Values() []T { return l.values }

// PerBatch reports whether the value is the same for all points of a batch that has an Origin. It may then be asked
// for once, with any i.
func (l *Lookup[T]) PerBatch() bool { return l.table == nil || l.by.PerBatch() }

// Of returns the value for point i of the batch. It is false if nothing was said about it: the value that the point
// has is not in the map, or it has none, and there is no default.
func (l *Lookup[T]) Of(b *engine.Batch, i int) (T, bool) {
	if l.table == nil {
		return l.fallback, l.has
	}
	if v, ok := l.by.Value(b, i); ok {
		if t, ok := l.entry(v); ok {
			return t, true
		}
	}
	return l.fallback, l.has
}

// entry finds the value for what the name has, which is a text or is written like one.
func (l *Lookup[T]) entry(v point.Value) (t T, ok bool) {
	var room [32]byte
	switch v.Kind() {
	case point.KindString, point.KindBytes:
		t, ok = l.table[string(v.Raw())]
	case point.KindInt:
		t, ok = l.table[string(strconv.AppendInt(room[:0], v.Int(), 10))]
	case point.KindUint:
		t, ok = l.table[string(strconv.AppendUint(room[:0], v.Uint(), 10))]
	default: // on the heap: the text of a list can be of any length
		t, ok = l.table[string(point.AppendText(nil, v))]
	}
	return t, ok
}

// OptionType says what the option takes.
func (l *Lookup[T]) OptionType() string {
	var t T
	name := map[string]string{"string": "text", "float64": "number", "int": "whole number", "bool": "true or false"}[fmt.Sprintf("%T", t)]
	switch any(t).(type) {
	case engine.Rate:
		name = "rate"
	case engine.Size:
		name = "size"
	case engine.File:
		name = "file"
	}
	if name == "" {
		name = "value"
	}
	return name + " or lookup"
}

// String returns a constant's text, "" for a lookup that depends on the point.
func (l Lookup[T]) String() string {
	if !l.constant {
		return ""
	}
	if f, ok := any(l.fallback).(engine.File); ok {
		return f.Path
	}
	return fmt.Sprint(l.fallback)
}

// UnmarshalOption reads a value or {by, map, default}.
func (l *Lookup[T]) UnmarshalOption(n engine.OptionNode) error {
	if _, ok := n.Scalar(); ok {
		v, err := parse[T](n)
		*l = Constant(v)
		return err
	}
	keys, nodes, ok := n.Map()
	if !ok {
		return n.Errorf("must be a value or {by: name, map: {...}, default: value}")
	}
	*l = Lookup[T]{table: map[string]T{}}
	var errs []error
	var by, table bool
	for i, k := range keys {
		switch k {
		case "by":
			by = true
			if text, ok := nodes[i].Scalar(); ok {
				var err error
				l.by, err = ParseName(text)
				errs = append(errs, at(nodes[i], err))
			} else {
				errs = append(errs, nodes[i].Errorf("by must be a name: name, category, tags.KEY, fields.KEY, meta.topic"))
			}
		case "map":
			table = true
			errs = append(errs, l.unmarshalMap(nodes[i]))
		case "default":
			v, err := parse[T](nodes[i])
			l.fallback, l.has = v, true
			errs = append(errs, err)
		default:
			errs = append(errs, at(nodes[i], &diag.TextError{
				Message: "a lookup has no key " + strconv.Quote(k), Hint: diag.DidYouMean(k, []string{"by", "map", "default"}),
			}))
		}
	}
	if !by || !table {
		errs = append(errs, n.Errorf("a lookup has the keys by, map and default; by and map are needed"))
	}
	if l.has {
		l.values = append(l.values, l.fallback)
	}
	return errors.Join(errs...)
}

func (l *Lookup[T]) unmarshalMap(n engine.OptionNode) error {
	keys, nodes, ok := n.Map()
	if !ok {
		return n.Errorf("map must be a mapping of what the name can be to values")
	}
	var errs []error
	for i, k := range keys {
		v, err := parse[T](nodes[i])
		l.table[k] = v
		l.values = append(l.values, v)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// parse reads one value.
func parse[T any](n engine.OptionNode) (v T, err error) {
	if u, ok := any(&v).(engine.OptionUnmarshaler); ok {
		return v, u.UnmarshalOption(n)
	}
	text, ok := n.Scalar()
	if !ok {
		return v, n.Errorf("must be a single value")
	}
	switch p := any(&v).(type) {
	case *string:
		*p = text
	case *bool:
		*p, err = strconv.ParseBool(text)
		if err != nil {
			err = n.Errorf("%q is neither true nor false", text)
		}
	case *int:
		*p, err = strconv.Atoi(text)
		if err != nil {
			err = n.Errorf("%q is no whole number", text)
		}
	case *float64:
		*p, err = strconv.ParseFloat(text, 64)
		if err != nil {
			err = n.Errorf("%q is no number", text)
		}
	case *engine.File:
		*p, err = readFile(n, text)
	default:
		err = n.Errorf("a lookup of %T is not known", v)
	}
	return v, err
}

// readFile reads the file that a value names. None and - name no file: the value is then a File without data.
func readFile(n engine.OptionNode, text string) (engine.File, error) {
	if text == "none" || text == "-" {
		return engine.File{Path: text}, nil
	}
	reader, ok := n.(interface {
		File() (engine.File, error)
	})
	if !ok {
		return engine.File{}, n.Errorf("no file can be named here")
	}
	return reader.File()
}

// at gives an error of a text the position of its node.
func at(n engine.OptionNode, err error) error {
	if err == nil {
		return nil
	}
	if within, ok := n.(interface{ Within(*diag.TextError) error }); ok {
		var e *diag.TextError
		if errors.As(err, &e) {
			return within.Within(e)
		}
	}
	return n.Errorf("%v", err)
}

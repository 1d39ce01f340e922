package graph

import (
	"cmp"
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"dataflow/engine"
	"dataflow/engine/diag"
)

// decoder decodes the options of one component. It remembers where each stands.
type decoder struct {
	l     *loader
	conf  *conf
	owner string // whose options these are, in messages
	files []namedFile
	parts []*value                            // steps below the options, with their defaults, for the hash
	step  func(v *value, path string) []*Step // decodes an engine.Steps
}

// namedFile is a file that an option names.
type namedFile struct {
	path string
	data []byte
}

func (l *loader) decoder(owner string, at place) *decoder {
	d := &decoder{l: l, owner: owner, conf: &conf{l: l, typ: at, at: map[string]place{}}}
	d.step = func(v *value, _ string) []*Step {
		l.errorAt(v, "", "steps have no place here")
		return nil
	}
	return d
}

// join returns the path of an option below another one.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// structure decodes a mapping into the options of a struct.
func (d *decoder) structure(v *value, rv reflect.Value, path string) {
	fields := fieldsOf(rv.Type())
	if v.kind != mapping {
		d.l.errorAt(v, "it has the options "+strings.Join(names(fields), ", "), "%s is a mapping, this is %s", d.name(path), v.kind)
		return
	}
	for i, k := range v.keys {
		f := find(fields, k.name)
		if f == nil {
			d.unknown(k, path, fields)
			continue
		}
		d.value(v.items[i], rv.FieldByIndex(f.index), join(path, k.name), f)
	}
	for _, f := range fields {
		if x := v.get(f.name); f.required && (x == nil || x.kind == null) {
			at := v.place()
			if path == "" {
				at = d.conf.typ
			}
			d.l.report(diag.Diagnostic{Pos: at.pos, EndCol: at.end, Message: fmt.Sprintf("%s needs the option %q", d.name(path), f.name), Hint: f.doc})
		}
	}
}

func (d *decoder) name(path string) string { return cmp.Or(path, d.owner) }

func (d *decoder) unknown(k key, path string, fields []field) {
	hint := diag.DidYouMean(k.name, names(fields))
	if hint == "" && len(fields) > 0 && len(fields) <= 12 {
		hint = "it has " + strings.Join(names(fields), ", ")
	}
	d.l.errorAtKey(k, hint, "%s has no option %q", d.name(path), k.name)
}

// value decodes one option. F is what its struct says about it, nil for elements of lists and maps without.
func (d *decoder) value(v *value, rv reflect.Value, path string, f *field) {
	d.conf.at[path] = v.place()
	if v.kind == null || v.broken {
		return // as if it were not there: the default stays
	}
	if v.kind == scalar && (v.secret || rv.Type() == secretType) {
		d.conf.secrets = append(d.conf.secrets, v.text)
		d.l.mask(v)
	}
	switch rv.Type() {
	case fileType:
		file, err := (optionNode{v, d}).File()
		if err != nil {
			d.l.list = append(d.l.list, diag.Of(err, v.pos)...)
		}
		rv.Set(reflect.ValueOf(file))
		return
	case stepsType:
		steps := d.step(v, path)
		specs := make([]any, len(steps))
		for i, s := range steps {
			specs[i] = s
		}
		rv.Set(reflect.ValueOf(engine.Steps{Specs: specs}))
		return
	case durationType:
		if text, ok := d.scalar(v, rv, path); ok {
			t, err := parseDuration(text)
			if err != nil {
				d.l.errorAt(v, "", "%v", err)
				return
			}
			rv.SetInt(int64(t))
		}
		return
	}
	if u, ok := rv.Addr().Interface().(engine.OptionUnmarshaler); ok {
		if err := u.UnmarshalOption(optionNode{v, d}); err != nil {
			list := d.l.within(err, v)
			for i := range list {
				if v.secret {
					list[i].Message = redact(list[i].Message, v.text)
				}
			}
			d.l.list = append(d.l.list, list...)
		}
		return
	}
	if u, ok := rv.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := d.scalar(v, rv, path); ok {
			if err := u.UnmarshalText([]byte(text)); err != nil {
				d.l.errorAt(v, "", "%v", err)
			}
		}
		return
	}
	switch rv.Kind() {
	case reflect.Pointer:
		p := reflect.New(rv.Type().Elem())
		if !rv.IsNil() {
			p.Elem().Set(rv.Elem()) // the default is shared by all nodes of the type
		}
		d.value(v, p.Elem(), path, f)
		rv.Set(p)
	case reflect.Struct:
		d.structure(v, rv, path)
	case reflect.Slice:
		d.list(v, rv, path, f)
	case reflect.Map:
		d.mapping(v, rv, path, f)
	case reflect.Interface:
		if x := reflect.ValueOf(plainValue(v)); x.IsValid() && x.Type().AssignableTo(rv.Type()) {
			rv.Set(x)
		}
	default:
		if text, ok := d.scalar(v, rv, path); ok {
			d.basic(v, text, rv, path, f)
		}
	}
}

// scalar returns the text of v, or reports that it is something else.
func (d *decoder) scalar(v *value, rv reflect.Value, path string) (string, bool) {
	if v.kind != scalar {
		d.l.errorAt(v, "", "%s takes %s, this is %s", d.name(path), takes(rv.Type()), v.kind)
	}
	return v.text, v.kind == scalar
}

func (d *decoder) basic(v *value, text string, rv reflect.Value, path string, f *field) {
	wrong := func() {
		d.l.errorAt(v, "", "%s takes %s, %q is none", d.name(path), takes(rv.Type()), text)
	}
	number := strings.ReplaceAll(text, "_", "")
	switch rv.Kind() {
	case reflect.String:
		if f != nil && len(f.enum) > 0 && !contains(f.enum, text) {
			hint := cmp.Or(diag.DidYouMean(text, f.enum), "it is one of "+strings.Join(f.enum, ", "))
			d.l.errorAt(v, hint, "%s cannot be %q", d.name(path), text)
			return
		}
		if f != nil && f.path {
			text = d.l.resolve(v, text)
		}
		rv.SetString(text)
	case reflect.Bool:
		switch text {
		case "true", "false":
			rv.SetBool(text == "true")
		default:
			d.l.errorAt(v, "", "%s is true or false, not %q", d.name(path), text)
		}
	case reflect.Float32, reflect.Float64:
		x, err := strconv.ParseFloat(number, rv.Type().Bits())
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			wrong()
			return
		}
		rv.SetFloat(x)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		x, err := strconv.ParseInt(number, 10, rv.Type().Bits())
		if err != nil {
			wrong()
			return
		}
		rv.SetInt(x)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		x, err := strconv.ParseUint(number, 10, rv.Type().Bits())
		if err != nil {
			wrong()
			return
		}
		rv.SetUint(x)
	default:
		d.l.errorAt(v, "", "%s has a type that no text gives (%s)", d.name(path), rv.Type())
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// list decodes a sequence. A single scalar stands for a list of one where the elements are scalars.
func (d *decoder) list(v *value, rv reflect.Value, path string, f *field) {
	items := v.items
	switch {
	case v.kind == scalar && typeName(rv.Type().Elem()) != "mapping":
		items = []*value{v}
	case v.kind != sequence:
		d.l.errorAt(v, "", "%s takes %s, this is %s", d.name(path), takes(rv.Type()), v.kind)
		return
	}
	out := reflect.MakeSlice(rv.Type(), len(items), len(items))
	for i, x := range items {
		if x.kind == null {
			d.l.errorAt(x, "", "an element of %s is empty", d.name(path))
			continue
		}
		d.value(x, out.Index(i), join(path, strconv.Itoa(i)), f)
	}
	d.conf.at[path] = v.place() // a single scalar wrote its own
	rv.Set(out)
}

func (d *decoder) mapping(v *value, rv reflect.Value, path string, f *field) {
	if v.kind != mapping || rv.Type().Key().Kind() != reflect.String {
		d.l.errorAt(v, "", "%s takes %s, this is %s", d.name(path), takes(rv.Type()), v.kind)
		return
	}
	out := reflect.MakeMapWithSize(rv.Type(), len(v.keys))
	for i, k := range v.keys {
		x := reflect.New(rv.Type().Elem()).Elem()
		d.value(v.items[i], x, join(path, k.name), f)
		out.SetMapIndex(reflect.ValueOf(k.name).Convert(rv.Type().Key()), x)
	}
	rv.Set(out)
}

// plainValue returns v as the types of Go that JSON would give, numbers as int64 or float64.
func plainValue(v *value) any {
	switch v.kind {
	case scalar:
		if !v.plain {
			return v.text
		}
		switch v.text {
		case "true":
			return true
		case "false":
			return false
		}
		if i, err := strconv.ParseInt(v.text, 10, 64); err == nil {
			return i
		}
		if f, err := strconv.ParseFloat(v.text, 64); err == nil && strings.ContainsAny(v.text[:1], "+-.0123456789") {
			return f
		}
		return v.text
	case mapping:
		m := make(map[string]any, len(v.keys))
		for i, k := range v.keys {
			m[k.name] = plainValue(v.items[i])
		}
		return m
	case sequence:
		list := make([]any, len(v.items))
		for i, x := range v.items {
			list[i] = plainValue(x)
		}
		return list
	}
	return nil
}

// parseDuration reads a duration, which has a unit unless it is 0.
func parseDuration(text string) (time.Duration, error) {
	t, err := time.ParseDuration(text)
	if err != nil || t < 0 {
		return 0, fmt.Errorf("%q is no duration: write a number with a unit, as in 500ms, 10s, 5m, 1h30m", text)
	}
	return t, nil
}

package graph

import (
	"bufio"
	"encoding"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"dataflow/engine"
)

// Canonical writes the graph as YAML that says everything: variables, aliases, includes and defaults are in their
// places, keys in one order, options of the components complete. Secrets are replaced by a word. What it writes
// reads as the same graph, apart from those.
func (g *Graph) Canonical(w io.Writer) error {
	root := &value{kind: mapping}
	add(root, "version", word("1"))
	add(root, "name", text(g.Name))
	render := renderer{g: g}
	add(root, "limits", render.fields(reflect.ValueOf(g.Limits), nil))
	add(root, "data_dir", text(g.relative(g.DataDir)))
	add(root, "admin", render.fields(reflect.ValueOf(g.Admin), nil))
	add(root, "log", render.fields(reflect.ValueOf(g.Log), nil))
	letters := g.DeadLetter
	letters.Dir = g.relative(letters.Dir)
	add(root, "dead_letter", render.fields(reflect.ValueOf(letters), nil))
	for kind, section := range sections {
		nodes := &value{kind: mapping}
		for _, n := range g.Nodes {
			if n.Kind == engine.NodeKind(kind) {
				add(nodes, n.ID, render.node(n))
			}
		}
		add(root, section, nodes)
	}
	b := bufio.NewWriter(w)
	emit(b, root, 0)
	return b.Flush()
}

// relative returns a path as it would be written in the graph.
func (g *Graph) relative(path string) string {
	if path == "" {
		return ""
	}
	if rel, err := filepath.Rel(g.Dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(rel)
	}
	return path
}

func text(s string) *value { return &value{kind: scalar, text: s} }

// word returns a scalar that needs no quotes whatever it looks like: a number, true.
func word(s string) *value { return &value{kind: scalar, text: s, plain: true} }

// add puts an entry at the end of a mapping, unless it says nothing.
func add(v *value, name string, x *value) {
	if x == nil || x.kind == null || x.kind != scalar && len(x.items) == 0 || x.kind == scalar && x.text == "" {
		return
	}
	v.keys, v.items = append(v.keys, key{name: name}), append(v.items, x)
}

// renderer turns config structs back into trees.
type renderer struct{ g *Graph }

func (r renderer) node(n *Node) *value {
	v := &value{kind: mapping}
	if n.Component != nil {
		add(v, "type", text(n.Component.Type))
	}
	add(v, "doc", text(n.Doc))
	from := &value{kind: sequence}
	for _, e := range n.From {
		x := text(e.String())
		if !e.Required {
			x = &value{kind: mapping, keys: []key{{name: "node"}, {name: "required"}}, items: []*value{x, word("false")}}
		}
		from.items = append(from.items, x)
	}
	add(v, "from", from)
	switch {
	case n.Kind != engine.OperatorNode:
		r.options(v, n.Config, n.options)
		if n.options.get("steps") == nil { // or else it is an option of the component
			add(v, "steps", r.steps(n.Steps))
		}
	case n.Component == nil:
		add(v, "steps", r.steps(n.Steps))
	default:
		s := n.Steps[0]
		add(v, "when", text(s.When))
		add(v, "on_error", text(s.OnError))
		r.options(v, s.Config, s.options)
	}
	if n.Workers > 0 {
		add(v, "workers", word(strconv.Itoa(n.Workers)))
	}
	if n.Kind != engine.SourceNode {
		add(v, "order", text(n.Order))
	}
	if sends(n.Kind, n.Component) {
		add(v, "batch", r.fields(reflect.ValueOf(n.Batch), nil))
		retry := retryOption{n.Retry.Initial, n.Retry.Max, giveUp(n.Retry.GiveUp)}
		add(v, "retry", r.fields(reflect.ValueOf(retry), nil))
		if n.Timeout > 0 {
			add(v, "timeout", word(n.Timeout.String()))
		}
	}
	if n.Kind == engine.SinkNode {
		if n.Buffer.OnDisk() {
			add(v, "buffer", r.fields(reflect.ValueOf(n.Buffer), nil))
		} else {
			kind := &value{kind: mapping}
			add(kind, "type", text(n.Buffer.Type))
			add(v, "buffer", kind)
		}
	}
	tags := &value{kind: mapping}
	for _, t := range n.Tags {
		add(tags, t.Key, r.open(text(t.Value.Str()), n.conf))
	}
	add(v, "tags", tags)
	return v
}

func (r renderer) steps(steps []*Step) *value {
	list := &value{kind: sequence}
	for _, s := range steps {
		v := &value{kind: mapping}
		add(v, "type", text(s.Component.Type))
		add(v, "when", text(s.When))
		add(v, "on_error", text(s.OnError))
		r.options(v, s.Config, s.options)
		list.items = append(list.items, v)
	}
	return list
}

// open returns a text without the secrets that the options of a component hold.
func (r renderer) open(v *value, c *conf) *value {
	for _, s := range c.secrets {
		v.text = redact(v.text, s)
	}
	return v
}

// options adds the options of a component. Given is how they stand in the file.
func (r renderer) options(v *value, config any, given *value) {
	rv := reflect.ValueOf(config).Elem()
	if rv.Kind() != reflect.Struct {
		return
	}
	x := r.fields(rv, given)
	for i, k := range x.keys {
		if v.index(k.name) < 0 && reservedAway(k.name) {
			add(v, k.name, x.items[i])
		}
	}
}

// reservedAway reports whether an option is written where the component's options are: one that is named like a
// reserved key was decoded for both, and is written as the key.
func reservedAway(name string) bool {
	r := reserved(name)
	return r == nil || name == "steps" || name == "workers"
}

func (r renderer) fields(rv reflect.Value, given *value) *value {
	v := &value{kind: mapping}
	for _, f := range fieldsOf(rv.Type()) {
		add(v, f.name, r.value(rv.FieldByIndex(f.index), given.get(f.name), &f))
	}
	return v
}

func (r renderer) value(rv reflect.Value, given *value, f *field) *value {
	if given != nil && given.secret || rv.Type() == secretType {
		if rv.IsZero() && given == nil || given != nil && given.text == "" && given.kind == scalar {
			return nil
		}
		return text(redacted)
	}
	switch rv.Type() {
	case durationType:
		return number(rv, given)
	case fileType:
		return text(r.g.relative(rv.Interface().(engine.File).Path))
	case stepsType:
		var steps []*Step
		for _, s := range rv.Interface().(engine.Steps).Specs {
			if s, ok := s.(*Step); ok {
				steps = append(steps, s)
			}
		}
		return r.steps(steps)
	}
	if decodesItself(rv.Type()) {
		if given != nil {
			return shown(given)
		}
		return text(textOf(rv))
	}
	switch rv.Kind() {
	case reflect.Pointer:
		if rv.IsNil() {
			return nil
		}
		return r.value(rv.Elem(), given, f)
	case reflect.Struct:
		return r.fields(rv, given)
	case reflect.Slice:
		list := &value{kind: sequence}
		for i := range rv.Len() {
			var x *value
			if given != nil && i < len(given.items) {
				x = given.items[i]
			}
			if y := r.value(rv.Index(i), x, f); y != nil {
				list.items = append(list.items, y)
			}
		}
		return list
	case reflect.Map:
		v := &value{kind: mapping}
		keys := rv.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			add(v, k.String(), r.value(rv.MapIndex(k), given.get(k.String()), f))
		}
		return v
	case reflect.Interface:
		if given != nil {
			return shown(given)
		}
		return nil
	case reflect.String:
		s := inURL.ReplaceAllStringFunc(rv.String(), func(s string) string {
			m := inURL.FindStringSubmatch(s)
			return m[1] + m[2] + redacted
		})
		if f != nil && f.path {
			s = r.g.relative(s)
		}
		return text(s)
	}
	return number(rv, given)
}

// number writes a number or a bool. A number that is 0 because nobody said anything is left out: it often stands for
// a default that only the component knows.
func number(rv reflect.Value, given *value) *value {
	if given == nil && rv.IsZero() && rv.Kind() != reflect.Bool {
		return nil
	}
	return word(fmt.Sprint(rv.Interface()))
}

// shown returns a value as it was given, without its secrets.
func shown(v *value) *value {
	if v.secret {
		return text(redacted)
	}
	out := *v
	out.items = make([]*value, len(v.items))
	for i, x := range v.items {
		out.items[i] = shown(x)
	}
	return &out
}

func decodesItself(t reflect.Type) bool {
	return t.Kind() != reflect.Interface && (reflect.PointerTo(t).Implements(unmarshalerType) || reflect.PointerTo(t).Implements(textType))
}

// textOf returns the text of a default of a type that decodes itself, "" if it has none.
func textOf(rv reflect.Value) string {
	switch x := rv.Interface().(type) {
	case engine.Rate:
		return rateText(x)
	case encoding.TextMarshaler:
		if b, err := x.MarshalText(); err == nil && !rv.IsZero() {
			return string(b)
		}
	case fmt.Stringer:
		if !rv.IsZero() {
			return x.String()
		}
	}
	if g, ok := rv.Interface().(giveUp); ok {
		if g == 0 {
			return "never"
		}
		return engine.Duration(g).String()
	}
	return ""
}

// rateText writes a rate so that it can be read again.
func rateText(r engine.Rate) string {
	amount := strconv.FormatFloat(r.Amount, 'f', -1, 64)
	switch {
	case r.Amount == 0:
		return ""
	case r.Bytes:
		return amount + "B/s"
	}
	return amount + "/s"
}

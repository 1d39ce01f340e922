package graph

import (
	"cmp"
	"path/filepath"
	"reflect"
	"strings"

	"dataflow/engine"
	"dataflow/engine/diag"
)

// isID reports whether s can be an id: a label of metrics, an argument and a part of a URL.
func isID(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

const idHint = "letters, digits, _ and -, at most 64"

// top decodes what stands beside the nodes.
func (l *loader) top(root *value) {
	g := l.g
	l.checkVars()
	g.Name = strings.TrimSuffix(filepath.Base(g.Path), filepath.Ext(g.Path))
	g.Limits = Limits{Memory: 512 << 20, InFlight: 64 << 20, Message: 4 << 20, Depth: 64}
	g.Log = Log{Level: "info", Format: "text"}
	g.DeadLetter = DeadLetter{MaxBytes: 256 << 20, WhenFull: "block"}

	d := l.decoder("the graph", root.place())
	for name, into := range map[string]any{
		"name": &g.Name, "data_dir": &g.DataDir, "limits": &g.Limits, "admin": &g.Admin, "log": &g.Log, "dead_letter": &g.DeadLetter,
	} {
		if v := root.get(name); v != nil {
			l.in.all(v)
			rv := reflect.ValueOf(into).Elem()
			d.value(v, rv, name, &field{enum: nil})
		}
	}
	if v := root.get("name"); v != nil && v.kind == scalar && !v.broken && !isID(v.text) {
		l.errorAt(v, idHint, "%q is no name for a graph", v.text)
	}
	if !isID(g.Name) {
		g.Name = "graph"
	}
	dataDir := root.get("data_dir")
	g.DataDir = l.resolve(cmp.Or(dataDir, root), cmp.Or(g.DataDir, filepath.Join("data", g.Name)))
	if v := root.get("dead_letter").get("dir"); v != nil && g.DeadLetter.Dir != "" {
		g.DeadLetter.Dir = l.resolve(v, g.DeadLetter.Dir)
	} else {
		g.DeadLetter.Dir = filepath.Join(g.DataDir, "dead_letters")
	}
	if root.get("limits").get("in_flight") == nil {
		g.Limits.InFlight = min(g.Limits.InFlight, g.Limits.Memory/4)
	}
	for name, positive := range map[string]bool{
		"memory": g.Limits.Memory > 0, "in_flight": g.Limits.InFlight > 0, "message": g.Limits.Message > 0, "depth": g.Limits.Depth > 0,
	} {
		if v := root.get("limits").get(name); v != nil && !positive {
			l.errorAt(v, "", "limits.%s must be more than 0", name)
		}
	}
	l.tests(root.get("tests"))
	l.readDefaults(root.get("defaults"))
}

// tests keeps the tests as they are: the command that runs them reads them.
func (l *loader) tests(v *value) {
	if v == nil || v.kind == null {
		return
	}
	if v.kind != sequence {
		l.errorAt(v, "", "tests is a list, this is %s", v.kind)
		return
	}
	for _, x := range v.items {
		if x.kind != mapping {
			l.errorAt(x, "", "a test is a mapping, this is %s", x.kind)
			continue
		}
		l.g.Tests = append(l.g.Tests, optionNode{v: x})
	}
}

// readDefaults checks defaults: {sources | operators | sinks: {TYPE: {option: value}}}. An option of a node or a
// step of the type, which the node does not have itself, is taken from there, whole: mappings are not merged.
func (l *loader) readDefaults(v *value) {
	if !l.isMapping(v, "defaults") {
		return
	}
	for i, k := range v.keys {
		kind := indexOf(sections[:], k.name)
		if kind < 0 {
			l.errorAtKey(k, cmp.Or(diag.DidYouMean(k.name, sections[:]), "it has sources, operators and sinks"), "defaults has no %q", k.name)
			continue
		}
		if !l.isMapping(v.items[i], "defaults."+k.name) {
			continue
		}
		l.defaults[kind] = v.items[i]
		for j, typ := range v.items[i].keys {
			if engine.Lookup(engine.NodeKind(kind), typ.name) == nil {
				l.unknownType(engine.NodeKind(kind), typ)
			}
			options := v.items[i].items[j]
			if !l.isMapping(options, "defaults of "+typ.name) {
				continue
			}
			for _, o := range options.keys {
				if contains([]string{"type", "from", "steps", "enabled", "doc"}, o.name) {
					l.errorAtKey(o, "", "%q can have no default", o.name)
				}
			}
		}
	}
}

// withDefaults returns v with the default options of a type. Keep says which options apply.
func (l *loader) withDefaults(v *value, kind engine.NodeKind, typ string, keep func(name string) bool) *value {
	def := l.defaults[kind].get(typ)
	if def == nil || def.kind != mapping {
		return v
	}
	out := v.without(func(string) bool { return false })
	for i, k := range def.keys {
		if out.index(k.name) >= 0 || !keep(k.name) {
			continue
		}
		budget := maxValues
		if x := def.items[i].clone(&budget); x != nil {
			out.set(k, x)
		}
	}
	return out
}

// unknownType reports a type that is not compiled in.
func (l *loader) unknownType(kind engine.NodeKind, k key) {
	var types []string
	for _, c := range engine.Components(kind) {
		types = append(types, c.Type)
	}
	hint := diag.DidYouMean(k.name, types)
	for other := range sections {
		if hint == "" && engine.NodeKind(other) != kind && engine.Lookup(engine.NodeKind(other), k.name) != nil {
			hint = k.name + " is the type of " + article(engine.NodeKind(other).String()) + ", which stands below " + sections[other]
		}
	}
	if hint == "" && len(types) > 0 {
		hint = "there are " + strings.Join(types, ", ")
	}
	l.errorAtKey(k, hint, "there is no %s of type %q", kind, k.name)
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}

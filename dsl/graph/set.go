package graph

import (
	"strconv"
	"strings"

	"dataflow/engine/diag"
)

// set applies --set node.option=value. The path starts with the id of a node, or else with a top-level key:
// out.url, mq.sasl.mechanism, log_lines.steps.0.json_split.when, limits.memory. The value is YAML where it can
// be read as such, and is not interpolated. Whether the option exists is seen when it is decoded.
func (l *loader) set(root *value) {
	for _, s := range l.opts.Set {
		path, text, ok := strings.Cut(s, "=")
		at := diag.Pos{File: "--set " + path}
		if !ok || path == "" || !strings.Contains(path, ".") && !settable(path) {
			l.report(diag.Diagnostic{Pos: at, Message: "write it as node.option=value"})
			continue
		}
		parts := strings.Split(path, ".")
		holder := root
		var ids []string
		for _, section := range sections {
			if v := root.get(section); v != nil && v.kind == mapping {
				for _, k := range v.keys {
					ids = append(ids, k.name)
				}
				if v.index(parts[0]) >= 0 {
					holder = v
				}
			}
		}
		if holder == root && !settable(parts[0]) {
			l.report(diag.Diagnostic{Pos: at, Message: "there is no node " + strconv.Quote(parts[0]), Hint: didYouMean(parts[0], ids)})
			continue
		}
		l.put(holder, parts, typed(at, text))
	}
}

// settable reports whether a top-level key may be set from the command line.
func settable(name string) bool {
	switch name {
	case "version", "include", "vars", "tests", "sources", "operators", "sinks", "defaults":
		return false
	}
	return contains(topLevel, name)
}

// put writes x below v, making the mappings on the way.
func (l *loader) put(v *value, path []string, x *value) {
	for i, name := range path {
		last := i == len(path)-1
		switch v.kind {
		case null:
			v.kind = mapping
			fallthrough
		case mapping:
			if last {
				v.set(key{name: name, pos: x.pos}, x)
				return
			}
			next := v.get(name)
			if next == nil {
				next = &value{kind: mapping, pos: x.pos}
				v.set(key{name: name, pos: x.pos}, next)
			}
			v = next
		case sequence:
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(v.items) {
				d := x.errorf("%s has %d elements, counted from 0, and no %q", strings.Join(path[:i], "."), len(v.items), name)
				l.report(d)
				return
			}
			if last {
				v.items[n] = x
				return
			}
			v = v.items[n]
		default:
			l.report(x.errorf("%s is %s and has no option %q", strings.Join(path[:i], "."), v.kind, name))
			return
		}
	}
}

// typed reads a value of the command line.
func typed(at diag.Pos, text string) *value {
	v, list := parseYAML(at.File, []byte(text))
	if v == nil || len(list) > 0 || v.kind == mapping && !strings.HasPrefix(strings.TrimSpace(text), "{") {
		v = &value{kind: scalar, text: text}
	}
	if v.kind == null && text != "null" && text != "~" {
		v = &value{kind: scalar, text: text} // an empty value is a text, or a comment sign in one
	}
	if v.kind == scalar && v.plain {
		v.text = text // as it was typed: "a # b" has no comment here
	}
	v.everyPos(at)
	return v
}

// everyPos moves v and what is below it to one position, and keeps it from interpolation.
func (v *value) everyPos(at diag.Pos) {
	v.pos, v.end, v.lines, v.literal = at, 0, 0, true
	for i := range v.keys {
		v.keys[i].pos, v.keys[i].end = at, 0
	}
	for _, x := range v.items {
		x.everyPos(at)
	}
}

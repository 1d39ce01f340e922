package graph

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"dataflow/engine"
	"dataflow/engine/diag"
)

// from decodes the edges of a node: an output, a list of them, or mappings {node: output, required: false}.
func (l *loader) from(n *Node, v *value) {
	items := v.items
	if v.kind != sequence {
		items = []*value{v}
	}
	for _, x := range items {
		e := Edge{Required: true, Pos: x.pos, end: x.end}
		switch x.kind {
		case scalar:
			if x.broken {
				continue
			}
			e.Node, e.Port, _ = strings.Cut(x.text, ".")
			if e.Node == "" || e.Port == "" && strings.Contains(x.text, ".") {
				l.errorAt(x, "write `from: id` or `from: id.port`", "%q is no output", x.text)
				continue
			}
		case mapping:
			var o struct {
				Node     string `yaml:"node" required:"true" doc:"the output to read"`
				Required bool   `yaml:"required" doc:"whether the edge may hold back its upstream"`
			}
			o.Required = true
			d := l.decoder("from", x.place())
			d.structure(x, reflect.ValueOf(&o).Elem(), "")
			if o.Node == "" {
				continue
			}
			at := d.conf.at["node"]
			e = Edge{Required: o.Required, Pos: at.pos, end: at.end}
			e.Node, e.Port, _ = strings.Cut(o.Node, ".")
		default:
			l.errorAt(x, "write `from: id`, `from: [a, b.port]` or `from: {node: a, required: false}`", "an edge is a text, this is %s", x.kind)
			continue
		}
		if slices.ContainsFunc(n.From, func(f Edge) bool { return f.String() == e.String() }) {
			l.errorAt(x, "", "%q reads %s twice", n.ID, e)
			continue
		}
		n.From = append(n.From, e)
	}
	if v.kind == sequence && len(v.items) == 0 {
		l.errorAt(v, "", "%s %q reads nothing", n.Kind, n.ID)
	}
}

// edges checks what the nodes read.
func (l *loader) edges() {
	g := l.g
	for _, n := range g.Nodes {
		kept := n.From[:0]
		for _, e := range n.From {
			if l.edge(n, e) {
				kept = append(kept, e)
			}
		}
		n.From = kept
	}
	l.cycles()
	read := g.read()
	for _, n := range g.Nodes {
		l.unread(n, read[n.ID])
	}
}

// edge checks one edge, and reports whether it stays.
func (l *loader) edge(n *Node, e Edge) bool {
	fail := func(hint, format string, a ...any) bool {
		l.report(diag.Diagnostic{Pos: e.Pos, EndCol: e.end, Message: fmt.Sprintf(format, a...), Hint: hint})
		return false
	}
	up := l.g.byID[e.Node]
	switch kind, off := l.g.disabled[e.Node]; {
	case off && e.Required:
		return fail("write {node: "+e.String()+", required: false} if it may be missing", "%q reads %s, %s that is not enabled", n.ID, e.Node, article(kind.String()))
	case off:
		return false
	case up == nil:
		ids := make([]string, 0, len(l.ids))
		for id := range l.ids {
			ids = append(ids, id)
		}
		return fail(didYouMean(e.Node, ids), "there is no node %q", e.Node)
	case up == n:
		return fail("", "%q reads itself", n.ID)
	}
	if d, bad := portError(up, e, up.ports()); bad {
		l.report(d)
		return false
	}
	return true
}

// ports returns the outputs of a node as far as its type says: nil if only the built component knows.
func (n *Node) ports() []string {
	switch {
	case n.Kind == engine.SinkNode:
		return []string{"failed"}
	case n.Kind == engine.SourceNode || len(n.Steps) == 0:
		return nil
	}
	ports := []string{""}
	for _, s := range n.Steps {
		ports = append(ports, s.Component.Ports...)
	}
	return ports
}

// portError says what is wrong with an edge that reads an output of up. Ports are its outputs, "*" any; nil if
// they are not known.
func portError(up *Node, e Edge, ports []string) (d diag.Diagnostic, bad bool) {
	if ports == nil || slices.Contains(ports, e.Port) || e.Port != "" && slices.Contains(ports, "*") {
		return d, false
	}
	// Sources have them too: of what they cannot decode and of their steps.
	if up.Kind != engine.SinkNode && (e.Port == "failed" || e.Port == "dropped") {
		return d, false
	}
	known := slices.Clone(ports)
	if up.Kind != engine.SinkNode {
		known = append(known, "failed", "dropped")
	}
	var outputs []string
	for _, p := range known {
		if p != "*" {
			outputs = append(outputs, Edge{Node: up.ID, Port: p}.String())
		}
	}
	hint := cmp.Or(diag.DidYouMean(e.String(), outputs), "it has "+strings.Join(outputs, ", "))
	message := fmt.Sprintf("%s %q has no output %q", up.Kind, up.ID, e.Port)
	if e.Port == "" {
		message = fmt.Sprintf("%s %q has no main output", up.Kind, up.ID)
	}
	return diag.Diagnostic{Pos: e.Pos, EndCol: e.end, Message: message, Hint: hint}, true
}

// read returns the outputs that somebody reads, by node.
func (g *Graph) read() map[string]map[string]bool {
	read := map[string]map[string]bool{}
	for _, n := range g.Nodes {
		for _, e := range n.From {
			if read[e.Node] == nil {
				read[e.Node] = map[string]bool{}
			}
			read[e.Node][e.Port] = true
		}
	}
	return read
}

// unread reports a node whose points nobody takes.
func (l *loader) unread(n *Node, read map[string]bool) {
	if n.Kind == engine.SinkNode || read[""] {
		return
	}
	ports := n.ports()
	if n.Kind == engine.OperatorNode && ports == nil {
		return // its type is not known, which was reported
	}
	for p := range read {
		// One that routes may send everything to its ports; a source may have no main output.
		if p != "failed" && p != "dropped" && (n.Kind == engine.SourceNode || len(ports) > 1) {
			return
		}
	}
	hint := "name it in the from: of a sink"
	for id, from := range l.disabledFrom {
		if from == nil {
			continue
		}
		from.scalars(func(v *value) {
			if node, _, _ := strings.Cut(v.text, "."); node == n.ID {
				hint = fmt.Sprintf("%q reads it, and is not enabled", id)
			}
		})
	}
	l.report(diag.Diagnostic{
		Pos: n.Pos, EndCol: n.Pos.Col + len(n.ID), Message: fmt.Sprintf("nobody reads %s %q", n.Kind, n.ID), Hint: hint,
	})
}

// cycles reports every circle of nodes once, with its path.
func (l *loader) cycles() {
	const open, closed = 1, 2
	state := map[*Node]int{}
	var path []*Node
	var visit func(n *Node)
	visit = func(n *Node) {
		state[n] = open
		path = append(path, n)
		for _, e := range n.From {
			up := l.g.byID[e.Node]
			switch {
			case up == nil || state[up] == closed:
			case state[up] == open: // path leads upstream, and so backwards in the flow
				circle := []string{up.ID}
				for _, x := range slices.Backward(path) {
					circle = append(circle, x.ID)
					if x == up {
						break
					}
				}
				l.report(diag.Diagnostic{Pos: e.Pos, EndCol: e.end, Message: "the nodes form a circle: " + strings.Join(circle, " -> ")})
			default:
				visit(up)
			}
		}
		path = path[:len(path)-1]
		state[n] = closed
	}
	for _, n := range l.g.Nodes {
		if state[n] == 0 {
			visit(n)
		}
	}
}

// exactly returns ports without the "*" of a type whose built component named them.
func exactly(ports []string) []string {
	named := func(p string) bool { return p != "" && p != "*" }
	if !slices.ContainsFunc(ports, named) {
		return slices.Concat([]string{}, ports)
	}
	return slices.DeleteFunc(slices.Clone(ports), func(p string) bool { return p == "*" })
}

// CheckPorts checks the edges against the outputs that the built components have: ports[id] lists those of a
// node, "" is the main one and "*" any. It reports edges to outputs that do not exist, and outputs that somebody
// must read and nobody does: every one of a source, the main one of an operator that has no others.
func (g *Graph) CheckPorts(ports map[string][]string) diag.List {
	var list diag.List
	read := g.read()
	for _, n := range g.Nodes {
		for _, e := range n.From {
			if known, ok := ports[e.Node]; ok {
				if d, bad := portError(g.byID[e.Node], e, exactly(known)); bad {
					list = append(list, d)
				}
			}
		}
		for _, p := range ports[n.ID] {
			must := n.Kind == engine.SourceNode && p != "*" || n.Kind == engine.OperatorNode && p == "" && len(n.ports()) == 1
			if must && !read[n.ID][p] {
				at := n.Pos
				end := at.Col + len(n.ID)
				if place, ok := n.conf.at["streams."+p]; ok && p != "" {
					at, end = place.pos, 0
				}
				list = append(list, diag.Diagnostic{
					Pos: at, EndCol: end, Message: fmt.Sprintf("nobody reads %s", Edge{Node: n.ID, Port: p}), Hint: "name it in the from: of an operator or a sink",
				})
			}
		}
	}
	return list.Sort()
}

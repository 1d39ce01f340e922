package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dataflow/dsl/graph"
	"dataflow/engine"
)

var kinds = []engine.NodeKind{engine.SourceNode, engine.OperatorNode, engine.SinkNode}

// eachComponent runs a subtest for every component that is compiled in.
func eachComponent(t *testing.T, f func(t *testing.T, c *engine.Component)) {
	n := 0
	for _, kind := range kinds {
		for _, c := range engine.Components(kind) {
			n++
			t.Run(kind.String()+"/"+c.Type, func(t *testing.T) { f(t, c) })
		}
	}
	if n < 12 {
		t.Errorf("only %d components are compiled in", n)
	}
}

// TestDeclarations: what the reference is made of is there.
func TestDeclarations(t *testing.T) {
	typeName := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	eachComponent(t, func(t *testing.T, c *engine.Component) {
		if !typeName.MatchString(c.Type) {
			t.Errorf("the type is not lower_snake_case")
		}
		if c.Summary == "" || strings.HasSuffix(c.Summary, ".") {
			t.Errorf("the summary %q is no sentence without its full stop", c.Summary)
		}
		if c.Doc == "" || len(c.Examples) == 0 {
			t.Errorf("there is no doc or no example")
		}
		for _, o := range graph.OptionDocs(c) {
			if o.Doc == "" {
				t.Errorf("option %s has no doc", o.Path)
			}
			if strings.HasSuffix(o.Doc, ".") {
				t.Errorf("the doc of option %s ends with a full stop", o.Path)
			}
		}
	})
}

var (
	scriptName = regexp.MustCompile(`\b\w+\.p\b`)
	fromOption = regexp.MustCompile(`(?m)^from: (\w+)(?:\.(\w+))?$`)
)

// TestComponentExamples puts every example into a graph with what it reads and what reads it, and validates that.
func TestComponentExamples(t *testing.T) {
	eachComponent(t, func(t *testing.T, c *engine.Component) {
		for _, x := range c.Examples {
			node := "  x:\n" + indent(x.Graph, "    ")
			upstream := ""
			if m := fromOption.FindStringSubmatch(x.Graph); m != nil && m[2] == "" {
				upstream = fmt.Sprintf("  %s: {type: generate}\n", m[1])
			} else if m != nil {
				upstream = fmt.Sprintf("  %s: {type: kafka, brokers: [\"kafka:9092\"], group: g, streams: {%s: {topics: [t], category: logging}}}\n", m[1], m[2])
			} else if c.Kind != engine.SourceNode {
				t.Fatalf("%s: the example reads nothing", x.Title)
			}
			text := func(readers []string) string {
				sink := "  out: {type: discard, from: [" + strings.Join(readers, ", ") + "]}\n"
				switch c.Kind {
				case engine.SourceNode:
					return "version: 1\nsources:\n" + node + "sinks:\n" + sink
				case engine.OperatorNode:
					return "version: 1\nsources:\n" + upstream + "operators:\n" + node + "sinks:\n" + sink
				}
				return "version: 1\nsources:\n" + upstream + "sinks:\n" + node
			}
			all := []string{"graph.yaml", ""}
			for _, s := range scriptName.FindAllString(x.Graph, -1) {
				all = append(all, s, "add_key(a, 1)\n")
			}
			all[1] = text(outputs(t, c, files(t, append(slices.Clone(all[2:]), "graph.yaml", text([]string{"x"}))...)))
			if r := inProcess("", "validate", filepath.Join(files(t, all...), "graph.yaml")); r.code != 0 {
				t.Errorf("%s:\n%s\n%s", x.Title, all[1], r.stderr)
			}
		}
	})
}

// outputs returns the outputs of node x of a graph: its ports, or the main one.
func outputs(t *testing.T, c *engine.Component, dir string) []string {
	t.Helper()
	if c.Kind == engine.SinkNode {
		return nil
	}
	g, err := graph.Load(filepath.Join(dir, "graph.yaml"), graph.Options{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	n := g.Node("x")
	config := n.Config
	if c.Kind == engine.OperatorNode {
		config = n.Steps[0].Config
	}
	built, err := c.Build(engine.HostEnv(slog.New(slog.DiscardHandler)), config)
	if err != nil {
		t.Fatalf("%v", err)
	}
	p, ok := built.(engine.Ported)
	if !ok {
		return []string{"x"}
	}
	var out []string
	for _, port := range p.Ports() {
		if port.Name == "" {
			out = append(out, "x")
		} else {
			out = append(out, "x."+port.Name)
		}
	}
	return out
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by) + "\n"
}

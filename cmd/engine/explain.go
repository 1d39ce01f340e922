package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/reference"
	"dataflow/engine"
	"dataflow/engine/diag"
)

func explainCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "explain TYPE[.option] | pipeline.FUNCTION",
		Short:   "Say what a component, an option or a function of the Pipeline language does",
		Example: "  engine explain kafka\n  engine explain kafka.sasl\n  engine explain pipeline\n  engine explain pipeline.grok",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return explain(s, args[0]) },
	}
}

// explain takes pipeline.x for a function, and for an option of the operator.
func explain(s streams, what string) error {
	typ, rest, dotted := strings.Cut(what, ".")
	if typ == "pipeline" && !dotted {
		if err := explainComponent(s, typ, ""); err != nil {
			return err
		}
		fmt.Fprint(s.out, "\nFunctions of the language\n\n")
		return reference.List(s.out)
	}
	if typ == "pipeline" {
		if d := funcs.Get(rest); d != nil {
			if err := reference.Function(s.out, d); err != nil || !isOption(typ, rest) {
				return err
			}
			fmt.Fprint(s.out, "\nOptions of the operator\n")
		}
	}
	return explainComponent(s, typ, rest)
}

// isOption reports whether an operator has an option of the name.
func isOption(typ, name string) bool {
	c := engine.Lookup(engine.OperatorNode, typ)
	return c != nil && slices.ContainsFunc(graph.OptionDocs(c), func(o graph.OptionDoc) bool { return o.Path == name })
}

// explainComponent prints the components of a type, or their options that begin with prefix. A type may be that of a source and of a
// sink, with other options.
func explainComponent(s streams, typ, prefix string) error {
	var types, options []string
	known, shown := false, false
	for _, kind := range []engine.NodeKind{engine.SourceNode, engine.OperatorNode, engine.SinkNode} {
		for _, c := range engine.Components(kind) {
			types = append(types, c.Type)
			if c.Type != typ {
				continue
			}
			known = true
			chosen := graph.OptionDocs(c)
			for _, o := range chosen {
				options = append(options, o.Path)
			}
			chosen = slices.DeleteFunc(chosen, func(o graph.OptionDoc) bool { return !within(o.Path, prefix) })
			if prefix != "" && len(chosen) == 0 {
				continue
			}
			if shown {
				fmt.Fprintln(s.out)
			}
			shown = true
			if err := explainOptions(s, c, prefix, chosen); err != nil {
				return err
			}
		}
	}
	switch {
	case shown:
		return nil
	case !known:
		return unknown(typ, "component", append(types, "pipeline"))
	case typ == "pipeline":
		for _, d := range funcs.All() {
			options = append(options, d.Name)
		}
		return unknown(prefix, "function or option of pipeline", options)
	}
	return unknown(prefix, "option of "+typ, options)
}

// within reports whether an option is the one that prefix names, or in it; all are in "".
func within(path, prefix string) bool {
	return prefix == "" || path == prefix || strings.HasPrefix(path, prefix+".") || strings.HasPrefix(path, prefix+"[")
}

// explainOptions prints a component with its options, or only these.
func explainOptions(s streams, c *engine.Component, prefix string, shown []graph.OptionDoc) error {
	if prefix == "" {
		fmt.Fprintf(s.out, "%s %s: %s\n", c.Kind, c.Type, c.Summary)
		if doc := strings.TrimSpace(c.Doc); doc != "" {
			fmt.Fprintf(s.out, "\n%s\n", doc)
		}
		if len(shown) > 0 {
			fmt.Fprint(s.out, "\nOptions\n")
		}
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, o := range shown {
		takes := o.Type
		if len(o.Enum) > 0 {
			takes = strings.Join(o.Enum, ", ")
		}
		usual := o.Default
		if o.Required {
			usual = "required"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", o.Path, takes, cmp.Or(usual, "-"), o.Doc)
	}
	return w.Flush()
}

func unknown(name, what string, known []string) error {
	text := fmt.Sprintf("there is no %s %q", what, name)
	if hint := diag.DidYouMean(name, known); hint != "" {
		text += ": " + hint
	}
	return &exitError{exitUsage, fmt.Errorf("%s", text)}
}

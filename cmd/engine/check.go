package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/runtime"
)

func validateCommand(s streams) *cobra.Command {
	var (
		f       graphFlags
		connect bool
	)
	c := &cobra.Command{
		Use: "validate graph.yaml...", Short: "Check graphs without running them", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var failed error
			for _, path := range args {
				err := f.validate(s, path)
				if err == nil && connect {
					err = f.connect(cmd.Context(), s, path)
				}
				if err != nil {
					failed = err
					continue
				}
				fmt.Fprintf(s.out, "%s: ok\n", path)
			}
			return failed
		},
	}
	f.add(c)
	c.Flags().BoolVar(&connect, "connect", false, "also look at what the graph connects to: Kafka's brokers, topics and groups, DataWay's address and token")
	return c
}

// validate reads a graph and builds its components, which opens and dials nothing.
func (f *graphFlags) validate(s streams, path string) error {
	g, err := f.load(s, path)
	if err != nil {
		return err
	}
	if _, err := runtime.New(g, runtime.Options{Log: slog.New(slog.DiscardHandler), Version: version}); err != nil {
		return badGraph(s, err, g.Source)
	}
	return warnOfScripts(s, g)
}

// connectTimeout bounds what validate --connect takes for a graph.
const connectTimeout = 60 * time.Second

// connect looks at what a sound graph connects to and prints what there is. It reads nothing and takes part in nothing.
func (f *graphFlags) connect(ctx context.Context, s streams, path string) error {
	g, err := f.load(s, path)
	if err != nil {
		return err
	}
	e, err := runtime.New(g, runtime.Options{Log: slog.New(slog.DiscardHandler), Version: version})
	if err != nil {
		return badGraph(s, err, g.Source)
	}
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	faults := 0
	e.Connect(ctx, func(node string, f engine.Finding) {
		if f.Grade == engine.Fault {
			faults++
		}
		fmt.Fprintf(s.out, "%s: %s: %s: %s\n", path, node, f.Grade, f.Text)
	})
	if faults > 0 {
		return &exitError{exitUnreachable, fmt.Errorf("%s: what the graph connects to cannot be used", path)}
	}
	return nil
}

// warnOfScripts prints what the scripts of a graph hardly mean as they are written.
func warnOfScripts(s streams, g *graph.Graph) error {
	var list diag.List
	for _, file := range g.Files {
		if filepath.Ext(file) == ".p" {
			list = append(list, warnings(file, string(g.Source(file)))...)
		}
	}
	return list.Print(s.err, g.Source)
}

func printCommand(s streams) *cobra.Command {
	var f graphFlags
	c := &cobra.Command{
		Use: "print graph.yaml", Short: "Print the effective configuration, defaults included and secrets covered", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			g, err := f.load(s, args[0])
			if err != nil {
				return err
			}
			return g.Canonical(s.out)
		},
	}
	f.add(c)
	return c
}

func listCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use: "list [source|operator|sink]", Short: "List the component types", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			shown := 0
			for _, kind := range []engine.NodeKind{engine.SourceNode, engine.OperatorNode, engine.SinkNode} {
				if len(args) > 0 && strings.TrimSuffix(args[0], "s") != kind.String() {
					continue
				}
				for _, c := range engine.Components(kind) {
					fmt.Fprintf(w, "%s\t%s\t%s\n", kind, c.Type, c.Summary)
					shown++
				}
			}
			if shown == 0 {
				return &exitError{exitUsage, fmt.Errorf("%q is no kind: choose source, operator or sink", args[0])}
			}
			return w.Flush()
		},
	}
}

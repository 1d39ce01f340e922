package main

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/engine/diag"
	"dataflow/engine/runtime"
)

// graphFlags are the flags of commands that read a graph.
type graphFlags struct {
	set     []string
	vars    []string
	envFile string
}

func (f *graphFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.set, "set", nil, "override an option: `node.option=value`")
	c.Flags().StringArrayVar(&f.vars, "var", nil, "set a variable of the graph: `name=value`")
	c.Flags().StringVar(&f.envFile, "env-file", "", "read environment variables from a `file` of NAME=value lines")
}

// load reads the graph. What is wrong with it has been printed when it returns an error.
func (f *graphFlags) load(s streams, path string) (*graph.Graph, error) {
	o := graph.Options{Set: f.set, Vars: map[string]string{}}
	for _, v := range f.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, &exitError{exitUsage, fmt.Errorf("--var %s: write name=value", v)}
		}
		o.Vars[name] = value
	}
	if f.envFile != "" {
		env, err := readEnv(f.envFile)
		if err != nil {
			return nil, &exitError{exitConfig, err}
		}
		o.Getenv = func(name string) (string, bool) {
			if v, ok := env[name]; ok {
				return v, true
			}
			return os.LookupEnv(name)
		}
	}
	g, err := graph.Load(path, o)
	if err != nil {
		var list diag.List
		if g == nil || !errors.As(err, &list) {
			return nil, badGraph(s, err, nil)
		}
		list = append(list, runtime.Check(g, runtime.Options{Log: slog.New(slog.DiscardHandler), Version: version})...)
		return nil, badGraph(s, list.Sort(), g.Source)
	}
	return g, nil
}

// readEnv reads NAME=value lines; blank ones and those that start with # are skipped, quotes around a value
// are taken off.
func readEnv(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	env := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok {
			return nil, fmt.Errorf("%s:%d: write NAME=value", path, n)
		}
		if q := len(value); q >= 2 && (value[0] == '"' || value[0] == '\'') && value[q-1] == value[0] {
			value = value[1 : q-1]
		}
		env[strings.TrimSpace(name)] = value
	}
	return env, lines.Err()
}

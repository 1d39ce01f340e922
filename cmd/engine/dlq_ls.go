package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"dataflow/engine/deadletter"
)

func dlqLsCommand(s streams) *cobra.Command {
	var (
		f         letterFlags
		all, asJS bool
	)
	c := &cobra.Command{
		Use: "ls graph.yaml", Short: "Say what there is: how many of each node and error, or with --all each of them", Args: cobra.ExactArgs(1),
		Example: "  engine dlq ls graph.yaml\n  engine dlq ls graph.yaml --node out --since 1h --all",
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := f.find(s, args[0])
			if err != nil {
				return err
			}
			if all {
				return f.listEach(s, l, asJS)
			}
			return f.summarize(s, l, asJS)
		},
	}
	f.add(c)
	f.addSince(c)
	c.Flags().BoolVar(&all, "all", false, "a line for each dead letter")
	c.Flags().BoolVar(&asJS, "json", false, "print a JSON object a line")
	return c
}

// letterGroup is the dead letters of a node whose errors differ in numbers only.
type letterGroup struct {
	Node    string `json:"node"`
	Error   string `json:"error"` // with N for numbers that differ
	Count   int    `json:"count"`
	First   string `json:"first"`
	Last    string `json:"last"`
	Example string `json:"example"` // id of the last one

	first, last int64
}

var number = regexp.MustCompile(`[0-9]+`)

// fold returns an error's text without its numbers.
func fold(text string) string { return number.ReplaceAllLiteralString(text, "N") }

func (f *letterFlags) summarize(s streams, l letters, asJSON bool) error {
	type key struct{ node, text string }
	groups := map[key]*letterGroup{}
	n, err := f.each(s, l, func(e *deadletter.Entry) error {
		folded := fold(e.Error)
		g := groups[key{e.Node, folded}]
		if g == nil {
			g = &letterGroup{Node: e.Node, Error: e.Error, first: e.Time, last: e.Time}
			groups[key{e.Node, folded}] = g
		}
		if g.Error != e.Error {
			g.Error = folded
		}
		g.Count++
		g.first = min(g.first, e.Time)
		if e.Time >= g.last {
			g.last, g.Example = e.Time, e.ID.String()
		}
		return nil
	})
	if err != nil || n == 0 {
		return err
	}
	var rows []*letterGroup
	for _, g := range groups {
		g.First, g.Last = instant(g.first), instant(g.last)
		rows = append(rows, g)
	}
	slices.SortFunc(rows, func(a, b *letterGroup) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Error, b.Error))
	})
	if asJSON {
		enc := json.NewEncoder(s.out)
		enc.SetEscapeHTML(false)
		for _, g := range rows {
			if err := enc.Encode(g); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "node\tcount\tfirst\tlast\texample\terror")
	for _, g := range rows {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", g.Node, g.Count, second(g.first), second(g.last), g.Example, brief(g.Error))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s in %s\n", counted(n, "dead letter"), l.dir)
	return err
}

// listEach prints the dead letters as they are read: there may be many.
func (f *letterFlags) listEach(s streams, l letters, asJSON bool) error {
	type line struct {
		ID    string `json:"id"`
		Time  string `json:"time"`
		Node  string `json:"node"`
		Kind  string `json:"kind"`
		Error string `json:"error"`
	}
	out := newLineWriter(s.out)
	_, err := f.each(s, l, func(e *deadletter.Entry) error {
		if asJSON {
			return out.json(line{e.ID.String(), instant(e.Time), e.Node, kindOf(e), e.Error})
		}
		return out.text(fmt.Sprintf("%-14s  %s  %-12s  %-6s  %s", e.ID, second(e.Time), e.Node, kindOf(e), brief(e.Error)))
	})
	return out.end(err)
}

func kindOf(e *deadletter.Entry) string {
	switch e.Kind {
	case deadletter.Record:
		return "record"
	case deadletter.Point:
		return "point"
	}
	return strconv.Itoa(int(e.Kind))
}

// instant returns a time in full; ns counts since 1970.
func instant(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func second(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339) }

// longestError is how much of an error stands in a table; show has all.
const longestError = 200

func brief(text string) string {
	if r := []rune(text); len(r) > longestError {
		text = string(r[:longestError]) + "..."
	}
	return plainText(text)
}

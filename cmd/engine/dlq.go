package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dataflow/engine"
	"dataflow/engine/deadletter"
	"dataflow/engine/diag"
	"dataflow/engine/runtime"
)

func dlqCommand(s streams) *cobra.Command {
	c := &cobra.Command{Use: "dlq", Short: "Look at dead letters: what could not be processed or delivered"}
	c.AddCommand(dlqLsCommand(s), dlqShowCommand(s), dlqExportCommand(s), dlqDropCommand(s))
	return c
}

// letterFlags choose among the dead letters of a graph.
type letterFlags struct {
	graphFlags
	node  string
	since time.Duration
}

func (f *letterFlags) add(c *cobra.Command) {
	f.graphFlags.add(c)
	c.Flags().StringVar(&f.node, "node", "", "only those of a `node` or of its steps")
}

func (f *letterFlags) addSince(c *cobra.Command) {
	c.Flags().DurationVar(&f.since, "since", 0, "only those of the last `duration`, as in 1h")
}

// wants reports whether an entry is among those that the flags choose.
func (f *letterFlags) wants(e *deadletter.Entry, now time.Time) bool {
	return f.ofNode(e) && (f.since == 0 || e.Time >= now.Add(-f.since).UnixNano())
}

func (f *letterFlags) ofNode(e *deadletter.Entry) bool {
	return f.node == "" || e.Node == f.node || strings.HasPrefix(e.Node, f.node+"/")
}

// letters are the dead letters of a graph.
type letters struct {
	dir     string // with slashes
	dataDir string // of the graph
}

// find loads a graph and returns where its dead letters are.
func (f *letterFlags) find(s streams, path string) (letters, error) {
	if f.since < 0 {
		return letters{}, &exitError{exitUsage, fmt.Errorf("--since %s: write how long ago, as in 1h", f.since)}
	}
	g, err := f.load(s, path)
	if err != nil {
		return letters{}, err
	}
	return letters{dir: filepath.ToSlash(g.DeadLetter.Dir), dataDir: g.DataDir}, nil
}

// read calls do with every entry. Damaged places are said on standard error.
func (l letters) read(s streams, do func(*deadletter.Entry) error) error {
	var failed error
	damage, err := deadletter.Read(engine.OS{}, l.dir, func(e deadletter.Entry) error {
		failed = do(&e)
		return failed
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return diskFault(err)
	}
	if damage.Places > 0 {
		fmt.Fprintf(s.err, "engine: the dead letters in %s are damaged: %s cannot be read\n", l.dir, damageText(damage))
	}
	return nil
}

// each is read of what the flags choose. It returns how many there were; that there were none is said on standard error.
func (f *letterFlags) each(s streams, l letters, do func(*deadletter.Entry) error) (int, error) {
	n, now := 0, time.Now()
	var nodes []string
	err := l.read(s, func(e *deadletter.Entry) error {
		if !slices.Contains(nodes, e.Node) {
			nodes = append(nodes, e.Node)
		}
		if !f.wants(e, now) {
			return nil
		}
		n++
		return do(e)
	})
	if err == nil && n == 0 {
		fmt.Fprintf(s.err, "there are no dead letters%s in %s%s\n", f.which(), l.dir, f.hint(nodes))
	}
	return n, err
}

// which says what the flags choose.
func (f *letterFlags) which() string {
	text := ""
	if f.node != "" {
		text += " of " + f.node
	}
	if f.since > 0 {
		text += " of the last " + f.since.String()
	}
	return text
}

// hint is for a name that was mistyped.
func (f *letterFlags) hint(nodes []string) string {
	if f.node == "" {
		return ""
	}
	if hint := diag.DidYouMean(f.node, nodes); hint != "" {
		return ": " + hint
	}
	return ""
}

// parseIDs reads the ids of a command line.
func parseIDs(args []string) ([]deadletter.ID, error) {
	var ids []deadletter.ID
	for _, arg := range args {
		id, err := deadletter.ParseID(arg)
		if err != nil {
			return nil, &exitError{exitUsage, err}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (l letters) unknown(id deadletter.ID) error {
	return &exitError{runtime.ExitFailed, fmt.Errorf("there is no dead letter %s in %s", id, l.dir)}
}

func diskFault(err error) error { return &exitError{runtime.ExitDisk, err} }

func damageText(d deadletter.Damage) string {
	return fmt.Sprintf("%s of together %s", counted(d.Places, "place"), counted(int(d.Bytes), "byte"))
}

// counted is a number with what it counts, as in 3 places.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

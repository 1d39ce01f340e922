package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/engine/buffer"
	"dataflow/engine/runtime"
)

func bufferExportCommand(s streams) *cobra.Command {
	var (
		f  bufferFlags
		to string
	)
	c := &cobra.Command{
		Use: "export graph.yaml SINK", Short: "Write the bodies of a disk buffer to a file, a JSON object a line; they stay in the buffer", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if to == "" {
				return &exitError{exitUsage, errors.New("--to is missing: name the file to write, - is standard output")}
			}
			return f.look(s, args[0], func(g *graph.Graph, v *buffer.View) error { return exportBodies(s, g, v, args[1], to) })
		},
	}
	f.add(c)
	c.Flags().StringVar(&to, "to", "", "the `file` to write, which must not be there; - is standard output")
	return c
}

// bodyLine is a line of an export.
type bodyLine struct {
	ID          string       `json:"id"`
	Lane        string       `json:"lane"`
	ContentType string       `json:"content_type"`
	Headers     []bodyHeader `json:"headers"`
	Points      int          `json:"points"`
	Read        time.Time    `json:"read"`
	Origins     []bodyRange  `json:"origins"`
	Data        []byte       `json:"data"` // base64
}

type bodyHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type bodyRange struct {
	Source    string `json:"source"`
	Topic     string `json:"topic,omitempty"`
	Partition int32  `json:"partition"`
	First     int64  `json:"first"`
	Last      int64  `json:"last"`
	Request   string `json:"request,omitempty"`
}

func lineOf(x buffer.Item) bodyLine {
	e := bodyLine{
		ID: x.Body.ID, Lane: x.Body.Lane, ContentType: x.Body.ContentType, Headers: []bodyHeader{}, Points: x.Body.Points,
		Read: time.Unix(0, x.Read).UTC(), Origins: []bodyRange{}, Data: x.Body.Data,
	}
	for _, h := range x.Body.Header {
		e.Headers = append(e.Headers, bodyHeader{h.Key, string(h.Value)})
	}
	for _, r := range x.Origins {
		e.Origins = append(e.Origins, bodyRange{r.Origin.Node, r.Origin.Topic, r.Origin.Partition, r.First, r.Last, r.Request})
	}
	return e
}

// exportBodies writes the bodies of a sink. A file that cannot be written to its end is removed.
func exportBodies(s streams, g *graph.Graph, v *buffer.View, sink, to string) error {
	lanes, err := lanesOf(g, v, sink, "")
	if err != nil {
		return err
	}
	if to == "-" {
		return exportBodiesTo(s, v, lanes, s.out, s.err, "standard output")
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	err = exportBodiesTo(s, v, lanes, file, s.out, to)
	var exit *exitError
	whole := err == nil || errors.As(err, &exit) && exit.code == runtime.ExitRepair
	if failed := errors.Join(file.Sync(), file.Close()); failed != nil && whole {
		err, whole = &exitError{runtime.ExitFailed, failed}, false
	}
	if !whole {
		_ = os.Remove(to)
	}
	return err
}

// exportBodiesTo writes the lines to w, and how many there were to said.
func exportBodiesTo(s streams, v *buffer.View, lanes []*buffer.ViewLane, w, said io.Writer, name string) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	var c content
	for _, l := range lanes {
		var failed error
		err := v.Walk(l, func(x buffer.Item) bool {
			c.add(x)
			if x.Fault != nil {
				fmt.Fprintf(s.err, "damaged: %s\n", faulty(l, x))
				return true
			}
			failed = lines.Encode(lineOf(x))
			return failed == nil
		})
		if failed != nil {
			return &exitError{runtime.ExitFailed, fmt.Errorf("writing %s: %w", name, failed)}
		}
		if err != nil {
			return walked(err)
		}
	}
	if err := out.Flush(); err != nil {
		return &exitError{runtime.ExitFailed, fmt.Errorf("writing %s: %w", name, err)}
	}
	fmt.Fprintf(said, "%s: %s\n", name, c.String())
	if c.Lost > 0 {
		return &exitError{runtime.ExitRepair, fmt.Errorf("%s are damaged and not in %s", amount(c.Lost, "point", "points"), name)}
	}
	return nil
}

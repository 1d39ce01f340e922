package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/buffer"
	"dataflow/engine/point"
)

// peekFlags are the flags of peek.
type peekFlags struct {
	bufferFlags
	lane   string
	bodies int
	points bool
}

func bufferPeekCommand(s streams) *cobra.Command {
	var f peekFlags
	c := &cobra.Command{
		Use: "peek graph.yaml SINK", Short: "Print the first bodies of a disk buffer; they stay in it", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if f.bodies < 1 {
				return &exitError{exitUsage, errors.New("-n must be at least 1")}
			}
			return f.look(s, args[0], func(g *graph.Graph, v *buffer.View) error { return f.peek(s, g, v, args[1]) })
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.lane, "lane", "", "only this `lane`")
	c.Flags().IntVarP(&f.bodies, "bodies", "n", 5, "how many bodies of each lane")
	c.Flags().BoolVar(&f.points, "points", false, "also print the first points of each body, as line protocol")
	return c
}

func (f *peekFlags) peek(s streams, g *graph.Graph, v *buffer.View, sink string) error {
	lanes, err := lanesOf(g, v, sink, f.lane)
	if err != nil {
		return err
	}
	var encoder engine.Encoder
	if f.points {
		encoder = encoderOf(s, g, sink)
	}
	shown := 0
	for _, l := range lanes {
		left := f.bodies
		err := v.Walk(l, func(x buffer.Item) bool {
			if x.Fault != nil {
				fmt.Fprintf(s.err, "damaged: %s\n", faulty(l, x))
				return true
			}
			printBody(s.out, x)
			if f.points {
				printPoints(s.out, encoder, x.Body)
			}
			shown++
			left--
			return left > 0
		})
		if err != nil {
			return walked(err)
		}
	}
	if shown == 0 {
		fmt.Fprintf(s.out, "%s: nothing is on the disk\n", sink)
	}
	return nil
}

// encoderOf builds the sink, which opens and dials nothing. It is nil where the graph does not have it, or it cannot be built.
func encoderOf(s streams, g *graph.Graph, sink string) engine.Encoder {
	n := g.Node(sink)
	if n == nil || n.Kind != engine.SinkNode {
		fmt.Fprintf(s.err, "the graph has no sink %s: bodies are shown as they are\n", sink)
		return nil
	}
	env := engine.HostEnv(quiet)
	env.Tags = n.Tags
	built, err := n.Component.Build(env, n.Config)
	if err != nil {
		fmt.Fprintf(s.err, "the sink %s cannot be built, bodies are shown as they are: %v\n", sink, n.Diagnose(err))
		return nil
	}
	e, _ := built.(engine.Encoder)
	return e
}

func printBody(w io.Writer, x buffer.Item) {
	fmt.Fprintf(w, "%s  lane %s  %s  %s  read %s\n", cmp.Or(x.Body.ID, "(no id)"), laneText(x.Body.Lane),
		amount(int64(x.Body.Points), "point", "points"), sizeText(int64(len(x.Body.Data))), time.Unix(0, x.Read).UTC().Format(time.RFC3339Nano))
	for _, r := range x.Origins {
		fmt.Fprintf(w, "  from %s\n", rangeText(r))
	}
}

func rangeText(r buffer.Range) string {
	switch {
	case r.Request != "":
		return fmt.Sprintf("%s, request %s", r.Origin.Node, r.Request)
	case r.Origin.Topic != "":
		return fmt.Sprintf("%s, topic %s, partition %d, offsets %d to %d", r.Origin.Node, r.Origin.Topic, r.Origin.Partition, r.First, r.Last)
	}
	return r.Origin.Node
}

const (
	peekPoints = 5       // of a body
	peekBytes  = 2 << 10 // of a body that is no points, or of a line
	plainBytes = 64 << 20
)

// printPoints prints the first points of a body, or the data where the sink cannot read it.
func printPoints(w io.Writer, encoder engine.Encoder, body engine.Body) {
	if encoder == nil {
		printData(w, body.Data)
		return
	}
	points, err := decode(encoder, body)
	if err != nil {
		fmt.Fprintf(w, "  the sink cannot read it: %v\n", err)
		printData(w, body.Data)
		return
	}
	for i := range points[:min(peekPoints, len(points))] {
		fmt.Fprintf(w, "  | %s\n", cut(string(point.AppendLine(nil, &points[i]))))
	}
	if more := len(points) - peekPoints; more > 0 {
		fmt.Fprintf(w, "  | ... and %d more\n", more)
	}
}

// decode is the encoder's Decode; what a panic costs is a body.
func decode(encoder engine.Encoder, body engine.Body) (points []point.Point, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return encoder.Decode(body)
}

// printData prints data that is text, or says that it is not.
func printData(w io.Writer, data []byte) {
	if zipped, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		if plain, err := io.ReadAll(io.LimitReader(zipped, plainBytes)); err == nil {
			data = plain
		}
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		fmt.Fprintf(w, "  %s that are no text: engine buffer export writes them\n", amount(int64(len(data)), "byte", "bytes"))
		return
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for _, line := range lines[:min(peekPoints, len(lines))] {
		fmt.Fprintf(w, "  | %s\n", cut(line))
	}
	if more := len(lines) - peekPoints; more > 0 {
		fmt.Fprintf(w, "  | ... and %s more\n", amount(int64(more), "line", "lines"))
	}
}

// cut shortens a long line and takes what a terminal would obey out of it.
func cut(line string) string {
	if len(line) > peekBytes {
		line = strings.ToValidUTF8(line[:peekBytes], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, line)
}

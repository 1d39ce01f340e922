package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/engine/buffer"
)

func bufferLsCommand(s streams) *cobra.Command {
	var (
		f      bufferFlags
		asJSON bool
	)
	c := &cobra.Command{
		Use: "ls graph.yaml", Short: "List the disk buffers: what they hold, and what was damaged and is kept", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return f.look(s, args[0], func(g *graph.Graph, v *buffer.View) error {
				l, err := list(g, v, time.Now())
				if err != nil {
					return err
				}
				if asJSON {
					return l.json(s)
				}
				return l.print(s)
			})
		},
	}
	f.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print an object with everything")
	return c
}

// listing is what ls prints.
type listing struct {
	Dir     string         `json:"dir"`
	Buffers []listedBuffer `json:"buffers"`
	Kept    []listedKept   `json:"kept"`
	Faults  []string       `json:"faults"`
	Broken  string         `json:"broken,omitempty"` // why the database cannot be opened
	now     time.Time
	broken  error
}

type listedBuffer struct {
	Sink    string `json:"sink"`
	InGraph string `json:"in_graph"`
	content
	Oldest *time.Time   `json:"oldest"`
	Lanes  []listedLane `json:"lanes"`
}

type listedLane struct {
	Lane string `json:"lane"`
	content
	Oldest *time.Time `json:"oldest"`
}

type listedKept struct {
	Name  string `json:"name"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

func list(g *graph.Graph, v *buffer.View, now time.Time) (*listing, error) {
	l := &listing{Dir: storeDir(g), Buffers: []listedBuffer{}, Kept: []listedKept{}, Faults: []string{}, now: now, broken: sound(v)}
	if err := v.Broken(); err != nil {
		l.Broken = err.Error()
	}
	for _, fault := range v.Faults() {
		l.Faults = append(l.Faults, fault.Error())
	}
	for _, sink := range sinksOf(g, v) {
		b := listedBuffer{Sink: sink, InGraph: place(g, sink), Lanes: []listedLane{}}
		for _, lane := range v.Lanes() {
			if lane.Buffer != sink {
				continue
			}
			found := listedLane{Lane: lane.Lane}
			if err := v.Walk(lane, func(x buffer.Item) bool { found.add(x); return true }); err != nil {
				return nil, walked(err)
			}
			found.Oldest = timeOf(found.oldest)
			b.join(found.content)
			b.Lanes = append(b.Lanes, found)
		}
		b.Oldest = timeOf(b.oldest)
		l.Buffers = append(l.Buffers, b)
	}
	kept, err := v.Kept()
	if err != nil {
		return nil, walked(err)
	}
	for _, k := range kept {
		l.Kept = append(l.Kept, listedKept(k))
	}
	return l, nil
}

func timeOf(ns int64) *time.Time {
	if ns == 0 {
		return nil
	}
	t := time.Unix(0, ns).UTC()
	return &t
}

func (l *listing) json(s streams) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	if err := e.Encode(l); err != nil {
		return err
	}
	return l.broken
}

func (l *listing) print(s streams) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SINK\tLANE\tBODIES\tPOINTS\tBYTES\tOLDEST\tLOST\tIN THE GRAPH")
	for _, b := range l.Buffers {
		if len(b.Lanes) == 0 {
			l.row(w, b.Sink, "-", b.content, b.InGraph)
		}
		for _, lane := range b.Lanes {
			l.row(w, b.Sink, laneText(lane.Lane), lane.content, b.InGraph)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, k := range l.Kept {
		fmt.Fprintf(s.out, "kept: %s/%s: %s, %s\n", l.Dir, k.Name, amount(int64(k.Files), "file", "files"), sizeText(k.Bytes))
	}
	for _, fault := range l.Faults {
		fmt.Fprintf(s.out, "damaged: %s\n", fault)
	}
	return l.broken
}

func (l *listing) row(w *tabwriter.Writer, sink, lane string, c content, inGraph string) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%d\t%s\n", sink, lane, c.Bodies, c.Points, sizeText(c.Bytes), c.age(l.now), c.Lost, inGraph)
}

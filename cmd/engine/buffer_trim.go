package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/engine/buffer"
)

// trimFlags are the flags of trim.
type trimFlags struct {
	bufferFlags
	older time.Duration
	all   bool
	yes   bool
}

func bufferTrimCommand(s streams) *cobra.Command {
	var f trimFlags
	c := &cobra.Command{
		Use: "trim graph.yaml SINK (--older-than D | --all) --yes", Short: "Drop what is in a disk buffer, for good", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return f.run(s, args[0], args[1]) },
	}
	f.add(c)
	c.Flags().DurationVar(&f.older, "older-than", 0, "drop what was read longer ago than this")
	c.Flags().BoolVar(&f.all, "all", false, "drop everything")
	c.Flags().BoolVar(&f.yes, "yes", false, "really drop it; without, what would be dropped is said")
	return c
}

func (f *trimFlags) run(s streams, graphFile, sink string) error {
	if f.all == (f.older != 0) || f.older < 0 {
		return &exitError{exitUsage, errors.New("say what to drop: either --older-than with a duration, or --all")}
	}
	var before time.Time
	if !f.all {
		before = time.Now().Add(-f.older)
	}
	// The reader knows the sinks, and writes nothing if the name is wrong.
	var graphOf *graph.Graph
	err := f.look(s, graphFile, func(g *graph.Graph, v *buffer.View) error {
		graphOf = g
		if f.yes {
			if v.Broken() != nil {
				return sound(v) // opening it would put it aside
			}
			_, err := lanesOf(g, v, sink, "")
			return err
		}
		c, err := droppable(g, v, sink, before)
		if err != nil {
			return err
		}
		return &exitError{exitUsage, fmt.Errorf("nothing was dropped; with --yes: %s of %s", c.String(), sink)}
	})
	if err != nil {
		return err
	}
	return trim(s, graphOf, sink, before)
}

// droppable counts what trim would drop: of each lane the front that is old enough.
func droppable(g *graph.Graph, v *buffer.View, sink string, before time.Time) (c content, err error) {
	lanes, err := lanesOf(g, v, sink, "")
	if err != nil {
		return c, err
	}
	for _, l := range lanes {
		err := v.Walk(l, func(x buffer.Item) bool {
			if x.Fault != nil {
				return true
			}
			if !before.IsZero() && x.Read >= before.UnixNano() {
				return false
			}
			c.add(x)
			return true
		})
		if err != nil {
			return c, walked(err)
		}
	}
	return c, nil
}

const trimCloses = 30 * time.Second

// trim opens the store as an engine does, drops, and closes it. An interrupt ends the dropping.
func trim(s streams, g *graph.Graph, sink string, before time.Time) error {
	unlock, err := stopped(g)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := buffer.Open(buffer.Options{Dir: storeDir(g), Log: log})
	if err != nil {
		return storeError(g, err)
	}
	dropped, lost, err := trimIn(ctx, store, sink, before)
	closing, cancel := context.WithTimeout(context.Background(), trimCloses)
	defer cancel()
	if failed := store.Close(closing); err == nil {
		err = failed
	}
	if err != nil {
		return storeError(g, err)
	}
	c := content{Bodies: dropped.Bodies, Points: dropped.Points, Bytes: dropped.Bytes}
	fmt.Fprintf(s.out, "%s: dropped %s\n", sink, c.String())
	if lost > 0 {
		fmt.Fprintf(s.out, "%s: %s were damaged\n", sink, amount(lost, "point", "points"))
	}
	return nil
}

func trimIn(ctx context.Context, store *buffer.Store, sink string, before time.Time) (dropped buffer.Trimmed, lost int64, err error) {
	b, err := store.Buffer(sink, buffer.BufferOptions{})
	if err != nil {
		return dropped, 0, err
	}
	dropped = b.Trim(ctx, before)
	for _, n := range b.Stats().Lost {
		lost += n
	}
	_, err = store.State()
	if err != nil && !errors.Is(err, buffer.ErrFailed) {
		err = nil // degraded: said in the log
	}
	return dropped, lost, err
}

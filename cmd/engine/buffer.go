package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/buffer"
	"dataflow/engine/runtime"
)

func bufferCommand(s streams) *cobra.Command {
	c := &cobra.Command{Use: "buffer", Short: "Look into the disk buffers of a stopped engine, and drop what is in them"}
	c.AddCommand(bufferLsCommand(s), bufferPeekCommand(s), bufferVerifyCommand(s), bufferExportCommand(s), bufferTrimCommand(s))
	return c
}

// bufferFlags are those of all commands about buffers.
type bufferFlags struct{ graphFlags }

// storeDir is where the runtime keeps the disk buffers of a graph.
func storeDir(g *graph.Graph) string { return path.Join(filepath.ToSlash(g.DataDir), "buffers") }

// stopped sees to it that no engine runs on the data directory until unlock, and that it has buffers.
func stopped(g *graph.Graph) (unlock func(), err error) {
	if _, err := os.Stat(storeDir(g)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("there are no disk buffers in %s: the graph has not run with one, or has another data_dir", storeDir(g))
		}
		return nil, &exitError{exitConfig, err}
	}
	unlock = func() {}
	name := filepath.Join(g.DataDir, "lock")
	if _, err := os.Stat(name); err != nil {
		return unlock, nil // no engine has run there: looking must not leave a file behind
	}
	lock := flock.New(name)
	if ok, err := lock.TryLock(); err == nil && !ok {
		return nil, inUse(g)
	} else if ok {
		unlock = func() { _ = lock.Close() }
	}
	return unlock, nil
}

func inUse(g *graph.Graph) error {
	return &exitError{exitConfig, fmt.Errorf("the data directory %s is in use by a running engine: stop it first", g.DataDir)}
}

// storeError gives what a store says its exit code.
func storeError(g *graph.Graph, err error) error {
	switch {
	case errors.Is(err, buffer.ErrInUse):
		return inUse(g)
	case errors.Is(err, buffer.ErrFormat):
		return &exitError{exitConfig, err}
	case errors.Is(err, buffer.ErrRepair):
		return &exitError{runtime.ExitRepair, err}
	}
	return &exitError{runtime.ExitDisk, err}
}

// look hands the buffers of a graph to f, for reading.
func (f *bufferFlags) look(s streams, graphFile string, use func(*graph.Graph, *buffer.View) error) error {
	g, err := f.load(s, graphFile)
	if err != nil {
		return err
	}
	unlock, err := stopped(g)
	if err != nil {
		return err
	}
	defer unlock()
	v, err := buffer.OpenView(buffer.Options{Dir: storeDir(g)})
	if err != nil {
		return storeError(g, err)
	}
	err = use(g, v)
	if failed := v.Close(); err == nil && failed != nil {
		err = storeError(g, failed)
	}
	return err
}

// sound returns an error if the database cannot be opened.
func sound(v *buffer.View) error {
	if err := v.Broken(); err != nil {
		return &exitError{runtime.ExitRepair, fmt.Errorf("the database is damaged, the next start puts it aside: %w", err)}
	}
	return nil
}

// lanesOf returns the lanes of a sink's buffer, or only the one of that name. Both must be known.
func lanesOf(g *graph.Graph, v *buffer.View, sink, lane string) ([]*buffer.ViewLane, error) {
	if err := sound(v); err != nil {
		return nil, err
	}
	lanes := slices.DeleteFunc(slices.Clone(v.Lanes()), func(l *buffer.ViewLane) bool { return l.Buffer != sink })
	if len(lanes) == 0 && place(g, sink) != onDisk {
		return nil, unknown(sink, "disk buffer", sinksOf(g, v))
	}
	if lane == "" {
		return lanes, nil
	}
	var names []string
	for _, l := range lanes {
		names = append(names, l.Lane)
	}
	lanes = slices.DeleteFunc(lanes, func(l *buffer.ViewLane) bool { return l.Lane != lane })
	if len(lanes) == 0 {
		return nil, unknown(lane, "lane of "+sink, names)
	}
	return lanes, nil
}

// What a graph says of a buffer's sink.
const (
	onDisk   = "yes"
	inMemory = "without a disk buffer"
	notThere = "no"
)

func place(g *graph.Graph, sink string) string {
	n := g.Node(sink)
	switch {
	case n == nil || n.Kind != engine.SinkNode:
		return notThere
	case n.Buffer.OnDisk():
		return onDisk
	}
	return inMemory
}

// sinksOf returns the sinks that have a disk buffer by the graph or by the disk, in order.
func sinksOf(g *graph.Graph, v *buffer.View) []string {
	var names []string
	for _, n := range g.Nodes {
		if place(g, n.ID) == onDisk {
			names = append(names, n.ID)
		}
	}
	for _, l := range v.Lanes() {
		names = append(names, l.Buffer)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// content is what a walk through lanes finds.
type content struct {
	Bodies int64 `json:"bodies"`
	Points int64 `json:"points"`
	Bytes  int64 `json:"bytes"`
	Lost   int64 `json:"lost_points"`
	oldest int64 // ns since 1970, 0 if there is none
}

func (c *content) add(x buffer.Item) {
	if x.Fault != nil {
		c.Lost += x.Lost
		return
	}
	c.Bodies++
	c.Points += int64(x.Body.Points)
	c.Bytes += x.Bytes
	if c.oldest == 0 || x.Read < c.oldest {
		c.oldest = x.Read
	}
}

func (c *content) join(d content) {
	c.Bodies, c.Points, c.Bytes, c.Lost = c.Bodies+d.Bodies, c.Points+d.Points, c.Bytes+d.Bytes, c.Lost+d.Lost
	if d.oldest != 0 {
		c.oldest = min(cmp.Or(c.oldest, d.oldest), d.oldest)
	}
}

// String says how much it is.
func (c *content) String() string {
	return fmt.Sprintf("%s, %s, %s", amount(c.Bodies, "body", "bodies"), amount(c.Points, "point", "points"), sizeText(c.Bytes))
}

// age returns how long ago the oldest body was read, "-" if there is none.
func (c *content) age(now time.Time) string {
	if c.oldest == 0 {
		return "-"
	}
	return ageText(now.Sub(time.Unix(0, c.oldest)))
}

func amount(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// sizeText returns a size with three figures or so.
func sizeText(n int64) string {
	size := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if size < 1024 {
			if unit == "B" {
				return fmt.Sprintf("%d B", n)
			}
			return fmt.Sprintf("%.1f %s", size, unit)
		}
		size /= 1024
	}
	return fmt.Sprintf("%.1f TiB", size)
}

// ageText returns a duration as a person says it.
func ageText(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	}
	text := d.Round(time.Second).String()
	if d >= time.Minute {
		text = strings.TrimSuffix(text, "0s")
	}
	if d >= time.Hour {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// faulty says a place that is damaged, in a line.
func faulty(l *buffer.ViewLane, x buffer.Item) string {
	return fmt.Sprintf("%s, lane %s, from %d on: %s lost: %v", l.Buffer, laneText(l.Lane), x.Sequence, amount(x.Lost, "point", "points"), x.Fault)
}

// laneText is a lane's name in a table.
func laneText(lane string) string { return cmp.Or(lane, `""`) }

// walked gives what ended a walk its exit code.
func walked(err error) error {
	if err == nil {
		return nil
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return &exitError{runtime.ExitDisk, err}
	}
	return &exitError{runtime.ExitFailed, err}
}

var quiet = slog.New(slog.DiscardHandler)

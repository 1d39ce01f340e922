package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

// benchFlags are the flags of script bench beyond those that say what the script runs on.
type benchFlags struct {
	scriptFlags
	input string
	time  time.Duration
	count int
	json  bool
}

func scriptBenchCommand(s streams) *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use: "bench x.p --input lines.txt", Short: "Measure what a Pipeline script costs, as a whole and statement by statement", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return f.run(s, args[0]) },
	}
	f.add(c)
	c.Flags().StringVar(&f.input, "input", "", "a `file` with a text a line, the same as --file")
	c.Flags().DurationVar(&f.time, "time", 2*time.Second, "how long to measure")
	c.Flags().IntVar(&f.count, "count", 0, "measure this many `points` instead")
	c.Flags().BoolVar(&f.json, "json", false, "print a JSON object")
	return c
}

// benchResult is what a script costs on its input.
type benchResult struct {
	Points int64   `json:"points"` // that were run
	Failed int64   `json:"failed"` // of them
	Nanos  float64 `json:"ns_per_run"`
	Allocs float64 `json:"allocs_per_run"`
	Bytes  float64 `json:"bytes_per_run"`

	Statements []statementCost `json:"statements"`
}

// statementCost is what a statement costs, without those in its blocks.
type statementCost struct {
	File        string  `json:"file"`
	Line        int     `json:"line"`
	Column      int     `json:"column"`
	Text        string  `json:"text"`
	Runs        float64 `json:"runs_per_point"`
	Nanos       float64 `json:"ns_per_run"`
	NanosOfRuns float64 `json:"ns_per_point"`
	Share       float64 `json:"share"`
}

func (f *benchFlags) run(s streams, path string) error {
	if f.input != "" && f.file != "" || f.count < 0 || f.time <= 0 {
		return &exitError{exitUsage, errors.New("give --input or --file, a time above 0 and a count that is not negative")}
	}
	if f.input != "" {
		f.file = f.input
	}
	file, o, err := f.options(s, path)
	if err != nil {
		return err
	}
	script, err := file.compile(s, o)
	if err != nil {
		return err
	}
	var points []point.Point
	if err := f.each(s, func(p *point.Point) error {
		points = append(points, *p)
		return nil
	}); err != nil {
		return err
	}
	if len(points) == 0 {
		return &exitError{exitUsage, errors.New("the input is empty")}
	}
	var clock stopwatch
	clock.calibrate()
	o.Observe = clock.observe
	observed, err := pipeline.Compile(file.text, o)
	if err != nil {
		return file.report(s, err)
	}
	r := f.measure(script, observed, points, &clock)
	for i := range r.Statements {
		x := &r.Statements[i]
		pos := file.where(pipeline.Place{File: x.File, Line: x.Line, Col: x.Column})
		x.Text = statementText(file.loaded[pos.File], x.Line, x.Column)
	}
	if f.json {
		return json.NewEncoder(s.out).Encode(r)
	}
	return r.print(s.out, path)
}

// measure runs the script as it is for most of the time, and for the rest with a clock around each statement.
func (f *benchFlags) measure(script, observed *pipeline.Script, points []point.Point, clock *stopwatch) benchResult {
	const block = 256 // points that are made ahead of a round
	var r benchResult
	size := max(block, min(len(points), 4096))
	if f.count > 0 {
		size = min(size, f.count)
	}
	work := make([]point.Point, size)
	next := 0
	refill := func() {
		for i := range work {
			p := &points[next]
			next = (next + 1) % len(points)
			work[i] = *p
			work[i].Fields = append(make([]point.Field, 0, len(p.Fields)+16), p.Fields...)
		}
	}
	round := func(runner *pipeline.Runner) time.Duration {
		refill()
		start := time.Now()
		for i := range work {
			if runner.Run(&work[i]).Err != nil {
				r.Failed++
			}
		}
		return time.Since(start)
	}
	// rounds calls one until the time is over, or all points were run.
	rounds := func(share time.Duration, one func()) {
		full, end := work, time.Now().Add(share)
		for left := f.count; ; left -= len(work) {
			if f.count > 0 {
				work = full[:min(len(full), left)]
			}
			one()
			if f.count > 0 && left <= len(work) || f.count == 0 && !time.Now().Before(end) {
				break
			}
		}
		work = full
	}
	// What grows, grows now. A round takes no longer than this, and so has fewer points of a slow script.
	runner := script.NewRunner()
	refill()
	begin := time.Now()
	for i := range work {
		runner.Run(&work[i])
		if f.count == 0 && time.Since(begin) > f.time/10 {
			work = work[:i+1]
			break
		}
	}
	var times []float64
	rounds(f.time*3/4, func() {
		times = append(times, float64(round(runner))/float64(len(work)))
		r.Points += int64(len(work))
	})
	r.Nanos = median(times)

	failed := r.Failed
	refill()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range work {
		runner.Run(&work[i])
	}
	runtime.ReadMemStats(&after)
	r.Allocs = float64(after.Mallocs-before.Mallocs) / float64(len(work))
	r.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(len(work))

	runner = observed.NewRunner()
	round(runner)
	clock.reset()
	rounds(f.time/4, func() {
		round(runner)
		clock.lap(len(work))
	})
	r.Failed = failed
	r.Statements = clock.costs()
	return r
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// statementText returns the line of a statement from its beginning on.
func statementText(text string, line, col int) string {
	all := strings.Split(text, "\n")
	if line < 1 || line > len(all) {
		return ""
	}
	runes := []rune(strings.TrimRight(all[line-1], "\r \t"))
	if col < 1 || col > len(runes) {
		return ""
	}
	return string(runes[col-1:])
}

func (r *benchResult) print(out io.Writer, path string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "%d points, %d of them failed\n%.0f ns a point, %.1f allocations, %.0f bytes\n\n", r.Points, r.Failed, r.Nanos, r.Allocs, r.Bytes)
	fmt.Fprint(w, "share\tns/point\truns/point\tns/run\tline\t  statement\n")
	const longest = 70
	for _, x := range r.Statements {
		text := []rune(x.Text)
		if len(text) > longest {
			text = append(text[:longest], []rune("...")...)
		}
		place := fmt.Sprint(x.Line)
		if x.File != filepath.Base(path) {
			place = fmt.Sprintf("%s:%d", x.File, x.Line)
		}
		fmt.Fprintf(w, "%.1f%%\t%.0f\t%.2f\t%.0f\t%s\t  %s\n", 100*x.Share, x.NanosOfRuns, x.Runs, x.Nanos, place, string(text))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(out, "\nA statement with blocks stands without the statements in them. The clock around each, which is taken off, makes\nstatements of less than some 20 ns uncertain.\n")
	return err
}

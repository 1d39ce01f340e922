// Package evidence runs what an issue promises, line by line, and keeps the score. Its output is the evidence in docs/evidence.
package evidence

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"dataflow/test/harness"
)

// A Show runs the lines.
type Show struct {
	Out    io.Writer
	Binary string // of the command engine
	Short  bool   // the short form that CI runs

	only   string
	failed int
}

// Main reads the flags -short and -only, builds the engine, prints the machine and calls lines. It returns the exit code.
func Main(lines func(*Show)) int {
	short := flag.Bool("short", false, "the short form that CI runs")
	only := flag.String("only", "", "run the lines whose titles contain one of these, by commas")
	flag.Parse()
	dir, err := os.MkdirTemp("", "engine-show")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	s := &Show{Out: os.Stdout, Short: *short, only: *only}
	if s.Binary, err = harness.Binary(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.Printf("%s, %d CPUs, %s, %s/%s", cpuName(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	s.Printf("%s", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	lines(s)
	if s.failed > 0 {
		s.Printf("\n%d lines FAILED", s.failed)
		return 1
	}
	s.Printf("\nall lines hold")
	return 0
}

// Line runs a line, unless the command asked for others only. It holds if f returns nil.
func (s *Show) Line(title string, f func() error) {
	if !slices.ContainsFunc(strings.Split(s.only, ","), func(name string) bool { return strings.Contains(title, name) }) {
		return
	}
	start := time.Now()
	s.Printf("\n## %s\n", title)
	err := f()
	took := time.Since(start).Round(time.Second)
	if err != nil {
		s.failed++
		s.Printf("FAILED after %v: %v", took, err)
		return
	}
	s.Printf("holds (%v)", took)
}

// Printf writes a line of the evidence.
func (s *Show) Printf(format string, a ...any) { fmt.Fprintf(s.Out, format+"\n", a...) }

// Scale returns n, or a smaller number in the short form.
func (s *Show) Scale(n, short int) int {
	if s.Short {
		return short
	}
	return n
}

// Folder makes a folder for one line, with files given as name, text pairs, and returns the path of the first.
func (s *Show) Folder(files ...string) (graph string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "engine-show")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	if graph, err = harness.Graph(dir, files...); err != nil {
		remove()
	}
	return graph, remove, err
}

func cpuName() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for _, line := range strings.Split(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimLeft(name, "\t :")
		}
	}
	return "unknown CPU"
}

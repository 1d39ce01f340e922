// The command show runs what issue 3 promises, line by line, and fails when a line of it fails. Its output is the
// evidence in docs/evidence/engine.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"dataflow/test/harness"
)

// A show runs the lines and keeps the score.
type show struct {
	out    io.Writer
	binary string
	short  bool
	only   string
	failed int
}

func main() {
	short := flag.Bool("short", false, "the short form that CI runs")
	only := flag.String("only", "", "run the lines whose title contains this")
	flag.Parse()
	os.Exit(run(*short, *only))
}

func run(short bool, only string) int {
	dir, err := os.MkdirTemp("", "engine-show")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	s := &show{out: os.Stdout, short: short, only: only}
	if s.binary, err = harness.Binary(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintf(s.out, "%s, %d CPUs, %s, %s/%s\n", cpuName(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(s.out, "%s\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	s.line("README's commands on a bare machine with Go alone", s.readme)
	s.line("1,000,000 messages of the manual's metric from Kafka in another process", s.million)
	s.line("kills by SIGKILL", s.kills)
	s.line("a stream whose sink hangs holds up no other", s.blocked)
	s.line("sample and rate_limit", s.limits)
	s.line("vectors of the contract", s.vectors)
	s.line("memory at 3,000,000 messages and with the DataWay stopped", s.memory)
	s.line("speed", s.speed)
	if s.failed > 0 {
		fmt.Fprintf(s.out, "\n%d lines FAILED\n", s.failed)
		return 1
	}
	fmt.Fprintln(s.out, "\nall lines hold")
	return 0
}

func (s *show) line(title string, f func() error) {
	if !strings.Contains(title, s.only) {
		return
	}
	start := time.Now()
	fmt.Fprintf(s.out, "\n## %s\n\n", title)
	err := f()
	took := time.Since(start).Round(time.Second)
	if err != nil {
		s.failed++
		fmt.Fprintf(s.out, "FAILED after %v: %v\n", took, err)
		return
	}
	fmt.Fprintf(s.out, "holds (%v)\n", took)
}

func (s *show) printf(format string, a ...any) { fmt.Fprintf(s.out, format+"\n", a...) }

// scale returns n, or a smaller number in the short form.
func (s *show) scale(n, short int) int {
	if s.short {
		return short
	}
	return n
}

// folder makes a folder for one line.
func (s *show) folder(files ...string) (graph string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "engine-show")
	if err != nil {
		return "", nil, err
	}
	graph, err = harness.Graph(dir, files...)
	return graph, func() { _ = os.RemoveAll(dir) }, err
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

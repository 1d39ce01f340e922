package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// rows are the scripts of the speed table with what they are held against.
var rows = []struct {
	script, calibration, name string
	original                  float64 // µs, of the interpreter of DataKit on another machine
	limit                     float64 // times the calibration
	allocs                    int     // at most; -1 is any number
}{
	{"a", "gjson", "metric script of the manual", 5.2, 1.7, 2},
	{"b", "regexp_b2", "nginx line, IPORHOST, default_time", 219, 0.7, -1},
	{"b2", "regexp_b2", "nginx line, NOTSPACE", 10, 0.7, -1},
	{"c", "gjson", "12-key JSON log", 13.5, 8, -1},
	{"d", "gjson", "100 arithmetic operations", 14.1, 2.2, 2},
	{"e", "regexp_e", "if/elif chain with in and match", 6.5, 0.4, 2},
}

// A run holds the benchmarks of one process, by name.
type run struct {
	ns     map[string]float64
	allocs map[string]int
}

// speed runs the scripts and the calibrations in one process, several times, and compares within each process: a shared machine changes its
// speed from minute to minute.
func (s show) speed() error {
	dir, err := os.MkdirTemp("", "engine-speed")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "pipeline.test")
	if out, err := exec.Command("go", "test", "-c", "-o", binary, "./dsl/pipeline").CombinedOutput(); err != nil {
		return fmt.Errorf("building the benchmarks: %w\n%s", err, out)
	}
	turns, benchtime := s.Scale(24, 2), "200ms"
	if s.Short {
		benchtime = "50ms"
	}
	var runs []run
	for range turns {
		cmd := exec.Command(binary, "-test.run", "^$", "-test.bench", "^Benchmark(Script|Calibration)$", "-test.benchmem", "-test.benchtime", benchtime, "-test.cpu", "1")
		cmd.Dir = "dsl/pipeline"
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("running the benchmarks: %w\n%s", err, out)
		}
		runs = append(runs, readRun(string(out)))
	}
	half := func(odd int) []run {
		var out []run
		for i := odd; i < len(runs); i += 2 {
			out = append(out, runs[i])
		}
		return out
	}
	s.Printf("%d processes, each with all benchmarks of %s on one core; the ratio is the median of the ratios within a process, A/A that of the even", turns, benchtime)
	s.Printf("processes to that of the odd ones. The original's figures are from another machine.")
	s.Printf("%-36s %9s %9s %9s %-10s %9s %7s %6s %6s %7s", "script", "original", "ours", "times", "held to", "takes", "ratio", "limit", "A/A", "allocs")
	var above []string
	for _, r := range rows {
		name, base := "Script/"+r.script, "Calibration/"+r.calibration
		if runs[0].ns[name] == 0 || runs[0].ns[base] == 0 {
			return fmt.Errorf("no benchmark %s or %s", name, base)
		}
		ours := median(runs, func(x run) float64 { return x.ns[name] })
		ratio := func(of []run) float64 { return median(of, func(x run) float64 { return x.ns[name] / x.ns[base] }) }
		whole, same := ratio(runs), ratio(half(0))/ratio(half(1))
		allocs := runs[0].allocs[name]
		s.Printf("%-36s %6.1f µs %6.2f µs %8.0fx %-10s %6.2f µs %7.2f %6.1f %6.2f %7d", r.script+" "+r.name, r.original, ours/1000, r.original*1000/ours,
			r.calibration, median(runs, func(x run) float64 { return x.ns[base] })/1000, whole, r.limit, same, allocs)
		if r.allocs >= 0 && allocs > r.allocs {
			above = append(above, fmt.Sprintf("%s: %d allocations, %d are the limit", r.script, allocs, r.allocs))
		}
		if whole > r.limit && !s.Short {
			above = append(above, fmt.Sprintf("%s: %.2f times %s, %.1f is the limit", r.script, whole, r.calibration, r.limit))
		}
	}
	if len(above) > 0 {
		return fmt.Errorf("%s", strings.Join(above, "; "))
	}
	return nil
}

func median(runs []run, of func(run) float64) float64 {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = of(r)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// readRun reads what a test program printed: "BenchmarkScript/a  1000  812.5 ns/op  0 B/op  0 allocs/op".
func readRun(output string) run {
	r := run{ns: map[string]float64{}, allocs: map[string]int{}}
	for lines := bufio.NewScanner(strings.NewReader(output)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		for i := 2; i+1 < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				break
			}
			switch f[i+1] {
			case "ns/op":
				r.ns[name] = v
			case "allocs/op":
				r.allocs[name] = int(v)
			}
		}
	}
	return r
}

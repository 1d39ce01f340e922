package main

import "testing"

func TestReadRun(t *testing.T) {
	r := readRun("goos: linux\nBenchmarkScript/a \t 1000\t  812.5 ns/op\t   0 B/op\t  2 allocs/op\nBenchmarkScript/b-2\t no\nPASS\n")
	if len(r.ns) != 1 || r.ns["Script/a"] != 812.5 || r.allocs["Script/a"] != 2 {
		t.Errorf("%+v", r)
	}
}

func TestMedian(t *testing.T) {
	var runs []run
	for i, v := range []float64{5, 1, 3, 2} {
		runs = append(runs, run{ns: map[string]float64{"x": v}})
		if got, want := median(runs, func(r run) float64 { return r.ns["x"] }), []float64{5, 3, 3, 2.5}[i]; got != want {
			t.Errorf("the median of %d values is %v, want %v", i+1, got, want)
		}
	}
}

func TestFailures(t *testing.T) {
	if got := failures("=== RUN   A\n--- PASS: A\n--- FAIL: B\n    x.go:1: wrong\n    --- PASS: B/c\nFAIL\n"); got != "--- FAIL: B\n    x.go:1: wrong\nFAIL\n" {
		t.Errorf("got %q", got)
	}
}

package main

import (
	"fmt"
	"os/exec"
	"strings"
	"time"

	"dataflow/dsl/pipeline/grok/groktest"
	"dataflow/dsl/pipeline/jsontape/tapetest"
)

// differential compares what is fast with what is simple on a million inputs each.
func (s show) differential() error {
	n := s.Scale(1_000_000, 20_000)
	seed := uint64(time.Now().UnixNano())
	s.Printf("%d inputs each, seed %d", n, seed)
	start := time.Now()
	matched, err := groktest.Compare(seed, n)
	if err != nil {
		return fmt.Errorf("the grok matcher and regexp: %w", err)
	}
	s.Printf("the grok matcher and regexp: no difference, %d texts matched (%v)", matched, time.Since(start).Round(time.Second))
	if matched < n/20 {
		return fmt.Errorf("too few of the texts matched to say much")
	}
	start = time.Now()
	if err := tapetest.Compare(seed, n); err != nil {
		return fmt.Errorf("lazy and full JSON: %w", err)
	}
	s.Printf("lazy and full JSON: no difference (%v)", time.Since(start).Round(time.Second))
	return nil
}

// seeds runs the tests of allocations and the seeds of all fuzz targets of the language.
func (s show) seeds() error {
	if err := s.Tests("./dsl/pipeline/...", "-run", "Alloc", "-count=1", "-v"); err != nil {
		return err
	}
	out, err := exec.Command("go", "test", "./dsl/pipeline/...", "-run", "^Fuzz", "-count=1", "-v").CombinedOutput()
	if err != nil {
		return fmt.Errorf("seeds of the fuzz targets: %w\n%s", err, failures(string(out)))
	}
	targets, seeds := 0, 0
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "--- PASS: Fuzz") {
			targets++
		}
		if strings.Contains(line, "--- PASS: Fuzz") && strings.Contains(line, "/") {
			seeds++
		}
	}
	s.Printf("%d fuzz targets, %d seeds pass; make fuzz runs them with new inputs", targets, seeds)
	if targets < 8 {
		return fmt.Errorf("the targets of the evaluator, the decoders, the parser, grok, JSON and times are not all there")
	}
	return nil
}

// failures leaves what passes out of a verbose run.
func failures(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if trimmed := strings.TrimSpace(line); !strings.HasPrefix(trimmed, "=== ") && !strings.HasPrefix(trimmed, "--- PASS") {
			out.WriteString(line)
		}
	}
	return out.String()
}

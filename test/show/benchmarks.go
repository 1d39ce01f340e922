package main

import (
	"fmt"
	"os/exec"

	"dataflow/bench"
)

// benchmarks runs those of codecs and operators, each beside its floor.
func (s show) benchmarks() error {
	runs := s.Scale(5, 1)
	args := []string{"test", "./bench", "-run", "^$", "-bench", ".", "-count", fmt.Sprint(runs)}
	if s.Short {
		args = append(args, "-benchtime", "100ms")
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("running the benchmarks: %w\n%s", err, out)
	}
	medians := bench.Medians(string(out))
	s.Printf("\n(c) codecs and (d) operators, medians of %d runs, ns for a point", runs)
	for _, m := range medians {
		s.Printf("%-44s %10.1f", m.Name, m.Value)
	}
	if len(medians) == 0 {
		return fmt.Errorf("no benchmark ran:\n%s", out)
	}
	return nil
}

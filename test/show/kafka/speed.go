package main

import (
	"fmt"
	"os/exec"
)

// speed prints the table of the KafkaMQ manual for its metric job.
func (s show) speed() error {
	counts := "100k,1M"
	if s.Short {
		counts = "100k"
	}
	args := []string{"bench", "kafka", "examples/kafka-metric/graph.yaml", "--messages", counts}
	s.Printf("$ engine %v", args)
	out, err := exec.Command(s.Binary, args...).CombinedOutput()
	s.Printf("%s", out)
	if err != nil {
		return fmt.Errorf("measuring: %w", err)
	}
	return nil
}

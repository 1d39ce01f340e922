package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/test/reference"
)

// command runs the metric script of the KafkaMQ manual as a user tries it.
func (s show) command() error {
	const dir = "dsl/pipeline/testdata/bench/"
	message, err := os.ReadFile(dir + "a.txt")
	if err != nil {
		return err
	}
	args := []string{"script", "run", dir + "a.p", "-T", strings.TrimSuffix(string(message), "\n"), "--category", "metric"}
	out, err := exec.Command(s.Binary, args...).CombinedOutput()
	s.Printf("$ engine script run a.p -T '%s' --category metric\n%s", args[4], strings.TrimRight(string(out), "\n"))
	if err != nil {
		return err
	}
	out, err = exec.Command(s.Binary, append(args, "--json")...).Output()
	if err != nil {
		return err
	}
	var got struct {
		Points []struct {
			Tags   map[string]string
			Fields map[string]any
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		return fmt.Errorf("reading what --json printed: %w", err)
	}
	if len(got.Points) != 1 {
		return fmt.Errorf("%d points", len(got.Points))
	}
	p := got.Points[0]
	if p.Tags["hostip"] != "10.200.64.45" || p.Tags["bk_biz_id"] != "225" || p.Fields["cpu_usage_pct"] != 0.01 {
		return fmt.Errorf("the point is not that of the manual: %+v", p)
	}
	return nil
}

// reference runs the checks of every result that the page on the language states.
func (s show) reference() error {
	r, err := reference.Run()
	if err != nil {
		return err
	}
	s.Printf("%d of %d: %d results behind an arrow in sections 2 to 12, %d rows of tables, %d comments in code, %d lists, %d worked examples, %d functions; %d checks",
		r.Passed, r.Entries, r.Kinds[reference.Arrow], r.Kinds[reference.Row], r.Kinds[reference.Comment], r.Kinds[reference.List], r.Kinds[reference.Example], r.Kinds[reference.Function], r.Checks)
	s.Printf("%d exceptions, each held to what ours gives:", len(r.Exceptions))
	for _, e := range r.Exceptions {
		s.Printf("  %s", e)
	}
	if len(r.Faults) > 0 {
		return fmt.Errorf("%d do not hold:\n%s", len(r.Faults), strings.Join(r.Faults, "\n"))
	}
	return nil
}

// functionsOfDataKit is how many functions DataKit 1.84 has.
const functionsOfDataKit = 75

// examples counts the functions and their examples, and runs these.
func (s show) examples() error {
	var few []string
	examples, documented := 0, 0
	all := funcs.All()
	for _, d := range all {
		examples += len(d.Examples)
		if len(d.Examples) < 3 {
			few = append(few, d.Name)
		}
		if d.Doc != "" || d.Summary != "" {
			documented++
		}
	}
	s.Printf("%d of %d functions; %d with a summary; %d with three examples or more; %d examples", len(all), functionsOfDataKit, documented, len(all)-len(few), examples)
	switch {
	case len(all) < functionsOfDataKit:
		return fmt.Errorf("functions are missing")
	case len(few) > 0:
		return fmt.Errorf("fewer than three examples: %v", few)
	}
	return s.Tests("./dsl/pipeline", "-run", "TestFunctionExamples", "-count=1", "-v")
}

// vectors runs the tests that hold the vectors of the contract.
func (s show) vectors() error {
	return s.Tests("./operators", "./dsl/pipeline", "-run", "Vectors", "-count=1", "-v")
}

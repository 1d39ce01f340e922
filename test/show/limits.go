package main

import (
	"os/exec"
	"strconv"
	"strings"
)

// limits runs the tests of sample and rate_limit at full size.
func (s *show) limits() error {
	return s.tests("./operators", "-run", "TestSample|TestRateLimit", "-count=1", "-v", "-full="+map[bool]string{true: "false", false: "true"}[s.short])
}

// vectors runs the tests that hold the vectors of the contract.
func (s *show) vectors() error {
	return s.tests("./engine/point", "./sources", "./operators", "./sinks", "./dsl/pipeline", "-run", "Vector", "-count=1", "-v")
}

func (s *show) tests(args ...string) error {
	cmd := exec.Command("go", append([]string{"test"}, args...)...)
	out, err := cmd.CombinedOutput()
	text := summary(string(out))
	if err != nil {
		text = string(out)
	}
	s.printf("$ go test %v\n%s", args, text)
	return err
}

// summary keeps the verdicts of a verbose test run and the figures that tests have logged.
func summary(text string) string {
	var out []string
	passed := 0
	for _, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "--- PASS"):
			passed++
		case strings.HasPrefix(trimmed, "ok "), strings.HasPrefix(trimmed, "ok\t"):
			out = append(out, trimmed)
		case strings.Contains(trimmed, "figure: "):
			_, figure, _ := strings.Cut(trimmed, "figure: ")
			out = append(out, "  "+figure)
		}
	}
	return strings.Join(out, "\n") + "\n" + strconv.Itoa(passed) + " tests pass"
}

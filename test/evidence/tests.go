package evidence

import (
	"os/exec"
	"strconv"
	"strings"
)

// Tests runs go test with the given arguments, -v among them, and prints how many tests pass and the figures that they logged.
func (s *Show) Tests(args ...string) error {
	cmd := exec.Command("go", append([]string{"test"}, args...)...)
	out, err := cmd.CombinedOutput()
	text := summary(string(out))
	if err != nil {
		text = string(out)
	}
	s.Printf("$ go test %v\n%s", args, text)
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

package evidence

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
)

// Tests runs go test with the given arguments, -v among them, and prints how many tests pass and the figures that they logged. That no test runs is an
// error: its name has changed.
func (s *Show) Tests(args ...string) error {
	cmd := exec.Command("go", append([]string{"test"}, args...)...)
	out, err := cmd.CombinedOutput()
	text, passed := summary(string(out))
	switch {
	case err != nil:
		text = string(out)
	case passed == 0:
		err = errors.New("no test has run")
	}
	s.Printf("$ go test %v\n%s", args, text)
	return err
}

// summary keeps the verdicts of a verbose test run and the figures that tests have logged.
func summary(text string) (figures string, passed int) {
	var out []string
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
	return strings.Join(out, "\n") + "\n" + strconv.Itoa(passed) + " tests pass", passed
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dataflow/engine"
	"dataflow/engine/deadletter"
)

var commandOfExample = regexp.MustCompile(`(?m)^#   (?:cd (\S+) && )?engine (.*)$`)

var callOfExample = regexp.MustCompile(`(?m)^#   (curl .*)$`)

// runExample runs an example until it ends, or until the calls in its heading were made; their answers stand behind its output.
func runExample(t *testing.T, dir, graph string, args []string, calls [][][]byte) result {
	t.Helper()
	if calls == nil {
		return process(t, dir, nil, args...)
	}
	var answers strings.Builder
	r := served(t, dir, graph, func(address string) {
		for _, call := range calls {
			answers.WriteString(strings.TrimSuffix(curl(t, dir, string(call[1]), address), "\n") + "\n")
		}
	}, args...)
	r.out += answers.String()
	return r
}

// TestExamples runs every example by the command in its heading and holds what it prints to expected.txt. What an
// example leaves in the dead letters stands there too.
func TestExamples(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(root, "examples", "*", "graph.yaml"))
	if err != nil || len(folders) < 4 {
		t.Fatalf("%d examples, %v", len(folders), err)
	}
	for _, path := range folders {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m := commandOfExample.FindSubmatch(src)
			if m == nil {
				t.Fatalf("%s does not say how it is run", path)
			}
			dir := workspace(t)
			graph := filepath.Join(dir, "examples", name, "graph.yaml")
			if r := inProcess("", "validate", graph); r.code != 0 {
				t.Fatalf("validate: %d\n%s", r.code, r.stderr)
			}
			r := runExample(t, filepath.Join(dir, string(m[1])), graph, append(words(string(m[2])), "--log-level", "warn"), callOfExample.FindAllSubmatch(src, -1))
			if said := withoutDeadLetters(r.stderr); r.code != 0 || said != "" {
				t.Errorf("exit code %d\n%s", r.code, said)
			}
			got := steady(r.out) + deadLetters(t, filepath.Join(dir, "examples", name, "data", name, "dead_letters"))
			file := filepath.Join(filepath.Dir(path), "expected.txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// deadLetters returns a line for each dead letter.
func deadLetters(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	damage, err := deadletter.Read(engine.OS{}, filepath.ToSlash(dir), func(e deadletter.Entry) error {
		fmt.Fprintf(&b, "dead letter of %s: %s: %q\n", e.Node, e.Error, e.Value)
		return nil
	})
	if err != nil || damage != (deadletter.Damage{}) {
		t.Errorf("reading dead letters: %+v, %v", damage, err)
	}
	return b.String()
}

// withoutDeadLetters removes the lines that say that points go to the dead letters: which ones is compared.
func withoutDeadLetters(log string) string {
	lines := strings.SplitAfter(log, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "points go to the dead letters") }), "")
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dataflow/dsl/graph"
)

// TestReference holds the page of components to their declarations.
func TestReference(t *testing.T) {
	var want bytes.Buffer
	if err := graph.Reference(&want); err != nil {
		t.Fatal(err)
	}
	holdReference(t, "components.md", want.Bytes())
}

// holdReference compares a generated page with what it should be, or writes it with -update.
func holdReference(t *testing.T, page string, want []byte) {
	t.Helper()
	path := filepath.Join(root, "docs", "reference", page)
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the declarations say; make update writes it anew", path)
	}
}

// TestMetricsPage: every metric stands on its page with its labels and the sentence that Prometheus shows.
func TestMetricsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(filepath.Join(root, "engine", "admin", "metrics.go"))
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^\t\w+Desc +?= (?:desc\("|prometheus\.NewDesc\("engine_)(\w+)", "([^"]+)"(.*)\)$`).FindAllStringSubmatch(string(src), -1)
	if len(declared) < 15 {
		t.Fatalf("only %d metrics found", len(declared))
	}
	label := regexp.MustCompile(`"(\w+)"`)
	for _, m := range declared {
		row := ""
		for _, line := range strings.Split(string(page), "\n") {
			if strings.HasPrefix(line, "| `engine_"+m[1]+"` |") {
				row = line
			}
		}
		if !strings.Contains(row, m[2]) {
			t.Errorf("the page lacks engine_%s: %s", m[1], m[2])
		}
		for _, l := range label.FindAllStringSubmatch(m[3], -1) {
			if l[1] != "graph" && !strings.Contains(row, "`"+l[1]+"`") {
				t.Errorf("the row of engine_%s lacks the label %s", m[1], l[1])
			}
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `engine_(\\w+)`").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(string(src), `"`+m[1]+`"`) && !strings.Contains(string(src), `"engine_`+m[1]+`"`) && !strings.HasPrefix(m[1], "kafka_") {
			t.Errorf("the page has engine_%s, which does not exist", m[1])
		}
	}
}

// TestCountersPage: the counters of components stand on the page, too.
func TestCountersPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	counter := regexp.MustCompile(`\.Counter\("(\w+)"`)
	found := 0
	for _, folder := range []string{"sources", "operators", "sinks"} {
		sources, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range sources {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range counter.FindAllStringSubmatch(string(src), -1) {
				found++
				if !strings.HasSuffix(path, "_test.go") && !strings.Contains(string(page), "`"+m[1]+"`") {
					t.Errorf("the page lacks the counter %s of %s", m[1], filepath.Base(path))
				}
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d counters found", found)
	}
}

package graph

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/engine/diag"
)

// FuzzParse holds that no text makes the parser panic or run for long, that errors are lists in order which can be
// printed, and that a graph that is fine is written as one that reads as the same.
func FuzzParse(f *testing.F) {
	manual, err := os.ReadFile("testdata/manual.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(manual)
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for part := range strings.SplitSeq(string(src), "\n-- ") {
			if name, text, ok := strings.Cut(part, " --\n"); ok && strings.HasSuffix(name, ".yaml") {
				f.Add([]byte(text))
			}
		}
	}
	o := Options{
		Getenv: func(name string) (string, bool) { return "value of " + name, name < "M" },
		ReadFile: func(path string) ([]byte, error) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		start := time.Now()
		g, err := Parse("graph.yaml", src, o)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		if err != nil {
			var list diag.List
			if !errors.As(err, &list) || len(list) == 0 {
				t.Fatalf("error %T", err)
			}
			if !slices.Equal(list, slices.Clone(list).Sort()) {
				t.Error("out of order:", list)
			}
			var b bytes.Buffer
			if err := list.Print(&b, g.Source); err != nil || b.Len() == 0 {
				t.Error(err)
			}
			return
		}
		for _, n := range g.Nodes {
			if n.ID == "" || len(n.Hash) != 64 || n.Config == nil && len(n.Steps) == 0 {
				t.Errorf("node %+v", n)
			}
		}
		first := canonical(t, g)
		again, err := Parse("graph.yaml", []byte(first), o)
		if err != nil {
			t.Fatalf("%v in\n%s", err, first)
		}
		if second := canonical(t, again); second != first {
			t.Errorf("first\n%s\nthen\n%s", first, second)
		}
	})
}

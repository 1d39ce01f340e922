package pipeline_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	_ "time/tzdata"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/engine/point"
)

// TestFunctionExamples runs the examples of the functions' declarations.
func TestFunctionExamples(t *testing.T) {
	for _, d := range funcs.All() {
		if d.Summary == "" {
			t.Errorf("%s has no summary", d.Name)
		}
		if len(d.Examples) < 3 {
			t.Errorf("%s has only %d examples", d.Name, len(d.Examples))
		}
		for _, x := range d.Examples {
			got := runExample(t, x)
			if x.Varies {
				if strings.Contains(got, "error") {
					t.Errorf("%s:\n%s\ngot\n%s", d.Name, x.Script, got)
				}
			} else if got != x.Want {
				t.Errorf("%s:\n%s\ngot\n%s\nwant\n%s", d.Name, x.Script, got, x.Want)
			}
		}
	}
}

// runExample runs an example as its declaration says.
func runExample(t *testing.T, x funcs.Example) string {
	o := options()
	o.Bare = true
	o.Host = exampleHost{}
	o.Loader = func(name string) (string, error) {
		text, ok := x.Scripts[name]
		if !ok {
			return "", fmt.Errorf("there is no script %q", name)
		}
		return text, nil
	}
	s, err := pipeline.Compile(x.Script, o)
	if err != nil {
		return "load error " + err.Error()
	}
	messages := x.Points
	if messages == nil {
		messages = []string{x.Message}
	}
	r := s.NewRunner()
	var got []string
	for _, m := range messages {
		p := logPoint(m)
		p.Category = cmp.Or(x.Category, point.Logging)
		got = append(got, render(&p, m, r.Run(&p)))
	}
	return strings.Join(got, "\n--\n")
}

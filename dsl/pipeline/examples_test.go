package pipeline_test

import (
	"testing"
	_ "time/tzdata"

	"dataflow/dsl/pipeline/funcs"
)

// TestFunctionExamples runs the examples of the functions' declarations.
func TestFunctionExamples(t *testing.T) {
	for _, d := range funcs.All() {
		if d.Summary == "" {
			t.Errorf("%s has no summary", d.Name)
		}
		if len(d.Examples) == 0 && d.Name != "use" {
			t.Errorf("%s has no example", d.Name)
		}
		o := options()
		o.Bare = true
		for _, x := range d.Examples {
			if got := run(t, x.Script, x.Message, o); got != x.Want {
				t.Errorf("%s:\n%s\ngot\n%s\nwant\n%s", d.Name, x.Script, got, x.Want)
			}
		}
	}
}

package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/funcs"
)

// FuzzScript compiles and runs any text: that must not panic, must end, and must do the same again.
func FuzzScript(f *testing.F) {
	for _, d := range funcs.All() {
		for _, x := range d.Examples {
			f.Add(x.Script, x.Message)
		}
	}
	scripts, _ := filepath.Glob("testdata/bench/*.p")
	for _, name := range scripts {
		script, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(script), `{"a": [1, {"b": "c"}], "d": "2024-03-09T16:05:06Z"}`)
	}
	for _, s := range []string{
		"l = [1]\nl[0] = l\nadd_key(l)\nx = l == l", "m = {}\nfor i = 0; i < 9; i += 1 { m = {\"a\": m, \"b\": m} }\nadd_key(m)", "for x in message { y += x[0:1:-1] }",
		"if a.b && nosuch || !1 { break } elif \"x\" in [_] {} else { use(\"a.p\") }", "a, b = `c d`, 0x1F\n'''x'''\n\"\"\"y\"\"\"", "x = load_json(_)\nfor k in x { strfmt(k, \"%v %s\", x[k], k) }",
	} {
		f.Add(s, `{"a": 1}`)
	}
	o := options()
	o.MaxSteps = 20_000
	o.Loader = func(name string) (string, error) {
		if name == "a.p" {
			return "add_key(a, x)", nil
		}
		return "", fmt.Errorf("no such script")
	}
	f.Fuzz(func(t *testing.T, script, message string) {
		start := time.Now()
		s, err := pipeline.Compile(script, o)
		if again, err2 := pipeline.Compile(script, o); fmt.Sprint(err) != fmt.Sprint(err2) || (s == nil) != (again == nil) {
			t.Fatalf("compiled twice: %v, then %v", err, err2)
		}
		if err != nil {
			if s != nil || err.Error() == "" {
				t.Errorf("error %q and script %v", err, s)
			}
			return
		}
		run(t, script, message, o)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dataflow/dsl/pipeline"
)

// TestBudgetsHold runs scripts that would go on for ever, or fill the memory. Each must end at the budget that is named, and
// soon.
func TestBudgetsHold(t *testing.T) {
	big := `{"l": [` + strings.Repeat(`"text with an escape\n",`, 50_000) + `1]}`
	level := func(i int) string { return fmt.Sprintf("use(\"%d.p\")\nuse(\"%d.p\")\nadd_key(n%d, 1)", i+1, i+1, i) }
	loader := func(name string) (string, error) {
		var i int
		if _, err := fmt.Sscanf(name, "%d.p", &i); err != nil || i > 40 {
			return "", fmt.Errorf("no such script")
		}
		if i == 40 {
			return "add_key(end, 1)", nil
		}
		return level(i), nil
	}
	few := pipeline.Options{MaxSteps: 500_000}
	var newKeys strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&newKeys, "add_key(k%d, 1)\n", i)
	}
	for _, x := range []struct {
		name, script, message, want string
		o                           pipeline.Options
	}{
		{"loop", "for ;; {}", "", "budget of 10000000 steps", pipeline.Options{}},
		{"loop by the clock", "for ;; {}", "", "took longer than 5ms", pipeline.Options{MaxTime: 5 * time.Millisecond}},
		{"loop over a growing list", "l = [1]\nfor ;; { l = append(l, l) }", "", "budget of 67108864 bytes of output", pipeline.Options{}},
		{"doubling text", "s = \"0123456789abcdef\"\nfor ;; { s = s + s }", "", "budget of 67108864 bytes of output", pipeline.Options{}},
		{"doubling text, more allowed", "s = \"0123456789abcdef\"\nfor ;; { s = s + s }", "", "too long",
			pipeline.Options{MaxOutput: 1 << 40, MaxSteps: 1 << 40}},
		{"doubling text, less allowed", "s = \"0123456789abcdef\"\nfor ;; { s += s }", "", "budget of 1000 bytes of output", pipeline.Options{MaxOutput: 1000}},
		{"doubling list", "l = [1, 2]\nfor ;; { l = [l, l]\nadd_key(x, l) }", "", "list or map is too large", pipeline.Options{}},
		{"lists", "for i = 0; true; i += 1 { l = [i, 2, 3, 4] }", "", "budget of 67108864 bytes of output", pipeline.Options{}},
		{"maps", "for i = 0; true; i += 1 { m = {\"a\": i, \"b\": 2} }", "", "budget of 67108864 bytes of output", pipeline.Options{}},
		{"long slices", "for ;; { s = _[::-1] }", strings.Repeat("x", 1<<20), "budget of 67108864 bytes of output", pipeline.Options{}},
		{"long slices of lists", "d = load_json(_)\nfor ;; { s = d[\"l\"]\nx = s[0:1000000:1] }", big, "budget of 67108864 bytes of output", pipeline.Options{}},
		{"texts with escapes", "d = load_json(_)\nfor ;; { for x in d[\"l\"] {} }", big, "budget of 67108864 bytes of output", pipeline.Options{}},
		{"reading JSON", "for ;; { d = load_json(_) }", big, "budget of 67108864 bytes of output", pipeline.Options{}},
		{"reading JSON paths", "for ;; { json(_, l[0], x) }", big, "budget of 10000000 steps", pipeline.Options{}},
		// The same text is parsed once: two take turns.
		{"reading JSON paths by the clock", "add_key(y, \"{}\")\nfor ;; { json(_, l[0], x)\njson(y, a) }", big, "took longer than 20ms", pipeline.Options{MaxTime: 20 * time.Millisecond}},
		{"a straight script of heavy calls", "add_key(y, \"{}\")\n" + strings.Repeat("json(_, l[0], x)\njson(y, a)\n", 2500), big, "took longer than 20ms", pipeline.Options{MaxTime: 20 * time.Millisecond}},
		{"trees of JSON", "d = load_json(_)\nfor ;; { l = [d] }", big, "budget of 67108864 bytes of output", pipeline.Options{}},
		{"maps of JSON", "d = load_json(_)\nfor ;; { for k in d {} }", big, "budget of 67108864 bytes of output", pipeline.Options{}},
		{"writing JSON", "d = load_json(_)\nfor ;; { add_key(x, d) }", big, "budget of 10000000 steps", pipeline.Options{}},
		{"lists that contain themselves", "a = [1, 2]\na[0] = a\na[1] = a\nb = [1, 2]\nb[0] = b\nb[1] = b\nfor ;; { x = a == b }", "", "budget of 10000000 steps",
			pipeline.Options{}}, // one comparison costs a million
		{"comparing JSON", "d = load_json(_)\ne = load_json(_)\nfor ;; { x = d in [1, e, 2] }", big, "budget of", pipeline.Options{}},
		{"growing replace", "s = _\nadd_key(s)\nfor ;; { replace(s, \"x\", \"xx\") }", "x", "budget of 500000 steps", few},
		{"scripts that use scripts", level(0), "", "budget of 10000000 steps", pipeline.Options{Loader: loader}},
		{"scripts that use scripts, by the clock", level(0), "", "took longer than 5ms", pipeline.Options{Loader: loader, MaxTime: 5 * time.Millisecond}},
		{"very many keys", newKeys.String(), "", "budget of 500000 steps", few},
		{"very many keys, less allowed", newKeys.String(), "", "budget of 100000 bytes of output", pipeline.Options{MaxOutput: 1e5}},
	} {
		t.Run(x.name, func(t *testing.T) {
			start := time.Now()
			s, err := pipeline.Compile(x.script, x.o)
			if err != nil {
				t.Fatal(err)
			}
			p := logPoint(x.message)
			if o := s.NewRunner().Run(&p); o.Err == nil || !strings.Contains(o.Err.Msg, x.want) || len(o.Err.Places) == 0 {
				t.Errorf("got %.300v, want %q", o.Err, x.want)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

package pipeline_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/engine/point"
)

// chance are functions whose outcome depends on chance.
var chance = []string{"sample("}

// kept are functions whose outcome depends on what earlier runs left.
var kept = []string{"cache_", "agg_", "point_window", "window_hit"}

func mentions(script string, any []string) bool {
	return slices.ContainsFunc(any, func(name string) bool { return strings.Contains(script, name) })
}

func fuzzOptions() pipeline.Options {
	o := options()
	o.Name = "fuzz.p"
	o.MaxSteps = 5000
	o.Host = exampleHost{}
	o.Tags = []point.Field{{Key: "global", Value: point.String("g"), Tag: true}}
	others := map[string]string{"other.p": "add_key(used, a)\nb = 1\nif n == nil { exit() }\nadd_key(n, n + 1)"}
	for _, d := range funcs.All() {
		for _, x := range d.Examples {
			maps.Copy(others, x.Scripts)
		}
	}
	o.Loader = func(name string) (string, error) {
		if text, ok := others[name]; ok {
			return text, nil
		}
		return "", fmt.Errorf("no such script")
	}
	return o
}

// FuzzEvaluator runs random scripts on random points. None may panic or outrun its budget, each must leave a valid point, say where it
// failed, and do the same when it is run again.
func FuzzEvaluator(f *testing.F) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		seed := make([]byte, 40+r.IntN(400))
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	o := fuzzOptions()
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			return
		}
		g := &scriptGen{data: data}
		p := g.point()
		var loads []string // statements that load by themselves
		for _, s := range g.statements() {
			_, err := pipeline.Compile(s, o)
			if err == nil {
				loads = append(loads, s)
			} else if what := badErrors(err, s); what != "" {
				t.Fatalf("%s\n%s", what, s)
			}
		}
		script := strings.Join(loads, "")
		start := time.Now()
		first, outcome := evaluate(t, script, o, p, 2)
		if outcome != nil && (len(outcome.Places) == 0 || outcome.Msg == "") {
			t.Errorf("an error without a place or text: %v\n%s", outcome, script)
		}
		if second, _ := evaluate(t, script, o, p, 2); !slices.Equal(first, second) && !mentions(script, chance) {
			t.Errorf("%s\nfirst:\n%s\nagain:\n%s", script, strings.Join(first, "\n--\n"), strings.Join(second, "\n--\n"))
		}
		if first[0] != first[1] && !mentions(script, chance) && !mentions(script, kept) {
			t.Errorf("%s\nthe first run:\n%s\nthe second run:\n%s", script, first[0], first[1])
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v:\n%s", took, script)
		}
	})
}

// badErrors says what is wrong with the errors of a load.
func badErrors(err error, script string) string {
	var all pipeline.Errors
	if !errors.As(err, &all) || len(all) == 0 {
		return fmt.Sprintf("the error is %T", err)
	}
	lines := strings.Count(script, "\n") + 1
	for _, e := range all {
		if e.Msg == "" || e.File == "fuzz.p" && (e.Line < 1 || e.Line > lines || e.Col < 1) {
			return fmt.Sprintf("a bad error: %+v", e)
		}
	}
	return ""
}

// evaluate runs a script on copies of a point, one after the other, and checks what it leaves.
func evaluate(t *testing.T, script string, o pipeline.Options, p point.Point, runs int) (got []string, err *pipeline.RunError) {
	t.Helper()
	s, fault := pipeline.Compile(script, o)
	if fault != nil {
		t.Fatalf("statements that load one by one do not load together: %v\n%s", fault, script)
	}
	r := s.NewRunner()
	for range runs {
		q := p.Clone()
		out := r.Run(&q)
		err = out.Err
		for i, c := range append([]point.Point{q}, out.Created...) {
			if what := invalid(&c); what != "" {
				t.Errorf("point %d: %s\n%s", i, what, script)
			}
		}
		text := fmt.Sprintf("%v dropped %v", out.Err, out.Dropped)
		for _, c := range append([]point.Point{q}, out.Created...) {
			text += "\n" + dump(&c)
		}
		got = append(got, text)
	}
	return got, err
}

// invalid says what is wrong with a point.
func invalid(p *point.Point) string {
	seen := map[string]bool{}
	for _, f := range p.Fields {
		if seen[f.Key] {
			return fmt.Sprintf("the key %q stands twice", f.Key)
		}
		seen[f.Key] = true
		if f.Tag && f.Value.Kind() != point.KindString {
			return fmt.Sprintf("the tag %q is %v", f.Key, f.Value.Kind())
		}
		if holdsReference(f.Value) {
			return fmt.Sprintf("the field %q holds a value of a script only", f.Key)
		}
	}
	if p.Category == 0 {
		return "it has no category"
	}
	return ""
}

func holdsReference(v point.Value) bool {
	switch v.Kind() {
	case point.KindList:
		return slices.ContainsFunc(v.Items(), holdsReference)
	case point.KindMap:
		for _, x := range v.Map() {
			if holdsReference(x) {
				return true
			}
		}
		return false
	}
	return v.Kind() > point.KindMap
}

// dump writes a point, all kinds of values included.
func dump(p *point.Point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %q %d", p.Category, p.Name, p.Time)
	for _, f := range p.Fields {
		fmt.Fprintf(&b, " %q %v=", f.Key, f.Tag)
		dumpValue(&b, f.Value)
	}
	return b.String()
}

func dumpValue(b *strings.Builder, v point.Value) {
	switch v.Kind() {
	case point.KindList:
		b.WriteByte('[')
		for _, x := range v.Items() {
			dumpValue(b, x)
			b.WriteByte(' ')
		}
		b.WriteByte(']')
	case point.KindMap:
		b.WriteByte('{')
		keys := make([]string, 0, len(v.Map()))
		for k := range v.Map() {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			fmt.Fprintf(b, "%q:", k)
			dumpValue(b, v.Map()[k])
		}
		b.WriteByte('}')
	case point.KindBytes:
		fmt.Fprintf(b, "bytes %q", v.Raw())
	case point.KindUint:
		fmt.Fprintf(b, "%du", v.Uint())
	default:
		b.WriteString(show(v))
	}
}

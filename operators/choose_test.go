package operators

import (
	"testing"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/expr"
	"dataflow/engine/point"
)

func condition(t testing.TB, text string) *expr.Condition {
	t.Helper()
	c, err := expr.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		keep, drop string
		want       string
	}{
		{keep: `fields.message startsWith "a"`, want: "a1 a2"},
		{drop: `fields.message startsWith "a"`, want: "b"},
		{keep: `meta.topic == "t"`, want: "a1 b a2"},
		{keep: `meta.topic == "u"`, want: ""},
		{drop: `fields.missing > 3`, want: "a1 b a2"},
	} {
		var config filterConfig
		if c.keep != "" {
			config.Keep = condition(t, c.keep)
		} else {
			config.Drop = condition(t, c.drop)
		}
		op, err := newFilter(quietEnv(), config)
		if err != nil {
			t.Fatal(err)
		}
		b := messages("a1", "b", "a2")
		o := enginetest.Process(t, op, b)
		got := ""
		for i := range o.Kept {
			v, _ := o.Kept[i].Get("message")
			if got != "" {
				got += " "
			}
			got += v.Str()
		}
		if got != c.want || len(o.Kept)+len(o.Dropped) != 3 {
			t.Errorf("keep %q drop %q: kept %q, dropped %v", c.keep, c.drop, got, o.Dropped)
		}
	}
	both := filterConfig{Keep: condition(t, `name == "t"`), Drop: condition(t, `name == "t"`)}
	for _, bad := range []filterConfig{{}, both} {
		if _, err := newFilter(quietEnv(), bad); err == nil {
			t.Error("neither or both of keep and drop are accepted")
		}
	}
}

func TestRoute(t *testing.T) {
	op, err := newRoute(quietEnv(), routeConfig{Routes: routes{
		{"errors", condition(t, `fields.status == "error"`)},
		{"slow", condition(t, `fields.ms > 100`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := messages("x", "y", "z", "w")
	b.Points[0].Set("status", point.String("error"))
	b.Points[0].Set("ms", point.Int(500)) // the first route that matches
	b.Points[1].Set("ms", point.Float(100.5))
	b.Points[2].Set("ms", point.Int(100))
	o := enginetest.Process(t, op, b)
	want := map[int]string{0: "errors", 1: "slow", 2: unmatchedPort, 3: unmatchedPort}
	for i, port := range want {
		if o.Routed[i] != port {
			t.Errorf("point %d leaves by %q, want %q", i, o.Routed[i], port)
		}
	}
	var names []string
	for _, p := range op.(engine.Ported).Ports() {
		names = append(names, p.Name)
	}
	if len(names) != 3 || names[2] != unmatchedPort {
		t.Errorf("ports %q", names)
	}
}

// TestRoutesRefuse: names that stand for other outputs cannot be routes.
func TestRoutesRefuse(t *testing.T) {
	for _, name := range []string{"failed", "dropped", "unmatched", ""} {
		var r routes
		n := mapping{keys: []string{name}, values: []engine.OptionNode{errorScalar{scalar{text: `name == "x"`}}}}
		if err := r.UnmarshalOption(n); err == nil {
			t.Errorf("a route %q is accepted", name)
		}
	}
}

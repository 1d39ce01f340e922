package operators

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

// TestPipelineBudget: a script that does not end costs its own point, and the time of its budget.
func TestPipelineBudget(t *testing.T) {
	x := newBench(t, "x.p", `
if message == "loop" { for ;; {} }
if message == "grow" { s = "0123456789abcdef"; for ;; { s = s + s } }
add_key(done, true)`)
	x.feed(point.Logging, `a message="first" 1`, `a message="loop" 2`, `a message="middle" 3`, `a message="grow" 4`, `a message="last" 5`)
	begin := time.Now()
	got, stats := x.run("script: x.p\nbudget: {time: 50ms, steps: 1000000000, output: 1MiB}")
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	for i, done := range []bool{true, false, true, false, true} {
		v, _ := got[i].Get("done")
		e, failed := got[i].Get("dk_error")
		if v.Bool() != done || failed == done {
			t.Errorf("point %d: done %v, error %q", i, v.Bool(), e.Str())
		}
	}
	e, _ := got[1].Get("dk_error")
	if !strings.Contains(e.Str(), "took longer than 50ms") || countOf(stats.Passed, "script_budget") != 2 {
		t.Errorf("error %q, passed %v", e.Str(), stats.Passed)
	}

	for _, c := range []struct{ onError, want string }{{"drop", "a a a"}, {"dead_letter", "a a a"}} {
		x.got = nil
		got, stats := x.run("script: x.p\nbudget: {steps: 1000, output: 1MiB}\non_error: " + c.onError)
		if len(got) != 3 || countOf(stats.Failed, "script_budget") != 2 {
			t.Errorf("%s: %d points, failed %v", c.onError, len(got), stats.Failed)
		}
	}
}

func TestPipelineStatus(t *testing.T) {
	const script = `if message == "own" { setopt(status_mapping=false) }`
	input := []string{`a status="W"`, `a status="debug"`, `a status="OK"`, `a status="D",message="own"`, `a x=1i`, `b status="debug"`}
	for _, c := range []struct{ options, want string }{
		{"", "warning debug OK D info debug"},
		{"status_mapping: false", "W debug OK D  debug"},
		{"ignore_status: [debug]", "warning OK D info debug"},
		{"ignore_status: [trace, ok]", "warning D info debug"},
		{"ignore_status: [info]", "warning debug OK D debug"},
		{"status_mapping: false\nignore_status: [debug, D]", "W OK D  debug"},
		{"status_mapping: false\nignore_status: [d, w]", "W debug OK D  debug"},
	} {
		x := newBench(t, "scripts/a.p", script)
		x.feed(point.Logging, input...)
		got, stats := x.run("dir: scripts\n" + c.options)
		var statuses []string
		for i := range got {
			v, _ := got[i].Get("status")
			statuses = append(statuses, v.Str())
		}
		if g := strings.Join(statuses, " "); g != c.want {
			t.Errorf("%s: %q, want %q", c.options, g, c.want)
		}
		if n := int64(len(input) - len(got)); countOf(stats.Dropped, "ignored_status") != n {
			t.Errorf("%s: dropped %v, want %d", c.options, stats.Dropped, n)
		}
	}
	// Other categories have no status.
	x := newBench(t, "scripts/metric/a.p", "add_key(seen, true)")
	x.feed(point.Metric, `a status="debug"`)
	if got, _ := x.run("dir: scripts\nignore_status: [debug, info]"); len(got) != 1 {
		t.Error("a metric point is dropped")
	}
}

// TestPipelineCounts: the counters of the scripts, and the ledger with points that are dropped, failed and created.
func TestPipelineCounts(t *testing.T) {
	x := newBench(t, "scripts/a.p", `
if message == "drop" { drop() }
if message == "make" {
  create_point("made", {"t": "v"}, {"f": 1}, 1, "M")
  create_point("made", {"t": "v"}, {"f": 2}, 1, "L")
}
if message == "fail" { x = 1 + nosuch }`, "scripts/metric/a.p", "drop()")
	x.feed(point.Logging, `a message="make"`, `a message="drop"`, `b message="none"`, `a message="fail"`, `a message="make"`)
	x.feed(point.Metric, `a x=1`, `a x=2`)
	got, stats := x.run("dir: scripts")
	if len(got) != 8 || stats.In != 7 || stats.Created != 4 || countOf(stats.Dropped, "script") != 3 || countOf(stats.Passed, "error") != 1 {
		t.Errorf("%d points, %+v", len(got), stats)
	}
	for label, want := range map[string]int64{
		"script_points{logging/a.p}": 4, "script_dropped_points{logging/a.p}": 1, "script_failed_points{logging/a.p}": 1, "script_created_points{logging/a.p}": 4,
		"script_points{metric/a.p}": 2, "script_dropped_points{metric/a.p}": 2,
	} {
		if n := countOf(stats.Custom, label); n != want {
			t.Errorf("%s is %d, want %d", label, n, want)
		}
	}
	if len(stats.Custom) != 6 {
		t.Errorf("counters %v", stats.Custom)
	}
}

// TestPipelineCountLabels: very many scripts share their counters, so that the node keeps room for others.
func TestPipelineCountLabels(t *testing.T) {
	x := newBench(t)
	var points []string
	for i := range 40 {
		x.write(fmt.Sprintf("scripts/s%d.p", i), "")
		points = append(points, fmt.Sprintf("s%d x=1", i))
	}
	x.feed(point.Logging, points...)
	_, stats := x.run("dir: scripts")
	if len(stats.Custom) != maxScriptLabels+1 || countOf(stats.Custom, "script_points{other}") != 40-maxScriptLabels {
		t.Errorf("%v", stats.Custom)
	}
}

// TestPipelineCategories: what differs between the categories of points.
func TestPipelineCategories(t *testing.T) {
	const script = `add_key(text, "t")
set_tag(kept, tag)
add_key(tag, 5)
add_key(lst, [1, "a"])
add_key(time, 7)
status = "W"
`
	for _, c := range []struct {
		category point.Category
		want     string
	}{
		{point.Logging, `logging a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,status="info",text="t" 7`},
		{point.Metric, `metric a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
		{point.Object, `object a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
		{point.Tracing, `tracing a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
		{point.RUM, `rum a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
		{point.Network, `network a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
		{point.KeyEvent, `keyevent a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
		{point.Security, `security a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
		{point.Profiling, `profiling a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
		{point.CustomObject, `custom_object a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
		{point.DialTesting, `dialtesting a,kept=x,tag=5 lst="[1,\"a\"]",n=1i,text="t" 7`},
	} {
		x := newBench(t, "x.p", script)
		x.feed(c.category, "a,tag=x n=1i 1")
		got, _ := x.run("script: x.p")
		if g := lines(got); !slices.Equal(g, []string{c.want}) {
			t.Errorf("got  %s\nwant %s", strings.Join(g, "\n"), c.want)
		}
	}
}

// TestPipelineConforms drives the operator as the suite of the contract does.
func TestPipelineConforms(t *testing.T) {
	x := newBench(t, "x.p", `if message == "b" { drop() }
if message == "c" { x = 1 + nosuch }
if message == "d" { create_point("made", {"t": "v"}, {"f": 1}, 1, "M") }`)
	g, err := x.load("script: x.p")
	if err != nil {
		t.Fatal(err)
	}
	spec := g.Node("p").Steps[0]
	enginetest.TestOperator(t, func(t *testing.T) engine.Operator {
		op, err := spec.Component.Build(enginetest.Env(), spec.Config)
		if err != nil {
			t.Fatal(err)
		}
		return op
	}, func() *engine.Batch { return messages("a", "b", "c", "d", "e") })
}

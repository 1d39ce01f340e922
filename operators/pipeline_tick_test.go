package operators

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

// TestPipelineAggregates: what scripts gather leaves when the graph drains, as created points.
func TestPipelineAggregates(t *testing.T) {
	const sum = `agg_create("%s", on_interval="10m", const_tags={"unit": "ms"}, category="%s")
agg_metric("%s", "total", "sum", ["host"], "n", category="%s")`
	x := newBench(t, "scripts/a.p", fmt.Sprintf(sum, "by_host", "M", "by_host", "M")+"\ndrop()", "scripts/metric/a.p", fmt.Sprintf(sum, "by_host", "L", "by_host", "L"))
	x.feed(point.Logging, "a,host=x n=1i", "a,host=y n=2i", "a,host=x n=3i")
	x.feed(point.Metric, "a,host=x n=5")
	got, stats := x.run("dir: scripts\nworkers: 4")
	for i := range got {
		got[i].Time = 0
	}
	g := lines(got)
	slices.Sort(g)
	want := []string{`logging by_host,host=x,unit=ms status="info",total=5 0`, "metric a,host=x n=5 0", "metric by_host,host=x,unit=ms total=4 0", "metric by_host,host=y,unit=ms total=2 0"}
	if !slices.Equal(g, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(g, "\n"), strings.Join(want, "\n"))
	}
	if stats.In != 4 || stats.Created != 3 || stats.Out != 4 || countOf(stats.Dropped, "script") != 3 || stats.Imbalance != 0 {
		t.Errorf("%+v", stats)
	}
	if n := countOf(stats.Custom, "script_created_points{metric/a.p}") + countOf(stats.Custom, "script_created_points{logging/a.p}"); n != 3 {
		t.Errorf("counted %v", stats.Custom)
	}
}

// TestPipelineAggregateCounts: aggregated points are counted by the category that they have.
func TestPipelineAggregateCounts(t *testing.T) {
	const script = `n = 1
agg_create("a", category="M")
agg_metric("a", "total", "sum", ["host"], "n", "M")
agg_create("b", category="L")
agg_metric("b", "total", "sum", ["host"], "n", "L")`
	x := newBench(t, "x.p", script)
	x.feed(point.Metric, "a,host=x n=1i", "a,host=y n=2i")
	_, stats := x.run("script: x.p")
	for _, name := range []string{"script_created_points{metric/x.p}", "script_created_points{logging/x.p}"} {
		if n := countOf(stats.Custom, name); n != 2 {
			t.Errorf("%s is %d: %v", name, n, stats.Custom)
		}
	}
}

// TestPipelineTicks: a bucket leaves when its interval is over, by the clock of the environment, and all that is left at the end.
func TestPipelineTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBench(t, "x.p", `agg_create("b", on_interval="5s")
agg_metric("b", "n", "sum", ["host"], "n")`)
		op := x.operator("script: x.p").(*pipelineFactory)
		feed := func(n int64) {
			b := engine.Reserve(1, 2)
			p := b.Add()
			p.Name, p.Category = "a", point.Metric
			p.SetTag("host", "x")
			p.Set("n", point.Int(n))
			if err := op.Process(t.Context(), b); err != nil {
				t.Error(err)
			}
			enginetest.Done(b)
		}
		begin := time.Now()
		var got []string
		emit := func(_ context.Context, b *engine.Batch) error {
			for i := range b.Points {
				v, _ := b.Points[i].Get("n")
				got = append(got, fmt.Sprintf("%v:%v", time.Since(begin), v.Float()))
			}
			enginetest.Done(b)
			return nil
		}
		if op.Period() != time.Second {
			t.Errorf("a period of %v", op.Period())
		}
		feed(1)
		for range 11 {
			time.Sleep(time.Second)
			feed(1)
			if err := op.Tick(t.Context(), time.Time{}, emit); err != nil {
				t.Error(err)
			}
		}
		if err := op.Drain(t.Context(), emit); err != nil {
			t.Error(err)
		}
		if g := strings.Join(got, " "); g != "5s:6 10s:5 11s:1" {
			t.Errorf("emitted %s", g)
		}
		// What was emitted at the end is not kept.
		got = nil
		if err := op.Drain(t.Context(), emit); err != nil || len(got) > 0 {
			t.Errorf("emitted again %v, %v", got, err)
		}
	})
}

// TestPipelineWindow: points that a window hands back are created ones; what they were dropped for stays counted.
func TestPipelineWindow(t *testing.T) {
	x := newBench(t, "x.p", `point_window(3, 1, ["host"])
if n == 4 { window_hit() }
drop()`)
	var in []string
	for n := 1; n <= 7; n++ {
		in = append(in, fmt.Sprintf("a,host=x n=%di %d", n, n))
	}
	x.feed(point.Metric, in[:5]...)
	x.feed(point.Metric, in[5:]...)
	got, stats := x.run("script: x.p\nworkers: 1")
	var ns []int64
	for i := range got {
		v, _ := got[i].Get("n")
		ns = append(ns, v.Int())
	}
	slices.Sort(ns)
	if fmt.Sprint(ns) != "[1 2 3 4]" || stats.Created != 3 || countOf(stats.Dropped, "script") != 6 {
		t.Errorf("%v, %+v", ns, stats)
	}
}

// TestPipelineWindowSizes: sizes that are no ints make no window, and harm nothing.
func TestPipelineWindowSizes(t *testing.T) {
	x := newBench(t, "x.p", "point_window(size, 1, [\"host\"])\npoint_window(1, 2.5, [\"host\"])\nwindow_hit()\nadd_key(after, true)")
	x.feed(point.Metric, `a,host=x size="3" 1`, `a,host=x size=2.5 2`, "a,host=x n=1i 3")
	got, stats := x.run("script: x.p")
	want := []string{`metric a,host=x after=true,size="3" 1000000000`, "metric a,host=x after=true,size=2.5 2000000000", "metric a,host=x after=true,n=1i 3000000000"}
	if g := lines(got); !slices.Equal(g, want) || stats.Created != 0 {
		t.Errorf("%s, %+v", strings.Join(g, "\n"), stats)
	}
}

// TestPipelineOutside: scripts reach tables and servers, and files of geo data.
func TestPipelineOutside(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s", r.URL.Query().Get("name")) }))
	defer server.Close()
	x := newBench(t, "x.p", `query_refer_table("hosts", "ip", ip)
r = http_request("GET", "`+server.URL+`/?name=x")
if r != nil { add_key(said, r["body"]) }
r = http_request("GET", "http://169.254.169.254/")
add_key(metadata, r == nil)
`, "tables.json", fmt.Sprintf(tablesText, "shop"))
	x.feed(point.Metric, `a ip="10.0.0.1" 1`)
	got, stats := x.run("script: x.p\nrefer_tables: {file: tables.json}\nhttp: {cidrs: [127.0.0.0/8]}")
	if g := lines(got); !slices.Equal(g, []string{`metric a ip="10.0.0.1",metadata=true,said="hello x",team="shop" 1000000000`}) {
		t.Errorf("%s, %v", strings.Join(g, "\n"), stats.Passed)
	}
	x.got = nil
	got, _ = x.run("script: x.p")
	if g := lines(got); !slices.Equal(g, []string{`metric a ip="10.0.0.1",metadata=true 1000000000`}) {
		t.Errorf("without the options: %s", strings.Join(g, "\n"))
	}
}

package pipeline_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/engine/point"
)

func TestStateFunctions(t *testing.T) {
	const hit = "\nif message == \"4\" { window_hit() }\ndrop()"
	seven := []string{"1", "2", "3", "4", "5", "6", "7"}
	log := func(messages ...string) string {
		var lines []string
		for _, m := range messages {
			lines = append(lines, fmt.Sprintf("created logging src message=%q,status=\"info\" 1700000000000000000", m))
		}
		return strings.Join(lines, "\n")
	}
	through := func(outcomes ...string) string { return strings.Join(outcomes, "\n--\n") }
	const drop = "dropped"
	for _, x := range []funcs.Example{
		// The cache.
		{Script: `add_key(a, cache_get("nosuch"))`, Want: "a=nil"},
		{Script: "cache_set(\"n\", 5)\nadd_key(a, cache_get(\"n\") + \"1\")\nadd_key(b, cache_get(\"n\") == 5)\nadd_key(c, cache_get(\"n\") == \"5\")",
			Want: "a=\"51\"\nb=false\nc=true"},
		{Script: "for v in [nil, true, 1.5, [1], {}] { cache_set(\"k\", v)\n add_key(a, cache_get(\"k\")) }\ncache_set(\"k\", load_json(_))\nadd_key(b, cache_get(\"k\"))",
			Message: `{"x":[1]}`, Want: "a=\"{}\"\nb=\"{\\\"x\\\":[1]}\""},
		{Script: "cache_set(\"k\", nil)\nadd_key(a, cache_get(\"k\"))", Want: "a=\"\""},
		{Script: "cache_set(\"k\", 1, 1)\ncache_set(\"k\", 2, exp=0)\ncache_set(\"k\", 3, -5)\nadd_key(a, cache_get(\"k\"))", Want: "a=\"1\""},
		{Script: "cache_set(1, 2)", Want: "error 1:1: cache_set: the argument key is not str but int"},
		{Script: "cache_set(nosuch, 2)", Want: "error 1:1: cache_set: the argument key is not str but nil"},
		{Script: "cache_set(\"k\", 1, 1.5)", Want: "error 1:1: cache_set: the argument exp is not int but float"},
		{Script: "cache_set(\"k\", 1 + nil)", Want: "error 1:18: unsupported rhs data type: nil"},
		{Script: "cache_get(true)", Want: "error 1:1: cache_get: the argument key is not str but bool"},
		{Script: "cache_get(key=\"k\")", Want: "load error 1:11: cache_get takes no named arguments"},
		{Script: "cache_set(\"k\")", Want: "load error 1:1: cache_set: the argument value is missing"},
		{Script: "if message == \"set\" { cache_set(\"k\", 1)\nx = 1 + nil }\nadd_key(a, cache_get(\"k\"))", Points: []string{"set", "get"},
			Want: "error 2:7: unsupported rhs data type: nil\n--\na=\"1\""},
		{Script: "use(\"b.p\")\nadd_key(a, cache_get(\"k\"))", Scripts: map[string]string{"b.p": "cache_set(\"k\", \"from b\")"}, Want: "a=\"from b\""},

		// Aggregations: what is checked when the script is loaded.
		{Script: "agg_create()", Want: "load error 1:1: agg_create: the argument bucket is missing"},
		{Script: "agg_create(b)", Want: "load error 1:12: agg_create: the argument bucket must be a text literal"},
		{Script: `agg_create("b", "1x")`, Want: "load error 1:17: agg_create: \"1x\" is no duration such as 60s"},
		{Script: `agg_create("b", on_interval=60)`, Want: "load error 1:29: agg_create: the argument on_interval must be a text literal"},
		{Script: `agg_create("b", on_count="3")`, Want: "load error 1:26: agg_create: the argument on_count must be an int literal"},
		{Script: `agg_create("b", on_count=n)`, Want: "load error 1:26: agg_create: the argument on_count must be an int literal"},
		{Script: `agg_create("b", keep_value=1)`, Want: "load error 1:28: agg_create: the argument keep_value must be true or false"},
		{Script: `agg_create("b", const_tags="x")`, Want: "load error 1:28: agg_create: the argument const_tags must be a map"},
		{Script: `agg_create("b", on_interval="-1s", on_count=-1)`,
			Want: "load error 1:29: agg_create: on_interval and on_count cannot both be 0 or less"},
		{Script: `agg_metric("b", "f", "sum", by, "n")`,
			Want: "load error 1:29: agg_metric: the argument agg_by must be a list of text literals that is not empty"},
		{Script: `agg_metric("b", "f", "sum", ["a", 1], "n")`,
			Want: "load error 1:29: agg_metric: the argument agg_by must be a list of text literals that is not empty"},
		{Script: `agg_metric("b", "f", "sum", ["a"], n)`, Want: "load error 1:36: agg_metric: the argument agg_field must be a text literal"},

		// What they do.
		{Script: "agg_create(\"b\", on_count=2)\nx = \"2.5\"\ny = \"bad\"\nagg_metric(\"b\", \"f\", \"sum\", [\"status\"], \"x\")\n" +
			"agg_metric(\"b\", \"f\", \"sum\", [\"status\"], \"y\")", Want: "created metric b,status=info f=2.5 1700000000000000005"},
		{Script: "agg_create(\"b\", on_count=1)\nx = 1\nagg_metric(\"b\", \"f\", \"sum\", [\"x\"], \"x\")\n" + // no str
			"agg_metric(\"b\", \"f\", \"sum\", [\"status\", \"nosuch\"], \"x\")\nagg_metric(\"b\", \"f\", \"sum\", [\"status\"], \"nosuch\")\n" +
			"agg_metric(\"c\", \"f\", \"sum\", [\"status\"], \"x\")\nagg_metric(\"b\", \"f\", \"p99\", [\"status\"], \"x\")\n" +
			"agg_metric(\"b\", \"f\", \"sum\", [\"status\"], \"x\", category=\"L\")", Want: ""},
		{Script: "agg_create(\"b\", on_count=1, category=\"nosuch\")\nagg_create(\"b\", on_count=1, category=5)\nagg_create(\"b\", on_count=1, category=1 + nil)\n" +
			"agg_create(\"b\", on_count=1, const_tags={\"a\": 1 + nil})\nx = 1\nagg_metric(\"b\", \"f\", \"sum\", [\"status\"], \"x\")\n" +
			"agg_metric(\"b\", \"f\", \"sum\", [\"status\"], \"x\", category=1 + nil)\nadd_key(a, 1)", Want: "a=1"},
		{Script: "agg_create(\"b\", on_count=2)\nagg_create(\"b\", on_count=1, const_tags={\"late\": \"1\"})\nx = 1\n" +
			"agg_metric(\"b\", \"f\", \"sum\", [\"status\"], \"x\")", Points: []string{"", ""},
			Want: "\n--\ncreated metric b,status=info f=2 1700000000000000005"},
		{Script: "agg_create(\"b\", on_count=1, category=\"object\")\nx = 1\nagg_metric(\"b\", \"f\", \"sum\", [\"status\"], \"x\", \"O\")",
			Want: "created object b,status=info f=1,name=\"default\" 1700000000000000005"},
		{Script: "agg_create(\"b\", on_count=2)\nx = 1\ny = \"g\"\nagg_metric(\"b\", \"f\", \"sum\", [\"y\", \"status\"], \"x\")\n" +
			"agg_metric(\"b\", \"f\", \"sum\", [\"status\", \"y\", \"y\"], \"x\")", Want: "created metric b,status=info,y=g f=2 1700000000000000005"},
		{Script: "agg_create(\"b\", on_count=1)\nx = 1\nagg_metric(\"b\", \"f\", \"sum\", [\"status\"], \"x\")\nif message == \"bad\" { x = 1 + nil }",
			Points: []string{"bad", "good"}, // the points of a run that failed come with the next one
			Want: "error 4:29: unsupported rhs data type: nil\n--\n" +
				"created metric b,status=info f=1 1700000000000000005\ncreated metric b,status=info f=1 1700000000000000005"},

		// Windows: the three examples of the reference.
		{Script: "point_window(3, 1, [\"status\"])" + hit, Points: seven,
			Want: through(drop, drop, drop, log("1", "2", "3"), drop, drop, drop)},
		{Script: "point_window(2, 2, [\"status\"])" + hit, Points: seven,
			Want: through(drop, drop, drop, log("3", "2"), "", drop, drop)},
		{Script: "point_window(0, 2, [\"status\"])" + hit, Points: seven,
			Want: through(drop, drop, drop, "", "", drop, drop)},
		{Script: "if message == \"2\" { point_window(3, 1, [\"status\"]) } else { point_window(1, 1, [\"status\"]) }" + hit, Points: seven, // the first sizes count
			Want: through(drop, drop, drop, log("3"), drop, drop, drop)},
		{Script: "point_window(3, 1, [\"status\"])\npoint_window(1, 1, [\"message\"])" + hit, Points: seven, // the first call counts
			Want: through(drop, drop, drop, log("1", "2", "3"), drop, drop, drop)},
		{Script: "point_window(3, 1, [\"message\"])" + hit, Points: seven, // each has a window of its own
			Want: through(drop, drop, drop, "", drop, drop, drop)},
		{Script: "filepath = \"f\"\nhost = \"h\"\npoint_window(before=1, after=1)" + hit, Points: seven,
			Want: through(drop, drop, drop, log("3"), drop, drop, drop)},
		{Script: "filepath = \"f\"\nhost = 1\npoint_window(1, 1)" + hit, Points: seven[:5], Want: through(drop, drop, drop, drop, drop)},
		{Script: "point_window(1.5, 1, [\"status\"])\npoint_window(1, \"1\", [\"status\"])\npoint_window(nil, nil, [\"status\"])" + hit, Points: seven[:5],
			Want: through(drop, drop, drop, drop, drop)},
		{Script: "point_window(1, 1 + nil, [\"status\"])", Want: "error 1:19: unsupported rhs data type: nil"},
		{Script: "point_window(2, 1, [\"status\"])\nif message == \"4\" { window_hit()\nx = 1 + nil }\nif message == \"3\" { x = 1 + nil }\ndrop()", Points: seven[:5],
			Want: through(drop, drop, "error 4:27: unsupported rhs data type: nil", "error 3:7: unsupported rhs data type: nil", drop)},
		{Script: "point_window(2, 1, [\"status\"])\nadd_key(seen, true)\nif message == \"2\" { window_hit() }\nset_measurement(\"m\")\ndrop()", Points: seven[:2],
			Want: through("dropped\nname=m\nseen=true",
				"name=m\nseen=true\ncreated logging m message=\"1\",seen=true,status=\"info\" 1700000000000000000")},
		{Script: "point_window(2, 1, [\"status\"])\nif message == \"2\" { window_hit() }\ndrop()", Category: point.RUM, Points: seven[:2],
			Want: through(drop, "created rum src message=\"1\",status=\"info\" 1700000000000000000")},
		{Script: "point_window(1, 1, tags)", Want: "load error 1:20: point_window: the argument stream_tags must be a list of text literals that is not empty"},
		{Script: "point_window(1)", Want: "load error 1:1: point_window: the argument after is missing"},
		{Script: "window_hit()\ndrop()", Want: drop},
		{Script: "create_point(\"new\", {\"status\": \"x\"}, {\"n\": 1}, after_use=\"b.p\")", // windows are for the point of the run
			Scripts: map[string]string{"b.p": "point_window(1, 1, [\"status\"])\nwindow_hit()\ndrop()"}, Points: seven[:2], Want: through("", "")},
	} {
		if got := runExample(t, x); got != x.Want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", x.Script, got, x.Want)
		}
	}
}

// clocked compiles a script whose clock stands at *now.
func clocked(t testing.TB, script string, now *time.Time, tags ...point.Field) *pipeline.Script {
	t.Helper()
	o := options()
	o.Now = func() time.Time { return *now }
	o.Tags = tags
	s, err := pipeline.Compile(script, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// feed runs a script on a log point and shows the outcome.
func feed(r *pipeline.Runner, message string) string {
	p := logPoint(message)
	return render(&p, message, r.Run(&p))
}

// wire shows points as line protocol.
func wire(points []point.Point) string {
	var lines []string
	for i := range points {
		line, _ := new(point.LineEncoder).Append(nil, &points[i], nil)
		lines = append(lines, points[i].Category.String()+" "+string(line))
	}
	return strings.Join(lines, "\n")
}

func TestCacheExpires(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := clocked(t, "add_key(a, cache_get(\"k\"))\nif message != \"\" { cache_set(\"k\", _, 120) }", &now)
	r := s.NewRunner()
	for _, x := range []struct {
		seconds time.Duration
		message string
		want    string
	}{
		{0, "one", "a=nil"}, {119, "", "a=\"one\""}, {120, "", "a=nil"}, // after more than 100 s
		{200, "two", "a=nil"}, {300, "three", "a=\"two\""}, {400, "", "a=\"three\""}, // beyond its first time
		{419, "", "a=\"three\""}, {420, "", "a=nil"},
	} {
		now = time.Unix(1700000000, 0).Add(x.seconds * time.Second)
		if got := feed(r, x.message); got != x.want {
			t.Errorf("after %d s: got %s, want %s", x.seconds, got, x.want)
		}
	}
	feed(r, "four")
	if got := feed(clocked(t, "add_key(a, cache_get(\"k\"))", &now).NewRunner(), ""); got != "a=nil" {
		t.Errorf("another script: got %s", got)
	}
}

func TestAggregationsAreDue(t *testing.T) {
	start := time.Unix(1700000000, 0)
	now := start
	s := clocked(t, "agg_create(\"b\", const_tags={\"env\": \"prod\"})\nagg_create(\"a\", on_interval=\"10s\", keep_value=true, category=\"L\")\n"+
		"x = len(_)\nagg_metric(\"b\", \"n\", \"sum\", [\"message\"], \"x\")\nagg_metric(\"a\", \"n\", \"sum\", [\"status\"], \"x\", category=\"logging\")\ndrop()",
		&now, point.Field{Key: "host", Value: point.String("h"), Tag: true})
	r := s.NewRunner()
	for _, m := range []string{"zz", "yyy", "zz"} {
		if got := feed(r, m); got != "dropped" {
			t.Errorf("got %s", got)
		}
	}
	due := func(seconds int, all bool, want ...string) {
		t.Helper()
		got := s.Due(start.Add(time.Duration(seconds)*time.Second), all)
		for i := range want {
			want[i] += fmt.Sprintf(" %d000000000", 1700000000+seconds)
		}
		if w := strings.Join(want, "\n"); wire(got) != w {
			t.Errorf("after %d s: got\n%s\nwant\n%s", seconds, wire(got), w)
		}
	}
	const a = `logging a,host=h,status=info n=`
	due(9, false)
	due(10, false, a+"7")
	due(20, false, a+"7")
	due(29, false)
	feed(r, "zz")
	due(60, false, a+"9", "metric b,env=prod,host=h,message=yyy n=3", "metric b,env=prod,host=h,message=zz n=6")
	due(69, false)
	feed(r, "z")
	due(69, true, a+"10", "metric b,env=prod,host=h,message=z n=1")
	due(69, true)
	due(1000, false)
}

func TestAfterStepsAndWindows(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := clocked(t, "point_window(5, 1, [\"host\"])\nset_tag(host, \"h\")\npoint_window(5, 1, [\"host\"])\nadd_key(status, \"W\")\nadd_key(time, 5)\n"+
		"if message == \"hit\" { window_hit() } else { drop() }", &now)
	r := s.NewRunner()
	if got := feed(r, "a"); got != "dropped\ntime=5\nstatus=\"warning\"\nhost#=\"h\"" {
		t.Errorf("got %s", got)
	}
	want := "time=5\nstatus=\"warning\"\nhost#=\"h\"\ncreated logging src,host=h message=\"a\",status=\"warning\" 5"
	if got := feed(r, "hit"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestOneStateForManyRunners runs one script in several goroutines: what they aggregate is all there in the end.
func TestOneStateForManyRunners(t *testing.T) {
	const workers, each = 4, 500
	now := time.Unix(1700000000, 0)
	s := clocked(t, "agg_create(\"b\", on_count=9)\nn = 1\nagg_metric(\"b\", \"n\", \"sum\", [\"message\"], \"n\")\ncache_set(message, n)\n"+
		"add_key(c, cache_get(message))\npoint_window(2, 1, [\"status\"])\nif message == \"m3\" { window_hit() }\ndrop()", &now)
	var mu sync.Mutex
	sum := 0.0
	count := func(points []point.Point) {
		mu.Lock()
		defer mu.Unlock()
		for i := range points {
			if points[i].Name == "b" {
				v, _ := points[i].Get("n")
				sum += v.Float()
			}
		}
	}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			r := s.NewRunner()
			for i := range each {
				p := logPoint(fmt.Sprint("m", i%10))
				o := r.Run(&p)
				if v, _ := p.Get("c"); v.Str() != "1" || o.Err != nil {
					t.Errorf("got %q, %v", v.Str(), o.Err)
				}
				count(o.Created)
			}
		})
	}
	all.Wait()
	count(s.Due(now, true))
	if sum != workers*each {
		t.Errorf("the sum is %v", sum)
	}
}

// TestStateIsBounded gives each of 100,000 points a key, a group and a window of its own, of a kilobyte each.
func TestStateIsBounded(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := clocked(t, "cache_set(message, message, 100000)\nagg_create(\"b\")\nn = 1\nagg_metric(\"b\", \"n\", \"sum\", [\"message\"], \"n\")\n"+
		"point_window(3, 1, [\"message\"])\ndrop()", &now)
	r := s.NewRunner()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rest := strings.Repeat("x", 1000)
	const points = 100_000
	for i := range points {
		p := logPoint(fmt.Sprint(i, rest))
		if o := r.Run(&p); o.Err != nil || !o.Dropped {
			t.Fatalf("got %+v", o)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	const most = 256 << 20
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > most {
		t.Errorf("the state takes %d MiB", grown>>20)
	}
	lost := s.Lost()
	if lost.Cached == 0 || lost.Measured == 0 || lost.Stored == 0 {
		t.Errorf("lost: %+v", lost)
	}
	groups := int64(len(s.Due(now, true)))
	if groups+lost.Measured != points {
		t.Errorf("%d groups and %d lost values", groups, lost.Measured)
	}
}

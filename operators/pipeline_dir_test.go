package operators

import (
	"fmt"
	"strings"
	"testing"

	"dataflow/engine"
	"dataflow/engine/point"
)

// ran returns which scripts ran: each writes its mark into the field ran.
func ran(ps []point.Point) string {
	var out []string
	for i := range ps {
		v, _ := ps[i].Get("ran")
		out = append(out, v.Str())
	}
	return strings.Join(out, " ")
}

func mark(text string) string { return "add_key(ran, \"" + text + "\")" }

func TestPipelineDir(t *testing.T) {
	for _, c := range []struct {
		title    string
		files    []string
		options  string
		category point.Category
		lines    []string
		want     string // marks of the points, in order
	}{
		{title: "the top folder is logging's", files: []string{"a.p", "logging/b.p"}, lines: []string{"a x=1", "b x=1", "c x=1"}, want: "a.p logging/b.p "},
		{title: "logging comes before the top folder", files: []string{"a.p", "logging/a.p"}, lines: []string{"a x=1"}, want: "logging/a.p"},
		{title: "the top folder is logging's only", files: []string{"a.p", "metric/b.p"}, category: point.Metric, lines: []string{"a x=1", "b x=1"}, want: " metric/b.p"},
		{title: "folders further down", files: []string{"a.p", "deep/b.p", "logging/deep/b.p"}, lines: []string{"b x=1"}, want: ""},
		{title: "a category without scripts has no default", files: []string{"a.p"}, options: "map: {a: a.p}", category: point.Network, lines: []string{"a x=1"}, want: ""},
		{title: "object", files: []string{"object/a.p"}, category: point.Object, lines: []string{"a x=1"}, want: "object/a.p"},
		{title: "custom_object", files: []string{"custom_object/a.p"}, category: point.CustomObject, lines: []string{"a x=1"}, want: "custom_object/a.p"},
		{title: "object_change", files: []string{"object_change/a.p"}, category: point.ObjectChange, lines: []string{"a x=1"}, want: "object_change/a.p"},
		{title: "network", files: []string{"network/a.p"}, category: point.Network, lines: []string{"a x=1"}, want: "network/a.p"},
		{title: "dialtesting", files: []string{"dialtesting/a.p"}, category: point.DialTesting, lines: []string{"a x=1"}, want: "dialtesting/a.p"},
		{title: "rum", files: []string{"rum/app_view.p", "rum/d.p", "rum/view.p", "rum/_view.p"}, options: "default: {rum: d.p}", category: point.RUM,
			lines: []string{"view,app_id=app x=1", "view x=1", "error,app_id=app x=1", `view app_id=""`, `view app_id="app"`}, want: "rum/app_view.p  rum/d.p  rum/app_view.p"},
		{title: "security", files: []string{"security/net.p", "security/d.p", "security/a.p"}, options: "default: {security: d.p}", category: point.Security,
			lines: []string{"a,category=net x=1", "a x=1", "a,category=db x=1", "a category=5i"}, want: "security/net.p  security/d.p "},
		{title: "tracing", files: []string{"tracing/shop.p", "tracing/d.p"}, options: "default: {tracing: d.p}", category: point.Tracing,
			lines: []string{"span,service=shop x=1", "span x=1", `span service="shop"`, "shop,service=other x=1"}, want: "tracing/shop.p  tracing/shop.p tracing/d.p"},
		{title: "profiling", files: []string{"profiling/shop.p"}, category: point.Profiling, lines: []string{"p,service=shop x=1", "shop x=1"}, want: "profiling/shop.p "},
		{title: "keyevent", files: []string{"keyevent/monitor.p"}, category: point.KeyEvent, lines: []string{"e,df_source=monitor x=1", "monitor x=1"}, want: "keyevent/monitor.p "},
		{title: "names with a slash are no paths", files: []string{"metric/a.p", "b.p"}, lines: []string{"metric/a x=1", "../b x=1", "./b x=1"}, want: "  "},
		{title: "the default", files: []string{"a.p", "d.p"}, options: "default: {logging: d.p}", lines: []string{"a x=1", "c x=1"}, want: "a.p d.p"},
		{title: "the map, for all categories", files: []string{"a.p", "b.p", "metric/b.p"}, options: "map: {a: b.p, c: b.p, d: \"-\", b: none}", lines: []string{"a x=1", "b x=1", "c x=1", "d x=1"}, want: "b.p  b.p "},
		{title: "the map, by category", files: []string{"a.p", "b.p", "metric/b.p"}, options: "map: {a: b.p, metric: {a: \"-\"}, logging: {a: a.p, c: b.p}}", lines: []string{"a x=1", "c x=1"}, want: "a.p b.p"},
		{title: "the map of another category", files: []string{"a.p", "metric/a.p"}, options: "map: {logging: {a: \"-\"}}", category: point.Metric, lines: []string{"a x=1"}, want: "metric/a.p"},
		{title: "a mapped script that is missing", files: []string{"a.p", "d.p"}, options: "map: {a: no.p, b: no.p}\ndefault: {logging: d.p}", lines: []string{"a x=1", "b x=1"}, want: "d.p d.p"},
		{title: "a mapped script that is missing, no default", files: []string{"a.p"}, options: "map: {a: no.p}", lines: []string{"a x=1"}, want: ""},
		{title: "an empty entry", files: []string{"a.p", "d.p"}, options: "map: {a: \"\", b: \"\"}\ndefault: {logging: d.p}", lines: []string{"a x=1", "b x=1"}, want: "a.p d.p"},
		{title: "no script stops before the default", files: []string{"a.p", "d.p"}, options: "map: {a: \"-\", logging: {b: \"-\"}}\ndefault: {logging: d.p}", lines: []string{"a x=1", "b x=1", "c x=1"}, want: "  d.p"},
		{title: "the map of rum", files: []string{"rum/x.p"}, options: "map: {app_view: x.p}", category: point.RUM, lines: []string{"view,app_id=app x=1", "view,app_id=b x=1"}, want: "rum/x.p "},
	} {
		t.Run(c.title, func(t *testing.T) {
			x := newBench(t)
			for _, name := range c.files {
				x.write("scripts/"+name, mark(name))
			}
			if c.category == point.Unknown {
				c.category = point.Logging
			}
			x.feed(c.category, c.lines...)
			got, stats := x.run("dir: scripts\n" + c.options)
			if g := ran(got); g != c.want {
				t.Errorf("%q ran, want %q", g, c.want)
			}
			if warns := strings.Contains(x.log.String(), "is not in the folder"); warns != strings.Contains(c.title, "missing") {
				t.Errorf("a warning: %v", warns)
			}
			if len(got) != len(c.lines) || stats.In != stats.Out {
				t.Errorf("%d points of %d", len(got), len(c.lines))
			}
		})
	}
}

// TestPipelineDirUntouched: a point without a script is not touched, its status neither.
func TestPipelineDirUntouched(t *testing.T) {
	x := newBench(t, "scripts/a.p", "")
	x.feed(point.Logging, `a status="W" 1`, `b status="W",time=5i 1`)
	got, _ := x.run("dir: scripts")
	if g := fmt.Sprint(lines(got)); g != `[logging a status="warning" 1000000000 logging b status="W",time=5i 1000000000]` {
		t.Error(g)
	}
}

// TestPipelineDirUse: use sees the scripts of its own category, wherever they are.
func TestPipelineDirUse(t *testing.T) {
	x := newBench(t, "scripts/a.p", "use(\"b.p\")\nuse(\"c.p\")", "scripts/logging/b.p", mark("b"), "scripts/c.p", "set_tag(c, \"1\")", "scripts/metric/d.p", "use(\"a.p\")")
	x.refuses("dir: scripts", "scripts/metric/d.p:1:")
	x.write("scripts/metric/d.p", "")
	x.feed(point.Logging, "a x=1 1")
	got, _ := x.run("dir: scripts")
	if g := fmt.Sprint(lines(got)); g != `[logging a,c=1 ran="b",status="info",x=1 1000000000]` {
		t.Error(g)
	}
	x.write("scripts/metric/d.p", "use(\"../b.p\")")
	x.refuses("dir: scripts", "scripts/metric/d.p:1:")
	one := newBench(t, "scripts/a.p", "use(\"../b.p\")", "b.p", "")
	one.refuses("script: scripts/a.p", "is outside of the script's folder")
	one.write("scripts/a.p", "use(\"c.p\")")
	one.refuses("script: scripts/a.p", "use: loading the script \"c.p\": reading scripts/c.p: no such file or directory")
}

// TestPipelineRefusals: all mistakes are reported at once, each at its place.
func TestPipelineRefusals(t *testing.T) {
	x := newBench(t,
		"scripts/one.p", "add_key(a, 1)\nx = = 1\n", // unexpected token
		"scripts/two.p", "cast(a, \"sttr\")\nnosuch(1)\ngrok(_, \"%{NOSUCH}\")\n",
		"scripts/metric/three.p", "use(\"four.p\")\nbreak\n",
		"scripts/ok.p", "")
	x.refuses("dir: scripts",
		"scripts/one.p:2:5: ", "scripts/two.p:1:9: ", "scripts/two.p:2:1: there is no function `nosuch`", "scripts/two.p:3:", "scripts/metric/three.p:1:", "scripts/metric/three.p:2:1: ")
	x.refuses("dir: nowhere", "graph.yaml:9:10: there is no folder nowhere")
	x.refuses("dir: scripts/one.p", "there is no folder scripts/one.p")
	x.write("empty/readme.md", "")
	x.refuses("dir: empty", "the folder has no script")
	x.refuses("timezone: UTC", "exactly one of script and dir")
	x.refuses("script: scripts/ok.p\ndir: scripts/metric", "exactly one of script and dir")
	x.refuses("script: scripts/ok.p\nmap: {a: b.p}\ndefault: {logging: b.p}", "graph.yaml:10:10: map: goes with dir only", "graph.yaml:11:14: default: goes with dir only")
	x.write("good/nginx.p", "")
	x.refuses("dir: good\ndefault: {log: nginx.p, logging: ngnix.p, metric: m.p}", `default.log: "log" is no category`, "default.logging: there is no script ngnix.p in category logging: did you mean \"nginx.p\"?", "default.metric: there is no script m.p")
	x.refuses("dir: good\nmap: {log: {a: b.p}}", "log is no category")
	x.refuses("dir: good\nmap: [a]", "must be a mapping")
	x.refuses("dir: good\nmap: {logging: {a: [b]}}", "must be the name of a script")
	x.refuses("dir: good\nbudget: {time: 0s}", "budget: all of it must be above 0")
	x.refuses("dir: good\ntimezone: Mars/Olympus", `"Mars/Olympus" is no IANA zone`)
	x.write("long/a.p", strings.Repeat("# a comment\n", 100_000))
	x.refuses("dir: long", "long/a.p: a script of 1200000 bytes is too long")
}

// TestPipelineSharedFault: a mistake in a script that several use, or that is named several times, is reported once.
func TestPipelineSharedFault(t *testing.T) {
	x := newBench(t, "scripts/a.p", "use(\"c.p\")", "scripts/b.p", "use(\"c.p\")", "scripts/c.p", "x = = 1")
	x.refuses("dir: scripts", "scripts/c.p:1:5: ", "scripts/a.p:1:1: use: the script \"c.p\" is faulty", "scripts/b.p:1:1: use: ")
	x.refuses("script: {by: name, map: {a: scripts/c.p, b: scripts/c.p}, default: scripts/c.p}", "scripts/c.p:1:5: ")
}

func TestPipelinePatterns(t *testing.T) {
	x := newBench(t,
		"scripts/a.p", `grok(_, "%{TICKET:ticket} %{WORD:word}")`,
		"scripts/pattern/first", "# tickets\nTICKET  %{LETTERS}-\\d+\n\nLETTERS [A-Z]{2}\n",
		"scripts/pattern/second", "LETTERS\t[A-Z]+\nWORD no word at all\n",
		"more.txt", "TICKET nothing")
	x.feed(point.Logging, `a message="ABC-17 open" 1`)
	got, _ := x.run("dir: scripts")
	if g := fmt.Sprint(lines(got)); g != `[logging a message="ABC-17 open",status="info",ticket="ABC-17",word="open" 1000000000]` {
		t.Error(g)
	}
	// The patterns of the option come after those of the folder, and go with script, too.
	x.got = nil
	got, _ = x.run("dir: scripts\npatterns: more.txt")
	if v, ok := got[0].Get("ticket"); ok {
		t.Errorf("the last pattern does not count: %v", v)
	}
	x.got = nil
	got, _ = x.run("script: scripts/a.p\npatterns: scripts/pattern")
	if v, _ := got[0].Get("ticket"); v.Str() != "ABC-17" {
		t.Errorf("ticket %q", v.Str())
	}
	x.write("scripts/pattern/bad", "OPEN (\nLONELY\nBAD%NAME x\nUNKNOWN %{NOSUCH}\nA %{B}\nB %{A}\n")
	x.refuses("dir: scripts", "pattern/bad:2: pattern \"LONELY\" has no expression", "pattern/bad:3: ", "pattern/bad:4: ", "pattern/bad:5: ", "pattern/bad:6: ")
	x.write("scripts/pattern/bad", "OPEN (\n")
	x.refuses("dir: scripts", "pattern/bad:1: ")
	x.refuses("script: scripts/a.p\npatterns: nowhere", "no such file")
}

// TestPipelineChoiceAllocates: choosing costs nanoseconds and no memory.
func TestPipelineChoiceAllocates(t *testing.T) {
	x := newBench(t)
	for i := range 100 {
		x.write(fmt.Sprintf("scripts/s%d.p", i), "")
		x.write(fmt.Sprintf("scripts/rum/app_%d.p", i), "")
		x.write(fmt.Sprintf("scripts/tracing/s%d.p", i), "")
	}
	choice := x.operator("dir: scripts").(*pipelineFactory).choice
	b, found := choices(), 0
	var room []byte
	cycle := func() {
		found = 0
		for i := range b.Points {
			if choice.of(b, i, &room) != nil {
				found++
			}
		}
	}
	if n := testing.AllocsPerRun(10, cycle); n != 0 || found != 3*100 {
		t.Errorf("%v allocations, %d of 600 points have a script", n, found)
	}
}

// choices are points of three categories; half of them have a script.
func choices() *engine.Batch {
	b := engine.Reserve(600, 1)
	for i := range 200 {
		for _, c := range []point.Category{point.Logging, point.RUM, point.Tracing} {
			p := b.Add()
			p.Name, p.Category = fmt.Sprintf("s%d", i), c
			switch c {
			case point.RUM:
				p.Name = fmt.Sprint(i)
				p.SetTag("app_id", "app")
			case point.Tracing:
				p.SetTag("service", fmt.Sprintf("s%d", i))
			}
		}
	}
	return b
}

func BenchmarkPipelineChoice(b *testing.B) {
	d := &dirChoice{}
	for _, c := range []point.Category{point.Logging, point.RUM, point.Tracing} {
		d.categories[c].byKey = map[string]*script{}
		for i := range 100 {
			key := fmt.Sprintf("s%d", i)
			if c == point.RUM {
				key = fmt.Sprintf("app_%d", i)
			}
			d.categories[c].byKey[key] = &script{}
		}
	}
	batch := choices()
	var room []byte
	for b.Loop() {
		for i := range batch.Points {
			d.of(batch, i, &room)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Points)), "ns/point")
}

func FuzzPatterns(f *testing.F) {
	f.Add("A b\n# c\nB %{A}\n")
	f.Add("A (\nA %{A}\n\uFEFFX\t")
	f.Fuzz(func(t *testing.T, text string) {
		p := parsePatterns([]engine.File{{Path: "f", Data: []byte(text)}})
		for name, def := range p.defs {
			line := strings.Split(text, "\n")[p.at[name].Line-1]
			if !strings.Contains(line, name) || !strings.HasSuffix(strings.TrimSpace(line), def) {
				t.Errorf("%s = %s does not stand in line %q", name, def, line)
			}
		}
		defs, err := p.check()
		if len(defs) != len(p.names) || len(p.at) != len(p.names) {
			t.Errorf("%d names, %d patterns, %d places, %v", len(p.names), len(defs), len(p.at), err)
		}
	})
}

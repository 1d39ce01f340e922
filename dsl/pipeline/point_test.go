package pipeline_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

// TestVectors are runs of DataKit 1.84 on a log point with the status info. Not all of them: some need functions that this
// version does not have.
func TestVectors(t *testing.T) {
	const takeLevel = "json(_, lvl, status)"
	for _, x := range []struct{ name, message, script, want string }{
		{"P01", `{"lvl":"warn"}`, takeLevel, `status="warning"`},
		{"P02", `{"lvl":"FATAL"}`, takeLevel, `status="fatal"`},
		{"P03", `{"lvl":"trace"}`, takeLevel, `status="debug"`},
		{"P04", `{"lvl":"ok"}`, takeLevel, `status="OK"`},
		{"P05", `{"lvl":""}`, takeLevel, ``},
		{"P06", `{"lvl":"success"}`, takeLevel, `status="success"`},
		{"P08", "m", "drop()", "dropped"},
		{"P09", "m", "drop()\nx = 1 + nosuch", "error 2:7: unsupported rhs data type: nil"},
		{"P10", "m", "add_key(a,1)\nexit()\nadd_key(b,1)", "a=1"},
		{"P11", "m", "add_key(before,1)\nset_tag(tg,'v')\nx = 1 + nosuch\nadd_key(x,1)", "error 3:7: unsupported rhs data type: nil\nbefore=1\ntg#=\"v\""},
		{"P12", "m", "a = 1/0", "load error 1:6: division or modulo by zero"},
		{"P13", "m", "set_measurement('other')", "name=other"},
		{"P14", "m", "add_key(time, 1600000000000000000)", "time=1600000000000000000"},
		{"P15", "m", "add_key(time, 1600000000)", "time=1600000000"},
		{"P16 float", "m", "add_key(time, 1600000000000000000.0)", ""},
		{"P16 text", "m", "add_key(time, \"1600000000000000000\")", ""},
		{"P16 tag", "m", "v = 1600000000000000000\nset_tag(time, v)", ""},
		{"P16 zero", "m", "add_key(time, 0)", ""},
		{"P18", "m", "add_key(arr,[1,2])\nadd_key(mp,{'a':1})\nadd_key(k,nil)", `arr="[1,2]"` + "\n" + `mp="{\"a\":1}"` + "\nk=nil"},
		{"P19", "m", "drop_key(status)\nadd_key(gone, get_key(status) == nil)", "gone=true"},
		{"P20", "m", "set_tag(status,'WARN')", `status#="warning"`},
		{"status of another type", "m", "add_key(status, 5)", ""},
		{"status of an error run", "m", "add_key(status, \"W\")\nadd_key(time, 5)\nx = 1 + nosuch", "error 3:7: unsupported rhs data type: nil\nstatus=\"W\"\ntime=5"},
		{"a long status", "m", "add_key(status, \"Something Quite Different\")", `status="something quite different"`},
		{"P26", "m", "cast(bkzid, \"sttr\")", `load error 1:13: cast: there is no type "sttr" (the types are bool, int, float, str) (did you mean "str"?)`},
	} {
		if got := run(t, x.script, x.message, options()); got != x.want {
			t.Errorf("%s: %s\ngot\n%s\nwant\n%s", x.name, x.script, got, x.want)
		}
	}
}

// TestMetricVectors are P27 and P28: scripts for the metric of DataKit's manual, on the point of benchmark a.
func TestMetricVectors(t *testing.T) {
	const begin = "data = load_json(message)\ndrop_origin_data()\nhostip = data[\"dimensions\"][\"ip\"]\n"
	const end = "set_tag(hostip, hostip)\nset_tag(bk_biz_id, bkzid)\nadd_key(cpu_usage_pct, data[\"metrics\"][\"cpu_usage_pct\"])\ndrop_key(message_len)"
	for _, x := range []struct{ name, script, want string }{
		{"P27", begin + "bkzid = data[\"bk_biz_id\"]\ncast(bkzid, \"str\")\n" + end,
			"type#=\"kafka\"\noffset=7\npartition=1\nbkzid=\"\"\nhostip#=\"10.200.64.45\"\nbk_biz_id#=\"\"\ncpu_usage_pct=0.01"},
		{"P28", begin + "bkzid = data[\"dimensions\"][\"bk_biz_id\"]\n" + end,
			"type#=\"kafka\"\noffset=7\npartition=1\nhostip#=\"10.200.64.45\"\nbk_biz_id#=\"225\"\ncpu_usage_pct=0.01"},
	} {
		b := newBench(t, "a", true)
		s, err := pipeline.Compile(x.script, options())
		if err != nil {
			t.Fatal(err)
		}
		b.runner = s.NewRunner()
		o := b.run()
		if got := render(&b.point, b.message, o); got != x.want {
			t.Errorf("%s: got\n%s\nwant\n%s", x.name, got, x.want)
		}
	}
}

func TestStatusForms(t *testing.T) {
	for from, want := range map[string]string{
		"f": "emerg", "emerg": "emerg", "a": "alert", "alert": "alert", "c": "critical", "critical": "critical", "e": "error", "error": "error",
		"w": "warning", "warn": "warning", "warning": "warning", "n": "notice", "notice": "notice", "i": "info", "info": "info", "d": "debug",
		"trace": "debug", "verbose": "debug", "debug": "debug", "o": "OK", "s": "OK", "ok": "OK", "fatal": "fatal", "": "info", "ÉCHEC": "échec",
	} {
		for _, status := range []string{from, strings.ToUpper(from)} {
			s, err := pipeline.Compile("add_key(status, s)", options())
			if err != nil {
				t.Fatal(err)
			}
			p := logPoint("m")
			p.Set("s", point.String(status))
			s.NewRunner().Run(&p)
			if v, _ := p.Get("status"); v.Str() != want {
				t.Errorf("%q: got %q, want %q", status, v.Str(), want)
			}
		}
	}
}

// TestAfterSteps checks what happens to points other than logs, and without the steps.
func TestAfterSteps(t *testing.T) {
	script := "add_key(status, \"W\")\nadd_key(time, 5)"
	for _, x := range []struct {
		category point.Category
		bare     bool
		status   string
		time     int64
		fields   int
	}{
		{point.Logging, false, "warning", 5, 1}, {point.Metric, false, "W", 5, 1}, {point.Logging, true, "W", startTime, 2},
	} {
		o := options()
		o.Bare = x.bare
		s, err := pipeline.Compile(script, o)
		if err != nil {
			t.Fatal(err)
		}
		p := point.Point{Category: x.category, Time: startTime}
		s.NewRunner().Run(&p)
		if v, _ := p.Get("status"); v.Str() != x.status || p.Time != x.time || len(p.Fields) != x.fields {
			t.Errorf("%v bare %v: status %q, time %d, %d fields", x.category, x.bare, v.Str(), p.Time, len(p.Fields))
		}
	}
}

// TestReading checks how stored values are seen by a script, and how writing to them goes.
func TestReading(t *testing.T) {
	newPoint := func() point.Point {
		p := point.Point{Name: "src", Time: startTime}
		p.SetTag("host", "h")
		p.Set("u", point.Uint(1<<63))
		p.Set("b", point.Bytes([]byte("raw")))
		p.Set("l", point.List([]point.Value{point.Int(1), point.Nil()}))
		p.Set("m", point.Map(map[string]point.Value{"k": point.Float(1)}))
		p.Set("n", point.Nil())
		return p
	}
	for _, x := range []struct{ script, want string }{
		{"add_key(r, u)", "-9223372036854775808"}, {"add_key(r, b + \"!\")", `"raw!"`}, {"add_key(r, l)", `"[1,null]"`}, {"add_key(r, m)", `"{\"k\":1}"`},
		{"add_key(r, n == nil)", "true"}, {"add_key(r, l[0])", "nil"}, {"add_key(r, host)", `"h"`},
		{"add_key(host, 5)\nadd_key(r, host)", `"5"`}, {"add_key(host, nil)\nadd_key(r, host)", `""`}, {"add_key(host, [1])\nadd_key(r, host)", `"[1]"`},
		{"add_key(host, 1e21)\nadd_key(r, host)", `"1000000000000000000000"`}, {"add_key(host, 1e-7)\nadd_key(r, host)", `"0.0000001"`},
		{"add_key(host, 1.0)\nadd_key(r, host)", `"1"`}, {"add_key(host, true)\nadd_key(r, host)", `"true"`},
		{"set_tag(u)\nadd_key(r, u)", `"-9223372036854775808"`}, {"add_key(u, \"x\")\nadd_key(r, u)", `"x"`},
		{"cast(host, \"int\")\nadd_key(r, host)", `"0"`}, {"cast(n, \"int\")\nadd_key(r, n)", "0"}, {"uppercase(n)\nadd_key(r, n)", `""`},
		{"rename(host, u)\nadd_key(host, 1.5)\nadd_key(r, host)", "1.5"}, {"rename(x, host)\nadd_key(x, 1.5)\nadd_key(r, x)", `"1.5"`},
		{"rename(u, u)\nadd_key(r, u)", "-9223372036854775808"}, {"rename(host, nosuch)\nadd_key(r, host)", `"h"`},
		{"l2 = load_json(l)\nadd_key(r, l2[0])", "1.0"}, {"v = \"k\"\ndrop_key(v)\nadd_key(r, v)", `"k"`},
		{"add_key(``, 1)\nadd_key(r, get_key(\"\"))", "1"}, {"add_key(\"a.b c\", 1)\nadd_key(r, `a.b c`)", "1"},
		{"x = [1e21, 1e-7, 1.0, \"<é>&\"]\nadd_key(r, x)", `"[1e+21,1e-07,1,\"\\u003cé\\u003e\\u0026\"]"`},
	} {
		s, err := pipeline.Compile(x.script, options())
		if err != nil {
			t.Errorf("%s: %v", x.script, err)
			continue
		}
		p := newPoint()
		o := s.NewRunner().Run(&p)
		r, _ := p.Get("r")
		if o.Err != nil && x.script == "add_key(r, l[0])" {
			continue // a field is never a list
		}
		if got := show(r); o.Err != nil || got != x.want {
			t.Errorf("%s: got %s, %v, want %s", x.script, got, o.Err, x.want)
		}
	}
}

func TestCasts(t *testing.T) {
	for _, x := range []struct{ value, to, want string }{
		{"9007199254740993", "int", "9007199254740992"}, {"9223372036854775807", "int", "-9223372036854775808"}, {"12.9", "int", "12"}, {"-12.9", "int", "-12"},
		{"true", "int", "1"}, {`"12.9"`, "int", "12"}, {`"1e3"`, "int", "1000"}, {`"+5"`, "int", "5"}, {`"abc"`, "int", "0"}, {`""`, "int", "0"}, {`" 12"`, "int", "0"},
		{`"0x10"`, "int", "0"}, {`"inf"`, "int", "-9223372036854775808"}, {`"010"`, "int", "10"}, {"nil", "int", "0"}, {"[1]", "int", "0"}, {"nan", "int", "-9223372036854775808"},
		{`"123456789012345678"`, "int", "123456789012345680"},
		{"5", "float", "5.0"}, {"true", "float", "1.0"}, {`"inf"`, "float", "+Inf"}, {`"0x1p4"`, "float", "16.0"}, {`"1e999"`, "float", "0.0"}, {`"x"`, "float", "0.0"}, {"nil", "float", "0.0"},
		{"{}", "float", "0.0"}, {"2", "bool", "true"}, {"0.0", "bool", "false"}, {`"T"`, "bool", "true"}, {`"yes"`, "bool", "false"}, {`"1"`, "bool", "true"}, {"nil", "bool", "false"},
		{"[1]", "bool", "false"}, {"5", "str", `"5"`}, {"1e21", "str", `"1000000000000000000000"`}, {"true", "str", `"true"`}, {"nil", "str", `""`}, {"[1]", "str", `""`},
		{`"x"`, "str", `"x"`}, {"5", "string", "nil"},
	} {
		got := run(t, "r = "+x.value+"\ncast(r, \""+x.to+"\")", "m", options())
		if got != "r="+x.want {
			t.Errorf("cast(%s, %s): got %s, want %s", x.value, x.to, got, x.want)
		}
	}
}

// TestFunctions covers what the examples of the functions do not.
func TestFunctions(t *testing.T) {
	for _, x := range []struct{ message, script, want string }{
		{`{"a": " x ", "n": null, "l": [[1], {"b": {"c": true}}], "o": {"z": 1.0, "y": "<"}}`,
			"json(_, a)\njson(_, a, `a2`, false)\njson(_, n)\njson(_, l[1].b.c)\njson(_, l[0])\njson(_, l[5], x)\njson(_, l[-3], x)\njson(_, a.b, x)\njson(_, o, \"k.o\")\njson(nosuch, a, x)",
			"a=\"x\"\na2=\" x \"\nl[1].b.c=true\n=\"[1]\"\nk.o=\"{\\\"y\\\":\\\"\\\\u003c\\\",\\\"z\\\":1}\""},
		{`[1, {"x": [2, 3]}]`, "json(_, .[1].x[-1], r)\njson(_, .[0])\njson(_, a, q)", "r=3.0\n=1.0"},
		{`not json`, "json(_, a)", ""},
		{`{"a": {"b": 1, "c": 2}, "l": [{"x": 1}]}`, "json(_, l[0].x, r, true, true)\njson(input=message, json_path=a.b, newkey=s, delete_after_extract=true)",
			"message=\"{\\\"a\\\":{\\\"c\\\":2},\\\"l\\\":[{}]}\"\nr=1.0\ns=1.0"},
		{`{"a": 1, "a": 2}`, "json(_, a)\nd = load_json(_)\nadd_key(b, d[\"a\"])\nadd_key(n, len(d))", "a=2.0\nb=2.0\nn=1"},
		{"m", "v = 12345678901234567\nadd_key(r, load_json(\"12345678901234567\"))", "r=1.2345678901234568e+16"},

		{"x 12", "set_tag(a, \"lit\")\nset_tag(b, a)\nset_tag(c, nosuch)\nset_tag(d.e, _)\nadd_key(f, 1.5)\nset_tag(f)\nset_tag(message)",
			"message#=\"x 12\"\na#=\"lit\"\nb#=\"lit\"\nc#=\"\"\nd.e#=\"x 12\"\nf#=\"1.5\""},
		{"m", "set_measurement(message)\nset_measurement(5 > 4)", "load error 2:19: set_measurement: the argument value must be a name, a path or a text literal (assign it to a variable first)"},
		{"m", "n = \"v\"\nset_measurement(n, true)\nadd_key(a, n)\nadd_key(bad, 5)\nset_measurement(bad, true)\nset_measurement(\"lit\", true)", "name=lit\na=\"v\""},
		{"m", "add_key(a, nil)\nadd_key(b, \"x\")\nnullif(a, nil)\nnullif(b, message)\nnullif(nosuch, nil)\nv = 5\nadd_key(v, 6)\nnullif(v, 5)\nadd_key(c, -1.5)\nnullif(c, -1.5)", "b=\"x\""},

		{"a.b.c", "replace(_, \"\\\\.\", \"$$\")\nreplace(nosuch, \"a\", \"b\")", `message="a$b$c"`},
		{"abc", "replace(_, \"(?P<x>b)\", \"<$x>[$1_x]${1}\")", `message="a<b>[]bc"`},
		{"abc", "replace(_, \"\", \"-\")\nadd_key(n, 55)\nreplace(n, \"5\", \"6\")", "message=\"-a-b-c-\"\nn=\"66\""},
		{"abc", "replace(_, \"x*\", \"-\")", `message="-a-b-c-"`},
		{"AbC", "uppercase(_)\nadd_key(n, true)\nuppercase(n)\nlowercase(nosuch)", "message=\"ABC\"\nn=\"TRUE\""},
		{" \tab\n", "trim(_)\nadd_key(c, \"xyax\")\ntrim(c, \"yx\")\nadd_key(d, \" e \")\ntrim(d, \"\")", "message=\"ab\"\nc=\"a\"\nd=\"e\""},
		{"Out Of Memory", "add_key(a, match(\"(?i)out of memory\", _))\nadd_key(b, match(\"out of\", _))\nadd_key(c, match(\"(?i)STREAK\", \"streaK\"))\nadd_key(d, match(\"\", \"\"))\nn = 5\nadd_key(e, match(\"5\", n))\nadd_key(f, match(\"Of\", _))\nadd_key(g, match(\".\", len(_)))",
			"a=true\nb=false\nc=true\nd=true\ne=false\nf=true\ng=false"},
		{"m", "strfmt(a, \"%s\", 5)\nstrfmt(b, \"%d %v %.2f %f %5.1f %t %x %q %%\", 7, \"x\", 1.005, 2.5, 3.14, true, \"hi\", \"q\")\nstrfmt(c, \"x\", 1)\nstrfmt(d, \"%v %v\", 1 + nosuch, {\"b\": 1, \"a\": [nil]})\nstrfmt(e, \"100%\")\nstrfmt(f, \"%v %f\", 1e21, 1)",
			"a=\"%!s(int64=5)\"\nb=\"7 x 1.00 2.500000   3.1 true 6869 \\\"q\\\" %\"\nc=\"x%!(EXTRA int64=1)\"\nd=\"<nil> map[a:[<nil>] b:1]\"\ne=\"100%!(NOVERB)\"\nf=\"1e+21 %!f(int64=1)\""},
		{"m", "a = [1]\nb = append(a, drop_key(x))\nadd_key(a)\nadd_key(b)\nc = append(message, 1 + nosuch)\nd = append(a, [2])\nadd_key(d)", "a=\"[1]\"\nb=\"[1,null]\"\nd=\"[1,[2]]\""},

		{"18/Nov/2026:09:14:07 +0000", "default_time(_)\nrename(time, message)", "time=1794993247000000000"},
		{"m", "add_key(t, 1709971506)\ndefault_time(t)\nset_tag(u, \"2024-03-09 16:05:06\")\ndefault_time(u, \"America/New_York\", nosuch)", "t=1709971506000000000\nu#=\"1710018306000000000\""},
		{"m", "add_key(t, \"2024-03-09 16:05:06\")\ndefault_time(t, \"CST\")", "t=1700000000000000000\npl_msg=\"time convert failed: unknown time zone \\\"CST\\\"\""},
		{"m", "add_key(time, \"never\")\ndefault_time(time)", "pl_msg=\"time convert failed: unknown time format\""},
	} {
		if got := run(t, x.script, x.message, options()); got != x.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", x.script, got, x.want)
		}
	}
}

func TestGrok(t *testing.T) {
	for _, x := range []struct{ message, script, want string }{
		{"x5", "grok(_, \"(?:x%{INT:v}|y%{INT:v})\")", `v=""`},
		{"007 08 0x1F 3.00 3.7", "grok(_, \"%{NOTSPACE:a:int} %{NOTSPACE:b:int} %{NOTSPACE:c:int} %{NOTSPACE:d:int} %{NOTSPACE:e:int}\")", "a=7\nb=0\nc=31\nd=3\ne=0"},
		{"  x  ", "grok(_, \"%{GREEDYDATA:a}\")\ngrok(_, \"%{GREEDYDATA:b}\", false)", "a=\"x\"\nb=\"  x  \""},
		{"abc", "r = grok(_, \"\\\\d+\")\nadd_key(r)\nadd_key(s, grok(nosuch, \"x\"))", "r=false\ns=false"},
		{"abc 1", "set_tag(k, \"old\")\ngrok(_, \"%{WORD:k} %{INT:n:float}\")\ngrok(_, \"(?P<message>.)\")", "message=\"a\"\nk#=\"abc\"\nn=1.0"},
		{"AB1 cd", "if false { add_pattern(\"X\", \"AB\") }\nadd_pattern(\"ID\", \"[A-Z]+\")\nif true {\n add_pattern(\"ID\", \"[a-z]+\")\n grok(_, \"%{ID:a}\")\n}\ngrok(_, \"%{ID:b}\")", "a=\"cd\"\nb=\"AB\""},
		{"prog[12]", "grok(_, \"%{SYSLOGPROG}\")", "program=\"prog\"\npid=\"12\""},
		{"v 5", "grok(_, \"v %{INT:a.b}\")", "a_b=\"5\""},
	} {
		if got := run(t, x.script, x.message, options()); got != x.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", x.script, got, x.want)
		}
	}
}

func TestGlobalPatterns(t *testing.T) {
	o := options()
	o.Patterns = map[string]string{"ORDER": "%{PREFIX}-%{INT}", "PREFIX": "[A-Z]{2}", "INT": "never"}
	if got := run(t, "grok(_, \"%{ORDER:id}\")", "x AB-12", o); got != `id="AB-12"` {
		t.Errorf("got %s", got)
	}
	o.Patterns = map[string]string{"A": "%{B}", "B": "%{A}", "C": "x"}
	if got := run(t, "", "m", o); !strings.Contains(got, "pattern A: ") || !strings.Contains(got, "pattern B: ") {
		t.Errorf("got %s", got)
	}
}

// TestRunnersOfOneScript runs a script in several goroutines: a compiled script holds no state of a run.
func TestRunnersOfOneScript(t *testing.T) {
	script := "d = load_json(_)\nadd_key(a, d[\"a\"])\nadd_key(t, \"Mar 9, 2024 4:05:06 PM\")\ndefault_time(t)\ngrok(a, \"%{INT:n:int}\")\n" +
		"add_key(hit, n in [1, 2, 3])\nstrfmt(s, \"%d-%s\", n, a)\nreplace(s, \"-\", \"+\")"
	s, err := pipeline.Compile(script, options())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := s.NewRunner()
			for i := range 200 {
				p := logPoint(fmt.Sprintf(`{"a": "x%d"}`, g*1000+i))
				r.Run(&p)
				want := fmt.Sprintf("%d+x%d", g*1000+i, g*1000+i)
				if v, _ := p.Get("s"); v.Str() != want {
					t.Errorf("got %q, want %q", v.Str(), want)
				}
			}
		})
	}
	wg.Wait()
}

// TestWorkedExamples runs examples of whole scripts; that of DataKit's Kafka page is among the benchmarks.
func TestWorkedExamples(t *testing.T) {
	access := `203.0.113.77 - alice [18/Nov/2026:09:14:07 +0000] "GET /api/v2/orders/8841?expand=items HTTP/1.1" 404 5120 "-" "curl/8.5.0"`
	script := `grok(_, "%{IPORHOST:client_ip} %{NOTSPACE:ident} %{NOTSPACE:auth} \\[%{HTTPDATE:time}\\] \"%{WORD:method} %{NOTSPACE:url} HTTP/%{NUMBER:http_version}\" %{INT:status_code:int} %{INT:bytes:int} \"%{DATA:referrer}\" \"%{DATA:agent}\"")
default_time(time)
if status_code >= 400 && status_code < 500 { add_key(status, "warning") }
drop_origin_data()`
	want := "time=1794993247000000000\nstatus=\"warning\"\nclient_ip=\"203.0.113.77\"\nident=\"-\"\nauth=\"alice\"\nmethod=\"GET\"\n" +
		"url=\"/api/v2/orders/8841?expand=items\"\nhttp_version=\"1.1\"\nstatus_code=404\nbytes=5120\nreferrer=\"-\"\nagent=\"curl/8.5.0\""
	if got := run(t, script, access, options()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	order := `{"id":"A-17","user":{"n":"kim","vip":true},"items":[{"sku":"x1","qty":2,"price":1.5},{"sku":"y9","qty":1,"price":20}]}`
	script = "d = load_json(_)\nif d == nil { exit() }\ntotal = 0.0\nfor it in d[\"items\"] { total += it[\"qty\"] * it[\"price\"] }\nadd_key(total)\n" +
		"add_key(order, d[\"id\"])\nadd_key(items, len(d[\"items\"]))\nadd_key(user, d[\"user\"])\ndrop_origin_data()"
	want = "total=23.0\norder=\"A-17\"\nitems=2\nuser=\"{\\\"n\\\":\\\"kim\\\",\\\"vip\\\":true}\""
	if got := run(t, script, order, options()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

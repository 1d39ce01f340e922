package pipeline_test

import (
	"errors"
	"strings"
	"testing"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

// fnCase is a script that runs on a log with the message, and what the run leaves.
type fnCase struct{ message, script, want string }

func runCases(t *testing.T, o pipeline.Options, cases []fnCase) {
	t.Helper()
	for _, x := range cases {
		if got := run(t, x.script, x.message, o); got != x.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", x.script, got, x.want)
		}
	}
}

// loadCases gives scripts that do not load, with a part of what is said.
func loadCases(t *testing.T, cases [][2]string) {
	t.Helper()
	for _, x := range cases {
		if got := run(t, x[0], "m", options()); !strings.HasPrefix(got, "load error ") || !strings.Contains(got, x[1]) {
			t.Errorf("%s\ngot\n%s\nwant a load error with\n%s", x[0], got, x[1])
		}
	}
}

func TestPointName(t *testing.T) {
	runCases(t, options(), []fnCase{
		{"m", "x = pt_name()\nadd_key(x)", `x="src"`},
		{"m", "pt_name(\"a\" + \"b\")\nx = pt_name()\nadd_key(x)", "name=ab\nx=\"ab\""},
		{"m", "pt_name(\"\")", "name="},
		{"new", "pt_name(message)", "name=new"},
		{"m", "pt_name(5)\npt_name([\"x\"])\npt_name(nil)\npt_name(drop_key(q))\npt_name(nosuch)", ""},
		{"m", "x = pt_name(1 + nosuch)\nadd_key(x)", `x="src"`},
		{"m", "x = pt_name(\"a\" < \"b\")\ny = 1 + nosuch", "error 2:7: unsupported rhs data type: nil"}, // the error of the argument is forgotten
	})
	loadCases(t, [][2]string{{"pt_name(a, b)", "pt_name takes at most 1 arguments"}, {"pt_name(name=\"a\")", "takes no named arguments"}})
}

func TestKeysByComputedName(t *testing.T) {
	runCases(t, options(), []fnCase{
		{"m", "a = 1\nadd_key(a, 2)\nadd_key(b, pt_kvs_get(\"a\"))\nadd_key(c, pt_kvs_get(\"nosuch\"))\nadd_key(d, pt_kvs_get(name=\"a\", raw=true))", "a=2\nb=2\nc=nil\nd=2"},
		{"m", "set_tag(t, \"x\")\nadd_key(u, pt_kvs_get(\"t\"))\nadd_key(n, nil)\nadd_key(v, pt_kvs_get(\"n\"))", "t#=\"x\"\nu=\"x\"\nn=nil\nv=nil"},
		{"m", "_ = \"variable\"\nadd_key(a, pt_kvs_get(\"_\"))\npt_kvs_del(\"_\")\nadd_key(b, pt_kvs_get(\"message\"))", "a=\"m\"\nb=nil"},
		{"m", "pt_kvs_set(\"_\", 5)\nadd_key(a, pt_kvs_get(\"_\"))", "_=5\na=\"m\""},
		{"m", "x = pt_kvs_set(\"a\", 5)\nadd_key(x)\ny = pt_kvs_set(\"a\", nil)\nadd_key(y)", "a=nil\nx=true\ny=true"},
		{"m", "set_tag(t, \"x\")\npt_kvs_set(\"t\", 5)\npt_kvs_set(\"t2\", 1.0, true)\npt_kvs_set(\"t3\", nil, as_tag=true)\npt_kvs_set(\"f\", true)\npt_kvs_set(\"f\", [1], true)", "t#=\"5\"\nt2#=\"1\"\nt3#=\"\"\nf#=\"[1]\""},
		{"m", "for k in [\"a\", \"a.b\", \"\"] { pt_kvs_set(k, 1) }", "a=1\na.b=1\n=1"},
		{`{"a": {"b": [1]}}`, "d = load_json(_)\npt_kvs_set(\"x\", d[\"a\"])\npt_kvs_set(\"y\", d[\"a\"][\"b\"][0])", "x=\"{\\\"b\\\":[1]}\"\ny=1.0"},
		{"m", "v = \"as_tag\"\nflag = true\npt_kvs_set(v, 1, as_tag=flag)", `as_tag#="1"`},
		{"m", "set_tag(z, \"1\")\nadd_key(b, 1)\nx = pt_kvs_keys()\ny = pt_kvs_keys(tags=false)\nz = pt_kvs_keys(true, false)\nn = pt_kvs_keys(tags=false, fields=false)\nadd_key(r, [x, y, z, n])",
			`z#="1"` + "\nb=1\n" + `r="[[\"b\",\"message\",\"status\",\"z\"],[\"b\",\"message\",\"status\"],[\"z\"],[]]"`},
		{"m", "pt_kvs_set(\"a\", value=add_key(b, 1))", "error 1:1: pt_kvs_set: the argument value is not bool or int or float or str or list or map or nil but void\nb=1"},
		{"m", "pt_kvs_set(drop_key(b), 1)", "error 1:1: pt_kvs_set: the argument name is not str but void"},
		{"m", "pt_kvs_get(len(message))", "error 1:1: pt_kvs_get: the argument name is not str but int"},
		{"m", "pt_kvs_del(nosuch)", "error 1:1: pt_kvs_del: the argument name is not str but nil"},
		{"m", "x = [pt_kvs_set(\"a\", 1, as_tag=message)]", "error 1:6: pt_kvs_set: the argument as_tag is not bool but str"},
		{"m", "pt_kvs_keys(tags=nosuch)", "error 1:1: pt_kvs_keys: the argument tags is not bool but nil"},
		{"m", "pt_kvs_get(\"a\", raw=1 < 2)\npt_kvs_get(\"a\", raw=len(message))", "error 2:1: pt_kvs_get: the argument raw is not bool but int"},
		{"m", "pt_kvs_set(\"a\", 1 + nosuch)", "error 1:19: unsupported rhs data type: nil"},
	})
	loadCases(t, [][2]string{
		{"pt_kvs_get()", "name is missing"}, {"pt_kvs_get(5)", "the argument name is not str but int"}, {"pt_kvs_get([\"a\"])", "not str but list"}, {"pt_kvs_get(nil)", "not str but nil"},
		{"pt_kvs_get(\"a\", raw=1)", "the argument raw is not bool but int"}, {"pt_kvs_get(\"a\", key=1)", "has no argument key"}, {"pt_kvs_get(\"a\", true, 1)", "at most 2"},
		{"pt_kvs_set(\"a\")", "value is missing"}, {"pt_kvs_set(value=1)", "name is missing"}, {"pt_kvs_set(5, 1)", "name is not str"}, {"pt_kvs_set(\"a\", 1, \"x\")", "as_tag is not bool but str"},
		{"pt_kvs_set(\"a\", 1, as_tga=true)", `did you mean "as_tag"?`}, {"pt_kvs_set(\"a\", 1, true, false, 1)", "at most 4"}, {"pt_kvs_set(name=\"a\", 1)", "follows one with a name"},
		{"pt_kvs_del()", "missing"}, {"pt_kvs_del({})", "not str but map"}, {"pt_kvs_keys(1)", "not bool but int"}, {"pt_kvs_keys(true, true, true)", "at most 2"},
	})
}

// TestRawValues keeps lists and maps on the point as such, and reads them back.
func TestRawValues(t *testing.T) {
	runOn := func(script string, p *point.Point) *pipeline.RunError {
		s, err := pipeline.Compile(script, options())
		if err != nil {
			t.Fatal(err)
		}
		return s.NewRunner().Run(p).Err
	}
	p := logPoint(`{"l": [1, {"x": "y"}]}`)
	err := runOn("d = load_json(_)\npt_kvs_set(\"l\", d[\"l\"], raw=true)\npt_kvs_set(\"m\", {\"k\": [1]}, raw=true)\npt_kvs_set(\"s\", \"t\", raw=true)\nset_tag(t, \"x\")\npt_kvs_set(\"t\", [1], raw=true)\n"+
		"pt_kvs_set(\"u\", [2], true, true)\npt_kvs_set(\"v\", pt_kvs_get(\"m\", true), raw=true)", &p)
	list := point.List([]point.Value{point.Float(1), point.Map(map[string]point.Value{"x": point.String("y")})})
	m := point.Map(map[string]point.Value{"k": point.List([]point.Value{point.Int(1)})})
	for key, want := range map[string]point.Value{"l": list, "m": m, "s": point.String("t"), "t": point.String("[1]"), "u": point.String("[2]"), "v": m} {
		if v, _ := p.Get(key); err != nil || !v.Equal(want) {
			t.Errorf("%s: got %v %v, error %v", key, v.Kind(), v, err)
		}
	}

	// What was read is a copy, and what was written is one, too.
	p = logPoint("m")
	err = runOn("a = [[1], 2]\npt_kvs_set(\"l\", a, raw=true)\na[0][0] = 9\nb = pt_kvs_get(\"l\", raw=true)\nb[1] = 9\nadd_key(b)\nadd_key(again, pt_kvs_get(\"l\"))", &p)
	if b, _ := p.Get("b"); err != nil || b.Str() != "[[1],9]" {
		t.Errorf("read %s, error %v", b.Str(), err)
	}
	if again, _ := p.Get("again"); again.Str() != "[[1],2]" {
		t.Errorf("the point has %s", again.Str())
	}

	// What came in from elsewhere is read with the types of the language.
	p = logPoint("m")
	p.Set("l", point.List([]point.Value{point.Uint(5), point.Bytes([]byte("b"))}))
	err = runOn("l = pt_kvs_get(\"l\", raw=true)\nadd_key(n, l[0] + 1)\nadd_key(s, l[1] + \"c\")", &p)
	n, _ := p.Get("n")
	if s, _ := p.Get("s"); err != nil || n.Int() != 6 || s.Str() != "bc" {
		t.Errorf("n is %v, s is %v, error %v", n.Int(), s.Str(), err)
	}

	p = logPoint("m")
	if err = runOn("l = [1]\nl[0] = l\npt_kvs_set(\"l\", l, raw=true)", &p); err == nil || !strings.Contains(err.Error(), "too large or nested too deeply") {
		t.Errorf("an endless list: error %v", err)
	}
}

func TestSetopt(t *testing.T) {
	runCases(t, options(), []fnCase{
		{"m", "add_key(status, \"W\")", `status="warning"`},
		{"m", "add_key(status, \"W\")\nsetopt(status_mapping=false)", `status="W"`},
		{"m", "setopt(status_mapping=false)\nsetopt(status_mapping=true)\nadd_key(status, \"W\")", `status="warning"`},
		{"m", "v = false\nsetopt(status_mapping=v)\nsetopt(status_mapping=5)\nsetopt(status_mapping=nil)\nsetopt()\nadd_key(status, \"W\")", `status="W"`},
		{"m", "drop_key(status)\nsetopt(status_mapping=false)\nadd_key(x, 1)", "x=1"},
		{"m", "setopt(status_mapping=1 + nosuch)", "error 1:25: unsupported rhs data type: nil"},
	})
	loadCases(t, [][2]string{
		{"setopt(false)", "1:8: setopt: the argument status_mapping must be named"}, {"setopt(mapping=false)", "has no argument mapping"},
		{"setopt(status_mapping=true, status_mapping=false)", "given twice"}, {"setopt(status_mapping=true, 1)", "follows one with a name"},
	})
}

func scripts(of map[string]string) pipeline.Options {
	o := options()
	o.Loader = func(name string) (string, error) {
		if text, ok := of[name]; ok {
			return text, nil
		}
		return "", errors.New("no such file")
	}
	return o
}

func TestCreatePoint(t *testing.T) {
	const now = " 1700000000000000000"
	o := scripts(map[string]string{
		"drop.p": "drop()", "fail.p": "add_key(a, 1)\nx = 1 + nosuch", "time.p": "add_key(time, 7)", "exit.p": "exit()\nadd_key(a, 1)",
		"more.p": "create_point(\"inner\", nil, {\"n\": 1})\nn = pt_name()\nset_tag(t, n)\npt_name(\"renamed\")\nsetopt(status_mapping=false)", "faulty.p": "nosuch()", "loop.p": "create_point(\"a\", nil, nil, after_use=\"loop.p\")",
		"var.p": "add_key(v, v)\nv = 2",
	})
	runCases(t, o, []fnCase{
		// what is taken
		{"m", "create_point(\"p\", {\"a\": \"x\", \"b\": 5, \"c\": nil}, {\"i\": 1, \"f\": 1.5, \"b\": true, \"n\": nil, \"l\": [1], \"m\": {}})", "created metric p,a=x b=true,f=1.5,i=1i" + now},
		{`{"t": {"a": "x", "b": 5}, "f": {"i": 1, "s": "y"}}`, "d = load_json(_)\ncreate_point(\"p\", d[\"t\"], d[\"f\"], category=\"T\")", "created tracing p,a=x i=1,s=\"y\"" + now},
		{"m", "create_point(name=\"p\", tags=nil, fields={\"a\": 1})\ncreate_point(\"q\", {}, {\"a\": 1})\ncreate_point(\"r\", nosuch, {\"a\": 1}, nil, nil)", "created metric p a=1i" + now + "\ncreated metric q a=1i" + now + "\ncreated metric r a=1i" + now},
		{"m", "create_point(\"\", nil, {\"a\": 1})", "created metric __default a=1i" + now},
		// time
		{"m", "create_point(\"p\", nil, {\"a\": 1}, 5)\ncreate_point(\"p\", nil, {\"a\": 1}, 0)\ncreate_point(\"p\", nil, {\"a\": 1}, -5)\ncreate_point(\"p\", nil, {\"a\": 1}, ts=6)",
			"created metric p a=1i 5\ncreated metric p a=1i" + now + "\ncreated metric p a=1i" + now + "\ncreated metric p a=1i 6"},
		{"m", "create_point(\"p\", nil, {\"a\": 1, \"time\": 8})\ncreate_point(\"p\", nil, {\"a\": 1, \"time\": 8.0})\ncreate_point(\"p\", {\"time\": \"9\"}, {\"a\": 1})", "created metric p a=1i 8\ncreated metric p a=1i" + now + "\ncreated metric p a=1i" + now},
		// categories and their rules
		{"m", "create_point(\"p\", nil, {\"a.b\": 1, \"s\": \"x\"})", "created metric p a.b=1i" + now},
		{"m", "create_point(\"p\", nil, {\"a.b\": 1, \"s\": \"x\"}, category=\"metric\")", "created metric p a.b=1i" + now},
		{"m", "create_point(\"p\", nil, {\"a.b\": 1, \"source\": \"x\"}, category=\"L\")", "created logging p a_b=1i,status=\"info\"" + now},
		{"m", "create_point(\"p\", nil, {\"a\": 1, \"status\": \"W\"}, category=\"logging\")", "created logging p a=1i,status=\"W\"" + now},
		{"m", "create_point(\"p\", {\"status\": \"W\"}, {\"a\": 1}, category=\"DT\")\ncreate_point(\"p\", nil, {\"a\": 1}, category=\"dialtesting\")", "created dialtesting p,status=W a=1i" + now + "\ncreated dialtesting p a=1i,status=\"info\"" + now},
		{"m", "create_point(\"p\", nil, {\"a.b\": 1, \"class\": \"x\"}, category=\"O\")\ncreate_point(\"p\", nil, {\"name\": \"n\"}, category=\"object\")", "created object p a_b=1i,name=\"default\"" + now + "\ncreated object p name=\"n\"" + now},
		{"m", "create_point(\"p\", nil, {\"a.b\": 1}, category=\"CO\")\ncreate_point(\"p\", {\"name\": \"n\"}, {\"a\": 1}, category=\"custom_object\")", "created custom_object p a_b=1i,name=\"default\"" + now + "\ncreated custom_object p,name=n a=1i" + now},
		{"m", "for c in [\"N\", \"network\", \"R\", \"rum\", \"S\", \"security\", \"T\", \"tracing\"] { create_point(\"p\", nil, {\"a.b\": \"x\"}, category=c) }",
			"created network p a_b=\"x\"" + now + "\ncreated network p a_b=\"x\"" + now + "\ncreated rum p a_b=\"x\"" + now + "\ncreated rum p a_b=\"x\"" + now +
				"\ncreated security p a_b=\"x\"" + now + "\ncreated security p a_b=\"x\"" + now + "\ncreated tracing p a_b=\"x\"" + now + "\ncreated tracing p a_b=\"x\"" + now},
		{"m", "for c in [\"E\", \"keyevent\", \"OCH\", \"P\", \"profiling\", \"Metric\", \"\", \"unknown\", \"dynamic_dw\"] { create_point(\"p\", nil, {\"a\": 1}, category=c) }", ""},
		{"m", "create_point(\"p\", {\"k\": \"tag\"}, {\"k\": 1, \"a\": 2})", "created metric p a=2i,k=1i" + now},
		// the present point stays as it is
		{"m", "add_key(a, 1)\ncreate_point(\"p\", nil, {\"b\": 2})\ndrop()", "dropped\na=1\ncreated metric p b=2i" + now},
		// after_use
		{"m", "create_point(\"p\", nil, {\"a\": 1}, after_use=\"drop.p\")\ncreate_point(\"q\", nil, {\"a\": 1}, after_use=\"exit.p\")\nadd_key(x, 1)", "x=1\ncreated metric q a=1i" + now},
		{"m", "drop()\ncreate_point(\"q\", nil, {\"a\": 1}, after_use=\"time.p\")", "dropped\ncreated metric q a=1i 7"},
		{"m", "add_key(status, \"W\")\ncreate_point(\"q\", nil, {\"a\": 1}, category=\"L\", after_use=\"more.p\")", "status=\"warning\"\ncreated metric inner n=1i" + now + "\ncreated logging renamed,t=q a=1i,status=\"info\"" + now},
		{"m", "v = 1\ncreate_point(\"q\", nil, {\"a\": 1}, after_use=\"var.p\")\nadd_key(v)", "v=1\ncreated metric q a=1i" + now},
		{"m", "create_point(\"p\", nil, {\"b\": 1})\nadd_key(x, 1)\ncreate_point(\"q\", nil, {\"a\": 1},\n after_use=\"fail.p\")", "error fail.p:2:7: unsupported rhs data type: nil\n3:1:\nx=1"},
		{"m", "create_point(\"q\", nil, {\"a\": 1}, category=\"nosuch\", after_use=\"fail.p\")", ""},
		// quiet
		{"m", "create_point(\"p\", {\"a\": 1 + nosuch}, nil)\ncreate_point(\"p\", nil, 1 + nosuch)\ncreate_point(\"p\", nil, nil, 1 + nosuch)\ncreate_point(\"p\", nil, nil, category=nosuch < 1)\nadd_key(x, 1)", "x=1"},
		// loud
		{"m", "create_point(5, nil, nil)", "error 1:1: create_point: the argument name is not str but int"},
		{"m", "create_point(nosuch, nil, nil)", "error 1:1: create_point: the argument name is not str but nil"},
		{"m", "create_point(\"a\" + nosuch, nil, nil)", "error 1:18: unsupported rhs data type: nil"},
		{"m", "create_point(\"p\", [1], nil)", "error 1:1: create_point: the argument tags is not map or nil but list"},
		{"m", "create_point(\"p\", nil, 5)", "error 1:1: create_point: the argument fields is not map or nil but int"},
		{"m", "create_point(\"p\", nil, nil, 5.0)", "error 1:1: create_point: the argument ts is not int but float"},
		{"m", "create_point(\"p\", nil, nil, ts=\"5\")", "error 1:1: create_point: the argument ts is not int but str"},
		{"m", "create_point(\"p\", nil, nil, category=5)", "error 1:1: create_point: the argument category is not str but int"},
		{"m", "create_point(\"p\", nil, {\"a\": 1})\nx = 1 + nosuch", "error 2:7: unsupported rhs data type: nil"}, // what was created is lost
		{"m", "for ;; { create_point(\"p\", nil, {\"a\": 1}) }", "error 1:10: the script used up its budget of 100000 steps"},
	})
	for script, want := range map[string]string{
		"create_point()": "name is missing", "create_point(\"p\")": "tags is missing", "create_point(\"p\", nil)": "fields is missing", "create_point(\"p\", nil, nil, 1, \"M\", x)": "must be a text literal",
		"create_point(\"p\", nil, nil, after_use=\"nosuch.p\")": "1:39: use: loading the script", "create_point(\"p\", nil, nil, after_use=\"faulty.p\")": "there is no function `nosuch`",
		"create_point(\"p\", nil, nil, cat=\"M\")": "has no argument cat", "create_point(\"p\", nil, nil, 1, \"M\", \"drop.p\", 1)": "at most 6", "create_point(\"p\", nil, nil, after_use=\"loop.p\")": "in a circle",
	} {
		if got := run(t, script, "m", o); !strings.HasPrefix(got, "load error") || !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", script, got, want)
		}
	}
}

// TestCreatedPointsAreOwned checks that points of one run are not changed by the next one.
func TestCreatedPointsAreOwned(t *testing.T) {
	s, err := pipeline.Compile("d = load_json(_)\nstrfmt(x, \"%v\", d[\"a\"])\ncreate_point(\"p\", {\"t\": x}, {\"s\": \"made \" + x}, category=\"T\")\ncreate_point(\"q\", nil, {\"s\": d[\"a\"]}, category=\"T\")", options())
	if err != nil {
		t.Fatal(err)
	}
	r := s.NewRunner()
	var all []point.Point
	for _, a := range []string{"one", `tw\u006f`, "three"} {
		p := logPoint(`{"a": "` + a + `"}`)
		p.Record = 3
		all = append(all, r.Run(&p).Created...)
	}
	if len(all) != 6 {
		t.Fatalf("%d points", len(all))
	}
	for i, want := range []string{"one", "two", "three"} {
		made, _ := all[2*i].Get("s")
		read, _ := all[2*i+1].Get("s")
		if made.Str() != "made "+want || read.Str() != want || all[2*i].Record != 3 {
			t.Errorf("point %d has %q and %q", i, made.Str(), read.Str())
		}
	}
}

func TestCreatedPointWithoutTime(t *testing.T) {
	s, err := pipeline.Compile("create_point(\"p\", nil, {\"a\": 1})", options())
	if err != nil {
		t.Fatal(err)
	}
	p := logPoint("m")
	p.Time = 0
	if c := s.NewRunner().Run(&p).Created; len(c) != 1 || c[0].Time != startTime+5 {
		t.Errorf("created %v", c)
	}
}

// TestWorkedExamplesOfPoints runs whole scripts that create points and take pairs apart.
func TestWorkedExamplesOfPoints(t *testing.T) {
	runCases(t, options(), []fnCase{
		{`{"id":"A-17","user":{"n":"kim","vip":true},"items":[{"sku":"x1","qty":2,"price":1.5},{"sku":"y9","qty":1,"price":20}]}`,
			`d = load_json(_)
if d == nil { exit() }
for it in d["items"] {
  create_point("order_item", {"order": d["id"], "sku": it["sku"]}, {"qty": it["qty"], "price": it["price"], "total": it["qty"] * it["price"]}, category="M")
}
add_key(order, d["id"])
add_key(items, len(d["items"]))
add_key(user, d["user"])
drop_origin_data()`,
			`order="A-17"
items=2
user="{\"n\":\"kim\",\"vip\":true}"
created metric order_item,order=A-17,sku=x1 price=1.5,qty=2,total=3 1700000000000000000
created metric order_item,order=A-17,sku=y9 price=20,qty=1,total=20 1700000000000000000`},
		{`svc="cart" dur=1.5s code=503 x=1`,
			`kv_split(_, include_keys=["svc","dur","code"], trim_value="\"")
parse_duration(dur)
cast(code, "int")
level = "info"
if code != nil {
  c = get_key(code)
  if c >= 500 { level = "error" } elif c >= 400 { level = "warn" }
}
add_key(status, level)
set_tag(svc)`,
			`status="error"
svc#="cart"
dur=1500000000
code=503`},
	})
}

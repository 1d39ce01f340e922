package pipeline_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

// TestQuietArguments: what an argument left when it failed does not count, also where the function around it has a value by then.
func TestQuietArguments(t *testing.T) {
	checkScripts(t, []scriptCase{
		{`strfmt(a, "%v", len(1 + "x"))`, "", `a="<nil>"`},
		{`strfmt(a, "%v %s", timestamp(1 + "x"), "y")`, "", `a="<nil> y"`},
		{`add_key(a, value_type(len(1 + "x")))`, "", `a=""`},
	})
}

// TestLenientJSON: load_json reads what is nearly JSON, valid_json does not.
func TestLenientJSON(t *testing.T) {
	checkScripts(t, []scriptCase{
		{"d = load_json(_)\nadd_key(a, d[\"a\"])\nadd_key(ok, valid_json(_))", `{"a": 012}`, "a=12.0\nok=false"},
		{"d = load_json(_)\nadd_key(a, d[\"a\"])\nadd_key(ok, valid_json(_))", "{\"a\": \"x\ty\"}", "a=\"x\\ty\"\nok=false"},
	})
}

// TestLongTextsArePaidFor: a function that reads a whole text uses up the budget of steps.
func TestLongTextsArePaidFor(t *testing.T) {
	message := strings.Repeat("it takes long ", 100_000)
	for _, call := range []string{
		`match("z+", _)`, `hash(_, "sha512")`, "strlen(_)", "slice_string(_, 1, 2)", `cast(_, "int")`, `cast(_, "bool")`, "parse_int(_, 10)",
		`cidr(_, "10.0.0.0/8")`, `load_json(_)`, "valid_json(_)", `"z" in _`, `lowercase(_)`, `trim(_)`,
	} {
		o := options()
		s, err := pipeline.Compile("for ;; { "+call+" }", o)
		if err != nil {
			t.Fatal(err)
		}
		p := logPoint(message)
		start := time.Now()
		if out := s.NewRunner().Run(&p); out.Err == nil || !out.Err.OverBudget {
			t.Errorf("%s: got %v", call, out.Err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", call, took)
		}
	}
}

// TestLargeJSON goes through large objects and lists as scripts do. With a time that grows with the square of their size each
// would take minutes.
func TestLargeJSON(t *testing.T) {
	const n = 100_000
	var object, list strings.Builder
	for i := range n {
		fmt.Fprintf(&object, `,"key_%d":1`, i)
		list.WriteString(`,{"tags":["x","y"],"n":1}`)
	}
	message := "{\"o\":{" + object.String()[1:] + "},\"l\":[" + list.String()[1:] + "]}"
	for _, x := range []struct{ script, want string }{
		{"o = d[\"o\"]\ns = 0.0\nfor k in o { s += o[k] }\nadd_key(s)", "s=100000.0"},
		{"o = d[\"o\"]\ns = 0\nfor k in d[\"o\"] { if k in o { s += len(o) - 99999 } }\nadd_key(s)", "s=100000"},
		{"s = 0\nfor x in d[\"l\"] { for y in x[\"tags\"] { s += 1 } }\nadd_key(s)", "s=200000"},
		{"l = d[\"l\"]\ns = 0.0\nfor i = len(l) - 1; i >= 0; i -= 1 { x = l[i]\ns += x[\"n\"] }\nadd_key(s)", "s=100000.0"},
	} {
		o := options()
		o.MaxSteps = 10_000_000
		start := time.Now()
		if got := run(t, "d = load_json(_)\n"+x.script, message, o); got != x.want {
			t.Errorf("%s: got %s, want %s", x.script, got, x.want)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %v", x.script, took)
		}
	}
}

// TestStatusKinds: the status of a log is read as scripts read it, bytes as text.
func TestStatusKinds(t *testing.T) {
	s, err := pipeline.Compile("add_key(a, 1)", options())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		status point.Value
		want   string
	}{
		{point.Bytes([]byte("E")), "error"}, {point.String("W"), "warning"}, {point.Int(3), "info"}, {point.Nil(), "info"}, {point.String(""), "info"},
		{point.String("Odd One"), "odd one"}, {point.String("VERBOSE"), "debug"},
	} {
		p := logPoint("m")
		p.Set("status", x.status)
		s.NewRunner().Run(&p)
		if got, _ := p.Get("status"); got.Str() != x.want {
			t.Errorf("status %v: got %q, want %q", x.status.Kind(), got.Str(), x.want)
		}
	}
}

// TestManyRunners runs one script in several goroutines, with all that its calls share, and wants of each what one alone gives.
func TestManyRunners(t *testing.T) {
	const script = `add_pattern("ID", "[a-z]+-%{INT:id:int}")
d = load_json(_)
text = d["text"]
add_key(ok, grok(text, "%{ID:name} %{TIMESTAMP_ISO8601:at}"))
default_time(at, "+8")
when = d["when"]
default_time(when)
zone = d["zone"]
parse_date(date, "2024", "3", "9", "16", "5", zone=zone)
datetime(date, "ns", "%F %T %Z", "Asia/Tokyo")
replace(text, "(\\w)-(\\d)", "$2-$1")
doc = d["xml"]
xml(doc, "//item[contains(normalize-space(@sku), 'x') and position() = last()]/text()", last)
xml(doc, "//item[starts-with(concat(@sku, 'y'), string(../@first))][string-length(.) > 1]", first)
xml(doc, "//item[number(@n) * 2 > count(//item)]/@sku", big)
kv = d["kv"]
kv_split(kv, "[ ,]+", "[=:]", include_keys=["a", "b"], prefix="kv_")
gjson(_, "list.#(n>1)#.n", "ns")
sql = d["sql"]
sql_cover(sql)
url = d["url"]
u = url_parse(url)
add_key(q, u["params"])
strfmt(line, "%v %5.2f %q", d["list"], d["f"], name)
m = {"k": [1, 2]}
m["l"] = d["list"]
add_key(m)
ua = d["ua"]
user_agent(ua)
add_key(c, cidr(d_ip, "10.0.0.0/8"))
agg_create("b", on_count=1000000)
agg_metric("b", "n", "sum", ["name"], "id")
cache_set(name, id)`
	messages := make([]string, 12)
	for i := range messages {
		messages[i] = fmt.Sprintf(`{"text":"web-%d 2024-03-09 16:05:%02d.5","when":%q,"zone":%q,"xml":"<l first=\"x%d\"><item sku=\"x%d\" n=\"%d\"> one %d</item><item sku=\" x\" n=\"1\">two</item></l>","kv":"a=%d, b:%d","list":[{"n":1},{"n":%d}],"sql":"SELECT %d FROM t WHERE x='y'","url":"http://h/p?x=%d&x=2","f":%d.5,"ua":"curl/7.%d.0"}`,
			i, i, []string{"Mar 9, 2024 4:05:06 PM", "1709971506", "9 Mar 2024, 16:05"}[i%3], []string{"+8", "UTC", "CST", "-3:30"}[i%4], i, i, i, i, i, i, i, i, i, i, i)
	}
	o := options()
	s, err := pipeline.Compile(script, o)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]string, len(messages))
	for i, message := range messages {
		p := logPoint(message)
		if want[i] = render(&p, message, s.NewRunner().Run(&p)); strings.Contains(want[i], "error") || strings.Contains(want[i], "pl_msg") {
			t.Fatal(want[i])
		}
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := s.NewRunner()
			for i := range 300 {
				n := (i*(g+1) + g) % len(messages)
				p := logPoint(messages[n])
				if got := render(&p, messages[n], r.Run(&p)); got != want[n] {
					t.Errorf("got\n%s\nwant\n%s", got, want[n])
					return
				}
			}
		})
	}
	wg.Wait()
}

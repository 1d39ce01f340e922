package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/geo/geotest"
)

func TestScriptRun(t *testing.T) {
	dir := files(t, "x.p", `if message == "drop" { drop(); exit() }
if message == "fail" { x = nil
  y = x["a"] }
set_tag(k, "v")
add_key(n, 1)
add_key(f, 2.0)
`, "bad.p", "add_key(a, 1)\nadd_kye(b, 2)\n", "texts", "one\r\ndrop\nfail\n",
		"points", `{"category":"metric","name":"m","time":1700000000000000000,"tags":{"t":"x"},"fields":{"big":9007199254740993,"u":18446744073709551615,"b":{"base64":"AP8="},"l":[1,2.5,"s"],"message":"hi"}}`+"\n\n")
	script := filepath.Join(dir, "x.p")
	type answer struct {
		Points []struct {
			Category, Name string
			Time           json.Number
			Tags           map[string]string
			Fields         map[string]json.RawMessage
		}
		Dropped bool
		Error   *struct {
			Message, File string
			Line, Column  int
		}
	}
	read := func(r result) (all []answer) {
		t.Helper()
		for d := json.NewDecoder(strings.NewReader(r.out)); ; {
			var a answer
			err := d.Decode(&a)
			if err == io.EOF {
				return all
			}
			if err != nil {
				t.Fatalf("%v in %s", err, r.out)
			}
			all = append(all, a)
		}
	}

	r := inProcess("", "script", "run", script, "-T", "one")
	for _, want := range []string{`default,k=v f=2,message="one",n=1i,status="info" `, "+ tag    k        string  v\n", "\n  field  message  string  one\n", ": 3 added\n"} {
		if r.code != 0 || !strings.Contains(r.out, want) {
			t.Errorf("-T: exit code %d, want %q\n%s%s", r.code, want, r.out, r.stderr)
		}
	}
	r = inProcess("", "script", "run", script, "-T", "drop")
	if r.code != 0 || !strings.Contains(r.out, "\ndropped in ") {
		t.Errorf("dropped: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	r = inProcess("", "script", "run", script, "-F", filepath.Join(dir, "texts"), "--json", "--category", "metric", "--name", "n")
	got := read(r)
	if r.code != 1 || len(got) != 3 {
		t.Fatalf("-F: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	if p := got[0].Points[0]; got[0].Error != nil || got[0].Dropped || p.Category != "metric" || p.Name != "n" || p.Tags["k"] != "v" ||
		string(p.Fields["n"]) != "1" || string(p.Fields["f"]) != "2.0" || p.Tags["message"] != "one" {
		t.Errorf("first text: %+v", got[0])
	}
	if !got[1].Dropped || len(got[1].Points) != 0 || got[1].Error != nil {
		t.Errorf("second text: %+v", got[1])
	}
	if e := got[2].Error; e == nil || e.File != "x.p" || e.Line != 3 || e.Column == 0 || e.Message == "" || len(got[2].Points) != 1 {
		t.Errorf("third text: %+v, %+v", got[2], got[2].Error)
	}
	points, err := os.ReadFile(filepath.Join(dir, "points"))
	if err != nil {
		t.Fatal(err)
	}
	r = inProcess(string(points), "script", "run", script, "--point", "-", "--json")
	got = read(r)
	if r.code != 0 || len(got) != 1 {
		t.Fatalf("--point: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	if p := got[0].Points[0]; p.Name != "m" || p.Time != "1700000000000000000" || p.Tags["t"] != "x" || string(p.Fields["big"]) != "9007199254740993" ||
		string(p.Fields["u"]) != "18446744073709551615" || string(p.Fields["b"]) != `{"base64":"AP8="}` || string(p.Fields["l"]) != `[1,2.5,"s"]` {
		t.Errorf("point: %s", r.out)
	}
	r = inProcess("", "script", "run", filepath.Join(dir, "bad.p"), "-T", "x")
	if r.code != 3 || r.out != "" || !strings.Contains(r.stderr, "bad.p:2:1:") || !strings.Contains(r.stderr, "add_key") {
		t.Errorf("a script with a mistake: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	for _, args := range []string{"", "-T a -F b", "-T a --category x", "-T a --timezone Mars", "--point " + script} {
		r := inProcess("", append([]string{"script", "run", script}, words(args)...)...)
		if r.code != 2 {
			t.Errorf("script run %s: exit code %d\n%s%s", args, r.code, r.out, r.stderr)
		}
	}
}

// TestScriptDifferences pins differences from DataKit that stand on docs/reference/differences.md.
func TestScriptDifferences(t *testing.T) {
	for _, c := range []struct{ title, script, text, want string }{
		{"named arguments are no variables", "json(_, a, newkey=k)\nadd_key(r, newkey == nil)", `{"a":1}`, `"r":true`},
		{"Z after a fraction", "add_key(at, message)\ndefault_time(at, \"Asia/Tokyo\")", "2024-03-09T16:05:06.789Z", `"at":1710000306789000000`},
	} {
		r := inProcess("", "script", "run", filepath.Join(files(t, "x.p", c.script), "x.p"), "--json", "-T", c.text)
		if r.code != 0 || !strings.Contains(r.out, c.want) {
			t.Errorf("%s: exit code %d, want %s\n%s%s", c.title, r.code, c.want, r.out, r.stderr)
		}
	}
}

const kafkaMessage = `{"time": 1666492218, "dimensions": {"bk_biz_id": 225,"ip": "10.200.64.45" }, "metrics": { "cpu_usage_pct": 0.01}, "exemplar": null}`

// TestScriptRunTopic: points of a topic carry what DataKit's consumer puts on them.
func TestScriptRunTopic(t *testing.T) {
	script := filepath.Join(files(t, "x.p", "add_key(seen, 1)"), "x.p")
	for _, c := range []struct{ category, want string }{
		{"M", `"name":"t","time":0,"tags":{"type":"kafka","message":"a b"},"fields":{"message_len":3,"offset":0,"partition":0,"seen":1}`},
		{"logging", `"name":"t","time":0,"tags":{"type":"kafka"},"fields":{"message":"a b","message_len":3,"offset":0,"partition":0,"status":"info","seen":1}`},
		{"rum", `"name":"t","time":0,"tags":{"type":"kafka","app_id":"t"},"fields":{"message":"a b","message_len":3,"offset":0,"partition":0,"status":"info","seen":1}`},
	} {
		r := inProcess("", "script", "run", script, "-T", "a\nb", "--category", c.category, "--topic", "t", "--json")
		if got := nanoseconds.ReplaceAllString(r.out, "0"); r.code != 0 || !strings.Contains(got, c.want) {
			t.Errorf("%s: exit code %d, want %s\n%s%s", c.category, r.code, c.want, got, r.stderr)
		}
	}
	r := inProcess("", "script", "run", script, "-T", "cpu,host=a use=1.5 1700000000000000000", "--category", "metric", "--json")
	if r.code != 0 || !strings.Contains(r.out, `"name":"cpu","time":1700000000000000000,"tags":{"host":"a"},"fields":{"use":1.5,"seen":1}`) {
		t.Errorf("line protocol: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
}

// TestScriptRunPrint: what a run changed is marked, and what led to a mistake is said.
func TestScriptRunPrint(t *testing.T) {
	dir := files(t, "x.p", `data = load_json(message)
drop_origin_data()
id = data["bk_biz_id"]
set_tag(id)
set_measurement("cpu")
add_key(time, 1700000000000000000)
add_key(status, "W")
create_point("other", {"a": "b"}, {"n": 1})
add_key(v, data["metrics"]["nothing"]["x"])
`, "fails.p", "add_key(a, 1)\nuse(\"inner.p\")\n", "inner.p", "x = load_json(message)\nadd_key(v, x[\"a\"])\n")
	for _, c := range []struct {
		script, text string
		code         int
		says         []string
	}{
		{"x.p", kafkaMessage, 0, []string{
			"before  logging\n  name   default\n", "~ name   cpu\n", "~ time   1700000000000000000 2023-11-14T22:13:20Z\n", "- field  message  string  {", "+ tag    id       string\n",
			"~ field  status   string  warning\n", "created metric\n  name   other\n", "  field  n  int     1\n", ": 2 added, 3 changed, 1 removed, 1 created\n",
			`x.p:3:10: data has no key "bk_biz_id"; it has dimensions, exemplar, metrics, time (there is data["dimensions"]["bk_biz_id"])`,
			`x.p:9:27: data["metrics"] has no key "nothing"; it has cpu_usage_pct`,
		}},
		{"fails.p", "no JSON", 1, []string{
			"+ field  a        int     1\n", "failed in ", ": 1 added; what was written before the error stays\n", "inner.p:2:13: x is nil here; load_json yields nil",
			"inner.p:2:13: error: unindexable data type: nil\n  2 | add_key(v, x[\"a\"])\n    |             ^\n", "fails.p:2:1: error: called from here\n",
		}},
	} {
		r := inProcess("", "script", "run", filepath.Join(dir, c.script), "-T", c.text)
		if r.code != c.code || r.stderr != "" {
			t.Errorf("%s: exit code %d\n%s", c.script, r.code, r.stderr)
		}
		for _, want := range c.says {
			if !strings.Contains(r.out, want) {
				t.Errorf("%s does not say %q:\n%s", c.script, want, r.out)
			}
		}
	}
}

// TestScriptMistakes: all mistakes are told at once, in the order of the text, and each with what to do.
func TestScriptMistakes(t *testing.T) {
	dir := files(t, "five.p", `data = load_json(message)
ip = data["dimensions"]["ip"]
if ip = "10.0.0.1" and true {
	drop()
}
grok(_, "\d+")
cast(ip, "sttr")
add_kye(cpu, data["metrics"])
list = 1
grok(_, "%{NUMBR:n}")
`, "warned.p", "if true { kind = data.kind }\nadd_key(kind)\ncast(kind, \"string\")\n",
		"graph.yaml", "version: 1\nsources: {s: {type: generate, count: 1}}\noperators: {p: {type: pipeline, from: s, script: five.p}}\nsinks: {o: {type: discard, from: p}}\n")
	for _, args := range [][]string{{"script", "run", filepath.Join(dir, "five.p"), "-T", "x"}, {"validate", filepath.Join(dir, "graph.yaml")}} {
		r := inProcess("", args...)
		if r.code != 3 || r.out != "" {
			t.Errorf("%s: exit code %d\n%s", args[0], r.code, r.out)
		}
		rest := r.stderr
		for _, want := range []string{
			"five.p:3:7: error: ", "two values are compared with ==", "five.p:6:10: error: unknown escape", `five.p:7:10: error: cast: there is no type "sttr"`, `did you mean "str"?`,
			"five.p:8:1: error: there is no function `add_kye`", `did you mean "add_key"?`, "five.p:9:1: error: `list` is a reserved word",
			`five.p:10:9: error: grok: unknown grok pattern "NUMBR"`, `did you mean "NUMBER"?`,
		} {
			_, behind, found := strings.Cut(rest, want)
			if !found {
				t.Errorf("%s does not say %q in its place:\n%s", args[0], want, r.stderr)
				continue
			}
			rest = behind
		}
	}
	r := inProcess("", "validate", "--set", "p.script=warned.p", filepath.Join(dir, "graph.yaml"))
	if r.code != 0 || !strings.Contains(r.out, "graph.yaml: ok\n") || !strings.Contains(r.stderr, "warned.p:1:18: warning: ") {
		t.Errorf("validate of a script with warnings: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	r = inProcess("", "script", "run", filepath.Join(dir, "warned.p"), "-T", "x", "--json")
	for _, want := range []string{"warned.p:1:18: warning: the path data.kind is no value", "warned.p:2:9: warning: `kind` is no variable here", "  | ", "^^^^", `did you mean "str"?`} {
		if r.code != 0 || strings.Count(r.out, "\n") != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("exit code %d, want %q\n%s%s", r.code, want, r.out, r.stderr)
		}
	}
}

func TestScriptHost(t *testing.T) {
	database, err := geotest.Database(map[string]geo.Place{"1.2.4.0/24": {Country: "CN", Province: "Beijing", City: "Beijing"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := files(t, "geo.mmdb", string(database), "bad.mmdb", "no database", "isp.txt", "1.2.0.0/16 telecom\n", "x.p", "add_key(x, 1)\n",
		"tables.json", `[{"table_name": "t", "column_name": ["k", "v"], "column_type": ["string", "int"], "row_data": [["a", 1]]}]`)
	in := func(name string) string { return filepath.Join(dir, name) }
	flags := scriptHost{geoip: in("geo.mmdb"), isp: in("isp.txt"), tables: []string{in("tables.json")}, allow: []string{"a.example"}}
	host, err := flags.host()
	if err != nil {
		t.Fatal(err)
	}
	if place, ok := host.Locate("1.2.4.8"); !ok || place.City != "Beijing" || place.ISP != "telecom" {
		t.Errorf("located at %+v, %v", place, ok)
	}
	if host.Table("t") == nil || host.Table("u") != nil {
		t.Error("the table t is not there, or u is")
	}
	if _, err := host.Do(pipeline.Request{Method: "GET", URL: "http://b.example/"}); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("a host that is not allowed: %v", err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--geoip", in("geo.mmdb"), "--refer-table", in("tables.json")}, 0, "done in"},
		{[]string{"--geoip", in("bad.mmdb")}, 3, "bad.mmdb: opening the geo database"},
		{[]string{"--geoip", in("gone.mmdb")}, 3, "gone.mmdb"},
		{[]string{"--geoip-isp", in("isp.txt")}, 2, "goes with --geoip"},
		{[]string{"--refer-table", in("x.p")}, 3, "x.p: reading reference tables"},
		{[]string{"--refer-table", "http://127.0.0.1:1/t"}, 3, "127.0.0.1:1"},
	} {
		r := inProcess("", append([]string{"script", "run", in("x.p"), "-T", "x"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.out+r.stderr, c.want) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s%s", c.args, r.code, c.code, c.want, r.out, r.stderr)
		}
	}
}

// TestScriptHostReaches: hosts that are allowed are reached, and tables are read from a server.
func TestScriptHostReaches(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/tables":
			io.WriteString(w, `[{"table_name": "t", "column_name": ["k"], "column_type": ["string"], "row_data": [["a"]]}]`)
		case "/away":
			http.Redirect(w, r, "http://b.example/", http.StatusFound)
		default:
			w.WriteHeader(http.StatusTeapot)
			io.Copy(w, r.Body)
		}
	}))
	t.Cleanup(server.Close)
	flags := scriptHost{tables: []string{server.URL + "/tables"}, allow: []string{"127.0.0.1"}}
	host, err := flags.host()
	if err != nil || host.Table("t") == nil {
		t.Fatalf("the table is not there: %v", err)
	}
	reply, err := host.Do(pipeline.Request{Method: "POST", URL: server.URL, Body: "hello", Header: map[string]string{"X-A": "b"}})
	if err != nil || reply.Status != http.StatusTeapot || reply.Body != "hello" {
		t.Errorf("reply %+v, %v", reply, err)
	}
	if _, err := host.Do(pipeline.Request{Method: "GET", URL: server.URL + "/away"}); err == nil || !strings.Contains(err.Error(), "b.example is not allowed") {
		t.Errorf("a redirect to a host that is not allowed: %v", err)
	}
	flags = scriptHost{tables: []string{server.URL + "/teapot"}}
	if _, err := flags.host(); err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("tables that the server refuses: %v", err)
	}
}

func TestScriptFmt(t *testing.T) {
	const ugly, fine = "a=1;b=[1 ,2] # c\nif a{add_key(b)}\n", "a = 1\nb = [1, 2] # c\nif a {\n\tadd_key(b)\n}\n"
	dir := files(t, "ugly.p", ugly, "fine.p", fine, "bad.p", "a = = 1\n")
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
		out   string
		says  string
	}{
		{"", []string{in("ugly.p")}, 0, fine, ""},
		{ugly, []string{"-"}, 0, fine, ""},
		{"", []string{"-l", in("fine.p"), in("ugly.p")}, 1, in("ugly.p") + "\n", ""},
		{"", []string{"-l", in("fine.p")}, 0, "", ""},
		{"", []string{"-d", in("fine.p")}, 0, "", ""},
		{ugly, []string{"-d", "-"}, 1, "--- -\n+++ -, formatted\n@@ -1,2 +1,5 @@\n-a=1;b=[1 ,2] # c\n-if a{add_key(b)}\n+a = 1\n+b = [1, 2] # c\n+if a {\n+\tadd_key(b)\n+}\n", ""},
		{"", []string{"-w", "-"}, 2, "", "cannot be written"},
		{"", []string{}, 2, "", "arg"},
		{"", []string{in("bad.p"), in("fine.p")}, 3, fine, "bad.p:1:5: error: expected an expression"},
		{"", []string{in("gone.p")}, 3, "", "no such file"},
		{"", []string{"-w", in("ugly.p"), in("fine.p")}, 0, "", ""},
		{"", []string{"-l", in("ugly.p")}, 0, "", ""},
	} {
		r := inProcess(c.stdin, append([]string{"script", "fmt"}, c.args...)...)
		if r.code != c.code || r.out != c.out || !strings.Contains(r.stderr, c.says) {
			t.Errorf("fmt %v: exit code %d, want %d\n%s%s\nwant\n%s", c.args, r.code, c.code, r.out, r.stderr, c.out)
		}
	}
	if text, err := os.ReadFile(in("ugly.p")); err != nil || string(text) != fine {
		t.Errorf("-w wrote %q, %v", text, err)
	}
}

func TestUnifiedDiff(t *testing.T) {
	for _, c := range []struct{ was, is, want string }{
		{"a\n", "a\n", ""},
		{"a\nb\nc\nd\ne\nf\ng\nh\ni\n", "a\nb\nc\nD\ne\nf\ng\nh\ni\nJ\n", "@@ -2,5 +2,5 @@\n b\n c\n-d\n+D\n e\n f\n@@ -8,2 +8,3 @@\n h\n i\n+J\n"},
		{"", "x\n", "@@ -1,0 +1,1 @@\n+x\n"},
	} {
		got := unifiedDiff("f", c.was, c.is)
		if c.want != "" {
			c.want = "--- f\n+++ f, formatted\n" + c.want
		}
		if got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestScriptBench(t *testing.T) {
	dir := files(t, "x.p", "if message == \"b\" {\n\tadd_key(x, 1 +\n\t\t1)\n} else {\n\tuse(\"y.p\")\n}\nset_tag(a, message)\n", "y.p", "add_key(y, 1)\nnosuch[0]\n", "texts", "a\nb\n", "empty", "")
	script, texts := filepath.Join(dir, "x.p"), filepath.Join(dir, "texts")
	r := inProcess("", "script", "bench", script, "--input", texts, "--count", "1000", "--json")
	var got benchResult
	if err := json.Unmarshal([]byte(r.out), &got); r.code != 0 || err != nil {
		t.Fatalf("exit code %d, %v\n%s%s", r.code, err, r.out, r.stderr)
	}
	if got.Points != 1000 || got.Failed != got.Points/2 || got.Nanos <= 0 || len(got.Statements) != 6 {
		t.Fatalf("got %+v", got)
	}
	share := 0.0
	for i, want := range []struct {
		file string
		line int
		text string
		runs float64
	}{
		{"x.p", 1, `if message == "b" {`, 1}, {"x.p", 2, "add_key(x, 1 +", 0.5}, {"x.p", 5, `use("y.p")`, 0.5}, {"x.p", 7, "set_tag(a, message)", 0.5},
		{"y.p", 1, "add_key(y, 1)", 0.5}, {"y.p", 2, "nosuch[0]", 0.5},
	} {
		s := got.Statements[i]
		share += s.Share
		if s.File != want.file || s.Line != want.line || s.Text != want.text || s.Runs != want.runs || s.Nanos < 0 {
			t.Errorf("statement %d: %+v, want %+v", i, s, want)
		}
	}
	if share < 0.99 || share > 1.01 {
		t.Errorf("the shares add up to %g", share)
	}
	r = inProcess("", "script", "bench", script, "-F", texts, "--time", "50ms")
	if r.code != 0 || !strings.Contains(r.out, "ns a point") || !strings.Contains(r.out, "y.p:1  add_key(y, 1)\n") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	// A slow script is measured on few points, not for long.
	slow := filepath.Join(files(t, "slow.p", "for ;; { }\n"), "slow.p")
	begin := time.Now()
	r = inProcess("", "script", "bench", slow, "-T", "x", "--time", "50ms", "--json")
	if err := json.Unmarshal([]byte(r.out), &got); r.code != 0 || err != nil || got.Points == 0 || got.Points > 100 || got.Failed != got.Points {
		t.Errorf("exit code %d, %v\n%s%s", r.code, err, r.out, r.stderr)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	for _, args := range []string{"", "--input " + texts + " -F " + texts, "--input " + texts + " --time 0s", "--input " + filepath.Join(dir, "empty")} {
		if r := inProcess("", append([]string{"script", "bench", script}, words(args)...)...); r.code != 2 {
			t.Errorf("script bench %s: exit code %d\n%s%s", args, r.code, r.out, r.stderr)
		}
	}
}

// TestScriptRunSays: what a run has to say stands in the JSON, too, and scripts that are used are warned of as the script itself.
func TestScriptRunSays(t *testing.T) {
	dir := files(t, "x.p", "use(\"y.p\")\ngeoip(ip)\nadd_key(a, load_json(_))\n", "y.p", "add_key(b, 1)\nip = \"10.0.0.1\"\ngeoip(ip)\nunused = 1\n")
	r := inProcess("", "script", "run", filepath.Join(dir, "x.p"), "-T", "x", "--json")
	var got struct{ Notes []string }
	if err := json.Unmarshal([]byte(r.out), &got); r.code != 0 || err != nil {
		t.Fatalf("exit code %d, %v\n%s%s", r.code, err, r.out, r.stderr)
	}
	if !slices.Contains(got.Notes, "there is no geo database: give --geoip") {
		t.Errorf("notes %q", got.Notes)
	}
	if !strings.Contains(r.stderr, "y.p:4:1: warning: `unused` is assigned but never used") {
		t.Errorf("warnings\n%s", r.stderr)
	}
	r = inProcess("", "script", "run", filepath.Join(dir, "x.p"), "-T", "x")
	if !strings.Contains(r.out, "note: there is no geo database: give --geoip\n") {
		t.Errorf("printed\n%s", r.out)
	}
}

// TestScriptPatterns finds grok patterns where a folder of scripts has them, or where a flag says.
func TestScriptPatterns(t *testing.T) {
	dir := files(t, "x.p", `grok(_, "%{ID:id}")`, "metric/y.p", `grok(_, "%{ID:id}")`, "pattern/own", "# ours\nID [A-Z]{2}\\d+\n",
		"other", "ID \\d+\n", "broken", "ID %{NOSUCH}\nX\n", "alone/z.p", "add_key(a, 1)")
	for _, x := range []struct {
		args, want string
		code       int
	}{
		{"x.p", `id="AB12"`, 0}, {"metric/y.p", `id="AB12"`, 0}, {"x.p --patterns other", `id="12"`, 0},
		{"x.p --patterns broken", "broken:1: error: defining grok pattern ID: unknown grok pattern", 3}, {"x.p --patterns broken", "broken:2: error: pattern \"X\" has no expression", 3},
		{"x.p --patterns nosuch", "no such file", 3}, {"alone/z.p", "a=1i", 0},
	} {
		args := strings.Fields(x.args)
		for i, a := range args {
			if !strings.HasPrefix(a, "--") {
				args[i] = filepath.Join(dir, filepath.FromSlash(a))
			}
		}
		r := inProcess("", append([]string{"script", "run", "-T", "x AB12 y"}, args...)...)
		if r.code != x.code || !strings.Contains(r.out+r.stderr, x.want) {
			t.Errorf("%s: %d\n%s%s\nwant %s", x.args, r.code, r.out, r.stderr, x.want)
		}
	}
}

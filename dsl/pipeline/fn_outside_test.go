package pipeline_test

import (
	"testing"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/refer"
	"dataflow/engine/point"
)

func TestOutsideFunctions(t *testing.T) {
	const first = "ip=\"192.0.2.7\"\nport=443\nload=0.5\nup=true\nowner=\"shop\""
	const second = "ip=\"192.0.2.8\"\nport=80\nload=1.0\nup=false\nowner=nil"
	const third = "ip=\"192.0.2.7\"\nport=8080\nload=2.5\nup=true\nowner=\"pay\""
	for _, x := range []funcs.Example{
		// One column.
		{Script: `query_refer_table("hosts", "ip", "192.0.2.7")`, Want: first}, // the first row
		{Script: `query_refer_table("hosts", "load", 2.5)`, Want: third},
		{Script: `query_refer_table("hosts", "load", 1)`, Want: ""}, // a float column does not match an int
		{Script: `query_refer_table("hosts", "port", 80.0)`, Want: ""},
		{Script: `query_refer_table("hosts", "port", "80")`, Want: ""},
		{Script: `query_refer_table("hosts", "up", false)`, Want: second},
		{Script: "tab = \"hosts\"\nkey = \"port\"\nvalue = 80\nquery_refer_table(tab, key, value)", Want: second},
		{Script: "add_key(a.b, 80)\nquery_refer_table(\"hosts\", \"port\", a.b)", Want: "a.b=80\n" + second},
		{Script: "j = load_json(_)\nv = j[\"port\"]\nquery_refer_table(\"hosts\", \"port\", v)", Message: `{"port": 80}`, Want: ""}, // JSON has floats
		{Script: "set_tag(ip, \"10.0.0.1\")\nquery_refer_table(\"hosts\", \"port\", 80)",
			Want: "ip#=\"192.0.2.8\"\nport=80\nload=1.0\nup=false\nowner=nil"},
		{Script: `query_refer_table("hosts", "ip", nosuch)`, Want: ""},
		{Script: `query_refer_table("hosts", "nosuch", 1)`, Want: ""},
		{Script: `query_refer_table("nosuch", "ip", 1)`, Want: ""},
		{Script: "v = [1]\nquery_refer_table(\"hosts\", \"ip\", v)", Want: ""},
		{Script: `query_refer_table(nosuch, "ip", 1)`, Want: "error 1:1: query_refer_table: the argument table_name is not str but nil"},
		{Script: "tab = 5\nquery_refer_table(tab, \"ip\", 1)", Want: "error 2:1: query_refer_table: the argument table_name is not str but int"},
		{Script: "key = true\nquery_refer_table(\"hosts\", key, 1)", Want: "error 2:1: query_refer_table: the argument key is not str but bool"},
		{Script: `query_refer_table("hosts", "ip", 1 + 1)`,
			Want: "load error 1:36: query_refer_table: the argument value must be a text, number or bool literal, or a name"},
		{Script: `query_refer_table("hosts", "ip", nil)`,
			Want: "load error 1:34: query_refer_table: the argument value must be a text, number or bool literal, or a name"},
		{Script: `query_refer_table(5, "ip", 1)`, Want: "load error 1:19: query_refer_table: the argument table_name must be a name, a path or a text literal"},
		{Script: `query_refer_table("hosts", "ip")`, Want: "load error 1:1: query_refer_table: the argument value is missing"},
		{Script: `query_refer_table(value=80, key="port", table_name="hosts")`, Want: second},

		// Several columns.
		{Script: `mquery_refer_table("hosts", ["ip", "load"], ["192.0.2.7", 2.5])`, Want: third},
		{Script: "c = \"up\"\nv = true\nmquery_refer_table(\"hosts\", [c, \"port\"], [v, 8080])", Want: third},
		{Script: "k = \"port\"\nv = [80]\nmquery_refer_table(\"hosts\", k, v)", Want: second},
		{Script: "j = load_json(_)\nv = j[\"v\"]\nmquery_refer_table(\"hosts\", [\"load\", \"ip\"], v)", Message: `{"v": [0.5, "192.0.2.7"]}`, Want: first},
		{Script: `mquery_refer_table(table_name="hosts", keys=["owner"], values=[nil])`, Want: second},
		{Script: `mquery_refer_table("hosts", ["ip", "port"], ["192.0.2.7", 80])`, Want: ""},
		{Script: `mquery_refer_table("hosts", ["ip"], ["192.0.2.7", 80])`, Want: ""},
		{Script: `mquery_refer_table("hosts", [], [])`, Want: ""},
		{Script: `mquery_refer_table("nosuch", ["ip"], ["192.0.2.7"])`, Want: ""},
		{Script: `mquery_refer_table("hosts", [nosuch], [1])`, Want: "error 1:1: mquery_refer_table: the argument keys is not str but nil"},
		{Script: `mquery_refer_table("hosts", ["ip"], [nosuch])`, Want: "error 1:1: mquery_refer_table: the name nosuch is not known"},
		{Script: "k = [\"ip\"]\nmquery_refer_table(\"hosts\", k, [1])", Want: "error 2:1: mquery_refer_table: the argument keys is not str but list"},
		{Script: "v = \"x\"\nmquery_refer_table(\"hosts\", [\"ip\"], v)", Want: "error 2:1: mquery_refer_table: the argument values is not list but str"},
		{Script: `mquery_refer_table(nosuch, ["ip"], [1])`, Want: "error 1:1: mquery_refer_table: the argument table_name is not str but nil"},
		{Script: `mquery_refer_table("hosts", "ip", [1])`,
			Want: "load error 1:29: mquery_refer_table: the argument keys must be a list of text literals and names, or a name"},
		{Script: `mquery_refer_table("hosts", ["ip", 1], [1])`,
			Want: "load error 1:29: mquery_refer_table: the argument keys must be a list of text literals and names, or a name"},
		{Script: `mquery_refer_table("hosts", ["ip"], [1 + 1])`,
			Want: "load error 1:37: mquery_refer_table: the argument values must be a list of literals and names, or a name"},
		{Script: `mquery_refer_table("hosts", ["ip"], 1)`,
			Want: "load error 1:37: mquery_refer_table: the argument values must be a list of literals and names, or a name"},

		// HTTP.
		{Script: "r = http_request(\"GET\", \"http://api.example.com/owner?id=7\")\nadd_key(r)\nadd_key(n, r[\"status_code\"] + 1)",
			Want: "r=\"{\\\"body\\\":\\\"{\\\\\\\"name\\\\\\\": \\\\\\\"kim\\\\\\\"}\\\",\\\"status_code\\\":200}\"\nn=201"},
		{Script: "r = http_request(\"GET\", \"http://api.example.com/nosuch\")\nadd_key(c, r[\"status_code\"])\nadd_key(b, r[\"body\"])", Want: "c=404\nb=\"\""},
		{Script: "add_key(k, \"\")\nfor b in [\"text\", 5, 1.5, true, [1, \"x\"], nil] {\n r = http_request(\"PUT\", \"http://api.example.com/echo\", body=b)\n add_key(k, get_key(k) + r[\"body\"] + \";\")\n}",
			Want: "k=\"PUT  text;PUT  5;PUT  1.5;PUT  true;PUT  [1,\\\"x\\\"];PUT  ;\""},
		{Script: "h = load_json(_)\nr = http_request(\"PUT\", \"http://api.example.com/echo\", h, h)\nadd_key(b, r[\"body\"])", Message: `{"A":"b","n":1}`,
			Want: "b=\"PUT A=b {\\\"A\\\":\\\"b\\\",\\\"n\\\":1}\""},
		{Script: "add_key(r, http_request(\"GET\", \"https://elsewhere.example.com/\"))", Want: "r=nil"},
		{Script: "http_request(5, \"u\")", Want: "error 1:1: http_request: the argument method is not str but int"},
		{Script: "http_request(\"GET\", nil)", Want: "error 1:1: http_request: the argument url is not str but nil"},
		{Script: "http_request(\"GET\", \"u\", [])", Want: "error 1:1: http_request: the argument headers is not map or nil but list"},
		{Script: "http_request(\"GET\")", Want: "load error 1:1: http_request: the argument url is missing"},
		{Script: "http_request(\"GET\", \"u\", head={})", Want: "load error 1:26: http_request has no argument head"},

		// Places.
		{Script: "set_tag(city, \"x\")\nip = \"203.0.113.1\"\ngeoip(ip)",
			Want: "city#=\"Brisbane\"\nprovince=\"Queensland\"\ncountry=\"AU\"\nisp=\"Example Net\""},
		{Script: "ip = 5\ngeoip(ip)\nip = nil\ngeoip(ip)", Want: ""},
		{Script: "geoip(5)", Want: "load error 1:7: geoip: the argument ip must be a name, a path or a text"},
		{Script: "add_key(`a b`, \"203.0.113.1\")\ngeoip(\"a b\")",
			Want: "a b=\"203.0.113.1\"\ncity=\"Brisbane\"\nprovince=\"Queensland\"\ncountry=\"AU\"\nisp=\"Example Net\""},
	} {
		if got := runExample(t, x); got != x.Want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", x.Script, got, x.Want)
		}
	}
}

// TestNothingOutside: without a host the functions find nothing, and do no harm.
func TestNothingOutside(t *testing.T) {
	script := "geoip(_)\nquery_refer_table(\"t\", \"k\", 1)\nmquery_refer_table(\"t\", [\"k\"], [1])\nadd_key(r, http_request(\"GET\", \"http://a/\"))"
	if got := run(t, script, "203.0.113.9", options()); got != "r=nil" {
		t.Errorf("got %s", got)
	}
}

// longReply is a host whose server replies at length.
type longReply struct{ body string }

func (h longReply) Do(eval.Request) (eval.Reply, error) {
	return eval.Reply{Status: 200, Body: h.body}, nil
}
func (longReply) Table(string) *refer.Table                { return nil }
func (longReply) Locate(string) (place geo.Place, ok bool) { return place, false }

// TestRepliesArePaidFor: a script cannot gather replies without end.
func TestRepliesArePaidFor(t *testing.T) {
	o := options()
	o.Host = longReply{string(make([]byte, 1<<20))}
	s, err := pipeline.Compile("for ;; { r = http_request(\"GET\", \"http://a/\") }", o)
	if err != nil {
		t.Fatal(err)
	}
	p := logPoint("")
	if got := s.NewRunner().Run(&p); got.Err == nil {
		t.Error("it ended without an error")
	}
}

func TestLookupAllocations(t *testing.T) {
	for _, script := range []string{
		`query_refer_table("hosts", "ip", "192.0.2.7")`, `mquery_refer_table("hosts", ["ip", "port"], ["192.0.2.7", 8080])`, `geoip(_)`,
	} {
		o := options()
		o.Host = exampleHost{}
		s, err := pipeline.Compile(script, o)
		if err != nil {
			t.Fatal(err)
		}
		r := s.NewRunner()
		p := logPoint("203.0.113.9")
		r.Run(&p) // makes the fields and the index
		var created []point.Point
		if n := testing.AllocsPerRun(100, func() { created = r.Run(&p).Created }); n != 0 || created != nil {
			t.Errorf("%s: %v allocations", script, n)
		}
	}
}

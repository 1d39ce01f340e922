package pipeline_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"dataflow/dsl/pipeline"
)

func TestGroupBetween(t *testing.T) {
	checkScripts(t, []scriptCase{
		{"add_key(c, 404)\ngroup_between(c, [400, 499], \"warning\", level)", "", "c=404\nlevel=\"warning\""},
		{"add_key(c, 200)\ngroup_between(c, [200, 300], \"OK\")", "", `c="OK"`},
		{"add_key(c, 200)\ngroup_between(c, [200, 200], true)", "", "c=true"}, {"add_key(c, 200)\ngroup_between(c, [0, 200], 1.5)", "", "c=1.5"},
		{"add_key(c, 200)\ngroup_between(c, [200.5, 300], \"x\")", "", "c=200"}, {"add_key(c, 200.7)\ngroup_between(c, [200, 200.7], 7)", "", "c=7"},
		{"add_key(c, -5)\ngroup_between(c, [-10, -1], \"neg\")", "", `c="neg"`}, {"group_between(_, [100, 200], \"x\", y)", "150", `y="x"`},
		{"group_between(_, [0, 0], \"zero\", y)", "abc", `y="zero"`}, {"add_key(b, true)\ngroup_between(b, [1, 1], \"one\", y)", "", "b=true\ny=\"one\""},
		{"add_key(z, nil)\ngroup_between(z, [0, 0], \"nil\", y)", "", "z=nil\ny=\"nil\""}, {"v = [1]\ngroup_between(v, [0, 0], \"list\", y)", "", `y="list"`},
		{"v = nan\ngroup_between(v, [-1, 1], \"x\", y)", "", ""}, {"group_between(nosuch, [0, 9], \"x\", y)", "", ""},
		{"v = 5\ngroup_between(v, [1, 9], \"x\")\nadd_key(w, v)", "", "v=\"x\"\nw=5"},
		{"add_key(c, 5)\nset_tag(t, \"a\")\ngroup_between(c, [1, 9], 7, t)", "", "c=5\nt#=\"7\""},
		{"add_key(a.b, 5)\ngroup_between(a.b, [1, 9], \"x\", `c d`)\ngroup_between(\"a.b\", [1, 9], \"y\", c.d)", "", "a.b=5\nc d=\"x\"\nc.d=\"y\""},
		{"x = 1\nadd_key(c, 5)\ngroup_between(c, [6, 9], x)\ngroup_between(c, [6, 9], nil)", "", "c=5"},
		{"x = 1\nadd_key(c, 5)\ngroup_between(c, [1, 9], x)", "", "error 3:1: group_between: the label is no literal text, number or bool\nc=5"},
		{"add_key(c, 5)\ngroup_between(c, [1, 9], nil)", "", "error 2:1: group_between: the label is no literal text, number or bool\nc=5"},
		{"add_key(c, 5)\ngroup_between(c, [1, 9], [1])", "", "error 2:1: group_between: the label is no literal text, number or bool\nc=5"},
	})
	checkFaults(t, []scriptCase{
		{script: `group_between(c, [9, 1], "x")`, want: "group_between: the range is empty"}, {script: `group_between(c, [nan, 1], "x")`, want: "the range is empty"},
		{script: `group_between(c, [1], "x")`, want: "a list of two number literals"}, {script: `group_between(c, [1, y], "x")`, want: "two number literals"},
		{script: `group_between(c, ["1", "2"], "x")`, want: "two number literals"}, {script: `group_between(c, [true, 2], "x")`, want: "two number literals"},
		{script: `group_between(c, r, "x")`, want: "two number literals"}, {script: `group_between(c, [1, 2])`, want: "missing"}, {script: `group_between(c, [1, 2], "x", 5)`, want: "newkey must be"},
		{script: `group_between(5, [1, 2], "x")`, want: "key must be"}, {script: `group_between(c, [1, 2], "x", y, 1)`, want: "at most 4"},
	})
}

func TestGroupIn(t *testing.T) {
	checkScripts(t, []scriptCase{
		{"add_key(l, \"WARN\")\ngroup_in(l, [\"W\", \"WARN\"], \"warning\", s)", "", "l=\"WARN\"\ns=\"warning\""}, {"add_key(l, 5)\ngroup_in(l, [5], \"five\")", "", `l="five"`},
		{"add_key(l, 5)\ngroup_in(l, [5.0, \"5\", true], \"x\")", "", "l=5"}, {"add_key(l, nil)\ngroup_in(l, [nil], 0)", "", "l=0"},
		{"k = [1, 2]\nadd_key(l, 2)\ngroup_in(l, k, false)", "", "l=false"}, {"k = load_json(_)\nv = {\"a\": 1.0}\ngroup_in(v, k, 1.5, r)", `[1, {"a": 1}]`, "r=1.5"},
		{"add_key(l, 2)\ngroup_in(l, nosuch, 1)\ngroup_in(l, message, 1)\nm = {}\ngroup_in(l, m, 1)", "x", "l=2"},
		{"add_key(l, 2)\ngroup_in(l, [1 + \"x\", 2], 1)\nadd_key(after, 1)", "", "l=2\nafter=1"}, {"add_key(l, 2)\ngroup_in(l, [1 + 1], 1, r)\ngroup_in(l, [], 1, s)", "", "l=2\nr=1"},
		{"x = 9\nadd_key(l, 2)\ngroup_in(l, [2], x)\ngroup_in(l, [2], nil)\ngroup_in(l, [2], [1])", "", "l=2"}, {"group_in(nosuch, [nil], 1)", "", ""},
		{"v = \"a\"\ngroup_in(v, [\"a\"], \"b\")\nadd_key(w, v)", "", "v=\"b\"\nw=\"a\""}, {"set_tag(t, \"a\")\ngroup_in(t, [\"a\"], 5)", "", `t#="5"`},
	})
	checkFaults(t, []scriptCase{
		{script: `group_in(a, "x", 1)`, want: "group_in: the argument list must be a list or a name or a path"}, {script: "group_in(a, f[0], 1)", want: "must be a list"},
		{script: "group_in(a, len(b), 1)", want: "must be a list"}, {script: "group_in(a, [1])", want: "missing"}, {script: "group_in(a, [1], 1, 2)", want: "newkey must be"}, {script: "group_in(1, [1], 1)", want: "key must be"},
	})
}

func TestCIDR(t *testing.T) {
	for _, x := range []struct {
		ip, prefix string
		want       bool
	}{
		{"192.0.2.233", "192.0.2.1/24", true}, {"192.0.2.233", "192.0.3.0/24", false}, {"10.0.0.1", "10.0.0.1/32", true}, {"10.0.0.1", "0.0.0.0/0", true},
		{"2001:db8::1", "2001:db8::/32", true}, {"2001:db9::1", "2001:db8::/32", false}, {"::1", "::/0", true}, {"10.0.0.1", "::/0", false}, {"::1", "0.0.0.0/0", false},
		{"::ffff:10.0.0.1", "10.0.0.0/8", false}, {"::ffff:10.0.0.1", "::ffff:0:0/96", true}, {"fe80::1%eth0", "fe80::/10", false}, {"10.0.0.1", "10.0.0.1", false},
		{"10.0.0.1", "10.0.0.0/33", false}, {"10.0.0.1", "10.0.0.0/08", false}, {"10.0.0.1", "10.0.0.0/", false}, {"10.0.0.1", "fe80::%e/10", false}, {"10.0.0.01", "10.0.0.0/8", false},
		{"10.0.0", "10.0.0.0/8", false}, {"10.0.0.1:80", "10.0.0.0/8", false}, {" 10.0.0.1", "10.0.0.0/8", false}, {"", "10.0.0.0/8", false}, {"10.0.0.1", "", false}, {"x", "y", false},
	} {
		script := fmt.Sprintf("add_key(a, cidr(%q, %q))\nip = %[1]q\nnet = %[2]q\nadd_key(b, cidr(ip, net))\nadd_key(c, cidr(ip, %[2]q))", x.ip, x.prefix)
		want := fmt.Sprintf("a=%v\nb=%[1]v\nc=%[1]v", x.want)
		if got := run(t, script, "", options()); got != want {
			t.Errorf("cidr(%q, %q): got\n%s", x.ip, x.prefix, got)
		}
	}
	checkScripts(t, []scriptCase{
		{"add_key(a, cidr(nosuch, \"0.0.0.0/0\"))\nadd_key(b, cidr(\"10.0.0.1\", nosuch))\nn = 5\nadd_key(c, cidr(n, n))", "", "a=false\nb=false\nc=false"},
		{"add_key(x.ip, \"10.0.0.1\")\nadd_key(a, cidr(x.ip, \"10.0.0.0/8\"))\nadd_key(b, cidr(_, \"10.0.0.0/8\"))", "10.9.9.9", "x.ip=\"10.0.0.1\"\na=true\nb=true"},
	})
	checkFaults(t, []scriptCase{
		{script: `cidr("10.0.0.1")`, want: "missing"}, {script: `cidr(5, "10.0.0.0/8")`, want: "cidr: the argument ip must be a name, a path or a text literal"},
		{script: `cidr(x["a"], "10.0.0.0/8")`, want: "must be"}, {script: `cidr(ip, "a" + "b")`, want: "must be"},
	})
}

func TestSample(t *testing.T) {
	checkScripts(t, []scriptCase{
		{"add_key(a, sample(1.0))\nadd_key(b, sample(0.0))", "", "a=true\nb=false"}, {"add_key(a, sample(1.0001))\nadd_key(b, sample(-0.1))\nadd_key(c, sample(nan))\nadd_key(d, sample(inf))", "", "a=nil\nb=nil\nc=nil\nd=nil"},
		{"sample(1)", "", "error 1:1: sample: the argument is not float but int"}, {"sample(1 + 0)", "", "error 1:1: sample: the argument is not float but int"},
		{"sample(\"a\" + \"b\")", "", "error 1:1: sample: the argument is not float but str"}, {"p = 0.5\nadd_key(a, sample(p + p))", "", "a=true"}, {"sample(x * 1.0)", "", "error 1:10: unsupported lhs data type: nil"},
	})
	checkFaults(t, []scriptCase{
		{script: "sample(p)", want: "sample: the argument p must be a number literal or arithmetic"}, {script: `sample("0.5")`, want: "number literal"}, {script: "sample(1 < 2)", want: "number literal"},
		{script: "sample(len(x))", want: "number literal"}, {script: "sample(nil)", want: "number literal"}, {script: "sample()", want: "missing"}, {script: "sample(0.1, 0.2)", want: "at most 1"},
	})
	const points = 100_000
	for _, share := range []float64{0.01, 0.5, 0.9} {
		s, err := pipeline.Compile(fmt.Sprintf("if !sample(%v) { drop() }", share), options())
		if err != nil {
			t.Fatal(err)
		}
		r, p, kept := s.NewRunner(), logPoint("m"), 0
		for range points {
			if !r.Run(&p).Dropped {
				kept++
			}
		}
		sigma := math.Sqrt(points * share * (1 - share))
		if off := math.Abs(float64(kept) - points*share); off > 5*sigma { // once in two million runs
			t.Errorf("sample(%v) let %d of %d through, %.1f sigma off", share, kept, points, off/sigma)
		}
	}
}

func TestUserAgent(t *testing.T) {
	const keys = "isMobile=%s\nisBot=%s\nos=%q\nbrowser=%q\nbrowserVer=%q\nengine=%q\nengineVer=%q\nua=%q"
	for _, x := range []struct {
		text string
		want [8]any
	}{
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.110 Safari/537.36",
			[8]any{"false", "false", "Intel Mac OS X 10_15_7", "Chrome", "96.0.4664.110", "AppleWebKit", "537.36", "Macintosh"}},
		{"curl/7.81.0", [8]any{"false", "false", "", "curl", "7.81.0", "", "", ""}}, {"", [8]any{"false", "false", "", "", "", "", "", ""}},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 15_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.0 Mobile/15E148 Safari/604.1",
			[8]any{"true", "false", "CPU iPhone OS 15_0 like Mac OS X", "Safari", "15.0", "AppleWebKit", "605.1.15", "iPhone"}},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:94.0) Gecko/20100101 Firefox/94.0", [8]any{"false", "false", "Windows 10", "Firefox", "94.0", "Gecko", "20100101", "Windows"}},
		{"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", [8]any{"false", "true", "", "Googlebot", "2.1", "", "", ""}},
		{"数据 \xff(", [8]any{"false", "false", "", "数据", "", "\xff(", "", ""}},
	} {
		if got := run(t, "user_agent(_)", x.text, options()); got != fmt.Sprintf(keys, x.want[:]...) {
			t.Errorf("%s: got\n%s", x.text, got)
		}
	}
	checkScripts(t, []scriptCase{
		{"user_agent(nosuch)", "", ""},
		{"set_tag(os, \"x\")\nadd_key(ua, \"old\")\nuser_agent(_)\nfor k in [\"isMobile\"] {}", "curl/1",
			"os#=\"\"\nua=\"\"\nisMobile=false\nisBot=false\nbrowser=\"curl\"\nbrowserVer=\"1\"\nengine=\"\"\nengineVer=\"\""},
		{"v = \"curl/2\"\nuser_agent(v)\nadd_key(b, browserVer)", "", "isMobile=false\nisBot=false\nos=\"\"\nbrowser=\"curl\"\nbrowserVer=\"2\"\nengine=\"\"\nengineVer=\"\"\nua=\"\"\nb=\"2\""},
	})
	checkFaults(t, []scriptCase{{script: "user_agent()", want: "missing"}, {script: "user_agent(5)", want: "must be a name"}})
	if got := run(t, "user_agent(_)", "curl/"+strings.Repeat("( ", 1<<20), options()); len(got) > 1<<16 {
		t.Errorf("of a long text: %d bytes", len(got))
	}
}

func TestTraceID(t *testing.T) {
	for _, x := range []struct{ id, want string }{
		{"18962fdd9eea517f2ae0771ea69d6e16", "3089600317904219670"}, {"2ae0771ea69d6e16", "3089600317904219670"}, {"2AE0771EA69D6E16", "3089600317904219670"},
		{"00000000000000000000000000000000", "0"}, {"ffffffffffffffff", "18446744073709551615"}, {"2ae0771ea69d6e1", ""}, {"2ae0771ea69d6e167", ""}, {"2ae0771ea69d6e1g", ""},
		{"g8962fdd9eea517f2ae0771ea69d6e16", ""}, {"", ""}, {"+ae0771ea69d6e16", ""}, {"0x0771ea69d6e16a", ""},
	} {
		want := ""
		if x.want != "" {
			want = `message="` + x.want + `"`
		}
		if got := run(t, "conv_traceid_w3c_to_dd(_)", x.id, options()); got != want {
			t.Errorf("%q: got %s, want %s", x.id, got, want)
		}
	}
	checkScripts(t, []scriptCase{
		{"add_key(n, 1234567890123456)\nconv_traceid_w3c_to_dd(n)\nconv_traceid_w3c_to_dd(nosuch)", "", "n=1234567890123456"},
		{"set_tag(t, \"00000000000000ff\")\nconv_traceid_w3c_to_dd(t)\nv = \"00000000000000fe\"\nconv_traceid_w3c_to_dd(v)", "", "t#=\"255\"\nv=\"254\""},
	})
	checkFaults(t, []scriptCase{{script: "conv_traceid_w3c_to_dd()", want: "missing"}, {script: "conv_traceid_w3c_to_dd(5)", want: "must be a name"}})
}

// TestFunctionsAreShared runs one script in several goroutines at a time.
func TestFunctionsAreShared(t *testing.T) {
	s, err := pipeline.Compile("sql_cover(_)\nadd_key(h, hash(_, \"md5\"))\nx = sample(0.5)\nadd_key(c, cidr(\"10.0.0.1\", \"10.0.0.0/8\"))\nadd_key(g, \"\\xb2\\xe2\")\ndecode(g, \"gbk\")\nuser_agent(g)", options())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	outcomes := make([]string, 4)
	for i := range outcomes {
		wg.Go(func() {
			r := s.NewRunner()
			for range 200 {
				p := logPoint("SELECT 'a\\'")
				outcomes[i] = render(&p, "", r.Run(&p))
			}
		})
	}
	wg.Wait()
	for _, got := range outcomes {
		if got != outcomes[0] || !strings.Contains(got, `message="SELECT ?"`) || !strings.Contains(got, `g="测"`) {
			t.Errorf("got\n%s", got)
		}
	}
}

package pipeline_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

func TestValidJSON(t *testing.T) {
	for _, x := range []struct {
		text  string
		valid bool
	}{
		{`{"a": [1, 2.5e3, "x", null, true]}`, true}, {`null`, true}, {`"x"`, true}, {` 5 `, true}, {``, false}, {`{`, false}, {`{"a": 1} x`, false}, {`{'a': 1}`, false}, {`[1,]`, false},
		{`nan`, false}, {`01`, false}, {`{"a" 1}`, false}, {"\"a\nb\"", false}, {strings.Repeat("[", 600) + strings.Repeat("]", 600), false},
	} {
		want := fmt.Sprintf("a=%v\nb=%v", x.valid, x.valid)
		if got := run(t, "x = valid_json(_)\ny = vaild_json(_)\nadd_key(a, x)\nadd_key(b, y)", x.text, options()); !strings.HasSuffix(got, want) {
			t.Errorf("%.50s: got %s", x.text, got)
		}
	}
	runCases(t, options(), []fnCase{
		{"m", "d = [1]\nadd_key(r, [valid_json(5), valid_json(true), valid_json(nil), valid_json(d), valid_json(nosuch), valid_json(drop_key(x))])", `r="[false,false,false,false,false,false]"`},
		{"m", "valid_json(1 + nosuch)", "error 1:14: unsupported rhs data type: nil"},
		{"m", "json_all()\njson_all(a, 1 + nosuch, 5)", ""},
	})
	loadCases(t, [][2]string{{"valid_json()", "missing"}, {"vaild_json()", "vaild_json: the argument text is missing"}, {"valid_json(a, b)", "at most 1"}})
}

func TestGJSON(t *testing.T) {
	const doc = `{"a": {"b": [1, {"x": "y"}, " z "]}, "t": true, "f": false, "n": null, "x.y": 5, "l": [{"k": 1, "v": "one"}, {"k": 2, "v": "two"}], "i": 9007199254740993, "u": "\u00e9\n"}`
	at := func(path, want string) fnCase {
		return fnCase{doc, fmt.Sprintf("gjson(_, %q, \"r\")", path), want}
	}
	runCases(t, options(), []fnCase{
		at("a.b.0", "r=1.0"), at("a.b.1.x", `r="y"`), at("a.b.2", `r=" z "`), at("a.b.#", "r=3.0"), at("l.#.v", `r="[\"one\",\"two\"]"`), at("l.#(k==2).v", `r="two"`), at("l.#(k>0)#.k", `r="[1,2]"`),
		at("t", "r=true"), at("f", "r=false"), at("n", ""), at("nosuch", ""), at("a.nosuch.b", ""), at(`x\.y`, "r=5.0"), at("i", "r=9.007199254740992e+15"), at("u", "r=\"é\\n\""),
		at("a", `r="{\"b\": [1, {\"x\": \"y\"}, \" z \"]}"`), at("a.b|@reverse", `r="[\" z \",{\"x\": \"y\"},1]"`), at("{t,f}", `r="{\"t\":true,\"f\":false}"`), at("[t,a.b.0]", `r="[true,1]"`),
		at("l.#.k|@tostr", `r="[1,2]"`), at("a.b.1|@ugly", `r="{\"x\":\"y\"}"`), at("a.b.1|@pretty", `r="{\n  \"x\": \"y\"\n}\n"`), at("l|@pretty:{\"indent\":\"\"}|0.v", `r="one"`), at("t*", "r=true"), at("", ""), at("@this|t", "r=true"),
		at("@keys|0", `r="a"`), at("a.b.1|@values|0", `r="y"`), at("@dig:x|0", `r="y"`), at(`!"static"`, `r="static"`), at("@valid|t", "r=true"), at("l|@flatten|#", "r=2.0"), at("[a.b,l]|@flatten|#", "r=5.0"),
		{doc, "gjson(_, \"a.b.0\")", "a.b.0=1.0"},
		{doc, "p = \"t\"\nk = \"key\"\ngjson(_, p, k)\ngjson(_, p, \"_\")", "message=true\nkey=true"},
		{doc, "gjson(input=_, json_path=\"t\", key_name=\"r\")\nset_tag(s, \"x\")\ngjson(_, \"a.b.0\", key_name=\"s\")", "r=true\ns#=\"1\""},
		{doc, "gjson(nosuch, \"t\")\nadd_key(n, 5)\ngjson(n, \"@this\", \"m\")\nv = {\"a\": 1}\ngjson(v, \"a\", \"w\")", "n=5\nm=5.0\nw=1.0"},
		{`{"a": 1, "b": `, "gjson(_, \"a\")\ngjson(_, \"b\")\ngjson(_, \"c\")", "a=1.0"},
		{"no JSON", "gjson(_, \"a\")\ngjson(_, \"@this|x\", \"t\")", ""},
		{doc, "gjson(_, nosuch)", "error 1:1: gjson: the argument json_path is not str but nil"},
		{doc, "p = 5\ngjson(nosuch, p)", "error 2:1: gjson: the argument json_path is not str but int"},
		{doc, "k = [1]\ngjson(_, \"t\", k)", "error 2:1: gjson: the argument key_name is not str but list"},
	})
	loadCases(t, [][2]string{
		{"gjson(_)", "json_path is missing"}, {"gjson(_, a.b)", "the argument json_path must be a name or a text literal"}, {"gjson(_, \"a\", b.c)", "the argument key_name must be a name or a text literal"},
		{"gjson(_, 5)", "must be"}, {"gjson(_, \"a\" + \"b\")", "must be"}, {"gjson(5, \"a\")", "must be"}, {"gjson(_, \"a\", \"b\", 1)", "at most 3"}, {"gjson(_, path=\"a\")", "has no argument path"},
	})
}

// TestGJSONIsBounded gives paths that would make texts without end, or use up the stack.
func TestGJSONIsBounded(t *testing.T) {
	deep := strings.Repeat("[", 2_000_000)
	for _, x := range []struct{ message, path, want string }{
		{`{"a": "xyz"}`, strings.Repeat("[@this,@this]|", 30) + "@this", "is too long"},
		{`{"a": "\"\\"}`, "a" + strings.Repeat("|@tostr", 40), "is too long"},
		{strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000), "@pretty", "is too long"},
		{strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000), "@dig:a", "is too long"},
		{`{"` + strings.Repeat("k", 100_000) + `":[` + strings.Repeat("1,", 100_000) + "1]}", "@group", "is too long"},
		{deep, "@pretty", ""}, {deep, "@valid", ""}, {deep, "@dig:a", ""}, {deep, "a.b", ""}, {deep, strings.Repeat("a.", 5000), ""},
		{`{"a": 1}`, strings.Repeat("[", 4000), ""}, {`{"a": 1}`, strings.Repeat("#(", 2000), ""}, {`[[1]]`, strings.Repeat("#.", 2000), ""},
	} {
		start := time.Now()
		got := run(t, fmt.Sprintf("gjson(_, %q, \"r\")", x.path), x.message, pipeline.Options{})
		if x.want == "" && strings.Contains(got, "error") || !strings.Contains(got, x.want) {
			t.Errorf("%.40s: got %.200s", x.path, got)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.40s: took %v", x.path, took)
		}
	}
}

func TestXML(t *testing.T) {
	const doc = `<?xml version="1.0"?><!-- c --><entry xmlns:x="urn:x"><fieldx>valuex</fieldx><x:fieldy id="7">valuey</x:fieldy><f>a<b>b</b><![CDATA[<c>]]> &amp; d</f><e/><n> 5 </n></entry>`
	at := func(path, want string) fnCase { return fnCase{doc, fmt.Sprintf("xml(_, %q, r)", path), want} }
	runCases(t, options(), []fnCase{
		at("/entry/fieldx", `r="valuex"`), at("/entry/fieldx//text()", `r="valuex"`), at("//f", `r="ab<c> & d"`), at("//@id", `r="7"`), at("/entry/x:fieldy", `r="valuey"`), at("//e", `r=""`), at("//n", `r=" 5 "`),
		at("//*[.='b']", `r="b"`), at("/entry/*[2]/@id", `r="7"`), at("/entry/f/b | /entry/fieldx", `r="b"`), at("//nosuch", ""), at("//@nosuch", ""),
		at("count(//f)", ""), at("string(//f)", ""), at("1 + 1", ""), at("true()", ""), at("//[", ""), at("", ""), at("///", ""), at("nosuch:f(", ""), at("//f[matches(., '(')]", ""), at(strings.Repeat("(", 5000), ""),
		{`<a>1</b>`, "xml(_, \"//a\", r)", ""}, {`<a>`, "xml(_, \"//a\", r)", ""}, {`no XML`, "xml(_, \"//a\", r)", ""}, {``, "xml(_, \"//a\", r)", ""}, {`<a>&unknown;</a>`, "xml(_, \"//a\", r)", ""},
		{`<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><l>&b;</l>`, "xml(_, \"//l\", r)", ""},
		{`<a>1</a>`, "set_tag(t, \"x\")\nxml(_, \"//a\", t)\nxml(_, \"//a\", _)\nxml(nosuch, \"//a\", r)\nxml(_, \"//a\", \"b.c\")", "message=\"1\"\nt#=\"1\""},
		{`m`, "add_key(n, 5)\nxml(n, \"//a\", r)\nv = \"<a>x</a>\"\nxml(v, \"//a\", r)", "n=5\nr=\"x\""},
	})
	loadCases(t, [][2]string{
		{"xml(_, \"//a\")", "newkey is missing"}, {"xml(_, p, r)", "must be a text literal"}, {"xml(_, \"//a\", 5)", "must be a name"}, {"xml(5, \"//a\", r)", "must be"}, {"xml(_, \"//a\", r, 1)", "at most 3"},
		{"xml(key=_, xpath=\"//a\", newkey=r)", "takes no named arguments"},
	})
}

// TestXMLIsBounded gives documents that would use up the stack or the memory.
func TestXMLIsBounded(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("<a>", n) + "x" + strings.Repeat("</a>", n) }
	for _, x := range []struct{ message, want string }{
		{nested(190), `r="x"`}, {nested(210), ""}, {nested(40_000), ""}, {nested(1_000_000), ""}, {"<a>" + strings.Repeat("<b/>", 1_000_000) + "</a>", ""}, {"<a>" + strings.Repeat("<b/>", 50_000) + "x</a>", `r="x"`},
	} {
		if got := run(t, "xml(_, \"/a\", r)", x.message, pipeline.Options{}); got != x.want {
			t.Errorf("%.20s: got %.100s, want %s", x.message, got, x.want)
		}
	}
}

// TestXPathIsPaidFor gives expressions that take the square of the number of nodes, or more.
func TestXPathIsPaidFor(t *testing.T) {
	list := func(n int) string { return "<a>" + strings.Repeat("<b/>", n) + "<b>x</b></a>" }
	for _, x := range []struct {
		path string
		n    int
		paid bool // too much
	}{
		{"/a/b[last()]", 500, false}, {"/a/b[last()]", 50_000, true}, {"//b[position() > 5]", 50_000, true}, {"//zz | //b[.='x']", 50_000, true}, {"//b[../zz]", 50_000, true}, {"//b[.='x']/..", 50_000, true},
		{"//b[//zz]", 50_000, true}, {"//b/following::zz", 50_000, true}, {"//b[preceding-sibling::zz]", 50_000, true}, {"//b/following::b/following::b", 500, true},
		{"//b[.='x']", 50_000, false}, {"/a/b[50001]", 50_000, false}, {"//b[contains(., 'x/..|last()')]/zz | ", 10, false}, {"//b[. = 'x']", 50_000, false}, {"//b[last_name = 'x']", 50_000, false}, {"//following", 50_000, false}, {"//b[ last ( ) ]", 50_000, true}, {"//b/following-sibling ::zz", 50_000, true},
	} {
		start := time.Now()
		got := run(t, fmt.Sprintf("xml(_, %q, r)", x.path), list(x.n), pipeline.Options{})
		if paid := strings.Contains(got, "used up its budget"); paid != x.paid || !paid && strings.Contains(got, "error") {
			t.Errorf("%s of %d: got %s", x.path, x.n, got)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s of %d: took %v", x.path, x.n, took)
		}
	}
}

// TestXPathOfGoroutines finds with one compiled expression in several goroutines.
func TestXPathOfGoroutines(t *testing.T) {
	s, err := pipeline.Compile("xml(_, \"//item[@id='2']/name[1] | //x[count(y) > 1]\", r)", options())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := s.NewRunner()
			for i := range 100 {
				p := logPoint(fmt.Sprintf(`<l><item id="1"><name>no</name></item><item id="2"><name>%d</name></item></l>`, g*1000+i))
				r.Run(&p)
				if v, _ := p.Get("r"); v.Str() != fmt.Sprint(g*1000+i) {
					t.Errorf("got %q", v.Str())
				}
			}
		})
	}
	wg.Wait()
}

func TestKVSplit(t *testing.T) {
	const all = "include_keys=[\"a\", \"b\", \"c\"]"
	runCases(t, options(), []fnCase{
		{"a=1 b=2 d=4 c", "r = kv_split(_, " + all + ")\nadd_key(r)", "a=\"1\"\nb=\"2\"\nr=true"},
		{"a=1", "r = kv_split(_)\nadd_key(r)\ns = kv_split(_, include_keys=[])\nadd_key(s)\ne = []\nu = kv_split(_, include_keys=e)\nadd_key(u)", "r=false\ns=false\nu=false"},
		{"a=1", "r = kv_split(nosuch, " + all + ")\nadd_key(r)\ns = kv_split(_, include_keys=nosuch)\nadd_key(s)\nk = \"a\"\nu = kv_split(_, include_keys=k)\nadd_key(u)", "r=false\ns=false\nu=false"},
		{"a=1=2 b= c=\"x\"", "kv_split(_, " + all + ")", "a=\"1=2\"\nb=\"\"\nc=\"\\\"x\\\"\""},
		{"a:1;b:2", "kv_split(_, \";\", \":\", " + all + ")", "a=\"1\"\nb=\"2\""},
		{"a: 1,  b  :2 ,c:3", "kv_split(_, field_split_pattern=\" *, *\", value_split_pattern=\" *: *\", " + all + ")", "a=\"1\"\nb=\"2\"\nc=\"3\""},
		{"(a)='1' [b]=\"2\" ()=3", "kv_split(_, trim_key=\"()[]\", trim_value=\"'\\\"\", include_keys=[\"a\", \"b\", \"\"])", "a=\"1\"\nb=\"2\""},
		{"=1 a=2", "kv_split(_, include_keys=[\"\", \"a\"])", `a="2"`},
		{"a=1 a=2 b=3 a=4", "kv_split(_, " + all + ", prefix=\"p_\")", "p_a=\"4\"\np_b=\"3\""},
		{"a=1 b=2", "set_tag(a, \"x\")\nadd_key(b, 5)\nkv_split(_, " + all + ")", "a#=\"1\"\nb=\"2\""},
		{"a=1 b=2 5=x", "k = [\"b\", 5, nil, [\"a\"]]\nr = kv_split(_, include_keys=k, prefix=\"p\")\nadd_key(r)\nkv_split(_, include_keys=[\"a\" + \"\"])", "pb=\"2\"\nr=true\na=\"1\""},
		{`{"keys": ["b"], "kv": "a=1 b=2"}`, "d = load_json(_)\nkeys = d[\"keys\"]\nkv = d[\"kv\"]\nkv_split(kv, include_keys=keys)", `b="2"`},
		{"message=new x=1", "kv_split(_, include_keys=[\"message\", \"x\"])", "message=\"new\"\nx=\"1\""},
		{"_=new", "kv_split(_, include_keys=[\"_\"])", `message="new"`},
		{"a|b=1", "kv_split(_, \"\\\\|\", include_keys=[\"b\"])", `b="1"`},
		{"a=1b=2", "kv_split(_, \"\", include_keys=[\"a\"])\nkv_split(_, \"x*\", \"\", include_keys=[\"a\"])", ""},
		{"ab", "kv_split(_, \";\", \"\", " + all + ")", `a="b"`},
		{"A=1XB=2", "kv_split(_, \"(?i)x\", include_keys=[\"A\", \"B\"])", "A=\"1\"\nB=\"2\""},
		{"", "add_key(r, kv_split(_, \"x?\", " + all + "))", "r=false"},
		{"m", "add_key(n, 5)\nadd_key(r, kv_split(n, \"x\", \"5\", " + all + "))", "n=5\nr=false"},
		{"m", "kv_split(_, include_keys=[1 + nosuch])", "error 1:29: unsupported rhs data type: nil"},
	})
	loadCases(t, [][2]string{
		{"kv_split()", "key is missing"}, {"kv_split(_, \"[\")", "kv_split: error parsing"}, {"kv_split(_, value_split_pattern=\"(\")", "error parsing"}, {"kv_split(_, p)", "must be a text literal"},
		{"kv_split(_, trim_key=5)", "must be a text literal"}, {"kv_split(_, include_keys=\"a\")", "include_keys must be a list or a name"}, {"kv_split(_, include_keys=d[\"a\"])", "a list or a name"},
		{"kv_split(_, prefix=p)", "text literal"}, {"kv_split(_, include_key=[])", `did you mean "include_keys"?`}, {"kv_split(5)", "must be a name"},
	})
}

func TestDelete(t *testing.T) {
	runCases(t, options(), []fnCase{
		{`{"a": 1, "b": {"c": [{"d": 2, "e": 3}]}}`, "d = load_json(_)\ne = d\ndelete(d, \"a\")\ndelete(d[\"b\"][\"c\"][0], \"d\")\nadd_key(e)", `e="{\"b\":{\"c\":[{\"e\":3}]}}"`},
		{"m", "m = {\"a\": 1, \"b\": 2}\ndelete(key=\"a\", src=m)\nadd_key(m)", `m="{\"b\":2}"`},
		{"m", "m = {\"a\": {\"b\": 1}}\ndelete(m, \"x\")\ndelete(m[\"x\"], \"b\")\ndelete(m[\"x\"][\"y\"], \"b\")\ndelete(m[\"a\"][\"b\"], \"b\")\ndelete(m[\"a\"][0], \"b\")\ndelete(m[5], \"b\")\ndelete(message[\"a\"], \"b\")\nadd_key(m)", `m="{\"a\":{\"b\":1}}"`},
		{"m", "m = {\"x\": 1}\nadd_key(x, 2)\ndelete(m, \"x\")\ndelete(x, \"x\")\nadd_key(n, len(m))", "x=2\nn=0"},
		{"m", "i = \"a\"\nm = {\"a\": {\"b\": 1}}\ndelete(m[i], \"b\")\nadd_key(m)", `m="{\"a\":{}}"`},
	})
	loadCases(t, [][2]string{
		{"delete()", "missing"}, {"delete(m)", "key is missing"}, {"delete(m, k)", "must be a text literal"}, {"delete(\"m\", \"k\")", "must be a name, which may be indexed"}, {"delete(a.b, \"k\")", "must be a name"},
		{"delete({}, \"k\")", "must be a name"}, {"delete(load_json(_), \"k\")", "must be a name"}, {"delete(m, \"k\", 1)", "at most 2"}, {"delete(m, ky=\"k\")", "has no argument ky"}, {"delete(.[0], \"k\")", ""},
	})
}

// FuzzGJSON follows any path in any text: no panic, the same result each time.
func FuzzGJSON(f *testing.F) {
	for _, path := range []string{"a.b.0", "l.#(k==2)#.v", "a|@reverse|@pretty:{\"indent\":\"x\"}", "{a,\"x\":b.#.[c,d]}", "@dig:x", "[@this,@this]|@tostr|@fromstr", "..#.a", "!5", "a\\", "#(#(", "[", "@", "@group|@join:{\"preserve\":true}"} {
		f.Add(`{"a": {"b": [1, "\u00e9", {"c": null}]}, "l": [{"k": 1}, {"k": 2, "v": "x"}]}`, path)
		f.Add(`{"a": [[["x`, path)
	}
	s, err := pipeline.Compile("path = get_key(path)\ngjson(_, path, \"r\")", options())
	if err != nil {
		f.Fatal(err)
	}
	r := s.NewRunner()
	f.Fuzz(func(t *testing.T, text, path string) {
		var got [2]string
		for i := range got {
			p := logPoint(text)
			p.Set("path", point.String(path))
			got[i] = render(&p, text, r.Run(&p))
		}
		if got[0] != got[1] {
			t.Errorf("first %s\nthen %s", got[0], got[1])
		}
	})
}

// FuzzXML finds in any text by any expression: no panic, the same result each time.
func FuzzXML(f *testing.F) {
	for _, path := range []string{"/a/b[2]", "//@id", "//b[contains(., 'x')]/..", "count(//a)", "//*[last()]", "a | b", "//b[matches(., '(')]", "[", "//a[position() mod 2 = 1]", "preceding-sibling::*", "//text()[normalize-space()]"} {
		f.Add(`<a id="1"><b>x</b><b>y</b><!-- c --><?p q?></a>`, path)
		f.Add(`<a xmlns="u" xmlns:x="v"><x:b>&lt;</x:b><![CDATA[z]]>`, path)
		f.Add(`</a><a/><b/>text<?xml version="1.0" encoding="gbk"?>`, path)
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		if len(path) > 200 || strings.ContainsAny(path, "\"\\\n\r`") || strings.Contains(path, "'''") {
			return
		}
		s, err := pipeline.Compile("xml(_, \""+path+"\", r)", options())
		if err != nil {
			return // no text of the language
		}
		r := s.NewRunner()
		var got [2]string
		for i := range got {
			p := logPoint(text)
			got[i] = render(&p, text, r.Run(&p))
		}
		if got[0] != got[1] || strings.HasPrefix(got[0], "error") {
			t.Errorf("first %s\nthen %s", got[0], got[1])
		}
	})
}

// FuzzKVSplit compares with splitting by the package regexp.
func FuzzKVSplit(f *testing.F) {
	f.Add("a=1 b=2 c", " ", "=", "", "", "p")
	f.Add("a: 1;; b:2;", ";", " *: *", " ", "\"", "")
	f.Add("a=1b=2", "", "", "a", "b", "_")
	f.Add("\xff=\xfe a=\u212a", "\ufffd", "(?i)k", "\xff", "", "")
	f.Fuzz(func(t *testing.T, text, fields, values, trimKey, trimValue, prefix string) {
		literal := func(s string) string { return fmt.Sprintf("%q", s) }
		script := "r = kv_split(_, " + literal(fields) + ", " + literal(values) + ", " + literal(trimKey) + ", " + literal(trimValue) + ", prefix=" + literal(prefix) + ", include_keys=[\"a\", \"b\", \"c\", \"A\"])\nadd_key(result_of, r)"
		s, err := pipeline.Compile(script, options())
		if err != nil {
			return
		}
		p := logPoint(text)
		out := s.NewRunner().Run(&p)
		if out.Err != nil {
			t.Fatal(out.Err)
		}
		want := map[string]string{}
		for _, part := range regexp.MustCompile(fields).Split(text, -1) {
			pair := regexp.MustCompile(values).Split(part, 2)
			if len(pair) != 2 || text == "" {
				continue
			}
			if key := strings.Trim(pair[0], trimKey); slices.Contains([]string{"a", "b", "c", "A"}, key) {
				want[prefix+key] = strings.Trim(pair[1], trimValue)
			}
		}
		for key, value := range want {
			if key == "_" || key == "message" || key == "status" || key == "result_of" {
				continue
			}
			if v, _ := p.Get(key); v.Str() != value {
				t.Errorf("%s is %q, want %q", key, v.Str(), value)
			}
		}
		if v, _ := p.Get("result_of"); v.Bool() != (len(want) > 0) {
			t.Errorf("yields %v for %v", v.Bool(), want)
		}
	})
}

package pipeline_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	utf "golang.org/x/text/encoding/unicode"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

func TestCover(t *testing.T) {
	on := func(text, bounds string) string {
		got := run(t, "cover(_, ["+bounds+"])", text, options())
		if got == "" {
			return text
		}
		return strings.Trim(strings.TrimPrefix(got, "message="), `"`)
	}
	for _, x := range []struct{ text, bounds, want string }{
		{"abcdef", "2, 3", "a**def"}, {"abcdef", "-3, -1", "abc***"}, {"abcdef", "0, 6", "abcdef"}, {"abcdef", "1, 6", "******"},
		{"abcdef", "5, 99", "abcd**"}, {"abcdef", "1, 1", "*bcdef"}, {"abcdef", "6, 6", "abcde*"}, {"abcdef", "7, 9", "abcdef"},
		{"abcdef", "4, 3", "abcdef"}, {"abcdef", "1, 0", "abcdef"}, {"abcdef", "1, -1", "******"}, {"abcdef", "2, -2", "a****f"},
		{"abcdef", "-6, 1", "*bcdef"}, {"abcdef", "-9, 2", "**cdef"}, {"abcdef", "-9, -8", "abcdef"}, {"abcdef", "-2, 3", "abcdef"},
		{"abcdef", "1, -6", "*bcdef"}, {"abcdef", "1, -7", "abcdef"}, {"abcdef", "2.9, 3.9", "a**def"}, {"abcdef", "-0.5, 6", "abcdef"},
		{"abcdef", "nan, 2", "**cdef"}, {"abcdef", "1, inf", "abcdef"}, {"abcdef", "1, 1e18", "******"}, {"abcdef", "-1e300, 1e300", "abcdef"},
		{"", "1, 2", ""}, {"张三丰 Li", "2, 4", "张＊＊*Li"}, {"héllo", "2, 2", "h*llo"}, {"ｶﾅ한", "1, 3", "***"}, {"\U00020000々", "1, 2", "＊＊"},
	} {
		if got := on(x.text, x.bounds); got != x.want {
			t.Errorf("cover(%q, [%s]): got %q, want %q", x.text, x.bounds, got, x.want)
		}
	}
	checkScripts(t, []scriptCase{
		{"v = \"abc\"\ncover(v, [1, 1])\nadd_key(w, v)", "", "v=\"*bc\"\nw=\"abc\""},
		{"v = \"abc\"\ncover(v, [3, 1])", "", ""},
		{"add_key(n, 123)\ncover(n, [1, 2])\nadd_key(b, true)\ncover(b, [1, 2])\nadd_key(z, nil)\ncover(z, [1, 2])\ncover(nosuch, [1, 2])", "", "n=123\nb=true\nz=nil"},
		{"set_tag(t, \"secret\")\ncover(t, [1, 6])", "", `t#="******"`},
		{"add_key(a.b, \"abc\")\ncover(a.b, [1, 1])\ncover(\"a.b\", [3, 3])", "", `a.b="*b*"`},
		{`add_key(a, "x\xffy\xfe")` + "\ncover(a, [2, 3])", "", `a="x**\xfe"`},
	})
	checkFaults(t, []scriptCase{
		{script: "cover(a)", want: "missing"}, {script: "cover(a, 1)", want: "cover: the argument range must be a list of two number literals"},
		{script: "cover(a, [1])", want: "two number literals"}, {script: "cover(a, [1, 2, 3])", want: "two"}, {script: `cover(a, ["1", 2])`, want: "number literals"},
		{script: "cover(a, [x, 2])", want: "number literals"}, {script: "cover(a, [1, true])", want: "number"}, {script: "cover(a, r)", want: "list"},
		{script: "cover(5, [1, 2])", want: "must be a name"},
	})
}

func TestSliceString(t *testing.T) {
	checkScripts(t, []scriptCase{
		{`add_key(a, slice_string("15384073392", 0, 3))`, "", `a="153"`},
		{`add_key(a, slice_string(end=5, name="héllo", start=1))`, "", `a="éllo"`},
		{`add_key(a, slice_string("abc", 0, 99))` + "\n" + `add_key(b, slice_string("abc", 3, 99))` + "\n" + `add_key(c, slice_string("abc", 4, 99))`, "", "a=\"abc\"\nb=\"\"\nc=\"\""},
		{`add_key(a, slice_string("abc", -1, 2))` + "\n" + `add_key(b, slice_string("abc", 2, 1))` + "\n" + `add_key(c, slice_string("abc", 0, -1))` + "\n" + `add_key(d, slice_string("abc", 1, 1))` + "\n" + `add_key(e, slice_string("", 0, 1))`,
			"", "a=\"\"\nb=\"\"\nc=\"\"\nd=\"\"\ne=\"\""},
		{`add_key(a, slice_string(_, 1, 3))`, "数据平台", `a="据平"`},
		{`add_key(a, slice_string("x\xff\xfez", 1, 3))`, "", `a="\xff\xfe"`},
		{"x = 1.0\n" + `add_key(a, slice_string("abc", x, 2))`, "", "error 2:12: slice_string: the argument start is not int but float"},
		{`add_key(a, slice_string(nosuch, 0, 2))`, "", "error 1:12: slice_string: the argument name is not str but nil"},
		{`add_key(a, slice_string("abc", 0, drop_key(x)))`, "", "error 1:12: slice_string: the argument end is not int but void"},
		{"d = load_json(_)\n" + `add_key(a, slice_string(d["l"], 0, 1))`, `{"l": []}`, "error 2:12: slice_string: the argument name is not str but list"},
		{`add_key(a, slice_string("abc", 1 + nil, 2))`, "", "error 1:34: unsupported rhs data type: nil"},
		{"add_key(a, slice_string(text, 0, 1))\nadd_key(leak, start)", "", "error 1:12: slice_string: the argument name is not str but nil"},
		{`x = slice_string(name="abc", start=0, end=1)` + "\nadd_key(leak, start)", "", "leak=nil"},
	})
	checkFaults(t, []scriptCase{
		{script: `slice_string(5, 0, 1)`, want: "1:14: slice_string: the argument name is not str but int"}, {script: `slice_string("a", 0.0, 1)`, want: "start is not int but float"},
		{script: `slice_string("a", 0, "1")`, want: "end is not int but str"}, {script: `slice_string([], 0, 1)`, want: "name is not str but list"},
		{script: `slice_string({}, 0, 1)`, want: "name is not str but map"}, {script: `slice_string(nil, 0, 1)`, want: "name is not str but nil"},
		{script: `slice_string("a", 0)`, want: "the argument end is missing"}, {script: `slice_string("a", 0, 1, 2)`, want: "at most 3"},
		{script: `slice_string("a", begin=0, end=1)`, want: "no argument begin"},
	})
}

func TestStrlenAndLen(t *testing.T) {
	checkScripts(t, []scriptCase{
		{`add_key(a, strlen("héllo"))` + "\n" + `add_key(b, strlen(""))` + "\n" + `add_key(c, strlen(_))` + "\n" + `add_key(d, strlen("\xff\xfe"))`, "数据", "a=5\nb=0\nc=2\nd=2"},
		{`strlen(5)`, "", "error 1:1: strlen: the argument is not str but int"}, {`strlen(nosuch)`, "", "error 1:1: strlen: the argument is not str but nil"},
		{`strlen([1])`, "", "error 1:1: strlen: the argument is not str but list"}, {`strlen(drop_key(x))`, "", "error 1:1: strlen: the argument is not str but void"},
		{`add_key(a, len("é"))` + "\n" + `add_key(b, len({"x": 1}))` + "\n" + `add_key(c, len(nil))` + "\n" + `add_key(d, len(drop_key(x)))`, "", "a=2\nb=1\nc=0\nd=0"},
	})
	checkFaults(t, []scriptCase{{script: "strlen()", want: "missing"}, {script: "strlen(text=a)", want: "no named arguments"}, {script: "strlen(a, b)", want: "at most 1"}})
}

func TestBase64(t *testing.T) {
	checkScripts(t, []scriptCase{
		{"b64enc(_)", "hello, world", `message="aGVsbG8sIHdvcmxk"`}, {"b64dec(_)", "aGVsbG8sIHdvcmxk", `message="hello, world"`},
		{"b64enc(_)", "", ""}, {"b64dec(_)", "", ""}, {"b64enc(_)", "a", `message="YQ=="`}, {"b64dec(_)", "/+8=", `message="\xff\xef"`},
		{"v = \"a\"\nb64enc(v)\nadd_key(w, v)", "", "v=\"YQ==\"\nw=\"a\""},
		{"set_tag(t, \"a\")\nb64enc(t)", "", `t#="YQ=="`},
		{"add_key(n, 5)\nb64enc(n)\nb64dec(n)\nb64enc(nosuch)\nb64dec(nosuch)\nl = [1]\nb64enc(l)", "", "n=5"},
		{"b64dec(_)", "YQ", "error 1:1: b64dec: illegal base64 data at input byte 0"}, {"b64dec(_)", "_-8=", "error 1:1: b64dec: illegal base64 data at input byte 0"},
		{"add_key(a, 1)\nb64dec(_)\nadd_key(b, 1)", "!", "error 2:1: b64dec: illegal base64 data at input byte 0\na=1"},
	})
	checkFaults(t, []scriptCase{
		{script: `b64enc("a")`, want: "b64enc: the argument name must be a name"}, {script: "b64enc(a.b)", want: "must be a name"}, {script: "b64dec(a.b)", want: "must be a name"},
		{script: `b64dec("a")`, want: "must be a name"}, {script: "b64dec()", want: "missing"},
	})
	long := strings.Repeat("0123456789", 10_000)
	if got := run(t, "b64enc(_)\nadd_key(x, 1)", long, options()); got != "message=\""+base64.StdEncoding.EncodeToString([]byte(long))+"\"\nx=1" {
		t.Errorf("of a long text: %.100q", got)
	}
	o := options()
	o.MaxSteps = 1000
	if got := run(t, "b64enc(_)", long, o); !strings.Contains(got, "budget") {
		t.Errorf("got %.100q", got)
	}
}

func TestHash(t *testing.T) {
	const md5 = `a="900150983cd24fb0d6963f7d28e17f72"`
	checkScripts(t, []scriptCase{
		{`add_key(a, hash("abc", "md5"))`, "", md5}, {`add_key(a, hash(method="md5", text="abc"))`, "", md5}, {"m = \"md5\"\nadd_key(a, hash(_, m))", "abc", md5},
		{`add_key(a, hash("abc", "sha1"))`, "", `a="a9993e364706816aba3e25717850c26c9cd0d89d"`},
		{`add_key(a, hash("abc", "sha256"))`, "", `a="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{`add_key(a, hash("abc", "sha512"))`, "",
			`a="ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"`},
		{`add_key(a, hash("", "md5"))`, "", `a="d41d8cd98f00b204e9800998ecf8427e"`},
		{`add_key(a, hash("abc", "sha384"))` + "\n" + `add_key(b, hash("abc", "MD5"))` + "\n" + `add_key(c, hash("abc", ""))`, "", "a=\"\"\nb=\"\"\nc=\"\""},
		{"n = 1\nhash(n, \"md5\")", "", "error 2:1: hash: the argument text is not str but int"}, {"hash(nosuch, \"md5\")", "", "error 1:1: hash: the argument text is not str but nil"},
		{"n = 1\nhash(_, n)", "", "error 2:1: hash: the argument method is not str but int"},
		{"hash(drop_key(x), \"md5\")", "", "error 1:1: hash: the argument text is not str but void"},
		{`x = hash(text="x", method="md5")` + "\nadd_key(leak, method)", "", "leak=nil"},
	})
	checkFaults(t, []scriptCase{
		{script: `hash(5, "md5")`, want: "hash: the argument text is not str but int"}, {script: `hash("x", 5)`, want: "hash: the argument method is not str but int"},
		{script: `hash("x", true)`, want: "not str but bool"}, {script: `hash("x")`, want: "the argument method is missing"}, {script: `hash("x", "md5", 1)`, want: "at most 2"},
	})
}

func TestURLs(t *testing.T) {
	const parts = "u = url_parse(_)\nadd_key(s, u[\"scheme\"])\nadd_key(h, u[\"host\"])\nadd_key(po, u[\"port\"])\nadd_key(pa, u[\"path\"])\nadd_key(q, u[\"params\"])"
	checkScripts(t, []scriptCase{
		{"url_decode(_)", "http%3a%2f%2fexample%2fa%26x%3d%e6%b5%8b+y", `message="http://example/a&x=测 y"`},
		{"url_decode(_)", "plain", ""}, {"url_decode(_)", "%", `error 1:1: url_decode: invalid URL escape "%"`}, {"url_decode(_)", "%zz", `error 1:1: url_decode: invalid URL escape "%zz"`},
		{"add_key(n, 5)\nurl_decode(n)\nadd_key(z, nil)\nurl_decode(z)\nurl_decode(nosuch)", "", "n=\"5\"\nz=\"\""},
		{"set_tag(t, \"a%20b\")\nurl_decode(t)", "", `t#="a b"`}, {`add_key("a.b", "%41")` + "\nurl_decode(a.b)", "", `a.b="A"`},
		{"add_key(a, \"%ff\")\nurl_decode(a)", "", `a="\xff"`},
		{parts, "https://u:p@www.example.com:8080/p%2Fq?a=1&b=&c&a=2&a=3#frag",
			`s="https"` + "\n" + `h="www.example.com:8080"` + "\n" + `po="8080"` + "\n" + `pa="/p/q"` + "\n" + `q="{\"a\":\"1,2,3\",\"b\":\"\",\"c\":\"\"}"`},
		{parts, "", "s=\"\"\nh=\"\"\npo=\"\"\npa=\"\"\nq=\"{}\""},
		{parts, "mailto:kim@a.example", "s=\"mailto\"\nh=\"\"\npo=\"\"\npa=\"\"\nq=\"{}\""},
		{parts, "//[::1]:80/x?a=%zz&b=1", "s=\"\"\nh=\"[::1]:80\"\npo=\"80\"\npa=\"/x\"\nq=\"{\\\"b\\\":\\\"1\\\"}\""},
		{parts, "?a=1;b=2&c=3", "s=\"\"\nh=\"\"\npo=\"\"\npa=\"\"\nq=\"{\\\"c\\\":\\\"3\\\"}\""},
		{"u = url_parse(_)", "http://a b/", `error 1:5: url_parse: invalid character " " in host name`},
		{"u = url_parse(_)", "http://kim:secret@h:x/", `error 1:5: url_parse: invalid port ":x" after host`},
		{"u = url_parse(nosuch)\nadd_key(a, u)\nadd_key(b, value_type(url_parse(nosuch)))", "", "a=nil\nb=\"\""},
		{"n = 5\nu = url_parse(n)\nadd_key(a, u[\"path\"])", "", `a="5"`},
		{"u = url_parse(_)\nu[\"path\"] = 1\nv = url_parse(_)\nadd_key(a, u[\"path\"])\nadd_key(b, v[\"path\"])", "/x", "a=1\nb=\"/x\""},
		{"u = url_parse(_)\nadd_key(n, len(u[\"params\"]))", "/?" + strings.Repeat("a&", 10_001), "n=0"},
	})
	checkFaults(t, []scriptCase{
		{script: `url_parse("http://x")`, want: "url_parse: the argument key must be a name or a path"}, {script: "url_parse(x[0])", want: "must be"}, {script: "url_parse()", want: "missing"},
		{script: "url_decode(5)", want: "must be"}, {script: "url_decode(a, b)", want: "at most 1"},
	})
}

func TestDecode(t *testing.T) {
	checkScripts(t, []scriptCase{
		{`decode(_, "gbk")`, "\xb2\xe2\xca\xd4\x20ok", `message="测试 ok"`},
		{`decode(_, "gb18030")`, "\x95\x32\x82\x36\xb2\xe2", `message="𠀀测"`},
		{`decode(_, "utf-16le")`, "\x4b\x6d\xd5\x8b", `message="测试"`}, {`decode(_, "utf-16be")`, "\x6d\x4b\x8b\xd5", `message="测试"`},
		{`decode(_, "utf-16be")`, "\xfe\xff\x6d\x4b", "message=\"\\ufeff测\""}, {`decode(_, "utf-16le")`, "\x4b\x6d\xd5", `message="测�"`},
		{`decode(_, "utf-16le")`, "\x00\xd8a\x00", `message="�a"`}, {`decode(_, "gbk")`, "a\xff\xb2", `message="a��"`},
		{`decode(_, "utf-8")`, "\xb2", ""}, {`decode(_, "GBK")`, "\xb2\xe2", ""}, {`decode(_, "UTF-16LE")`, "a\x00", ""}, {`decode(_, "")`, "\xb2\xe2", ""}, {`decode(_, "big5")`, "\xb2\xe2", ""},
		{"e = \"gbk\"\ndecode(_, e)", "\xb2\xe2", `message="测"`}, {"decode(_, nosuch)", "\xb2\xe2", ""}, {"e = 5\ndecode(_, e)", "\xb2\xe2", ""},
		{"add_key(x.enc, \"gbk\")\ndecode(_, x.enc)", "\xb2\xe2", "message=\"测\"\nx.enc=\"gbk\""},
		{"v = \"\\xb2\\xe2\"\ndecode(v, \"gbk\")\nset_tag(t, v)\ndecode(t, \"gbk\")\nadd_key(n, 5)\ndecode(n, \"gbk\")\ndecode(nosuch, \"gbk\")", "", "v=\"测\"\nt#=\"测\"\nn=\"5\""},
	})
	checkFaults(t, []scriptCase{
		{script: "decode(_)", want: "missing"}, {script: "decode(_, 5)", want: "decode: the argument encoding must be a name, a path or a text literal"}, {script: `decode(_, "a" + "b")`, want: "must be"},
		{script: "decode(_, len(x))", want: "must be"},
	})
}

func TestSQLCover(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, x := range []struct{ sql, want string }{
		{"SELECT a, 'x' FROM t WHERE id = 42 AND n IN (1,2,3) -- c", "SELECT a, ? FROM t WHERE id = ? AND n IN ( ? )"},
		{"select abc from def where x > 3 and y < 5", "select abc from def where x > ? and y < ?"},
		{"SELECT $func$INSERT INTO table VALUES ('a', 1, 2)$func$ FROM users", "SELECT ? FROM users"},
		{"SELECT ('/uffd')", "SELECT ( ? )"}, {"SELECT * FROM t WHERE a = TRUE AND b IS NULL OR c = false", "SELECT * FROM t WHERE a = ? AND b IS ? OR c = ?"},
		{"SELECT * FROM t WHERE a = $1 AND b = ? AND c = %s AND d = %(name)s", "SELECT * FROM t WHERE a = ? AND b = ? AND c = ? AND d = ?"},
		{"INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y'), (3, 'z')", "INSERT INTO t ( a, b ) VALUES ( ? )"},
		{"SELECT * FROM t LIMIT 10, 20", "SELECT * FROM t LIMIT ?"}, {"SELECT * FROM t LIMIT 10 OFFSET 5;", "SELECT * FROM t LIMIT ? OFFSET ?"},
		{"/* a */ SELECT 1 -- b\n# c\n+ 2; // d", "SELECT ? + ?"}, {"SELECT `a` AS x, \"b\" AS \"y z\" FROM `t` AS u", "SELECT a, b FROM t"},
		{`SELECT * FROM t WHERE "c" = 1`, "SELECT * FROM t WHERE c = ?"}, {`SELECT * FROM t WHERE c = "dq"`, "SELECT * FROM t WHERE c = ?"},
		{"SELECT f(1,2),g( 3 )", "SELECT f ( ? ) g ( ? )"}, {"SELECT * FROM t WHERE a = 'it''s' AND b = 'x\\'y'", "SELECT * FROM t WHERE a = ? AND b = ?"},
		{"SELECT $tag$secret$tag$, 0x1F, -1.5e-3, 017, .5", "SELECT ?"},
		{"SELECT [x] FROM t WHERE n = '数据'", "SELECT [ x ] FROM t WHERE n = ?"}, {"a  \t\n b", "a b"},
		{"-- only a comment", ""}, {"/* x */", ""}, {"", ""}, {";", ""}, {"it's no statement", ""}, {"SELECT 'open", ""}, {"SELECT 1 } ", ""}, {"SELECT \xff", ""}, {"a ! = b", "a ! = b"}, {"a !} b", ""},
	} {
		want := ""
		if x.want != "" && x.want != x.sql {
			want = `message="` + x.want + `"`
		}
		if got := run(t, "sql_cover(_)", x.sql, options()); got != want {
			t.Errorf("%s: got %s, want %s", x.sql, got, want)
		}
	}
	checkScripts(t, []scriptCase{
		{"v = \"SELECT 1\"\nsql_cover(v)\nset_tag(t, v)\nsql_cover(t)\nadd_key(n, 5)\nsql_cover(n)\nsql_cover(nosuch)", "", "v=\"SELECT ?\"\nt#=\"SELECT ?\"\nn=\"?\""},
		{"v = \"'\"\nsql_cover(v)", "", ""},
	})
	checkFaults(t, []scriptCase{{script: "sql_cover()", want: "missing"}, {script: "sql_cover(1)", want: "must be a name"}})
}

// TestSQLKnowsNoEarlierPoints checks that a statement in which a backslash is a plain character does not change how
// those of later points are read.
func TestSQLKnowsNoEarlierPoints(t *testing.T) {
	s, err := pipeline.Compile("sql_cover(_)", options())
	if err != nil {
		t.Fatal(err)
	}
	const escaped = `SELECT 'a\' OR b', 'c'`
	r := s.NewRunner()
	var got []string
	for _, sql := range []string{escaped, `SELECT 'c:\'`, escaped} {
		p := logPoint(sql)
		r.Run(&p)
		v, _ := p.Get("message")
		got = append(got, v.Str())
	}
	if got[0] != got[2] || got[1] != "SELECT ?" {
		t.Errorf("got %q", got)
	}
}

func TestTextInPlace(t *testing.T) {
	checkScripts(t, []scriptCase{
		{"lowercase(_)", "ÀÉ ABC Ж", `message="àé abc ж"`}, {"uppercase(_)", "àé abc ж ß", `message="ÀÉ ABC Ж ß"`},
		{"add_key(f, 1.0)\nlowercase(f)\nadd_key(z, nil)\nuppercase(z)\nlowercase(nosuch)", "", "f=\"1\"\nz=\"\""},
		{"trim(_)", " \u00a0x\u3000\n", `message="x"`}, {"trim(_, \"\")", "\t x ", `message="x"`}, {"trim(_, \"数x\")", "x数y数", `message="y"`},
		{"v = 1.50\ntrim(v)", "", `v="1.5"`},
		{`replace(_, "(?P<a>\\d)(\\d)", "$2$a")`, "1234", `message="2143"`}, {`replace(_, "b", "$$")`, "abc", `message="a$c"`}, {`replace(_, "", "-")`, "ab", `message="-a-b-"`},
		{`add_key(a, match("\\d", _))` + "\n" + `add_key(b, match("é", "caf\u00e9"))` + "\n" + `add_key(c, match("x", nosuch))`, "a1", "a=true\nb=true\nc=false"},
		{"add_key(x.y, \"v\")\nadd_key(a, match(\"v\", x.y))", "", "x.y=\"v\"\na=true"},
		{`strfmt(a, "%5.2f|%-4s|%x|%q|%t|%%", 1.5, "é", "hi", "q", true)`, "", `a=" 1.50|é   |6869|\"q\"|true|%"`},
		{"l = [1, {\"a\": nil}]\nstrfmt(a, \"%v\", l)", "", `a="[1 map[a:<nil>]]"`},
		{"set_tag(t, \"x\")\nstrfmt(t, \"%d\", 5)", "", `t#="5"`},
	})
}

// fuzzRun compiles the script and runs it twice on a point with the text as its message.
func fuzzRun(t *testing.T, script, text string) (first point.Point, o pipeline.Outcome) {
	t.Helper()
	opts := options()
	opts.MaxSteps = 1 << 20
	s, err := pipeline.Compile(script, opts)
	if err != nil {
		t.Fatal(err)
	}
	r := s.NewRunner()
	first = logPoint(text)
	o = r.Run(&first)
	before := render(&first, text, o)
	again := logPoint(text)
	if after := render(&again, text, r.Run(&again)); after != before {
		t.Fatalf("%s on %q: %s, then %s", script, text, before, after)
	}
	if now := render(&first, text, o); now != before {
		t.Fatalf("%s on %q: %s became %s", script, text, before, now)
	}
	return first, o
}

func messageOf(p *point.Point) string {
	v, _ := p.Get("message")
	return v.Str()
}

// FuzzCover holds cover to a plain implementation.
func FuzzCover(f *testing.F) {
	f.Add("abc数据\xff", int64(2), int64(-1))
	f.Add("", int64(0), int64(0))
	f.Fuzz(func(t *testing.T, text string, a, b int64) {
		script := "cover(_, [" + show(point.Int(a)) + ", " + show(point.Int(b)) + "])"
		if a == -1<<63 || b == -1<<63 { // such a literal is a float
			return
		}
		p, _ := fuzzRun(t, script, text)
		got := messageOf(&p)
		n := int64(utf8.RuneCountInString(text))
		if a <= 0 {
			a += n + 1
		}
		if b < 0 {
			b += n + 1
		}
		want, i := strings.Builder{}, int64(0)
		for at, r := range text {
			i++
			size := utf8.RuneLen(r)
			if r == utf8.RuneError {
				_, size = utf8.DecodeRuneInString(text[at:])
			}
			switch {
			case i < a || i > b:
				want.WriteString(text[at : at+size])
			case unicode.Is(unicode.Han, r):
				want.WriteRune('＊')
			default:
				want.WriteByte('*')
			}
		}
		if got != want.String() {
			t.Errorf("%s on %q: got %q, want %q", script, text, got, want.String())
		}
	})
}

// FuzzSQLCover checks that whatever a literal holds is masked, and that no text does harm.
func FuzzSQLCover(f *testing.F) {
	for _, s := range []string{"it's", `a\'b`, "/* x", "$func$ x $func$", "{x}", ":a :: [b] AS c", "IN ((1,2),(3))", "\x00", "%(x)s #", "!~* -> 0x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, o := fuzzRun(t, "sql_cover(_)", text)
		if o.Err != nil || messageOf(&p) == "" && text != "" {
			t.Errorf("%q: got %q, error %v", text, messageOf(&p), o.Err)
		}
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\\\x00") {
			return // no SQL, or not known how it is escaped
		}
		p, _ = fuzzRun(t, "sql_cover(_)", "SELECT a FROM t WHERE b = '"+strings.ReplaceAll(text, "'", "''")+"'")
		if got := messageOf(&p); got != "SELECT a FROM t WHERE b = ?" {
			t.Errorf("a literal %q: got %q", text, got)
		}
	})
}

// FuzzUserAgent checks that the eight keys are there with their types whatever the text is.
func FuzzUserAgent(f *testing.F) {
	for _, s := range []string{
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.110 Safari/537.36", "Mozilla/5.0 (Symbian) AppleWebKit/1 x",
		"Mozilla/4.0 (compatible; MSIE 8.0; Trident/4.0)", "Opera/9.80 (Android; x) Presto/2 Version/1", "Dalvik/1 (Linux; U; Android)", "Mozilla/5.0 () Gecko/1 MRA a b", "x (a; b; c; d) [e] (", "",
		"Mozilla/5.0 (Linux) like Gecko",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, o := fuzzRun(t, "user_agent(_)", text)
		if o.Err != nil {
			t.Fatalf("%q: %v", text, o.Err)
		}
		for key, kind := range map[string]point.Kind{
			"isMobile": point.KindBool, "isBot": point.KindBool, "os": point.KindString, "browser": point.KindString, "browserVer": point.KindString,
			"engine": point.KindString, "engineVer": point.KindString, "ua": point.KindString,
		} {
			if v, ok := p.Get(key); !ok || v.Kind() != kind {
				t.Errorf("%q: %s is %v", text, key, v.Kind())
			}
		}
	})
}

// FuzzURLParse holds url_parse to net/url, and url_decode to what it undoes.
func FuzzURLParse(f *testing.F) {
	for _, s := range []string{"https://u:p@h:1/p%20q?a=1&a=2&b#f", "//[::1%25eth0]:8", "?&&=&x=%", "a:b", ":", "\x7f", "http://%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const script = "u = url_parse(_)\nadd_key(host, u[\"host\"])\nadd_key(port, u[\"port\"])\nadd_key(n, len(u[\"params\"]))\nadd_key(five, len(u))"
		p, o := fuzzRun(t, script, text)
		u, err := url.Parse(text)
		if (err == nil) != (o.Err == nil) {
			t.Fatalf("%q: %v, but %v", text, o.Err, err)
		}
		if err == nil {
			host, _ := p.Get("host")
			port, _ := p.Get("port")
			n, _ := p.Get("n")
			five, _ := p.Get("five")
			if host.Str() != u.Host || port.Str() != u.Port() || n.Int() != int64(len(u.Query())) || five.Int() != 5 {
				t.Errorf("%q: %s", text, render(&p, text, o))
			}
		}
		fuzzRun(t, "url_decode(_)", text)
		p, o = fuzzRun(t, "url_decode(_)", url.QueryEscape(text))
		if o.Err != nil || messageOf(&p) != text {
			t.Errorf("%q: decoded to %q, error %v", text, messageOf(&p), o.Err)
		}
	})
}

// FuzzDecode checks that decoding gives UTF-8, and undoes encoding.
func FuzzDecode(f *testing.F) {
	f.Add("数据 ok 𠀀")
	f.Add("\xff\x81\x30\x81\x30\x00\xd8")
	encodings := map[string]encoding.Encoding{
		"gb18030": simplifiedchinese.GB18030, "gbk": simplifiedchinese.GBK,
		"utf-16le": utf.UTF16(utf.LittleEndian, utf.IgnoreBOM), "utf-16be": utf.UTF16(utf.BigEndian, utf.IgnoreBOM),
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, enc := range encodings {
			script := "decode(_, \"" + name + "\")"
			p, o := fuzzRun(t, script, text)
			if o.Err != nil || !utf8.ValidString(messageOf(&p)) {
				t.Errorf("%s of %q: %q, error %v", name, text, messageOf(&p), o.Err)
			}
			encoded, err := enc.NewEncoder().String(text)
			if err != nil || !utf8.ValidString(text) {
				continue // has what the encoding has not
			}
			p, _ = fuzzRun(t, script, encoded)
			if got := messageOf(&p); got != text {
				t.Errorf("%s of %q: got %q", name, text, got)
			}
		}
	})
}

// FuzzTextFunctions runs the other functions on any two texts.
func FuzzTextFunctions(f *testing.F) {
	f.Add("héllo", "a", int64(2))
	f.Add("18962fdd9eea517f2ae0771ea69d6e16", "10.0.0.0/8", int64(16))
	f.Add("10.1.2.3", "::/0", int64(-1))
	f.Add("YQ==", "utf-16le", int64(0))
	const script = `v = get_key(v)
n = get_key(n)
x = message
lowercase(x)
uppercase(x)
trim(x)
trim(x, "a ")
replace(x, "(.)b?", "$1${1}")
strfmt(s, "%s %d %v", x, n, v)
add_key(a, slice_string(_, n, n + 3))
add_key(b, strlen(_))
add_key(c, parse_int(_, n))
add_key(d, format_int(n, parse_int(v, 10)))
add_key(e, value_type(load_json(_)))
add_key(h, hash(_, v))
add_key(i, cidr(_, v))
add_key(same, _[0:0] == "")
group_between(message, [-1, 5], "low", g)
group_in(message, [v, n, 1 + v, []], "in", g)
y = message
conv_traceid_w3c_to_dd(y)
decode(y, v)
b64enc(y)
b64dec(y)
z = message
url_decode(z)
b64dec(z)`
	f.Fuzz(func(t *testing.T, text, v string, n int64) {
		if len(text) > 1<<12 {
			return
		}
		opts := options()
		s, err := pipeline.Compile(script, opts)
		if err != nil {
			t.Fatal(err)
		}
		var got [2]string
		r := s.NewRunner()
		for i := range got {
			p := logPoint(text)
			p.Set("v", point.String(v))
			p.Set("n", point.Int(n))
			o := r.Run(&p)
			got[i] = render(&p, text, o)
			if length, ok := p.Get("b"); ok && length.Int() != int64(utf8.RuneCountInString(text)) {
				t.Errorf("strlen of %q is %d", text, length.Int())
			}
			if part, _ := p.Get("a"); !strings.Contains(text, part.Str()) || utf8.RuneCountInString(part.Str()) > 3 {
				t.Errorf("slice_string of %q: %q", text, part.Str())
			}
		}
		if got[0] != got[1] {
			t.Errorf("%q: %s, then %s", text, got[0], got[1])
		}
	})
}

// TestTextAllocations checks that the functions allocate no more than the chunk for texts, which lasts for many.
func TestTextAllocations(t *testing.T) {
	const long = `v = "abcdefghij"` + "\n"
	for _, x := range []struct {
		script string
		most   float64
	}{
		{"cover(_, [2, 3])", 0}, {"x = slice_string(_, 0, 3)", 0}, {"x = strlen(_)", 0}, {"x = hash(_, \"sha256\")", 0}, {"x = hash(_, \"md5\")", 0},
		{"b64enc(message)", 0}, {long + "b64enc(v)\nx = get_key(v)\nb64dec(v2)", 0}, {"x = format_int(255, 16)", 0}, {"x = parse_int(\"255\", 10)", 0}, {"x = value_type(_)", 0},
		{"x = cidr(\"10.1.2.3\", \"10.0.0.0/8\")", 0}, {"net = \"10.0.0.0/8\"\nx = cidr(\"10.1.2.3\", net)", 0}, {"group_between(code, [0, 5], \"a\", b)", 0},
		{"group_in(message, [\"x\", \"y\", \"message\"], \"a\", b)", 0}, {"x = sample(0.5)", 0}, {"t = \"18962fdd9eea517f2ae0771ea69d6e16\"\nconv_traceid_w3c_to_dd(t)", 0},
		{"url_decode(_)", 0}, {"decode(_, \"utf-16le\")", 3}, // the decoder of the library
	} {
		s, err := pipeline.Compile(x.script, options())
		if err != nil {
			t.Fatal(err)
		}
		r := s.NewRunner()
		fields := logPoint("message").Fields
		p := point.Point{Name: "src", Category: point.Logging, Fields: make([]point.Field, 0, 16)}
		n := testing.AllocsPerRun(2000, func() {
			p.Fields = append(p.Fields[:0], fields...)
			r.Run(&p)
		})
		if n > x.most {
			t.Errorf("%s: %v allocations, want %v", x.script, n, x.most)
		}
	}
}

func BenchmarkTextFunctions(b *testing.B) {
	for _, x := range []struct{ name, script, message string }{
		{"cover", "cover(_, [2, -2])", "13789123014"}, {"hash", "x = hash(_, \"sha256\")", "kim@a.example"},
		{"sql_cover", "sql_cover(_)", "SELECT a, 'x' FROM t WHERE id = 42 AND n IN (1,2,3) -- c"}, {"decode", "decode(_, \"gbk\")", "\xb2\xe2\xca\xd4 ok \xb2\xe2\xca\xd4"},
		{"user_agent", "user_agent(_)", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.110 Safari/537.36"},
		{"url_parse", "u = url_parse(_)", "https://shop.example:8443/a/b?x=1&y=2"},
	} {
		b.Run(x.name, func(b *testing.B) {
			s, err := pipeline.Compile(x.script, options())
			if err != nil {
				b.Fatal(err)
			}
			r := s.NewRunner()
			fields := logPoint(x.message).Fields
			p := point.Point{Name: "src", Category: point.Logging, Fields: make([]point.Field, 0, 16)}
			b.ReportAllocs()
			for b.Loop() {
				p.Fields = append(p.Fields[:0], fields...)
				r.Run(&p)
			}
		})
	}
}

package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestExpressions evaluates expressions. "error" stands for a run error.
func TestExpressions(t *testing.T) {
	for _, x := range []struct{ expr, want string }{
		// 2 literals
		{"0", "0"}, {"42", "42"}, {"0x1F", "31"}, {"017", "15"}, {"08", "8.0"}, {"09.5", "9.5"},
		{"9223372036854775807", "9223372036854775807"}, {"9223372036854775808", "9.223372036854776e+18"},
		{"-9223372036854775808", "-9.223372036854776e+18"}, {"-0x10", "-16"}, {"+5", "5"}, {"- -5", "5"},
		{"1.", "1.0"}, {"1.5", "1.5"}, {"1e3", "1000.0"}, {"1.5E-3", "0.0015"}, {"1.e2", "100.0"},
		{"inf", "+Inf"}, {"-Inf", "-Inf"}, {"NAN", "NaN"},
		{"TRUE", "true"}, {"False", "false"}, {"Nil", "nil"}, {"NULL", "nil"},
		{`"a\tb\n\\\"\x41\101\u00e9\U0001F600"`, `"a\tb\n\\\"AAé😀"`}, {`'it\'s'`, `"it's"`}, {`"it's"`, `"it's"`}, {`'"'`, `"\""`},
		{`"\a\b\f\r\v"`, `"\a\b\f\r\v"`}, {`"\x41"`, `"A"`}, {`"\u00e9"`, `"é"`}, {`"\377"`, `"\xff"`}, {`"\x80"`, `"\x80"`},
		{`"""a"b''c\d"""`, `"a\"b''c\\d"`}, {"'''a\nb'''", `"a\nb"`}, {`""""""`, `""`}, {`""`, `""`}, {"''", `""`},
		{"[1, 2.0, \"x\", nil, true]", `"[1,2,\"x\",null,true]"`}, {"[]", `"[]"`}, {"{}", `"{}"`}, {"[1,]", `"[1]"`},
		{`{"b": 1, "a": [2,], }`, `"{\"a\":[2],\"b\":1}"`}, {`{"a": 1, "a": 2}`, `"{\"a\":2}"`},

		// 3 newlines inside
		{"1 +\n\n 2", "3"}, {"(\n1 # one\n)", "1"}, {"[\n1\n,\n2\n]", `"[1,2]"`}, {"{\n\"a\" :\n 1,\n\n\"b\": 2\n}", `"{\"a\":1,\"b\":2}"`},
		{"\"a\" in\n\"abc\"", "true"}, {"true &&\n false", "false"},

		// 4 precedence
		{"1 + 2 * 3", "7"}, {"(1 + 2) * 3", "9"}, {"10 - 2 - 3", "5"}, {"1 < 2 == true", "true"}, {"!1 == 2", "false"}, {"!(1 == 2)", "true"},
		{"!0 && true", "true"}, {"false && true || true", "true"}, {"true || false && false", "true"}, {"-2 * -3", "6"}, {"5 -3", "2"},
		{`"a" in "abc" == true`, "error"}, {`1 == 1 in [true]`, "true"}, {`true && "a" in "abc"`, "true"}, {`"a" in "abc" && true`, "true"},

		// 5 truth
		{"!nil", "true"}, {"!false", "true"}, {"!0", "true"}, {"!0.0", "true"}, {`!""`, "true"}, {"![]", "true"}, {"!{}", "true"},
		{`!"0"`, "false"}, {`!"false"`, "false"}, {"![0]", "false"}, {"!nan", "false"}, {"!drop_key(x)", "true"}, {"!a.b", "true"},

		// 6 arithmetic
		{"7 / 2", "3"}, {"-7 / 2", "-3"}, {"-7 % 3", "-1"}, {"7 % -3", "1"}, {"7 / 2.0", "3.5"}, {"1 + 1.5", "2.5"}, {"true + true", "2"},
		{"true + 1.5", "2.5"}, {"true * 3", "3"}, {"true / true", "1"}, {"7.5 % 2", "error"}, {"7 % 2.0", "error"},
		{"9223372036854775807 + 1", "-9223372036854775808"}, {"(-9223372036854775807 - 1) / -1", "-9223372036854775808"},
		{"(-9223372036854775807 - 1) % -1", "0"}, {"1 / (1 - 1)", "error"}, {"1 % (1 - 1)", "error"}, {"1.0 / (1 - 1)", "error"},
		{"1 / false", "error"}, {`"a" + "b"`, `"ab"`}, {`"a" - "b"`, "error"}, {`"a" + 1`, "error"}, {`1 + "a"`, "error"},
		{"nil + 1", "error"}, {"1 + nil", "error"}, {"[1] + [2]", "error"}, {"{} + 1", "error"}, {"nosuch * 2", "error"},
		{"-true", "-1"}, {"+false", "0"}, {"-(1.5)", "-1.5"}, {"-nosuch", "error"}, {`-"1"`, "error"}, {"+[]", "error"},
		{"drop_key(x) + 1", "error"},

		// 6 comparison
		{"9007199254740993 == 9007199254740992", "true"}, {"1 == true", "true"}, {`1 == "1"`, "false"}, {"1 == 1.0", "true"},
		{"1 == nil", "false"}, {`"a" == "a"`, "true"}, {`"a" == 1`, "false"}, {`"a" != "b"`, "true"}, {"nosuch == nil", "true"},
		{"nil == nosuch", "true"}, {"nil == false", "false"}, {"nil != 0", "true"}, {"[1] == [1]", "true"}, {"[1] == [1.0]", "false"},
		{`{"a": [1]} == {"a": [1]}`, "true"}, {"[] == {}", "false"}, {"[] == nil", "false"}, {"nan == nan", "false"}, {"nan != nan", "true"},
		{"1 < 2", "true"}, {"2 <= 2.0", "true"}, {"true > false", "true"}, {"1.5 >= 2", "false"}, {"true < 2", "true"},
		{"9007199254740993 > 9007199254740992", "true"}, {"9007199254740993 > 9007199254740992.0", "false"},
		{`"a" < "b"`, "error"}, {"nosuch > 5", "error"}, {"5 > nosuch", "error"}, {"[] < []", "error"}, {`1 < "2"`, "error"},

		// 6 logic
		{"true && false", "false"}, {"false || true", "true"}, {"false && nosuch", "false"}, {"true || nosuch", "true"},
		{"true && 1", "error"}, {"nosuch && true", "error"}, {"1 || true", "error"}, {"true && nosuch", "error"}, {"false || 0", "error"},
		{"1 == 1 && 2 > 1", "true"}, {"1 == 2 && nosuch > 1", "false"}, {"1 == 1 && nosuch > 1", "error"}, {`"" || true`, "error"},

		// 6 in
		{`"b" in "abc"`, "true"}, {`"" in "abc"`, "true"}, {`1 in "abc"`, "error"}, {`"a" in {"a": nil}`, "true"}, {`"b" in {"a": 1}`, "false"},
		{`1 in {"a": 1}`, "error"}, {"1 in [1, 2]", "true"}, {"1.0 in [1]", "false"}, {"nil in [nil]", "true"}, {"[1] in [[1]]", "true"},
		{"1 in nil", "error"}, {"1 in 5", "error"}, {`"a" in nosuch`, "error"}, {`"wor" in message`, "true"}, {`"a" in _`, "false"},

		// 6 slices
		{`"abcdef"[1:3]`, `"bc"`}, {`"abcdef"[4:100]`, `"ef"`}, {`"abcdef"[:]`, `"abcdef"`}, {`"abcdef"[::-1]`, `"fedcba"`},
		{`"abcdef"[4:1:-2]`, `"ec"`}, {`"abcdef"[-2:]`, `"ef"`}, {`"abcdef"[:-2]`, `"abcd"`}, {`"abcdef"[-100:2]`, `"ab"`}, {`"abcdef"[3:1]`, `""`},
		{`"abcdef"[::2]`, `"ace"`}, {`"abcdef"[5:0:-9223372036854775807]`, `"f"`}, {`"abcdef"[0:6:9223372036854775807]`, `"a"`},
		{`"héllo"[0:2]`, `"hÃ"`}, {`"abc"[0:1][0:1]`, `"a"`}, {`[1,2,3,4][1:3]`, `"[2,3]"`}, {`[1,2,3,4][3:1]`, `"[]"`}, {`[1,2,3,4][10:12]`, `"[]"`},
		{`[1,2,3][::-1]`, `"[3,2,1]"`}, {`load_json("[1,2,3]")[1:]`, `"[2,3]"`}, {`5[0:1]`, "error"}, {`nosuch[0:1]`, "error"},
		{`"abc"["x":]`, "error"}, {`"abc"[nil:2]`, "error"}, {`"abc"[1.0:]`, "error"}, {`"abc"[::0]`, "error"}, {`message[0:5]`, `"hello"`},
		{`"abc"[ : # end
		]`, `"abc"`},

		// 7 names
		{"message", `"hello world"`}, {"_", `"hello world"`}, {"`message`", `"hello world"`}, {"nosuch", "nil"}, {"a.b.c", "nil"}, {"`a.b`", "nil"},
		{"[a.b, drop_key(x)]", `"[null,null]"`}, {`{"a": drop_key(x)}`, "error"}, {`{"a": a.b}`, "error"}, {"{message: 1}", `"{\"hello world\":1}"`},
		{"{nosuch: 1}", "error"}, {"len(message)", "11"}, {"`len`(message)", "11"},
	} {
		got := run(t, "add_key(r, "+x.expr+")", "hello world", options())
		if strings.HasPrefix(got, "error ") {
			got = "error"
		}
		if got = strings.TrimPrefix(got, "r="); got != x.want {
			t.Errorf("%s: got %s, want %s", x.expr, got, x.want)
		}
	}
}

// TestPrograms runs scripts on the message "hello" with a field n=7i, a tag host=h.
func TestPrograms(t *testing.T) {
	for _, x := range []struct{ name, script, want string }{
		{"comments and separators", "# c\n;;\nadd_key(a, 1); add_key(b, 2) # x\n\"a comment\"\n", "a=1\nb=2"},
		{"quoted identifiers", "`if` = 1; `a b` = 2\nadd_key(x, `if` + `a b`)\nadd_key(`@k`, 1)", "x=3\n@k=1"},
		{"no-break space is a letter", "a\u00a0b = 1\nadd_key(r, a\u00a0b)", "r=1"},
		{"keywords in any case", "IF True { add_key(a, 1) } ELIF false {} Else {}\nFor x In [1] { add_key(b, x) }", "a=1\nb=1"},

		{"references", "a = [1, 2]\nb = a\nb[0] = 9\nadd_key(a)\nm = {\"k\": {}}\nn = m[\"k\"]\nn[\"x\"] = 1\nadd_key(m)",
			"a=\"[9,2]\"\nm=\"{\\\"k\\\":{\\\"x\\\":1}}\""},
		{"references into JSON", "a = load_json('{\"k\":{\"x\":1}}')\nb = a[\"k\"]\nb[\"x\"] = \"y\"\nadd_key(a)", "a=\"{\\\"k\\\":{\\\"x\\\":\\\"y\\\"}}\""},
		{"literals are made anew", "for i in [1, 2] {\n l = [0]\n add_key(r, l[0])\n l[0] = 5\n}", "r=0"},

		{"index chain", `m = {"a": 1, "l": [1, [2, 3]]}` + "\nadd_key(a, m[\"x\"][\"y\"][\"z\"])\nadd_key(b, m[\"l\"][1][-1])\nadd_key(c, m[\"a\"])",
			"a=nil\nb=3\nc=1"},
		{"index of JSON", `m = load_json("{\"a\":1,\"l\":[1,[2,3]],\"e\":\"\\u00e9\"}")` +
			"\nadd_key(a, m[\"x\"][\"y\"])\nadd_key(b, m[\"l\"][1][-1])\nk = \"a\"\nadd_key(c, m[k])\nadd_key(d, m[\"l\"])\nadd_key(e, m[\"e\"])\nadd_key(f, len(m[\"l\"]))",
			"a=nil\nb=3.0\nc=1.0\nd=\"[1,[2,3]]\"\ne=\"é\"\nf=2"},
		{"index into a scalar", `m = {"a": 1}` + "\nadd_key(b, m[\"a\"][\"b\"])", "error 2:18: unindexable data type: int"},
		{"index by a float", "l = [1]\nx = l[0.0]", "error 2:6: index type is not int but float"},
		{"index by a bool", "l = [1]\nx = l[true]", "error 2:6: index type is not int but bool"},
		{"index by a number in a map", "m = {}\nx = m[0]", "error 2:6: key type is not string but int"},
		{"index out of range", "l = [1]\nx = l[-2]", "error 2:6: list index out of range: -2 of 1"},
		{"index of a field", `x = message["a"]`, "error 1:12: unindexable data type: str"},
		{"index of an unknown name", `x = nosuch["a"]`, "error 1:5: `nosuch` is not known"},
		{"index of nil", "m = nil\nx = m[0]", "error 2:6: unindexable data type: nil"},
		{"assign to an index", `m = {}; m["a"] = {"b": [1, 2]}; m["a"]["b"][-1] = 5; m["a"]["b"][0] += 1; add_key(m)`, `m="{\"a\":{\"b\":[2,5]}}"`},
		{"assign below a missing key", `m = {}; m["a"]["b"] = 1`, "error 1:9: the key to assign below does not exist"},
		{"assign beyond a list", `l = [1]; l[1] = 1`, "error 1:11: list index out of range: 1 of 1"},
		{"add to a missing element", `m = {}; m["a"] += 1`, "error 1:16: unsupported lhs data type: nil"},
		{"a list that contains itself", "l = [1]\nl[0] = l\nadd_key(x, l == l)\nadd_key(l)", "x=false\nerror"},

		{"assignment does not reach the point", "n = 1\nadd_key(a, get_key(n))\nadd_key(b, n)", "n=7\na=7\nb=1"},
		{"fields hold what was added", "f = 1\nadd_key(f)\nf = 2\nadd_key(x, f)\nadd_key(y, get_key(f))", "f=1\nx=2\ny=1"},
		{"_ as a variable", "_ = \"x\"\nadd_key(a, message)\nadd_key(b, get_key(_))", "a=\"x\"\nb=\"hello\""},
		{"attribute path as a key", "add_key(a.b, 1)\nadd_key(x, a.b)\nadd_key(y, `a.b`)\nadd_key(z, get_key(a.b))", "a.b=1\nx=nil\ny=1\nz=1"},
		{"void becomes nil", "x = drop_key(q)\nadd_key(r, x == nil)", "r=true"},
		{"void is nil to ==", "add_key(r, drop_key(q) == nil)\nadd_key(s, nil == drop_key(q))", "r=true\ns=true"},
		{"assigning to what is no name", "a.b = 1; len(x) = 2; 1 = 3; (y) = 4; \"s\"[0:] = 5\nadd_key(y, `a.b`)", "y=nil"},
		{"assigning to what is no name evaluates", "a.b = 1 + nosuch", "error 1:9: unsupported rhs data type: nil"},
		{"several targets", "a, b = 1, 2", "error 1:6: an assignment to several targets is not supported"},

		{"+= on the point", "n += 1\nadd_key(r, n)\nadd_key(g, get_key(n))", "r=8\ng=7"},
		{"+= on an unknown name", "x += 1\nadd_key(r, x)", "r=nil"},
		{"+= on an unknown name evaluates", "x += 1 + nosuch", "error 1:8: unsupported rhs data type: nil"},
		{"+= of the wrong type", "x = \"a\"\nx += 1", "error 2:3: unsupported rhs data type: int"},
		{"all compound assignments", "a=10; a+=5; a-=3; a*=2; a/=5; a%=3; add_key(a); s=\"x\"; s+=\"y\"; add_key(s)", "a=1\ns=\"xy\""},

		{"a block ends its variables", "if true { y = 3 }\nadd_key(y)\nadd_key(r, y)", "r=nil"},
		{"a block rebinds outer variables", "k = \"\"\nif true { k = \"a\"; if true { k += \"b\" } }\nadd_key(k)", "k=\"ab\""},
		{"+= in a block creates there", "if true { n += 1; add_key(a, n) }\nadd_key(b, n)", "a=8\nb=7"},
		{"+= may not create", "if true { y = 3 }\nz += 1\nadd_key(a, z)\nif true { z = 2; add_key(b, z) }\nadd_key(c, z)", "a=nil\nb=2\nc=nil"},
		{"+= that created is seen below", "n += 1\nif true { n = 20 }\nadd_key(a, n)", "a=20"},
		{"rounds of a loop start empty", "for i = 0; i < 3; i += 1 {\n x += 1\n add_key(r, x)\n x = 5\n}", "r=nil"},
		{"rounds start with the key", "for i in [1, 2] {\n add_key(r, n)\n n += 1\n}", "r=7"},
		{"for variables end with the loop", "for i = 0; i < 3; i += 1 { j = i }\nadd_key(a, i)\nadd_key(b, j)", "a=nil\nb=nil"},
		{"for with an outer variable", "i = 0\nfor ; i < 3; i += 1 {}\nadd_key(i)", "i=3"},
		{"a step may create", "c = 0\nfor ; i != 2; i = c { c += 1\n add_key(r, i) }\nadd_key(i)\nadd_key(c)", "r=1\nc=2"},
		{"for in keeps an outer variable", "x = 0\nfor x in [1, 2] {}\nadd_key(x)\nfor y in [3] {}\nadd_key(b, y)", "x=2\nb=nil"},
		{"a function reads the variable first", "v = \"5\"\ncast(v, \"int\")\nadd_key(w, v)", "v=5\nw=\"5\""},

		{"if chain", "x = 2\nif x == 1 { add_key(r, 1) } elif x == 2 { add_key(r, 2) } elif nosuch > 1 { } else { add_key(r, 3) }", "r=2"},
		{"else", "if \"\" { add_key(r, 1) } elif 0 { add_key(r, 2) } else { add_key(r, 3) }", "r=3"},
		{"error in a condition", "if nosuch > 5 { add_key(a, 1) }\nadd_key(b, 1)", "error 1:11: unsupported lhs data type: nil"},
		{"empty blocks and maps", "if {} {} elif {\"a\": 1} { add_key(r, 1) }\n{}\nfor ;; { break }", "r=1"},
		{"for in text", "r = \"\"\nfor c in \"aé\\xff\" { r += c + \".\" }\nadd_key(r)", "r=\"a.é.\ufffd.\""},
		{"for in list", "s = 0\nfor x in [1, 2, 3] { s += x }\nadd_key(s)", "s=6"},
		{"for in list sees changes", "l = [1, 2]\ns = 0\nfor x in l { l[1] = 10; l = append(l, 100); s += x }\nadd_key(s)", "s=11"},
		{"for in map is sorted", "r = \"\"\nfor k in {\"b\": 1, \"a\": 2} { r += k }\nadd_key(r)", "r=\"ab\""},
		{"for in JSON", "d = load_json(\"{\\\"b\\\":[1,{\\\"x\\\":2}],\\\"a\\\":0}\")\nr = \"\"\nfor k in d { r += k }\nadd_key(r)\nfor e in d[\"b\"] { add_key(e) }",
			"r=\"ab\"\ne=\"{\\\"x\\\":2}\""},
		{"for in nothing", "for x in [] { add_key(r, 1) }\nfor x in \"\" { add_key(r, 2) }", ""},
		{"for in a number", "x = 5\nfor y in x {}", "error 2:10: int cannot be iterated over"},
		{"for in nil", "for y in nosuch {}", "error 1:10: nil cannot be iterated over"},
		{"break and continue", "s = 0\nfor i = 0; i < 10; i += 1 {\n if i == 2 { continue }\n if i == 5 { break }\n for x in [1] { break }\n s += i\n}\nadd_key(s)", "s=8"},
		{"loops in loops", "s = 0\nfor i in [1, 2] { for j in [10, 20] { if j == 20 { continue }; s += i * j } }\nadd_key(s)", "s=30"},
		{"exit", "add_key(a, 1)\nfor x in [1, 2] { if x == 1 { exit() }\n add_key(b, x) }\nadd_key(c, 1)", "a=1"},
		{"exit in an expression", "x = exit()\nadd_key(c, 1)", ""},
		{"exit in a condition", "if exit() == nil { add_key(a, 1) }\nadd_key(c, 1)", "a=1"},
		{"exit in the condition of a loop", "for ; exit() == nil; { add_key(a, 1) }\nadd_key(c, 1)", ""},
		{"exit in the step of a loop", "for ; true; x = exit() { add_key(a, 1) }\nadd_key(c, 1)", "a=1"},
		{"an endless loop ends", "for ;; {}", "error 1:1: the script used up its budget of 100000 steps"},
		{"an endless loop of continue ends", "for ;; { continue }", "error 1:1: the script used up its budget of 100000 steps"},
		{"doubling text ends", "s = \"0123456789abcdef\"\nfor ;; { s = s + s }", "error 2:16: the script used up its budget of 100000 steps"},
		{"doubling lists ends", "a = [1]\nfor i = 0; i < 60; i += 1 { a = [a, a] }\nadd_key(a)", "error 3:1: a list or map is too large or nested too deeply"},

		{"an error in the middle", "add_key(a, 1)\nx = 1 + nosuch\nadd_key(b, 2)", "error 2:7: unsupported rhs data type: nil\na=1"},
		{"drop is forgotten after an error", "drop()\nx = 1 + nosuch", "error 2:7: unsupported rhs data type: nil"},
		{"errors in arguments", "add_key(a, len(1 + nosuch))", "error 1:18: unsupported rhs data type: nil"},
		{"errors of functions", "x = [load_json(5)]", "error 1:6: load_json: the argument is not str but int"},
		{"load_json of nothing", "x = load_json(nosuch)", "error 1:5: load_json: the argument is not str but nil"},
		{"load_json of no JSON", "x = load_json(\"{\")\nadd_key(r, x)\ny = x[\"a\"]", "error 3:6: unindexable data type: nil\nr=nil"},
		{"load_json of scalars", "add_key(a, load_json(\"5\"))\nadd_key(b, load_json('\"x\"'))\nadd_key(c, load_json(\"null\"))\nadd_key(d, load_json(\"1 2\"))",
			"a=5.0\nb=\"x\"\nc=nil\nd=nil"},
		{"many documents", "s = 0.0\nfor i = 0; i < 50; i += 1 { d = load_json(\"{\\\"a\\\":[1]}\"); e = load_json(\"[2]\"); s += d[\"a\"][0] + e[0] }\nadd_key(s)", "s=150.0"},
		{"documents side by side", "a = load_json(\"[1]\"); b = load_json(\"[2]\"); l = [a, b]; add_key(l); add_key(c, a == b); add_key(d, a in l)",
			"l=\"[[1],[2]]\"\nc=false\nd=true"},
		{"JSON in functions", "a = load_json(\"[[1,2],{\\\"k\\\":null}]\")\nadd_key(n, len(a))\nb = append(a, \"x\")\nadd_key(b)\nadd_key(k, \"k\" in a[1])\nset_tag(t, a)\nstrfmt(f, \"%v\", a)\ncast(a, \"str\")",
			"n=2\nb=\"[[1,2],{\\\"k\\\":null},\\\"x\\\"]\"\nk=true\nt#=\"[[1,2],{\\\"k\\\":null}]\"\nf=\"[[1 2] map[k:<nil>]]\"\na=\"\""},
	} {
		got := run(t, "add_key(n, 7)\n"+x.script, "hello", options())
		// The first line is not counted, and the key that it writes is not shown, unless it changed.
		got = renumber(got)
		want := x.want
		if strings.HasPrefix(want, "x=false\nerror") {
			if !strings.Contains(got, "too large or nested") {
				t.Errorf("%s: got %s", x.name, got)
			}
			continue
		}
		if !strings.Contains(want, "n=") {
			got = strings.Replace(strings.Replace("\n"+got, "\nn=7\n", "\n", 1), "\nn=7", "", 1)
			got = strings.TrimPrefix(got, "\n")
		}
		if got != want {
			t.Errorf("%s:\n%s\ngot\n%s\nwant\n%s", x.name, x.script, got, want)
		}
	}
}

// renumber takes one from the line of a run error.
func renumber(got string) string {
	var line int
	if _, err := fmt.Sscanf(got, "error %d:", &line); err != nil {
		return got
	}
	return strings.Replace(got, fmt.Sprintf("error %d:", line), fmt.Sprintf("error %d:", line-1), 1)
}

func TestUse(t *testing.T) {
	o := options()
	o.Name = "main.p"
	scripts := map[string]string{
		"a.p":      "add_key(a, x)\nx = 2\nuse(\"b.p\")\nadd_key(a2, x)",
		"b.p":      "x = 3\nadd_key(b, x)\nexit()\nadd_key(c, 1)",
		"fails.p":  "add_key(before, 1)\n\nx = 1 + nosuch",
		"calls.p":  "use(\"fails.p\")",
		"circle.p": "use(\"round.p\")",
		"round.p":  "use(\"circle.p\")",
		"self.p":   "use(\"main.p\")",
		"broken.p": "add_key(\n\nx = = 2",
	}
	o.Loader = func(name string) (string, error) {
		if text, ok := scripts[name]; ok {
			return text, nil
		}
		return "", fmt.Errorf("no such script")
	}
	for _, x := range []struct{ script, want string }{
		{"x = 1\nuse(\"a.p\")\nadd_key(x)\nuse(\"a.p\")", "a=1\nb=3\na2=2\nx=1"},
		{"use(\"b.p\")\nadd_key(d, 1)", "b=3\nd=1"},
		{"use(\"calls.p\")", "error fails.p:3:7: unsupported rhs data type: nil\ncalls.p:1:1:\nmain.p:1:1:\nbefore=1"},
		{"use(\"nosuch.p\")", "load error main.p:1:1: use: loading the script \"nosuch.p\": no such script"},
		{"use(\"circle.p\")", "load error round.p:1:1: use: the scripts call each other in a circle: main.p -> circle.p -> round.p -> circle.p\n" +
			"circle.p:1:1: use: the script \"round.p\" is faulty\nmain.p:1:1: use: the script \"circle.p\" is faulty"},
		{"use(\"self.p\")", "load error self.p:1:1: use: the scripts call each other in a circle: main.p -> self.p -> main.p\n" +
			"main.p:1:1: use: the script \"self.p\" is faulty"},
		{"use(\"broken.p\")", "load error broken.p:3:5: expected an expression, found `=`\nmain.p:1:1: use: the script \"broken.p\" is faulty"},
	} {
		if got := run(t, x.script, "m", o); got != x.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", x.script, got, x.want)
		}
	}
	o.Loader = nil
	if got := run(t, `use("a.p")`, "m", o); !strings.Contains(got, "no other scripts are configured") {
		t.Errorf("without a loader: %s", got)
	}
}

func TestBudgets(t *testing.T) {
	o := options()
	o.MaxSteps = 0
	if got := run(t, "for ;; {}", "m", o); got != "error 1:1: the script used up its budget of 10000000 steps" {
		t.Errorf("got %s", got)
	}
	o.MaxTime = time.Millisecond
	ticks := o.Now()
	o.Now = func() time.Time { ticks = ticks.Add(100 * time.Microsecond); return ticks }
	if got := run(t, "for ;; {}", "m", o); got != "error 1:1: the script took longer than 1ms" {
		t.Errorf("got %s", got)
	}
}

// TestByteOrderMark reads scripts of editors that begin a file with a mark.
func TestByteOrderMark(t *testing.T) {
	if got := run(t, "\uFEFFadd_key(a, 1)\r\nadd_key(b, 2)\r\n", "m", options()); got != "a=1\nb=2" {
		t.Error(got)
	}
}

package pipeline_test

import (
	"errors"
	"strings"
	"testing"

	"dataflow/dsl/pipeline"
)

// TestLoadErrors gives scripts that do not load, with a part of what is said.
func TestLoadErrors(t *testing.T) {
	for _, x := range []struct{ script, want string }{
		// 2 lexical grammar
		{`a = "\d"`, "1:6: unknown escape"}, {`a = "\'"`, "1:6: unknown escape"}, {`a = '\"'`, "1:6: unknown escape"},
		{`a = "\400"`, "unknown escape"}, {`a = "\x4"`, "unknown escape"}, {`a = "\ud800"`, "unknown escape"}, {`a = "\U00110000"`, "unknown escape"},
		{"a = \"x\ny\"", "1:5: this string has no end on its line"}, {`a = "x`, "has no end"}, {`a = """x`, "has no end"},
		{`a = """abc'''`, "different quotes"}, {`a = '''abc"'''"""`, "has no end"}, {"a = `x", "backquote"},
		{"a = .5", "a number begins with a digit"}, {"a = 1e999", "out of range"}, {"a = 0x1p4", "is no number"}, {"a = 0b1", "0b1 is no number"},
		{"a = 0o7", "is no number"}, {"a = 1_000", "is no number"}, {"a = 5x", "is no number"}, {"a = 0x", "is no number"},
		{"a = 0xFFFFFFFFFFFFFFFFF", "is no number"}, {"a = 1e", "is no number"}, {"a = 1é", "is no number"},
		{"a = 1 ^ 2", `unexpected character '^'`}, {"a = 1 & 2", "unexpected character"}, {"a = b | c", "unexpected character"}, {"a = ~1", "unexpected"},
		{"a?", "unexpected"}, {"@a", "unexpected"}, {"$a = 1", "unexpected"}, {`\`, "unexpected"}, {"a++", "expected an expression"}, {"a = a--", "expected"},
		{"map = 1", "`map` is a reserved word"}, {"add_key(Str, 1)", "reserved word"}, {"json(_, a.list, x)", "reserved word"}, {"while true {}", "reserved"},
		{"return", "reserved"}, {"if = 1", "expected an expression"}, {"a = 1 b = 2", "1:7: expected a newline or `;`"}, {"if true {} a = 1", "1:12: expected"},

		// 3 newlines
		{"if true\n{ }", "expected `{` on the same line"}, {"if true { }\nelse { }", "2:1: `else` must stand on the line"},
		{"if true { }\nelif true { }", "2:1: `elif` must stand"}, {"a = !\ntrue", "expected an expression, found a newline"},
		{"f(1\n, 2)", "expected `,` or `)`, found a newline"}, {"a = {\"x\": 1\n, \"y\": 2}", "found a newline"}, {"a.\nb", "expected a name, found a newline"},
		{"a = 1\n* 2", "2:1: expected an expression"}, {"a = -\n1", "found a newline"}, {"for x\nin y {}", "expected"},

		// 4 grammar
		{"if a { } else if b { }", "expected `{`"}, {"a = b = 3", "an assignment is no expression"}, {"a = (b = 3)", "an assignment is no expression"},
		{`load_json(x)["a"]`, "only a name can be indexed"}, {"[1, 2][0]", "only a name can be indexed"}, {`("x")[0]`, "only a name can be indexed"},
		{`"x"[0]`, "only a name can be indexed"}, {`x[0:1][0]`, "only a name can be indexed"}, {`m["a"][1:]`, "cannot be sliced"}, {`("x")[1:]`, "cannot be sliced"},
		{`a.b[1:]`, "cannot be sliced"}, {"true[0:1]", "cannot be sliced"}, {"a = .[0]", "an argument of json only"}, {".[0] = 1", "an argument of json only"},
		{"a, b += 1", "expected `=`"}, {"a, b", "expected `=`"}, {"[,]", "expected an expression"}, {"f(,)", "expected an expression"}, {"{1 2}", "expected `:`"},
		{`"x".y`, "`.` continues a name only"}, {"f(x).y", "`.` continues"}, {"(1", "expected `)`"}, {"[1", "expected `,` or `]`"}, {"if true {", "no closing }"},
		{"}", "expected an expression, found `}`"}, {"add_key(x, 1", "expected `,` or `)`"}, {"for x { }", "expected `;` or `in`"}, {"for ; { }", "expected"},

		// 1 checks
		{"break", "1:1: break stands outside of a loop"}, {"if true { continue }", "continue stands outside of a loop"}, {"for ;; {}\nbreak", "2:1: break"},
		{"a = {1: 2}", "the key of a map is not str but int"}, {"a = {nil: 2}", "not str but nil"}, {"a = 1 / 0", "1:7: division or modulo by zero"},
		{"a = x % 0", "division or modulo by zero"}, {"a = x / 0.0", "division or modulo by zero"}, {"a /= 0", "division or modulo by zero"},
		{"a %= -0", "division or modulo by zero"}, {"for x in 5 {}", "int cannot be iterated over"}, {"for x in true {}", "bool cannot be iterated over"},
		{"for x in nil {}", "nil cannot be iterated over"},

		// functions
		{"nosuch(1)", "there is no function `nosuch`"}, {"add_kye(a, 1)", `did you mean "add_key"?`}, {"ADD_KEY(a, 1)", "there is no function"},
		{"add_key()", "add_key: the argument key is missing"}, {"add_key(a, 1, 2)", "1:15: add_key takes at most 2 arguments"}, {"add_key(5)", "must be a name, a path or a text"},
		{"add_key(a[0], 1)", "must be a name, a path or a text"}, {"add_key((a), 1)", "must be a name"}, {"add_key(key=a)", "takes no named arguments"},
		{"set_tag(a, 5)", "must be a name"}, {"set_tag(a, b[0])", "must be a name"}, {"set_tag(a, len(b))", "must be a name"},
		{`rename(a, "b")`, "must be a name or a path"}, {"drop_key(5)", "must be"}, {"drop_key()", "missing"}, {`cast(a, "sttr")`, `there is no type "sttr"`},
		{`cast(a, "INT")`, "there is no type"}, {"cast(a, int)", "reserved"}, {"cast(a, b)", "must be a text literal"}, {"cast(a)", "missing"},
		{`json(_, "a", x)`, "must be a JSON path"}, {"json(_, a[x])", "must be a JSON path"}, {"json(_, a[1:2])", "must be a JSON path"}, {"json(_)", "missing"},
		{"json(_, a[0], x, true, true)", "cannot be deleted"}, {"json(_, a, x, true, false)", "delete_after_extract is true or left out"},
		{"json(_, a, nwkey=x)", `json has no argument nwkey (did you mean "newkey"?)`}, {"json(_, a, newkey=x, y)", "follows one with a name"},
		{"json(_, a, x, newkey=y)", "given twice"}, {"json(_, a, x, 1)", "must be true or false"},
		{`grok(_, "(?<=x)")`, "1:9: grok:"}, {`grok(_, "%{NOSUCH:x}")`, "NOSUCH"}, {"grok(_, p)", "must be a text literal"}, {`grok(_, "x", 1)`, "must be true or false"},
		{`grok(_, "%{INT:x:long}")`, "long"}, {`add_pattern("A", "%{NOSUCH}")`, "NOSUCH"}, {`add_pattern("A", "%{A}")`, "A"}, {"add_pattern(a, \"b\")", "text literal"},
		{`if true { add_pattern("AA", "x") }` + "\n" + `grok(_, "%{AA}")`, "2:9: grok:"},
		{`match("(", message)`, "1:7: match:"}, {"match(a, b)", "must be a text literal"}, {`match("a", 5)`, "must be a name"}, {`match("a")`, "missing"},
		{`replace(_, "[", "")`, "replace:"}, {"replace(_, a, b)", "text literal"}, {"strfmt(a)", "missing"}, {"strfmt(a, b)", "text literal"},
		{`append("a", 1)`, "must be a name"}, {"append(a.b, 1)", "must be a name"}, {"append(a)", "missing"}, {"trim(a, b)", "text literal"},
		{"set_measurement(5)", "must be a name"}, {"set_measurement(a, 1)", "true or false"}, {"use(a)", "text literal"}, {"load_json()", "missing"},
		{"load_json(a, b)", "at most 1"}, {"nullif(a)", "missing"}, {"len()", "missing"}, {`default_time(a, +8)`, "text literal"}, {"drop(nosuch", "expected"},
	} {
		got := run(t, x.script, "m", options())
		if !strings.HasPrefix(got, "load error ") || !strings.Contains(got, x.want) {
			t.Errorf("%s: got %q, want a load error with %q", x.script, got, x.want)
		}
	}
}

// TestAllFaultsAreReported checks that one faulty line hides no other, and that it is reported once.
func TestAllFaultsAreReported(t *testing.T) {
	places := func(script string) string {
		_, err := pipeline.Compile(script, pipeline.Options{Name: "x.p"})
		var errs pipeline.Errors
		if !errors.As(err, &errs) {
			t.Fatalf("%s: the error is %T", script, err)
		}
		var all []string
		for _, e := range errs {
			all = append(all, strings.TrimPrefix(e.Place.String(), "x.p:"))
		}
		return strings.Join(all, " ")
	}
	for _, x := range []struct{ script, want string }{
		{"a = = 1\nb = 2\nc = ]\nif x {\n  d = *\n  e = 1\n}\nf = (", "1:5 3:5 5:7 8:6"},
		{"if = {\n a = 1\n b = 2\n}\nc = )", "1:4 5:5"},
		{"for x y {\n a = 1\n}\nc = )", "1:7 4:5"},
		{"nosuch(1)\nadd_key(5)\nbreak\na = 1 / 0\nif nosuch(2) { other() }", "1:1 2:9 3:1 4:7 5:4 5:16"},
		{"a = \"\\d\"\nb = 1 ^ 2\nc = )", "1:6 2:7 3:5"},
	} {
		if got := places(x.script); got != x.want {
			t.Errorf("%q: faults at %s, want %s", x.script, got, x.want)
		}
	}
}

func TestLoads(t *testing.T) {
	for _, script := range []string{
		"", "\n\n", ";", "# only a comment", "a = 1;", "a, b = 1, 2", "f = 1 # c\n\n;", "`add_key`(a, 1)", "drop(1, nosuch)", "exit(1)", "drop_origin_data(x)",
		"default_time(a, \"+8\", 1, 2)", "add_key(a, 1,)", "x = 5[0:1]", "x = 1 in nil", "{}", "if {} {}", "for ; ; {}", "for x in \"\" {}", "(a) = 1",
		"json(_, .[1].x, y)", "json(_, `list`, x)", "json(_, a.`list`[0], x, true)", "json(input=_, json_path=a, newkey=x, trim_space=false)",
		"json(_, a[0], x, true, false)", "json(_, a, x, true, true)", "x = 1 / true", "a /= 1",
		"for i = 0; i < 3; i += 1 { if i == 1 { break } else { continue } }", "match(\"x\", len(a))", "nullif(a, b)", "cast(a, \"string\")", "\"\"\"text\n\"\"\"",
	} {
		if _, err := pipeline.Compile(script, options()); err != nil {
			t.Errorf("%q: %v", script, err)
		}
	}
}

func TestDeepNesting(t *testing.T) {
	for _, script := range []string{
		"a = " + strings.Repeat("(", 5000), "a = " + strings.Repeat("[", 5000), strings.Repeat("if x {", 5000), "a = " + strings.Repeat("-", 5000) + "x",
		"a = 1" + strings.Repeat("+1", 5000), "a = x" + strings.Repeat(".x", 5000), "a = " + strings.Repeat("len(", 5000),
	} {
		if got := run(t, script, "m", options()); !strings.Contains(got, "nested too deeply") {
			t.Errorf("%.20q...: got %.100q", script, got)
		}
	}
	if got := run(t, "a = x"+strings.Repeat("[0]", 5000), "m", options()); !strings.HasPrefix(got, "error 1:5: `x` is not known") {
		t.Errorf("got %.100q", got)
	}
}

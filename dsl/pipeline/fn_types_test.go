package pipeline_test

import (
	"strings"
	"testing"

	"dataflow/dsl/pipeline"
)

// scriptCase is a script with a message, and what it leaves or, of a load error, a part of what is said.
type scriptCase struct{ script, message, want string }

func checkScripts(t *testing.T, cases []scriptCase) {
	t.Helper()
	for _, x := range cases {
		if got := run(t, x.script, x.message, options()); got != x.want {
			t.Errorf("%s\non %q: got\n%s\nwant\n%s", x.script, x.message, got, x.want)
		}
	}
}

func checkFaults(t *testing.T, cases []scriptCase) {
	t.Helper()
	for _, x := range cases {
		if got := run(t, x.script, x.message, options()); !strings.HasPrefix(got, "load error ") || !strings.Contains(got, x.want) {
			t.Errorf("%s: got %q, want a load error with %q", x.script, got, x.want)
		}
	}
}

func TestParseInt(t *testing.T) {
	checkScripts(t, []scriptCase{
		{`add_key(a, parse_int("7fff", 16))`, "", "a=32767"},
		{`add_key(a, parse_int(base=16, val="7FFF"))`, "", "a=32767"},
		{`add_key(a, parse_int("z", 36))`, "", "a=35"},
		{`add_key(a, parse_int("0x1f", 0))` + "\n" + `add_key(b, parse_int("0o17", 0))` + "\n" + `add_key(c, parse_int("017", 0))` + "\n" + `add_key(d, parse_int("-0b11", 0))`,
			"", "a=31\nb=15\nc=15\nd=-3"},
		{`add_key(a, parse_int("0x1f", 16))`, "", "a=0"},
		{`add_key(a, parse_int("+5", 10))` + "\n" + `add_key(b, parse_int("", 10))` + "\n" + `add_key(c, parse_int(" 5", 10))` + "\n" + `add_key(d, parse_int("1e3", 10))`,
			"", "a=5\nb=0\nc=0\nd=0"},
		{`add_key(a, parse_int("9223372036854775808", 10))` + "\n" + `add_key(b, parse_int("-9223372036854775809", 10))`, "", "a=9223372036854775807\nb=-9223372036854775808"},
		{`add_key(a, parse_int("11", 1))` + "\n" + `add_key(b, parse_int("11", 37))` + "\n" + `add_key(c, parse_int("11", -2))` + "\n" + `add_key(d, parse_int("11", 4294967306))`,
			"", "a=0\nb=0\nc=0\nd=0"},
		{`add_key(a, parse_int(11, 10))` + "\n" + `add_key(b, parse_int("11", "10"))` + "\n" + `add_key(c, parse_int("11", 10.0))` + "\n" + `add_key(d, parse_int(nil, 10))` + "\n" + `add_key(e, parse_int(drop_key(x), 10))`,
			"", "a=0\nb=0\nc=0\nd=0\ne=0"},
		{`add_key(a, parse_int(_, 10))`, "42", "a=42"},
		{`add_key(a, parse_int(1 + "x", 10))`, "", "error 1:24: unsupported rhs data type: str"},
		{`add_key(a, parse_int("1", 1 + nil))`, "", "error 1:29: unsupported rhs data type: nil"},
	})
	checkFaults(t, []scriptCase{
		{script: `parse_int("1")`, want: "parse_int: the argument base is missing"}, {script: `parse_int()`, want: "missing"},
		{script: `parse_int("1", 10, 2)`, want: "at most 2"}, {script: `parse_int(value="1", base=10)`, want: "parse_int has no argument value"},
	})
}

func TestFormatInt(t *testing.T) {
	checkScripts(t, []scriptCase{
		{`add_key(a, format_int(32767, 16))`, "", `a="7fff"`},
		{`add_key(a, format_int(base=36, val=35))` + "\n" + `add_key(b, format_int(-8, 8))` + "\n" + `add_key(c, format_int(0, 2))`, "", "a=\"z\"\nb=\"-10\"\nc=\"0\""},
		{`add_key(a, format_int(7, 1))` + "\n" + `add_key(b, format_int(7, 37))` + "\n" + `add_key(c, format_int(7, 0))` + "\n" + `add_key(d, format_int(7, -10))` + "\n" + `add_key(e, format_int(7, 4294967306))`,
			"", "a=\"\"\nb=\"\"\nc=\"\"\nd=\"\"\ne=\"\""},
		{`add_key(a, format_int("7", 10))` + "\n" + `add_key(b, format_int(7.0, 10))` + "\n" + `add_key(c, format_int(true, 10))` + "\n" + `add_key(d, format_int(7, "10"))` + "\n" + `add_key(e, format_int([], 10))` + "\n" + `add_key(f, format_int(nosuch, nosuch))`,
			"", "a=\"\"\nb=\"\"\nc=\"\"\nd=\"\"\ne=\"\"\nf=\"\""},
		{"m = 0 - 9223372036854775807 - 1\nadd_key(a, format_int(m, 2))", "", `a="-1` + strings.Repeat("0", 63) + `"`},
		{`add_key(a, format_int(1 + nil, 10))`, "", "error 1:25: unsupported rhs data type: nil"},
	})
	checkFaults(t, []scriptCase{{script: "format_int(1)", want: "the argument base is missing"}, {script: "format_int(1, bas=2)", want: `did you mean "base"?`}})
}

func TestValueType(t *testing.T) {
	checkScripts(t, []scriptCase{
		{`add_key(a, value_type(true))` + "\n" + `add_key(b, value_type(1))` + "\n" + `add_key(c, value_type(1.5))` + "\n" + `add_key(d, value_type(""))` + "\n" + `add_key(e, value_type([1]))` + "\n" + `add_key(f, value_type({}))`,
			"", "a=\"bool\"\nb=\"int\"\nc=\"float\"\nd=\"str\"\ne=\"list\"\nf=\"map\""},
		{`add_key(a, value_type(nil))` + "\n" + `add_key(b, value_type(nosuch))` + "\n" + `add_key(c, value_type(drop_key(x)))` + "\n" + `add_key(d, value_type(x.y))`, "", "a=\"\"\nb=\"\"\nc=\"\"\nd=\"\""},
		{"d = load_json(_)\n" + `add_key(a, value_type(d))` + "\n" + `add_key(b, value_type(d["l"]))` + "\n" + `add_key(c, value_type(d["l"][0]))` + "\n" + `add_key(d, value_type(d["n"]))` + "\n" + `add_key(e, value_type(val=d["nosuch"]["x"]))`,
			`{"l": [1], "n": null}`, "a=\"map\"\nb=\"list\"\nc=\"float\"\nd=\"\"\ne=\"\""},
		{`add_key(a, value_type(message["x"]))` + "\n" + `add_key(b, value_type(1 < "x"))` + "\n" + `add_key(c, value_type(load_json(5)))` + "\n" + "add_key(after, 1)", "m", "a=\"\"\nb=\"\"\nc=\"\"\nafter=1"},
	})
	checkFaults(t, []scriptCase{{script: "value_type()", want: "missing"}, {script: "value_type(v=1)", want: "no argument v"}, {script: "value_type(1, 2)", want: "at most 1"}})
}

// TestQuietIsNotForBudgets checks that an argument whose error is passed over cannot use more than the budget.
func TestQuietIsNotForBudgets(t *testing.T) {
	for _, call := range []string{"x = value_type(s + s)", "group_in(a, [s + s], 1)"} {
		script := "add_key(a, 1)\ns = \"0123456789abcdef\"\nfor ;; { " + call + "\n}"
		got := run(t, script, "", pipeline.Options{MaxSteps: 1000})
		if !strings.HasPrefix(got, "error 3:") || !strings.Contains(got, "budget") {
			t.Errorf("%s: got %q", call, got)
		}
		script = "add_key(a, 1)\ns = \"0123456789abcdef\"\nfor i = 0; i < 9; i += 1 { s = s + s }\n" + call + "\n" + call + "\nadd_key(after, 1)"
		got = run(t, script, "", pipeline.Options{MaxSteps: 2100})
		if !strings.HasPrefix(got, "error ") || !strings.Contains(got, "budget") || strings.Contains(got, "after") {
			t.Errorf("%s: got %q", call, got)
		}
	}
}

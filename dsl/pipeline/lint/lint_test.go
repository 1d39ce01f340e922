package lint

import (
	"fmt"
	"strings"
	"testing"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
)

func TestCheck(t *testing.T) {
	for _, x := range []struct {
		script string
		want   []string // "line:col-endcol part of the message | part of the hint"
	}{
		{"x = data.dimensions.ip\nadd_key(x)", []string{`1:5-23 the path data.dimensions.ip is no value | data["dimensions"]["ip"], a key of that name get_key(data.dimensions.ip)`}},
		{"add_key(a.b, 1)\nadd_key(y, get_key(a.b))\nset_tag(t, a.b)", nil},
		{"add_key(y, a.b[0])", []string{"1:12-18 the path a.b[0] is no value | get_key(a.b[0])"}},
		{"if level > \"5\" { drop() }", []string{"1:10-11 texts have no order | =="}},
		{"if true { y = 3 }\nadd_key(y)", []string{"2:9-10 `y` is no variable here: the block of line 1 | y = nil"}},
		{"if true { y = 3 }\nadd_key(y, 1)\nadd_key(z, y)", []string{"1:11-12 `y` is assigned but never used | add_key(y)"}},
		{"if true { y = 3\n add_key(y) }", nil},
		{"y = nil\nif true { y = 3 }\nadd_key(y)", nil},
		{"grok(_, \"%{WORD:y}\")\nif true { y = 1\nadd_key(z, y) }\nadd_key(w, y)", nil},
		{"x = 1", []string{"1:1-2 `x` is assigned but never used | add_key(x)"}},
		{"x = 1\nx += 2", []string{"1:1-2 `x` is assigned"}},
		{"x = 1\nadd_key(x, 5)", []string{"1:1-2 `x` is assigned"}},
		{"x = 1\nset_tag(t, x)", nil},
		{"x = 1\nb = 2\nagg_metric(\"b\", \"f\", \"sum\", [\"x\"], \"b\")", nil},
		{"x = 1\nuppercase(x)", nil},
		{"x = \"a\"\nstrfmt(y, \"%s\", x)", nil},
		{"for x in [1] { drop() }", nil},
		{"for i = 0; i < 3; i += 1 { drop() }", nil},
		{"v = 1\ncast(v, \"str\")", []string{"2:6-7 cast writes the field `v`; the variable stays | drop_key(v)"}},
		{"v = 1\ncast(v, \"str\")\nset_tag(t, v)\ndrop_key(v)", nil},
		{"v = 1\ncast(v, \"int\")\nadd_key(w, 1 + get_key(v))", nil},
		{"cast(v, \"string\")", []string{`1:9-17 the type "string" writes nil | did you mean "str"?`}},
		{"agg_metric(\"b\", \"f\", \"count\", [\"x\"], \"y\")", []string{`1:22-29 there is no aggregate "count": the call does nothing | a sum of ones`}},
		{"agg_metric(bucket=\"b\", new_field=\"f\", agg_by=[\"x\"], agg_fn=\"mean\", agg_field=\"y\")", []string{`1:60-66 there is no aggregate "mean" | choose avg, sum`}},
		{"a, b = 1, 2", []string{"1:6-7 an assignment to several names"}},
		{"a.b = 1", []string{"1:1-0 nothing is assigned | add_key(a.b, ...)"}},
		{"a == 1", []string{"1:3-5 nothing is done with the result of `==` | written ="}},
		{"a + 1", []string{"1:3-4 nothing is done"}},
		{"\"a text\"\n{}\ndrop()", nil},
		{"if \"a\" in _ == true { drop() }", []string{"1:13-15 `==` binds tighter than `in` | parentheses"}},
		{"if (\"a\" in _) == true { drop() }", nil},
		{"_ = \"x\"\nadd_key(y, _)", []string{"1:1-2 this makes a variable that hides the message | add_key(message, ...)"}},
		{"drop_origin_data()\nx = load_json(_)\nadd_key(x)", []string{"2:15-0 the message was dropped on line 1 | behind the last use"}},
		{"x = load_json(message)\ndrop_key(_)\nadd_key(x)", nil},
		{"if a { drop_origin_data() }\nx = load_json(_)\nadd_key(x)", nil},
		{"x = = 1", nil},
	} {
		var got []string
		for _, w := range Check(&syntax.Source{Text: x.script}) {
			got = append(got, fmt.Sprintf("%d:%d-%d %s | %s", w.Line, w.Col, w.EndCol, w.Msg, w.Hint))
		}
		if len(got) != len(x.want) {
			t.Errorf("%s:\ngot %q\nwant %q", x.script, got, x.want)
			continue
		}
		for i, want := range x.want {
			msg, hint, _ := strings.Cut(want, " | ")
			if !strings.HasPrefix(got[i], msg) || !strings.Contains(got[i], hint) {
				t.Errorf("%s:\ngot %q\nwant %q", x.script, got[i], want)
			}
		}
	}
}

// FuzzCheck: warnings have places in the text, in its order.
func FuzzCheck(f *testing.F) {
	for _, d := range funcs.All() {
		for _, x := range d.Examples {
			f.Add(x.Script)
		}
	}
	f.Add("if a { x = 1 } elif x.y[0] < \"z\" { _ = 2 } else { for k in x { a, b = 1, k } }\na == (b in c > d)\nfor ;; { drop_key(_) }")
	f.Fuzz(func(t *testing.T, text string) {
		last := Warning{}
		for _, w := range Check(&syntax.Source{Text: text}) {
			if w.Line < 1 || w.Col < 1 || w.Msg == "" || w.Line < last.Line || w.Line == last.Line && w.Col < last.Col || w.EndCol != 0 && w.EndCol <= w.Col {
				t.Errorf("%q: %+v behind %+v", text, w, last)
			}
			last = w
		}
	})
}

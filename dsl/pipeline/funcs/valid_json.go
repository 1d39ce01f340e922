package funcs

import (
	"encoding/json"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var validJSON = declare(Decl{
	Name:    "valid_json",
	Group:   OnData,
	Summary: "Reports whether a value is text that is JSON.",
	Doc: "It is strict: numbers with leading zeros and strings with raw control characters, which `load_json` reads, are not valid. Where it is " +
		"true `load_json` yields the value, so text that is nested deeper than the limit and numbers beyond the range of floats are not valid " +
		"either. `null` is valid, what is no text is not.",
	Result: "bool",
	Params: []Param{{Name: "text", Kind: Value}},
	Examples: []Example{
		{Script: "add_key(ok, valid_json(_))", Message: `{"a": [1, null]}`, Want: "ok=true"},
		{Script: "if valid_json(_) {\n d = load_json(_)\n add_key(a, d[\"a\"])\n} else {\n add_key(reason, \"no JSON\")\n}", Message: `{"a": 1`, Want: `reason="no JSON"`},
		{Script: "add_key(a, valid_json(\"null\"))\nadd_key(b, valid_json(\"{'a': 1}\"))\nadd_key(c, valid_json(\"007\"))\nadd_key(d, valid_json(5))",
			Want: "a=true\nb=false\nc=false\nd=false"},
	},
	Bind: func(c *Call) eval.Expr {
		value := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := value(f)
			if !ok || v.Kind() != point.KindString {
				return point.Bool(false), ok
			}
			if !f.Work(v.Len()) {
				return failed()
			}
			_, readable := f.Parse(v.Str())
			return point.Bool(readable && json.Valid(v.Raw())), true
		}
	},
})

var _ = declare(Decl{
	Name:    "vaild_json",
	Group:   OnData,
	Summary: "Is `valid_json`, in the spelling that it first had.",
	Doc:     "Write `valid_json` in new scripts. Both do the same.",
	Result:  validJSON.Result,
	Params:  validJSON.Params,
	Examples: []Example{
		{Script: "add_key(ok, vaild_json(_))", Message: `[1, 2]`, Want: "ok=true"},
		{Script: "add_key(ok, vaild_json(_))", Message: `[1, 2,]`, Want: "ok=false"},
		{Script: "add_key(same, vaild_json(_) == valid_json(_))", Message: "m", Want: "same=true"},
	},
	Bind: validJSON.Bind,
})

var _ = declare(Decl{
	Name:    "json_all",
	Group:   OnData,
	Summary: "Does nothing. It is there so that old scripts load.",
	Doc: "To write all members of a JSON object to the point, go through what `load_json` yields with `for` and write them with " +
		"`pt_kvs_set`. Arguments are ignored.",
	Surplus: true,
	Examples: []Example{
		{Script: "json_all()", Message: `{"a": 1}`, Want: ""},
		{Script: "json_all(_)\nadd_key(a, nosuch == nil)", Message: `{"a": 1}`, Want: "a=true"},
		{Script: "d = load_json(_)\nfor k in d { pt_kvs_set(k, d[k]) }", Message: `{"a": 1, "b": "x"}`, Want: "a=1.0\nb=\"x\""},
	},
	Bind: func(*Call) eval.Expr {
		return func(*eval.Frame) (point.Value, bool) { return done() }
	},
})

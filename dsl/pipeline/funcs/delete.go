package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "delete",
	Group:   OnData,
	Summary: "Removes a key from a map, in place: all variables that hold the map see it.",
	Doc: "The map is that of a variable or one inside of it (`m[\"a\"][0]`). What does not fit is no error: an unknown name, a step that is " +
		"missing, a value that is no map, a key that it does not have. Keys of the point are deleted with `drop_key`.",
	Params: []Param{
		{Name: "src", Kind: Value, Summary: "a name, which may be indexed"},
		{Name: "key", Kind: Text},
	},
	Named: true,
	Examples: []Example{
		{Script: "d = load_json(_)\ndelete(d, \"password\")\nadd_key(d)", Message: `{"user": "kim", "password": "x"}`, Want: "d=\"{\\\"user\\\":\\\"kim\\\"}\""},
		{Script: "m = {\"a\": [{\"x\": 1, \"y\": 2}]}\nb = m\ndelete(m[\"a\"][-1], \"x\")\nadd_key(b)", Want: "b=\"{\\\"a\\\":[{\\\"y\\\":2}]}\""},
		{Script: "l = [1]\ndelete(l, \"x\")\ndelete(nosuch, \"x\")\ndelete(l[5], \"x\")\ndelete(message, \"x\")\nadd_key(l)", Message: "m", Want: "l=\"[1]\""},
	},
	Bind: func(c *Call) eval.Expr {
		switch x := c.Arg(0).(type) {
		case *syntax.Ident:
		case *syntax.Index:
			if x.X == nil {
				c.Fault(0, "the argument src must be a name, which may be indexed")
				return nil
			}
		default:
			c.Fault(0, "the argument src must be a name, which may be indexed")
			return nil
		}
		src, key := c.Value(0), c.Str(1)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := src(f)
			if !ok {
				return wrote(f.Recover())
			}
			delete(v.Map(), key)
			return done()
		}
	},
})

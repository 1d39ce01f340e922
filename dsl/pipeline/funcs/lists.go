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

var _ = declare(Decl{
	Name:    "append",
	Group:   OnData,
	Summary: "Yields a new list with one more element. The variable itself is unchanged: write `a = append(a, x)`.",
	Result:  "list",
	Params:  []Param{{Name: "list", Kind: Ident}, {Name: "value", Kind: Value}},
	Doc: "What is no list yields nothing, and then the value is not evaluated. Differs from DataKit: each result is a list of its own; two that were made " +
		"from one list never share their end.",
	Examples: []Example{
		{Script: "a = [1]\na = append(a, \"x\")\nadd_key(a)\nadd_key(b, append(nosuch, 1))", Want: "a=\"[1,\\\"x\\\"]\"\nb=nil"},
		{Script: "a = [1]\nb = append(a, 2)\nc = append(a, 3)\nadd_key(a)\nadd_key(b)\nadd_key(c)", Want: "a=\"[1]\"\nb=\"[1,2]\"\nc=\"[1,3]\""},
		{Script: "all = []\nfor item in load_json(_) { if item[\"n\"] > 1 { all = append(all, item[\"n\"]) } }\nadd_key(all)",
			Message: `[{"n": 1}, {"n": 2}, {"n": 3}]`, Want: "all=\"[2,3]\""},
	},
	Bind: func(c *Call) eval.Expr {
		read, value := c.Read(0), c.Value(1)
		return func(f *eval.Frame) (point.Value, bool) {
			list, _ := read(f)
			if eval.KindOf(list) != point.KindList {
				return done()
			}
			v, ok := value(f)
			if !ok {
				return failed()
			}
			if list, ok = f.Tree(list); !ok || !f.Spend((list.Len()+1)*eval.ItemSize) {
				return failed()
			}
			if v, ok = f.Tree(v); !ok {
				return failed()
			}
			items := append(make([]point.Value, 0, list.Len()+1), list.Items()...)
			return point.List(append(items, v)), true
		}
	},
})

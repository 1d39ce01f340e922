package funcs

import (
	"math/rand/v2"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// label is what a classification writes: argument 2, to the key of argument 3 or, without one, of argument 0. ok is false unless
// it is a literal text, number or bool.
func (c *Call) label() (key string, v point.Value, ok bool) {
	key = c.Key(0)
	if c.Has(3) {
		key = c.Key(3)
	}
	v, ok = c.Literal(2)
	return key, v, ok && !v.IsNil()
}

var _ = declare(Decl{
	Name:    "group_between",
	Group:   OnClass,
	Summary: "Writes a label if a number lies in a range, both ends included.",
	Doc: "The value counts as a float: a text that is no number is 0, true is 1, nil is 0. An unknown name writes " +
		"nothing. **Trap**: without `newkey` the label replaces the number, so that a second range is compared with the " +
		"label. A label that is no literal text, number or bool ends the script with an error, but only where the range " +
		"matches.",
	Params: []Param{
		{Name: "key", Kind: Key, Summary: "the value is that of the name, the variable first"},
		{Name: "range", Kind: Value, Summary: "a list of two number literals, the smaller first"},
		{Name: "label", Kind: Value, Summary: "a literal text, number or bool"},
		{Name: "newkey", Kind: Key, Optional: true, Summary: "where the label goes, by default `key`"},
	},
	Examples: []Example{
		{Script: "add_key(code, 404)\ngroup_between(code, [500, 599], \"error\", level)\ngroup_between(code, [400, 499], \"warning\", level)",
			Want: "code=404\nlevel=\"warning\""},
		{Script: "add_key(code, \"200\")\ngroup_between(code, [200, 299], \"OK\")", Want: `code="OK"`},
		{Script: "add_key(code, 200)\ngroup_between(code, [200, 299], \"OK\")\ngroup_between(code, [0, 99], \"odd\")",
			Want: `code="odd"`},
		{Script: "x = \"OK\"\nadd_key(code, 200)\ngroup_between(code, [200, 299], x)",
			Want: "error 3:1: group_between: the label is no literal text, number or bool\ncode=200"},
	},
	Bind: func(c *Call) eval.Expr {
		lo, hi, ok := c.bounds(1)
		if !ok {
			return nil
		}
		first, last := eval.ToFloat(lo), eval.ToFloat(hi)
		if !(first <= last) { // so that it holds for nan, too
			c.Fault(1, "the range is empty")
			return nil
		}
		read := c.Read(0)
		key, label, isLiteral := c.label()
		return func(f *eval.Frame) (point.Value, bool) {
			v, known := read(f)
			if !known {
				return done()
			}
			if x := eval.ToFloat(v); !(first <= x && x <= last) {
				return done()
			}
			if !isLiteral {
				return f.Failf("group_between: the label is no literal text, number or bool")
			}
			return wrote(f.Write(key, label))
		}
	},
})

var _ = declare(Decl{
	Name:    "group_in",
	Group:   OnClass,
	Summary: "Writes a label if a value is in a list.",
	Doc: "Types count: 5 is neither 5.0 nor `\"5\"`, and numbers out of JSON are floats. Anything that does not fit is " +
		"passed over: a value that is not in the list, an unknown name, a list that is none, an error in one of its " +
		"elements, a label that is no literal text, number or bool.",
	Params: []Param{
		{Name: "key", Kind: Key, Summary: "the value is that of the name, the variable first"},
		{Name: "list", Kind: Value, Summary: "a list, or a name that has one"},
		{Name: "label", Kind: Value, Summary: "a literal text, number or bool"},
		{Name: "newkey", Kind: Key, Optional: true, Summary: "where the label goes, by default `key`"},
	},
	Examples: []Example{
		{Script: "add_key(method, \"PUT\")\ngroup_in(method, [\"PUT\", \"POST\"], true, writes)",
			Want: "method=\"PUT\"\nwrites=true"},
		{Script: "add_key(level, \"W\")\ngroup_in(level, [\"W\", \"WARN\"], \"warning\")", Want: `level="warning"`},
		{Script: "ok = [200, 204]\nadd_key(code, 204)\ngroup_in(code, ok, \"fine\", a)\nx = 204.0\ngroup_in(x, ok, \"fine\", b)",
			Want: "code=204\na=\"fine\""},
		{Script: "add_key(a, 1)\ngroup_in(a, [1 + \"x\", 1], 2)\ngroup_in(a, nosuch, 2)", Want: "a=1"},
	},
	Bind: func(c *Call) eval.Expr {
		list := eval.Expr(nil)
		if _, isList := c.Arg(1).(*syntax.List); isList {
			list = c.Value(1)
		} else if accepts(Name, c.Arg(1)) {
			read := c.Read(1)
			list = func(f *eval.Frame) (point.Value, bool) {
				v, _ := read(f)
				return v, true
			}
		} else {
			c.Fault(1, "the argument list must be a list or %v", Name)
			return nil
		}
		read := c.Read(0)
		key, label, isLiteral := c.label()
		return func(f *eval.Frame) (point.Value, bool) {
			v, known := read(f)
			if !known || !isLiteral {
				return done()
			}
			all, ok := list(f)
			if !ok {
				return wrote(f.Recover())
			}
			if eval.KindOf(all) != point.KindList {
				return done()
			}
			for i, n := 0, eval.Len(all); i < n; i++ {
				same, ok := f.DeepEqual(v, f.Element(all, i))
				if !ok {
					return failed()
				}
				if same {
					return wrote(f.Write(key, label))
				}
			}
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:    "sample",
	Group:   OnClass,
	Summary: "Yields true for about the given share of its calls, by chance.",
	Doc: "`if !sample(0.1) { drop() }` keeps one point of ten. The share must be a float: `sample(1)` ends the script " +
		"with an error, `sample(1.0)` is always true. It is written as a number or as arithmetic; for a computed one " +
		"write `sample(p * 1.0)`. Outside of 0 to 1 the call yields nothing, which reads as nil and is not true. Differs " +
		"from DataKit: a random number decides, where the original looks at the clock, so that points of one moment " +
		"share their fate and `sample(0.0)` passes one in a hundred.",
	Result: "bool",
	Params: []Param{{Name: "p", Kind: Value, Summary: "a number literal or arithmetic, 0.0 to 1.0"}},
	Examples: []Example{
		{Script: "add_key(a, sample(1.0))\nadd_key(b, sample(0.0))\nadd_key(c, sample(1.5))",
			Want: "a=true\nb=false\nc=nil"},
		{Script: "p = 1.0\nadd_key(a, sample(p * 0.5 + 0.5))", Want: "a=true"},
		{Script: "sample(1 + 0)", Want: "error 1:1: sample: the argument is not float but int"},
	},
	Bind: func(c *Call) eval.Expr {
		if !isArithmetic(c.Arg(0)) {
			c.Fault(0, "the argument p must be a number literal or arithmetic")
			return nil
		}
		share := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := share(f)
			if !ok {
				return failed()
			}
			if v.Kind() != point.KindFloat {
				return f.Failf("sample: the argument is not float but %s", eval.TypeName(v))
			}
			if p := v.Float(); p >= 0 && p <= 1 {
				return point.Bool(rand.Float64() < p), true
			}
			return done()
		}
	},
})

// isArithmetic reports whether x is a number literal or an operation on numbers.
func isArithmetic(x syntax.Expr) bool {
	if b, ok := x.(*syntax.Binary); ok {
		return b.Op >= syntax.OpAdd && b.Op <= syntax.OpMod
	}
	v, _ := literal(x)
	return v.Kind() == point.KindInt || v.Kind() == point.KindFloat
}

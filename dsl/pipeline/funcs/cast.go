package funcs

import (
	"fmt"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// casts by the name of the type. nil is left of "string", which loads and writes nil: scripts rely on it.
var casts = map[string]func(f *eval.Frame, v point.Value) (point.Value, bool){
	"int":    func(_ *eval.Frame, v point.Value) (point.Value, bool) { return point.Int(eval.ToInt(v)), true },
	"float":  func(_ *eval.Frame, v point.Value) (point.Value, bool) { return point.Float(eval.ToFloat(v)), true },
	"bool":   func(_ *eval.Frame, v point.Value) (point.Value, bool) { return point.Bool(eval.ToBool(v)), true },
	"string": func(*eval.Frame, point.Value) (point.Value, bool) { return point.Nil(), true },
	"str": func(f *eval.Frame, v point.Value) (point.Value, bool) {
		if k := eval.KindOf(v); k == point.KindList || k == point.KindMap {
			return point.String(""), true
		}
		text, ok := f.Text(v)
		return point.String(text), ok
	},
}

var _ = declare(Decl{
	Name:    "cast",
	Group:   OnTypes,
	Summary: "Reads a name, the variable first, and writes its value with another type to the key of that name.",
	Doc: "It never fails: text that is no number is 0 or 0.0, and only `1 t T true TRUE True` are true. Text becomes an " +
		"int through a float: `\"12.9\"` is 12, `\"1e3\"` is 1000, `\"010\"` is 10, `\"0x10\"` is 0, and beyond 2^53 " +
		"digits are lost. An unknown name writes nothing, nil becomes 0, 0.0, false or `\"\"`, as do a list and a map. " +
		"**Trap**: the value of a variable is read, but the point's key is written: casting an auxiliary variable leaves " +
		"a field behind. **Trap**: `\"string\"` loads, but writes nil.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "type", Kind: Text, Summary: "`\"int\"`, `\"float\"`, `\"bool\"` or `\"str\"`; `\"string\"` writes nil"},
	},
	Examples: []Example{
		{Script: "add_key(a, \"12.9\")\ncast(a, \"int\")\nb = 225.0\ncast(b, \"str\")\nadd_key(c, \"yes\")\ncast(c, \"bool\")",
			Want: "a=12\nb=\"225\"\nc=false"},
		{Script: "v = \"5\"\ncast(v, \"int\")\nadd_key(w, v)\nadd_key(x, get_key(v))", Want: "v=5\nw=\"5\"\nx=5"},
		{Script: "a = \"abc\"\ncast(a, \"int\")\nb = \"0x10\"\ncast(b, \"int\")\nc = \"010\"\ncast(c, \"int\")\nd = \"1e3\"\ncast(d, \"float\")",
			Want: "a=0\nb=0\nc=10\nd=1000.0"},
		{Script: "set_tag(t, \"7\")\ncast(t, \"int\")\nadd_key(s, 5)\ncast(s, \"string\")\ncast(nosuch, \"int\")",
			Want: "t#=\"7\"\ns=nil"},
	},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), c.Read(0)
		to := casts[c.Str(1)]
		if to == nil {
			c.Report(c.Arg(1).Pos(), diag.DidYouMean(c.Str(1), []string{"bool", "int", "float", "str"}),
				fmt.Sprintf("cast: there is no type %q (the types are bool, int, float, str)", c.Str(1)))
			return nil
		}
		return func(f *eval.Frame) (point.Value, bool) {
			v, known := read(f)
			if !known || !f.Work(v.Len()) {
				return wrote(!known)
			}
			v, ok := to(f, v)
			return wrote(ok && f.Write(key, v))
		}
	},
})

var _ = declare(Decl{
	Name:    "nullif",
	Group:   OnTypes,
	Summary: "Deletes a key of the point if its value equals a literal. Types count: 5 and 5.0 differ.",
	Doc: "**Trap**: only a literal text, number, bool or nil counts; a name, a list or an expression stands for nil. " +
		"What a variable holds is compared, but the point's key is deleted. Numbers out of JSON are floats.",
	Params: []Param{
		{Name: "key", Kind: Key, Summary: "the value is that of the name, the variable first"},
		{Name: "value", Kind: Value, Summary: "a literal; anything else stands for nil"},
	},
	Examples: []Example{
		{Script: "add_key(user, \"-\")\nadd_key(n, 5)\nnullif(user, \"-\")\nnullif(n, 5.0)", Want: "n=5"},
		{Script: "json(_, code)\nnullif(code, 0)\nadd_key(kept, get_key(code))\nnullif(code, 0.0)",
			Message: `{"code": 0}`, Want: "kept=0.0"},
		{Script: "x = 1\nadd_key(a, 1)\nnullif(a, x)\nadd_key(b, nil)\nnullif(b, x)", Want: "a=1"},
		{Script: "v = \"old\"\nadd_key(v, \"new\")\nnullif(v, \"old\")", Want: ""},
	},
	Bind: func(c *Call) eval.Expr {
		key, read, want := c.Key(0), c.Read(0), point.Nil()
		if l, ok := c.Arg(1).(*syntax.Literal); ok {
			want = l.Val
		}
		return func(f *eval.Frame) (point.Value, bool) {
			if v, known := read(f); known && eval.DeepEqual(v, want) {
				f.Delete(key)
			}
			return done()
		}
	},
})

package funcs

import (
	"dataflow/dsl/pipeline/eval"
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
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "type", Kind: Text, Summary: "`\"int\"`, `\"float\"`, `\"bool\"` or `\"str\"`; `\"string\"` writes nil"},
	},
	Examples: []Example{
		{Script: "add_key(a, \"12.9\")\ncast(a, \"int\")\nb = 225.0\ncast(b, \"str\")\nadd_key(c, \"yes\")\ncast(c, \"bool\")",
			Want: "a=12\nb=\"225\"\nc=false"},
		{Script: "v = \"5\"\ncast(v, \"int\")\nadd_key(w, v)", Want: "v=5\nw=\"5\""},
	},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), c.Read(0)
		to := casts[c.Str(1)]
		if to == nil {
			c.Fault(1, "there is no type %q (the types are bool, int, float, str)", c.Str(1))
			return nil
		}
		return func(f *eval.Frame) (point.Value, bool) {
			v, known := read(f)
			if !known {
				return done()
			}
			v, ok := to(f, v)
			return wrote(ok && f.Write(key, v))
		}
	},
})

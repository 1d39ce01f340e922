package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "add_key",
	Group:   OnPoint,
	Summary: "Writes a value to a key of the point. Without a value it takes that of the name itself, the variable first.",
	Params: []Param{
		{Name: "key", Kind: Key, Summary: "what is written"},
		{Name: "value", Kind: Value, Optional: true, Summary: "lists and maps become JSON text"},
	},
	Examples: []Example{
		{Script: "add_key(a, 1 + 1)\nadd_key(b.c, [1, \"x\"])\nd = 1.5\nadd_key(d)\nadd_key(nosuch)",
			Want: "a=2\nb.c=\"[1,\\\"x\\\"]\"\nd=1.5"},
		{Script: "set_tag(host, \"h\")\nadd_key(host, 5)\nadd_key(n, nil)", Want: "host#=\"5\"\nn=nil"},
	},
	Bind: func(c *Call) eval.Expr {
		key := c.Key(0)
		if !c.Has(1) {
			read := c.Read(0)
			return func(f *eval.Frame) (point.Value, bool) {
				v, known := read(f)
				return wrote(!known || f.Write(key, v))
			}
		}
		value := c.Value(1)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := value(f)
			return wrote(ok && f.Write(key, v))
		}
	},
})

var _ = declare(Decl{
	Name:     "get_key",
	Group:    OnPoint,
	Summary:  "Yields the value of a key of the point, never of a variable; nil if there is none.",
	Result:   "any",
	Params:   []Param{{Name: "key", Kind: Key}},
	Examples: []Example{{Script: "f = 1\nadd_key(f)\nf = 2\nadd_key(g, get_key(f))", Want: "f=1\ng=1"}},
	Bind: func(c *Call) eval.Expr {
		key := c.Key(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, _ := f.Key(key)
			return v, true
		}
	},
})

var _ = declare(Decl{
	Name:    "set_tag",
	Group:   OnPoint,
	Summary: "Makes a key a tag. Without a value it takes that of the name itself, the variable first, or `\"\"`.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "value", Kind: Operand, Optional: true, Summary: "becomes text; of an unknown name, `\"\"`"},
	},
	Examples: []Example{{Script: "v = 225.0\nset_tag(id, v)\nadd_key(a, \"x\")\nset_tag(a)\nset_tag(none)",
		Want: "id#=\"225\"\na#=\"x\"\nnone#=\"\""}},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), eval.Lookup(nil)
		if c.Has(1) {
			read = c.Operand(1)
		} else {
			read = c.Read(0)
		}
		return func(f *eval.Frame) (point.Value, bool) {
			v, _ := read(f)
			return wrote(f.WriteTag(key, v))
		}
	},
})

var _ = declare(Decl{
	Name:     "drop_key",
	Group:    OnPoint,
	Summary:  "Deletes a key of the point, tag or field. Variables are not touched.",
	Params:   []Param{{Name: "key", Kind: Key}},
	Examples: []Example{{Script: "add_key(a, 1)\nadd_key(b, 2)\ndrop_key(a)\ndrop_key(nosuch)", Want: "b=2"}},
	Bind: func(c *Call) eval.Expr {
		key := c.Key(0)
		return func(f *eval.Frame) (point.Value, bool) {
			f.Point.Delete(key)
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:     "drop_origin_data",
	Group:    OnPoint,
	Summary:  "Deletes the key `message`. Variables are not touched.",
	Surplus:  true,
	Examples: []Example{{Script: "drop_origin_data()\nadd_key(gone, message == nil)", Message: "m", Want: "gone=true"}},
	Bind: func(*Call) eval.Expr {
		return func(f *eval.Frame) (point.Value, bool) {
			f.Point.Delete("message")
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:    "rename",
	Group:   OnPoint,
	Summary: "Gives the key `old` of the point another name. It keeps its type and stays the tag or field that it is.",
	Params: []Param{
		{Name: "new", Kind: Key, Summary: "an existing key of this name is replaced"},
		{Name: "old", Kind: Name},
	},
	Examples: []Example{{Script: "add_key(a, 1)\nset_tag(b, \"x\")\nrename(b, a)\nrename(c, nosuch)", Want: "b=1"}},
	Bind: func(c *Call) eval.Expr {
		key, old := c.Key(0), c.Key(1)
		return func(f *eval.Frame) (point.Value, bool) {
			f.Point.Rename(key, old)
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:    "set_measurement",
	Group:   OnPoint,
	Summary: "Sets the name of the point, if the value is text.",
	Params: []Param{
		{Name: "value", Kind: Operand},
		{Name: "delete", Kind: Flag, Optional: true, Summary: "also delete the key that the value was read from"},
	},
	Examples: []Example{{Script: "add_key(app, \"cart\")\nset_measurement(app, true)\nset_measurement(nosuch)", Want: "name=cart"}},
	Bind: func(c *Call) eval.Expr {
		read := c.Operand(0)
		_, isPath := syntax.PathText(c.Arg(0))
		key, del := c.Key(0), isPath && c.Flag(1, false)
		return func(f *eval.Frame) (point.Value, bool) {
			if v, _ := read(f); v.Kind() == point.KindString {
				f.Point.Name = v.Str()
			}
			if del {
				f.Point.Delete(key)
			}
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:    "nullif",
	Group:   OnTypes,
	Summary: "Deletes a key of the point if its value equals a literal. Types count: 5 and 5.0 differ.",
	Params: []Param{
		{Name: "key", Kind: Key, Summary: "the value is that of the name, the variable first"},
		{Name: "value", Kind: Value, Summary: "a literal; anything else stands for nil"},
	},
	Examples: []Example{{Script: "add_key(a, \"-\")\nadd_key(n, 5)\nnullif(a, \"-\")\nnullif(n, 5.0)", Want: "n=5"}},
	Bind: func(c *Call) eval.Expr {
		key, read, want := c.Key(0), c.Read(0), point.Nil()
		if l, ok := c.Arg(1).(*syntax.Literal); ok {
			want = l.Val
		}
		return func(f *eval.Frame) (point.Value, bool) {
			if v, known := read(f); known && eval.DeepEqual(v, want) {
				f.Point.Delete(key)
			}
			return done()
		}
	},
})

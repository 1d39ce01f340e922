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
	Doc: "An assignment never writes the point: `x = 1` makes a variable, `add_key(x)` puts it on the point. A key that " +
		"is a tag stays one and gets the text of the value; nil empties it, and does not delete it. On a field nil is " +
		"the key without a value, which encoders leave out. With one argument an unknown name writes nothing, with two " +
		"it writes nil.",
	Params: []Param{
		{Name: "key", Kind: Key, Summary: "what is written"},
		{Name: "value", Kind: Value, Optional: true, Summary: "lists and maps become JSON text"},
	},
	Examples: []Example{
		{Script: "add_key(a, 1 + 1)\nadd_key(b.c, [1, \"x\"])\nadd_key(\"d e\", true)",
			Want: "a=2\nb.c=\"[1,\\\"x\\\"]\"\nd e=true"},
		{Script: "f = 1\nadd_key(f)\nf = 2\nadd_key(x, f)\nadd_key(nosuch)\nadd_key(y, nosuch)", Want: "f=1\nx=2\ny=nil"},
		{Script: "set_tag(host, \"h\")\nadd_key(host, 5)\nset_tag(zone, \"z\")\nadd_key(zone, nil)",
			Want: "host#=\"5\"\nzone#=\"\""},
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
	Name:    "get_key",
	Group:   OnPoint,
	Summary: "Yields the value of a key of the point, never of a variable; nil if there is none.",
	Doc: "An attribute path such as `a.b` is a key here, where in an expression it is no value at all. An uint is an " +
		"int, and a list or map of the point is its JSON text.",
	Result: "any",
	Params: []Param{{Name: "key", Kind: Key}},
	Examples: []Example{
		{Script: "f = 1\nadd_key(f)\nf = 2\nadd_key(g, get_key(f))\nadd_key(h, f)", Want: "f=1\ng=1\nh=2"},
		{Script: "add_key(a.b, 5)\nx = a.b\nadd_key(x)\nadd_key(y, get_key(a.b))", Want: "a.b=5\nx=nil\ny=5"},
		{Script: "add_key(code, \"404\")\ncast(code, \"int\")\nif get_key(code) >= 400 { add_key(bad, true) }\nadd_key(none, get_key(nosuch) == nil)",
			Want: "code=404\nbad=true\nnone=true"},
	},
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
	Doc: "A field of the name is replaced: a key is a tag or a field, never both. Tags hold texts, so that a number " +
		"becomes one. The value is a name or a text: put what is computed into a variable first.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "value", Kind: Operand, Optional: true, Summary: "becomes text; of an unknown name, `\"\"`"},
	},
	Examples: []Example{
		{Script: "add_key(a, \"x\")\nset_tag(a)\nset_tag(env, \"prod\")", Want: "a#=\"x\"\nenv#=\"prod\""},
		{Script: "d = load_json(_)\nid = d[\"id\"]\nset_tag(id, id)", Message: `{"id": 225}`, Want: `id#="225"`},
		{Script: "set_tag(none)\nset_tag(also, nosuch)", Want: "none#=\"\"\nalso#=\"\""},
	},
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
	Name:    "drop_key",
	Group:   OnPoint,
	Summary: "Deletes a key of the point, tag or field. Variables are not touched.",
	Doc:     "**Trap**: a variable of the name goes on hiding the key: reading the name still gives its value.",
	Params:  []Param{{Name: "key", Kind: Key}},
	Examples: []Example{
		{Script: "add_key(a, 1)\nset_tag(b, \"x\")\nadd_key(c, 2)\ndrop_key(a)\ndrop_key(b)\ndrop_key(nosuch)",
			Want: "c=2"},
		{Script: "v = \"5\"\ncast(v, \"int\")\nadd_key(n, get_key(v))\ndrop_key(v)", Want: "n=5"},
		{Script: "a = 1\nadd_key(a)\ndrop_key(a)\nadd_key(left, a)\nadd_key(key, get_key(a))", Want: "left=1\nkey=nil"},
	},
	Bind: func(c *Call) eval.Expr {
		key := c.Key(0)
		return func(f *eval.Frame) (point.Value, bool) {
			f.Delete(key)
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:    "drop_origin_data",
	Group:   OnPoint,
	Summary: "Deletes the key `message`. Variables are not touched.",
	Doc: "The script goes on and can no longer read the message: take out of it what is needed first. Arguments are " +
		"ignored.",
	Surplus: true,
	Examples: []Example{
		{Script: "drop_origin_data()\nadd_key(gone, message == nil)", Message: "m", Want: "gone=true"},
		{Script: "json(_, level)\ndrop_origin_data()", Message: `{"level": "warn"}`, Want: `level="warn"`},
		{Script: "_ = \"x\"\ndrop_origin_data()\nadd_key(a, _)", Message: "m", Want: `a="x"`},
	},
	Bind: func(*Call) eval.Expr {
		return func(f *eval.Frame) (point.Value, bool) {
			f.Delete("message")
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:    "rename",
	Group:   OnPoint,
	Summary: "Gives the key `old` of the point another name. It keeps its type and stays the tag or field that it is.",
	Doc: "**Trap**: the new name comes first. Where `old` is not there, nothing happens: an existing key of the new " +
		"name stays. Variables are neither read nor written.",
	Params: []Param{
		{Name: "new", Kind: Key, Summary: "an existing key of this name is replaced"},
		{Name: "old", Kind: Name},
	},
	Examples: []Example{
		{Script: "add_key(lvl, \"warn\")\nrename(level, lvl)", Want: `level="warn"`},
		{Script: "add_key(a, 1)\nset_tag(b, \"x\")\nrename(b, a)\nrename(c, nosuch)", Want: "b=1"},
		{Script: "set_tag(a, \"x\")\nrename(\"b c\", a)\nadd_key(d.e, 2)\nrename(f, d.e)", Want: "b c#=\"x\"\nf=2"},
	},
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
	Doc:     "A value that is no text changes nothing, but with `delete` the key goes all the same.",
	Params: []Param{
		{Name: "value", Kind: Operand},
		{Name: "delete", Kind: Flag, Optional: true, Summary: "also delete the key that the value was read from"},
	},
	Examples: []Example{
		{Script: "set_measurement(\"orders\")", Want: "name=orders"},
		{Script: "add_key(app, \"cart\")\nset_measurement(app, true)\nset_measurement(nosuch)", Want: "name=cart"},
		{Script: "add_key(n, 5)\nadd_key(m, 6)\nset_measurement(n)\nset_measurement(m, true)", Want: "n=5"},
	},
	Bind: func(c *Call) eval.Expr {
		read := c.Operand(0)
		_, isPath := syntax.PathText(c.Arg(0))
		key, del := c.Key(0), isPath && c.Flag(1, false)
		return func(f *eval.Frame) (point.Value, bool) {
			if v, _ := read(f); v.Kind() == point.KindString {
				f.Point.Name = v.Str()
			}
			if del {
				f.Delete(key)
			}
			return done()
		}
	},
})

package funcs

import (
	"encoding/base64"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "b64enc",
	Group:   OnText,
	Summary: "Writes the text of a key in base 64: the standard alphabet, with padding.",
	Doc:     "A value that is no text is left alone. The value of a variable is read, but the point's key is written.",
	Params:  []Param{{Name: "name", Kind: Ident}},
	Examples: []Example{
		{Script: "add_key(a, \"hello, world\")\nb64enc(a)", Want: `a="aGVsbG8sIHdvcmxk"`},
		{Script: "v = \"hé?>\"\nb64enc(v)\nadd_key(w, v)", Want: "v=\"aMOpPz4=\"\nw=\"hé?>\""},
		{Script: "add_key(n, 5)\nb64enc(n)\nb64enc(nosuch)", Want: "n=5"},
	},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, _ := read(f)
			if v.Kind() != point.KindString {
				return done()
			}
			if !f.Spend(base64.StdEncoding.EncodedLen(v.Len())) {
				return failed()
			}
			text := f.End(base64.StdEncoding.AppendEncode(f.Begin(), v.Raw()))
			return wrote(f.Write(key, point.String(text)))
		}
	},
})

var _ = declare(Decl{
	Name:    "b64dec",
	Group:   OnText,
	Summary: "Writes what the base 64 text of a key stands for: the standard alphabet, with padding.",
	Doc: "**Trap**: text that is no base 64 ends the script with an error, where most functions would leave the key " +
		"alone; the URL alphabet and text without its padding are such. A value that is no text is left alone.",
	Params: []Param{{Name: "name", Kind: Ident}},
	Examples: []Example{
		{Script: "add_key(a, \"aGVsbG8sIHdvcmxk\")\nb64dec(a)", Want: `a="hello, world"`},
		{Script: "b64dec(_)", Message: "eyJhIjogMX0=", Want: `message="{\"a\": 1}"`},
		{Script: "b64dec(_)\nadd_key(a, 1)",
			Message: "no base 64", Want: "error 1:1: b64dec: illegal base64 data at input byte 2"},
	},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, _ := read(f)
			if v.Kind() != point.KindString {
				return done()
			}
			if !f.Spend(base64.StdEncoding.DecodedLen(v.Len())) {
				return failed()
			}
			b, err := base64.StdEncoding.AppendDecode(f.Begin(), v.Raw())
			if err != nil {
				return f.Failf("b64dec: %v", err)
			}
			return wrote(f.Write(key, point.String(f.End(b))))
		}
	},
})

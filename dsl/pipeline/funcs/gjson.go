package funcs

import (
	"github.com/tidwall/gjson"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "gjson",
	Group:   OnData,
	Summary: "Takes one value out of the JSON text of a key by a GJSON path and writes it to another key.",
	Doc: "The path has the syntax of GJSON: `a.b`, `a.0.x`, `a.#` (how many), `a.#.x` (of all), `a.#(x==2).y` (a query), `a|@reverse` " +
		"(a modifier), `x\\.y` (an escaped dot), `{a,b}` (a new object). A name in place of the path or of the new key is evaluated; " +
		"what is no text is an error.\n\n" +
		"Numbers become floats, text is not trimmed, an object or list is the part of the text that it is. null, and what is not there, write " +
		"nothing. **The text is not validated**: what stands behind the value may be broken.\n\n" +
		"Differs from DataKit: paths of more than 4096 bytes, and modifiers on text with more than 100,000 brackets, write nothing, and a path that " +
		"can blow up its text (`@pretty`, `@tostr`, `[@this,@this]`) is paid for from the budget of the run.",
	Params: []Param{
		{Name: "input", Kind: Key},
		{Name: "json_path", Kind: Operand, Summary: "not an attribute path"},
		{Name: "key_name", Kind: Operand, Optional: true, Summary: "by default the text of the path"},
	},
	Named: true,
	Examples: []Example{
		{Script: "gjson(_, \"user.name\", \"name\")\ngjson(_, \"items.1.qty\", \"qty\")\ngjson(_, \"items.#\", \"n\")",
			Message: `{"user": {"name": " kim "}, "items": [{"qty": 2}, {"qty": 5}]}`, Want: "name=\" kim \"\nqty=5.0\nn=2.0"},
		{Script: "gjson(_, \"items.#.sku\", \"all\")\ngjson(_, \"items.#(qty>2).sku\", \"big\")\ngjson(_, \"items.0\")",
			Message: `{"items": [{"sku": "x1", "qty": 2},{"sku": "y9", "qty": 5}]}`, Want: "all=\"[\\\"x1\\\",\\\"y9\\\"]\"\nbig=\"y9\"\nitems.0=\"{\\\"sku\\\": \\\"x1\\\", \\\"qty\\\": 2}\""},
		{Script: "gjson(_, \"a\", \"a\")\ngjson(_, \"b\", \"b\")\ngjson(_, \"c\", \"c\")\ngjson(nosuch, \"a\")", Message: `{"a": null, "c": true, broken`, Want: "c=true"},
		{Script: "path = \"l|@reverse\"\ngjson(_, path, \"l\")\ngjson(_, 5)", Message: `{"l": [1,2]}`,
			Want: "load error 3:10: gjson: the argument json_path must be a name, a path or a text literal"},
	},
	Bind: bindGJSON,
})

func bindGJSON(c *Call) eval.Expr {
	read, path := c.Read(0), c.nameOrText(1)
	var target func(f *eval.Frame) (string, bool)
	if c.Has(2) {
		target = c.nameOrText(2)
	}
	return func(f *eval.Frame) (point.Value, bool) {
		p, ok := path(f)
		if !ok {
			return failed()
		}
		to := p
		if target != nil {
			if to, ok = target(f); !ok {
				return failed()
			}
		}
		text, known, ok := readText(f, read)
		if !known || !ok {
			return wrote(ok)
		}
		if len(p) > maxGJSONPath || !calm(text, p) {
			return done()
		}
		if !f.Work(len(text)) || !f.Spend(growth(text, p)) {
			return failed()
		}
		v, found := gjsonGet(text, p)
		return wrote(!found || f.Write(KeyName(to), v))
	}
}

// nameOrText returns how argument i, a text literal or a name, is evaluated to a text.
func (c *Call) nameOrText(i int) func(f *eval.Frame) (string, bool) {
	name := c.decl.Params[i].Name
	if _, isPath := c.args[i].(*syntax.Attr); isPath {
		c.Fault(i, "the argument %s must be a name or a text literal", name)
	}
	function, read := c.decl.Name, c.Operand(i)
	return func(f *eval.Frame) (string, bool) {
		v, _ := read(f)
		if v.Kind() != point.KindString {
			f.Failf("%s: the argument %s is not str but %s", function, name, eval.TypeName(v))
			return "", false
		}
		return v.Str(), true
	}
}

// gjsonGet asks the library, which does not promise to bear every text and path.
func gjsonGet(text, path string) (v point.Value, found bool) {
	defer func() {
		if recover() != nil {
			v, found = point.Nil(), false
		}
	}()
	r := gjson.Get(text, path)
	switch r.Type {
	case gjson.Number:
		return point.Float(r.Num), true
	case gjson.True, gjson.False:
		return point.Bool(r.Type == gjson.True), true
	case gjson.String:
		return point.String(r.Str), true
	case gjson.JSON:
		return point.String(r.Raw), true
	}
	return point.Nil(), false // null, too
}

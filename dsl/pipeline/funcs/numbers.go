package funcs

import (
	"strconv"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

const maxBase = 36 // of written numbers: digits and letters

var _ = declare(Decl{
	Name:    "parse_int",
	Group:   OnTypes,
	Summary: "Yields the integer that a text says in the given base.",
	Doc: "Base 0 takes the base from the prefix: `0x`, `0o` or a plain `0`, `0b`, none for 10; then `_` may stand " +
		"between digits. It never fails: text that is no number gives 0, as do a base outside of 2 to 36 and arguments " +
		"of other types, and a number that does not fit gives the nearest that does. Base 10 reads leading zeros as " +
		"such, where `grok` with `:int` takes them for octal.",
	Result: "int",
	Params: []Param{
		{Name: "val", Kind: Value, Summary: "a text"},
		{Name: "base", Kind: Value, Summary: "0 or 2 to 36"},
	},
	Named: true,
	Examples: []Example{
		{Script: "add_key(a, parse_int(\"ff\", 16))\nadd_key(b, parse_int(val=\"-0101\", base=2))", Want: "a=255\nb=-5"},
		{Script: "add_key(a, parse_int(\"0x1F\", 0))\nadd_key(b, parse_int(\"017\", 0))\nadd_key(c, parse_int(\"017\", 10))",
			Want: "a=31\nb=15\nc=17"},
		{Script: "add_key(a, parse_int(\"12.5\", 10))\nadd_key(b, parse_int(12, 10))\nadd_key(c, parse_int(\"99999999999999999999\", 10))",
			Want: "a=0\nb=0\nc=9223372036854775807"},
	},
	Bind: func(c *Call) eval.Expr {
		number := c.inBase()
		return func(f *eval.Frame) (point.Value, bool) {
			v, b, ok := number(f)
			if !ok {
				return failed()
			}
			if v.Kind() != point.KindString || b.Kind() != point.KindInt || b.Int() < 0 || b.Int() > maxBase {
				return point.Int(0), true
			}
			n, _ := strconv.ParseInt(v.Str(), int(b.Int()), 64) // with an error it is 0 or the nearest number
			return point.Int(n), f.Work(v.Len())
		}
	},
})

var _ = declare(Decl{
	Name:    "format_int",
	Group:   OnTypes,
	Summary: "Yields an integer as text in the given base, in lower case.",
	Doc: "Arguments of other types give `\"\"`, a float, too: numbers out of JSON are floats, so `cast` them first. " +
		"Differs from DataKit: a base outside of 2 to 36 gives `\"\"`, where the original panics and passes the whole " +
		"batch on as it was.",
	Result: "str",
	Params: []Param{
		{Name: "val", Kind: Value, Summary: "an int"},
		{Name: "base", Kind: Value, Summary: "2 to 36"},
	},
	Named: true,
	Examples: []Example{
		{Script: "add_key(a, format_int(255, 16))\nadd_key(b, format_int(val=-5, base=2))", Want: "a=\"ff\"\nb=\"-101\""},
		{Script: "add_key(a, format_int(7, 1))\nadd_key(b, format_int(\"7\", 10))", Want: "a=\"\"\nb=\"\""},
		{Script: "d = load_json(_)\nx = d[\"id\"]\nadd_key(a, format_int(x, 16))\ncast(x, \"int\")\nadd_key(b, format_int(get_key(x), 16))",
			Message: `{"id": 3735928559}`, Want: "a=\"\"\nx=3735928559\nb=\"deadbeef\""},
	},
	Bind: func(c *Call) eval.Expr {
		number := c.inBase()
		return func(f *eval.Frame) (point.Value, bool) {
			v, b, ok := number(f)
			if !ok {
				return failed()
			}
			if v.Kind() != point.KindInt || b.Kind() != point.KindInt || b.Int() < 2 || b.Int() > maxBase {
				return point.String(""), true
			}
			return point.String(f.End(strconv.AppendInt(f.Begin(), v.Int(), int(b.Int())))), true
		}
	},
})

var _ = declare(Decl{
	Name:    "value_type",
	Group:   OnTypes,
	Summary: "Yields the name of the type of a value: `\"bool\"`, `\"int\"`, `\"float\"`, `\"str\"`, `\"list\"` or `\"map\"`.",
	Doc: "Nil, an unknown name and a call without a result give `\"\"`, as does an error in the argument: it does not " +
		"end the script. A key of the point never is a list or map but the JSON text of one, so that its type is " +
		"`\"str\"`.",
	Result: "str",
	Params: []Param{{Name: "val", Kind: Value}},
	Named:  true,
	Examples: []Example{
		{Script: "add_key(a, value_type(1))\nadd_key(b, value_type(val=1.0))\nadd_key(c, value_type([]))",
			Want: "a=\"int\"\nb=\"float\"\nc=\"list\""},
		{Script: "add_key(a, value_type(nosuch))\nadd_key(b, value_type(1 + \"x\"))", Want: "a=\"\"\nb=\"\""},
		{Script: "d = load_json(_)\nif value_type(d[\"user\"]) == \"map\" { add_key(user, d[\"user\"][\"name\"]) }",
			Message: `{"user": {"name": "kim"}}`, Want: `user="kim"`},
		{Script: "m = {\"a\": 1}\nadd_key(m)\nadd_key(a, value_type(m))\nadd_key(b, value_type(get_key(m)))",
			Want: "m=\"{\\\"a\\\":1}\"\na=\"map\"\nb=\"str\""},
	},
	Bind: func(c *Call) eval.Expr {
		value := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := value(f)
			if !ok {
				return point.String(""), f.Recover()
			}
			if eval.KindOf(v) == point.KindNil {
				return point.String(""), true
			}
			return point.String(eval.TypeName(v)), true
		}
	},
})

// inBase evaluates the arguments val and base.
func (c *Call) inBase() func(f *eval.Frame) (val, base point.Value, ok bool) {
	val, base := c.Value(0), c.Value(1)
	return func(f *eval.Frame) (v, b point.Value, ok bool) {
		if v, ok = val(f); ok {
			b, ok = base(f)
		}
		return v, b, ok
	}
}

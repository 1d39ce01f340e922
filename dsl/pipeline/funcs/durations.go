package funcs

import (
	"math"
	"strings"
	"time"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "parse_duration",
	Group:   OnTime,
	Summary: "Reads the text of a key as a duration like `1h2m3.5s` and writes it to the key in ns.",
	Doc: "The units are `ns`, `us` or `µs`, `ms`, `s`, `m` and `h`; there is no day. `0` needs no unit. What is no such text (a number without " +
		"a unit, `1d`, a value that is no text) stays as it is.",
	Params: []Param{{Name: "key", Kind: Key}},
	Examples: []Example{
		{Script: "add_key(t, \"1h2m3.5s\")\nparse_duration(t)", Want: "t=3723500000000"},
		{Script: "t = \"-2ms\"\nparse_duration(t)\nadd_key(text, t)", Want: "t=-2000000\ntext=\"-2ms\""},
		{Script: "add_key(a, \"15\")\nparse_duration(a)\nadd_key(b, \"1d\")\nparse_duration(b)\nadd_key(c, 5)\nparse_duration(c)", Want: "a=\"15\"\nb=\"1d\"\nc=5"},
	},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, _ := read(f)
			const longest = 100 // no duration is longer; the error would quote a whole message
			if v.Kind() != point.KindString || v.Len() > longest {
				return done()
			}
			d, err := time.ParseDuration(v.Str())
			return wrote(err != nil || f.Write(key, point.Int(int64(d))))
		}
	},
})

var _ = declare(Decl{
	Name:    "duration_precision",
	Group:   OnTime,
	Summary: "Converts a number of one unit of time into another and writes it to its key.",
	Doc: "The units are `s`, `ms`, `us` and `ns`, in any case; with another one the call does nothing. Going to a coarser unit cuts the rest off. " +
		"Going to a finer one wraps around beyond 64 bits.\n\n" +
		"**Nothing is checked when the script is loaded**: a call with more or less than three arguments, a key that is none, an unknown " +
		"name, a value that is no int, and a unit that is no text literal are errors of the run.",
	Params: []Param{
		{Name: "key", Kind: Value, Optional: true, Summary: "must be given: a name, a path or a text"},
		{Name: "from", Kind: Value, Optional: true, Summary: "must be given: a text literal"},
		{Name: "to", Kind: Value, Optional: true, Summary: "must be given: a text literal"},
		{Name: "surplus", Kind: Rest, Optional: true, Summary: "must not be given"},
	},
	Examples: []Example{
		{Script: "add_key(d, 1500)\nduration_precision(d, \"us\", \"ns\")", Want: "d=1500000"},
		{Script: "d = 1999\nduration_precision(d, \"ms\", \"S\")", Want: "d=1"},
		{Script: "add_key(d, 5)\nduration_precision(d, \"s\", \"h\")\nadd_key(e, 5.0)\nduration_precision(e, \"s\", \"ms\")", Want: "error 4:1: duration_precision: the value of e is not int but float\nd=5\ne=5.0"},
	},
	Bind: bindDurationPrecision,
})

// unitDigits are the decimal places of the units, counted from the second.
var unitDigits = map[string]int{"s": 0, "ms": 3, "us": 6, "ns": 9}

func bindDurationPrecision(c *Call) eval.Expr {
	given := len(c.rest)
	for i := range 3 {
		if c.Has(i) {
			given++
		}
	}
	if given != 3 {
		return func(f *eval.Frame) (point.Value, bool) {
			return f.Failf("duration_precision takes 3 arguments, not %d", given)
		}
	}
	if !accepts(Key, c.Arg(0)) {
		return func(f *eval.Frame) (point.Value, bool) {
			return f.Failf("duration_precision: the argument key must be %v", Key)
		}
	}
	key, read := c.Key(0), c.Read(0)
	digits, known, literals := durationUnits(c.Arg(1), c.Arg(2))
	return func(f *eval.Frame) (point.Value, bool) {
		v, isKnown := read(f)
		if !isKnown {
			return f.Failf("duration_precision: there is no key %s", key)
		}
		if v.Kind() != point.KindInt {
			return f.Failf("duration_precision: the value of %s is not int but %s", key, eval.TypeName(v))
		}
		if !literals {
			return f.Failf("duration_precision: a unit must be %v", Text)
		}
		if !known {
			return done()
		}
		return wrote(f.Write(key, point.Int(shiftDigits(v.Int(), digits))))
	}
}

// durationUnits returns how many decimal places more the unit to has than from. literals is false if one of the arguments
// before an unknown unit is no text literal.
func durationUnits(from, to syntax.Expr) (digits int, known, literals bool) {
	var places [2]int
	for i, x := range [...]syntax.Expr{from, to} {
		v, isLiteral := literal(x)
		if !isLiteral || v.Kind() != point.KindString {
			return 0, false, false
		}
		if places[i], known = unitDigits[strings.ToLower(v.Str())]; !known {
			return 0, false, true
		}
	}
	return places[1] - places[0], true, true
}

func shiftDigits(n int64, digits int) int64 {
	scale := int64(math.Pow10(max(digits, -digits)))
	if digits < 0 {
		return n / scale
	}
	return n * scale
}

var _ = declare(Decl{
	Name:    "timestamp",
	Group:   OnTime,
	Summary: "Yields the present time as an int since 1970.",
	Doc:     "A precision that is no text, or another text, means ns. The time is that of the machine, not of the point; the key `time` of a point is not read.",
	Result:  "int",
	Params:  []Param{{Name: "precision", Kind: Value, Optional: true, Summary: "`\"ns\"` (the default), `\"us\"`, `\"ms\"` or `\"s\"`"}},
	Named:   true,
	Examples: []Example{
		{Script: "add_key(now, timestamp())", Want: "now=1700000000000000005"},
		{Script: "p = \"ms\"\nadd_key(a, timestamp(precision=p))\nadd_key(b, timestamp(\"s\"))", Want: "a=1700000000000\nb=1700000000"},
		{Script: "add_key(sent, 1699999999)\nadd_key(age, timestamp(\"s\") - sent)\nadd_key(other, timestamp(\"h\") == timestamp())", Want: "sent=1699999999\nage=1\nother=true"},
	},
	Bind: func(c *Call) eval.Expr {
		if !c.Has(0) {
			return func(f *eval.Frame) (point.Value, bool) { return point.Int(f.Now().UnixNano()), true }
		}
		precision := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := precision(f)
			now := f.Now()
			switch v.Str() {
			case "s":
				return point.Int(now.Unix()), ok
			case "ms":
				return point.Int(now.UnixMilli()), ok
			case "us":
				return point.Int(now.UnixMicro()), ok
			}
			return point.Int(now.UnixNano()), ok
		}
	},
})

package funcs

import (
	"unicode"
	"unicode/utf8"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "cover",
	Group:   OnText,
	Summary: "Replaces the characters in a range of a text by `*`, Chinese ones by the wide `＊`.",
	Doc: "The range is `[first, last]`: characters count from 1, and both ends are covered. A `last` beyond the end " +
		"means the end. Below 0 it counts from the end: -1 is the last character. **Trap**: for `first` it is 0 that " +
		"counts from the end, as one past it, so that `[0, 6]` covers nothing; -1 is the last character there, too. " +
		"Fractions are cut off. Where `first` lies behind `last`, and where the value is no text, nothing is written. " +
		"Each byte that is no UTF-8 counts as one character.",
	Params: []Param{
		{Name: "key", Kind: Key, Summary: "the value is that of the name, the variable first"},
		{Name: "range", Kind: Value, Summary: "a list of two number literals"},
	},
	Examples: []Example{
		{Script: "add_key(a, \"abcdef\")\ncover(a, [2, 3])\nadd_key(b, \"abcdef\")\ncover(b, [-3, -1])",
			Want: "a=\"a**def\"\nb=\"abc***\""},
		{Script: "add_key(phone, \"13789123014\")\ncover(phone, [8, 99])\nadd_key(name, \"张三丰 Li\")\ncover(name, [2, 3])",
			Want: "phone=\"1378912****\"\nname=\"张＊＊ Li\""},
		{Script: "add_key(a, \"abcdef\")\ncover(a, [0, 6])\nadd_key(n, 123456)\ncover(n, [1, 3])",
			Want: "a=\"abcdef\"\nn=123456"},
	},
	Bind: func(c *Call) eval.Expr {
		lo, hi, ok := c.bounds(1)
		if !ok {
			return nil
		}
		first, last := cut(lo), cut(hi)
		key, read := c.Key(0), c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, _ := read(f)
			if v.Kind() != point.KindString {
				return done()
			}
			s := v.Str()
			from, to := covered(int64(utf8.RuneCountInString(s)), first, last)
			if from > to {
				return done()
			}
			if !f.Spend(len(s)) {
				return failed()
			}
			return wrote(f.Write(key, point.String(f.End(appendCovered(f.Begin(), s, from, to)))))
		}
	},
})

// cut returns a number as an int.
func cut(v point.Value) int64 {
	if v.Kind() == point.KindFloat {
		return eval.TruncateFloat(v.Float())
	}
	return v.Int()
}

// covered returns the range of characters, counted from 1, that [first, last] means in a text of n.
func covered(n, first, last int64) (from, to int64) {
	if last < 0 {
		last += n + 1
	}
	if first <= 0 {
		first += n + 1
	}
	return first, min(last, n)
}

func appendCovered(dst []byte, s string, from, to int64) []byte {
	n := int64(0)
	for at := 0; at < len(s); {
		r, size := utf8.DecodeRuneInString(s[at:])
		n++
		switch {
		case n < from || n > to:
			dst = append(dst, s[at:at+size]...)
		case r >= utf8.RuneSelf && unicode.Is(unicode.Han, r):
			dst = append(dst, "＊"...)
		default:
			dst = append(dst, '*')
		}
		at += size
	}
	return dst
}

var _ = declare(Decl{
	Name:    "slice_string",
	Group:   OnText,
	Summary: "Yields the characters of a text from `start`, counted from 0, up to but without `end`.",
	Doc: "An `end` beyond the text means its end. A negative `start`, one behind `end` and one beyond the text give " +
		"`\"\"`: nothing counts from the end here. It counts characters, where `x[0:2]` counts bytes. An argument of " +
		"another type does not load if it is a literal, and else ends the script with an error.",
	Result: "str",
	Params: []Param{
		{Name: "name", Kind: Value, Summary: "a text"},
		{Name: "start", Kind: Value, Summary: "an int"},
		{Name: "end", Kind: Value, Summary: "an int"},
	},
	Named: true,
	Examples: []Example{
		{Script: "add_key(a, slice_string(\"héllo\", 0, 2))\nadd_key(b, slice_string(name=\"15384073392\", start=0, end=3))",
			Want: "a=\"hé\"\nb=\"153\""},
		{Script: "add_key(a, slice_string(\"abc\", 1, 99))\nadd_key(b, slice_string(\"abc\", -2, 3))\nadd_key(c, slice_string(\"abc\", 2, 1))",
			Want: "a=\"bc\"\nb=\"\"\nc=\"\""},
		{Script: "add_key(tail, slice_string(_, strlen(_) - 4, strlen(_)))", Message: "order-8841", Want: `tail="8841"`},
		{Script: "n = 5\nadd_key(a, slice_string(n, 0, 1))",
			Want: "error 2:12: slice_string: the argument name is not str but int"},
	},
	Bind: func(c *Call) eval.Expr {
		text, start, end := c.TypedValue(0, point.KindString), c.TypedValue(1, point.KindInt), c.TypedValue(2, point.KindInt)
		return func(f *eval.Frame) (point.Value, bool) {
			s, ok := text(f)
			if !ok {
				return failed()
			}
			from, ok := start(f)
			if !ok {
				return failed()
			}
			to, ok := end(f)
			if !ok {
				return failed()
			}
			return point.String(characters(s.Str(), from.Int(), to.Int())), f.Work(s.Len())
		}
	},
})

// characters returns the characters start to end-1 of s, as far as it has them.
func characters(s string, start, end int64) string {
	if start < 0 || start > end {
		return ""
	}
	from, n := len(s), int64(0)
	for at := range s {
		if n == start {
			from = at
		}
		if n == end {
			return s[from:at]
		}
		n++
	}
	return s[from:]
}

var _ = declare(Decl{
	Name:    "strlen",
	Group:   OnText,
	Summary: "Yields how many characters a text has. `len` counts its bytes.",
	Doc: "What is no text, an unknown name included, ends the script with an error. Each byte that is no UTF-8 counts " +
		"as one character.",
	Result: "int",
	Params: []Param{{Name: "text", Kind: Value}},
	Examples: []Example{
		{Script: "add_key(a, strlen(\"héllo\"))\nadd_key(b, len(\"héllo\"))", Want: "a=5\nb=6"},
		{Script: "if strlen(_) > 8 { add_key(short, slice_string(_, 0, 8)) }",
			Message: "数据平台 is up", Want: `short="数据平台 is "`},
		{Script: "add_key(a, strlen(5))", Want: "error 1:12: strlen: the argument is not str but int"},
		{Script: "n = nil\nif n != nil { add_key(a, strlen(n)) }\nadd_key(b, strlen(\"\"))", Want: "b=0"},
	},
	Bind: func(c *Call) eval.Expr {
		value := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := value(f)
			if !ok {
				return failed()
			}
			if v.Kind() != point.KindString {
				return f.Failf("strlen: the argument is not str but %s", eval.TypeName(v))
			}
			return point.Int(int64(utf8.RuneCountInString(v.Str()))), f.Work(v.Len())
		}
	},
})

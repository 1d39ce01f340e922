package funcs

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/grok"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// inPlace makes the closure of a function that reads a name as text and writes a text to the key of that name.
func inPlace(c *Call, change func(f *eval.Frame, s string) (string, bool)) eval.Expr {
	key, read := c.Key(0), c.Read(0)
	return func(f *eval.Frame) (point.Value, bool) {
		s, known, ok := readText(f, read)
		if !known || !ok {
			return wrote(ok)
		}
		s, ok = change(f, s)
		return wrote(ok && f.Write(key, point.String(s)))
	}
}

var _ = declare(Decl{
	Name:    "uppercase",
	Group:   OnText,
	Summary: "Writes the text of a key in upper case.",
	Doc: "All letters of Unicode count, each for itself: `ß` stays. A value that is no text becomes one. The value of a " +
		"variable is read, but the point's key is written.",
	Params: []Param{{Name: "key", Kind: Key}},
	Examples: []Example{
		{Script: "uppercase(_)", Message: "get /Orders", Want: `message="GET /ORDERS"`},
		{Script: "add_key(a, \"Straße é\")\nuppercase(a)", Want: `a="STRAßE É"`},
		{Script: "v = \"x\"\nuppercase(v)\nadd_key(w, v)\nadd_key(on, true)\nuppercase(on)",
			Want: "v=\"X\"\nw=\"x\"\non=\"TRUE\""},
	},
	Bind: func(c *Call) eval.Expr {
		return inPlace(c, func(f *eval.Frame, s string) (string, bool) { return mapCase(f, s, 'a', unicode.ToUpper), true })
	},
})

var _ = declare(Decl{
	Name:    "lowercase",
	Group:   OnText,
	Summary: "Writes the text of a key in lower case.",
	Doc: "All letters of Unicode count, each for itself. A value that is no text becomes one, an unknown name writes " +
		"nothing. The value of a variable is read, but the point's key is written.",
	Params: []Param{{Name: "key", Kind: Key}},
	Examples: []Example{
		{Script: "add_key(level, \"WARN\")\nlowercase(level)", Want: `level="warn"`},
		{Script: "add_key(a, \"ÉCOLE 1\")\nlowercase(a)\nlowercase(nosuch)", Want: `a="école 1"`},
		{Script: "set_tag(host, \"Web-07\")\nlowercase(host)\nadd_key(n, 5)\nlowercase(n)",
			Want: "host#=\"web-07\"\nn=\"5\""},
	},
	Bind: func(c *Call) eval.Expr {
		return inPlace(c, func(f *eval.Frame, s string) (string, bool) { return mapCase(f, s, 'A', unicode.ToLower), true })
	},
})

// mapCase changes the letters of s, first..first+25 and all beyond ASCII.
func mapCase(f *eval.Frame, s string, first byte, change func(rune) rune) string {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf && s[i]-first >= 26 {
		i++
	}
	if i == len(s) {
		return s
	}
	const asciiCase = 'a' - 'A'
	b := append(f.Begin(), s[:i]...)
	for i < len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, change(r))
			i += size
			continue
		}
		if c-first < 26 {
			c ^= asciiCase
		}
		b = append(b, c)
		i++
	}
	return f.End(b)
}

var _ = declare(Decl{
	Name:    "trim",
	Group:   OnText,
	Summary: "Strips white space, or any of the given characters, from both ends of the text of a key.",
	Doc: "`chars` is a set of characters, no prefix: `\"ab\"` strips all of `abba`. **Trap**: a value that is no text " +
		"becomes one, so that a number that was trimmed cannot be compared any more.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "chars", Kind: Text, Optional: true, Summary: "`\"\"` means white space"},
	},
	Examples: []Example{
		{Script: "add_key(a, \" \\t x y\\n\")\ntrim(a)", Want: `a="x y"`},
		{Script: "add_key(a, \"[warn]\")\ntrim(a, \"[]\")\nadd_key(b, \"abba-ab\")\ntrim(b, \"ab\")",
			Want: "a=\"warn\"\nb=\"-\""},
		{Script: "add_key(n, 5)\ntrim(n)\nadd_key(same, get_key(n) == 5)", Want: "n=\"5\"\nsame=false"},
	},
	Bind: func(c *Call) eval.Expr {
		chars := c.Str(1)
		return inPlace(c, func(_ *eval.Frame, s string) (string, bool) {
			if chars == "" {
				return strings.TrimSpace(s), true
			}
			return strings.Trim(s, chars), true
		})
	},
})

var _ = declare(Decl{
	Name:    "replace",
	Group:   OnText,
	Summary: "Replaces all matches of a regular expression (RE2) in the text of a key.",
	Doc: "**Trap**: `$1_x` is the group named `1_x`, which is empty: write `${1}_x`. A backslash must be doubled in a " +
		"plain text, `\"\\\\d\"`, and stands for itself in a text of three quotes. A value that is no text becomes one, " +
		"also where nothing matches.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "regex", Kind: Text},
		{Name: "replacement", Kind: Text, Summary: "`$1`, `${1}` and `$name` are groups, `$$` is `$`"},
	},
	Examples: []Example{
		{Script: "replace(_, \"(\\\\d{3})\\\\d{4}(\\\\d{4})\", \"${1}****$2\")", Message: "tel 13912345678",
			Want: `message="tel 139****5678"`},
		{Script: "replace(_, '''(?P<user>\\w+)@\\S+''', \"$user at ...\")", Message: "from kim@a.example to lee@b.example",
			Want: `message="from kim at ... to lee at ..."`},
		{Script: "replace(_, \"(a+)\", \"$1_b $$\")", Message: "xaax", Want: `message="x $x"`},
		{Script: "add_key(n, 5)\nreplace(n, \"x\", \"\")", Want: `n="5"`},
	},
	Bind: func(c *Call) eval.Expr {
		re, with := c.expression(1), c.Str(2)
		return inPlace(c, func(f *eval.Frame, s string) (string, bool) { return replaceAll(f, re, s, with) })
	},
})

// expression compiles the text literal i. What it returns after a fault is never used.
func (c *Call) expression(i int) *grok.Regexp {
	re, err := grok.CompileRegexp(c.Str(i))
	if err != nil {
		c.Fault(i, "%v", err)
	}
	return re
}

func replaceAll(f *eval.Frame, re *grok.Regexp, s, with string) (string, bool) {
	f.Offsets = re.FindAll(s, f.Offsets[:0])
	if len(f.Offsets) == 0 {
		return s, true
	}
	literal := !strings.Contains(with, "$")
	b, from := f.Begin(), 0
	for m := range slices.Chunk(f.Offsets, 2*re.Groups()) {
		size := len(b)
		b = append(b, s[from:m[0]]...)
		if literal {
			b = append(b, with...)
		} else {
			b = re.Expand(b, with, s, m)
		}
		from = m[1]
		if !f.Spend(len(b) - size) {
			return "", false
		}
	}
	return f.End(append(b, s[from:]...)), true
}

var _ = declare(Decl{
	Name:    "match",
	Group:   OnText,
	Summary: "Reports whether a regular expression (RE2) matches somewhere in a text.",
	Doc: "Anchor it with `^` and `$` to match the whole text; `(?i)` ignores case, `(?s)` lets `.` match a newline. A " +
		"plain word, in one case or any, is searched for without the machinery of expressions. To look for a text as it " +
		"is, write `\"x\" in message`. **Trap**: with a call for the value the result is always false: use a variable.",
	Result: "bool",
	Params: []Param{
		{Name: "regex", Kind: Text},
		{Name: "value", Kind: Value,
			Summary: "a text literal or a name; what is no text counts as `\"\"`, an unknown name never matches"},
	},
	Examples: []Example{
		{Script: "add_key(a, match(\"^\\\\d+ms$\", message))\nadd_key(b, match(\"\\\\d\", _))",
			Message: "12ms", Want: "a=true\nb=true"},
		{Script: "if match(\"(?i)timeout|timed out\", _) { add_key(kind, \"timeout\") }",
			Message: "Timed out after 3s", Want: `kind="timeout"`},
		{Script: "add_key(a, match(\"\", nosuch))\nn = 5\nadd_key(b, match(\"5\", n))\nadd_key(c, match(\"^$\", n))",
			Want: "a=false\nb=false\nc=true"},
		{Script: "x = slice_string(_, 0, 2)\nadd_key(a, match(\"ab\", slice_string(_, 0, 2)))\nadd_key(b, match(\"ab\", x))",
			Message: "abc", Want: "a=false\nb=true"},
	},
	Bind: func(c *Call) eval.Expr {
		m := c.expression(0)
		if _, isCall := c.Arg(1).(*syntax.Call); isCall {
			value := c.Value(1)
			return func(f *eval.Frame) (point.Value, bool) {
				_, ok := value(f)
				return point.Bool(false), ok
			}
		}
		if !accepts(Operand, c.Arg(1)) {
			c.Fault(1, "the argument value must be %v", Operand)
			return nil
		}
		read := c.Operand(1)
		return func(f *eval.Frame) (point.Value, bool) {
			v, known := read(f)
			return point.Bool(known && m.Match(v.Str())), f.Work(v.Len())
		}
	},
})

var _ = declare(Decl{
	Name:    "len",
	Group:   OnText,
	Summary: "Yields the bytes of a text or the elements of a list or map, else 0.",
	Doc: "**Trap**: it counts bytes: `strlen` counts characters. A key of the point never is a list or map but the JSON " +
		"text of one: count the elements before it is written.",
	Result: "int",
	Params: []Param{{Name: "value", Kind: Value}},
	Examples: []Example{
		{Script: "add_key(a, len(\"é\"))\nadd_key(b, len(5))\nadd_key(c, len(nosuch))", Want: "a=2\nb=0\nc=0"},
		{Script: "d = load_json(_)\nadd_key(keys, len(d))\nadd_key(items, len(d[\"items\"]))",
			Message: `{"id": 1, "items": ["a", "b", "c"]}`, Want: "keys=2\nitems=3"},
		{Script: "l = [1, 2]\nadd_key(l)\nadd_key(a, len(l))\nadd_key(b, len(get_key(l)))", Want: "l=\"[1,2]\"\na=2\nb=5"},
	},
	Bind: func(c *Call) eval.Expr {
		value := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := value(f)
			return point.Int(int64(eval.Len(v))), ok
		}
	},
})

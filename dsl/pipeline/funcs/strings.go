package funcs

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"dataflow/dsl/pipeline/eval"
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
	Name:     "uppercase",
	Group:    OnText,
	Summary:  "Writes the text of a key in upper case.",
	Params:   []Param{{Name: "key", Kind: Key}},
	Examples: []Example{{Script: "add_key(a, \"Straße é\")\nuppercase(a)", Want: `a="STRAßE É"`}},
	Bind: func(c *Call) eval.Expr {
		return inPlace(c, func(f *eval.Frame, s string) (string, bool) { return mapCase(f, s, 'a', unicode.ToUpper), true })
	},
})

var _ = declare(Decl{
	Name:     "lowercase",
	Group:    OnText,
	Summary:  "Writes the text of a key in lower case.",
	Params:   []Param{{Name: "key", Kind: Key}},
	Examples: []Example{{Script: "add_key(a, \"ÉCOLE 1\")\nlowercase(a)", Want: `a="école 1"`}},
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
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "chars", Kind: Text, Optional: true, Summary: "`\"\"` means white space"},
	},
	Examples: []Example{{Script: "add_key(a, \" x \")\ntrim(a)\nadd_key(b, \"--x-\")\ntrim(b, \"-\")\nadd_key(n, 5)\ntrim(n)",
		Want: "a=\"x\"\nb=\"x\"\nn=\"5\""}},
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
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "regex", Kind: Text},
		{Name: "replacement", Kind: Text, Summary: "`$1`, `${1}` and `$name` are groups, `$$` is `$`"},
	},
	Examples: []Example{{Script: "replace(_, \"(\\\\d{3})\\\\d{4}(\\\\d{4})\", \"${1}****$2\")", Message: "tel 13912345678",
		Want: `message="tel 139****5678"`}},
	Bind: func(c *Call) eval.Expr {
		re, with := c.regexp(1), c.Str(2)
		return inPlace(c, func(f *eval.Frame, s string) (string, bool) { return replaceAll(f, re, s, with) })
	},
})

// regexp compiles the text literal i. It returns nil after a fault.
func (c *Call) regexp(i int) *regexp.Regexp {
	re, err := regexp.Compile(c.Str(i))
	if err != nil {
		c.Fault(i, "%v", err)
	}
	return re
}

func replaceAll(f *eval.Frame, re *regexp.Regexp, s, with string) (string, bool) {
	matches := re.FindAllStringSubmatchIndex(s, -1)
	if matches == nil {
		return s, true
	}
	literal := !strings.Contains(with, "$")
	b, from := f.Begin(), 0
	for _, m := range matches {
		size := len(b)
		b = append(b, s[from:m[0]]...)
		if literal {
			b = append(b, with...)
		} else {
			b = re.ExpandString(b, with, s, m)
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
	Result:  "bool",
	Params: []Param{
		{Name: "regex", Kind: Text},
		{Name: "value", Kind: Value,
			Summary: "a text literal or a name; what is no text counts as `\"\"`, an unknown name never matches"},
	},
	Examples: []Example{{Script: "add_key(a, match(\"^\\\\d+ms$\", message))\nadd_key(b, match(\"\", nosuch))", Message: "12ms",
		Want: "a=true\nb=false"}},
	Bind: func(c *Call) eval.Expr {
		m := newMatcher(c, 0)
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
			return point.Bool(known && m.matches(v.Str())), true
		}
	},
})

var _ = declare(Decl{
	Name:    "len",
	Group:   OnText,
	Summary: "Yields the bytes of a text or the elements of a list or map, else 0.",
	Result:  "int",
	Params:  []Param{{Name: "value", Kind: Value}},
	Examples: []Example{{Script: "add_key(a, len(\"é\"))\nadd_key(b, len([1, 2]))\nadd_key(c, len(5))",
		Want: "a=2\nb=2\nc=0"}},
	Bind: func(c *Call) eval.Expr {
		value := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := value(f)
			return point.Int(int64(eval.Len(v))), ok
		}
	},
})

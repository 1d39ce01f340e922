package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:  "add_pattern",
	Group: OnGrok,
	Summary: "Defines a grok pattern for the calls of `grok` below it in its block. It works when the script is loaded, " +
		"even where it is never reached.",
	Params: []Param{{Name: "name", Kind: Text}, {Name: "pattern", Kind: Text}},
	Examples: []Example{{
		Script:  "add_pattern(\"ID\", \"[A-Z]{2}\\\\d+\")\ngrok(_, \"%{ID:id}\")",
		Message: "x AB12 y",
		Want:    `id="AB12"`,
	}},
	Bind: func(c *Call) eval.Expr {
		if err := c.DefinePattern(c.Str(0), c.Str(1)); err != nil {
			c.Fault(1, "%v", err)
			return nil
		}
		return func(*eval.Frame) (point.Value, bool) { return done() }
	},
})

var _ = declare(Decl{
	Name:  "grok",
	Group: OnGrok,
	Summary: "Matches the text of a key and writes the named groups to the point. Yields false, and writes nothing, if there " +
		"is no match.",
	Result: "bool",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "pattern", Kind: Text, Summary: "RE2 with `%{PATTERN:key:type}`; the types are `str`, `int`, `float`, `bool`"},
		{Name: "trim_space", Kind: Flag, Optional: true, Summary: "strip white space from the groups, by default true"},
	},
	Examples: []Example{{Script: "add_key(ok, grok(_, \"%{IPV4:ip} %{INT:code:int}\"))", Message: "10.0.0.1 404",
		Want: "ip=\"10.0.0.1\"\ncode=404\nok=true"}},
	Bind: func(c *Call) eval.Expr {
		m, err := c.Patterns().Compile(c.Str(1))
		if err != nil {
			c.Fault(1, "%v", err)
			return nil
		}
		read, trim, names := c.Read(0), c.Flag(2, true), m.Names()
		return func(f *eval.Frame) (point.Value, bool) {
			text, known, ok := readText(f, read)
			if !known || !ok {
				return point.Bool(false), ok
			}
			groups, matched := m.Match(text, trim, f.Groups())
			f.KeepGroups(groups)
			if !matched {
				return point.Bool(false), true
			}
			for i, name := range names {
				if !f.Write(name, groups[i]) {
					return failed()
				}
			}
			return point.Bool(true), true
		}
	},
})

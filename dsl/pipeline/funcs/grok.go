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
	Doc: "The pattern may use those that are known so far, not itself. It hides one of the same name from outside; defined again, it " +
		"counts for the calls below. It is not seen outside of its block, nor in scripts that `use` runs. The names of patterns are " +
		"made of word characters, `-` and `.`.",
	Params: []Param{
		{Name: "name", Kind: Text},
		{Name: "pattern", Kind: Text, Summary: "RE2 with `%{PATTERN:key:type}`, as in `grok`"},
	},
	Examples: []Example{
		{
			Script:  "add_pattern(\"ID\", \"[A-Z]{2}\\\\d+\")\ngrok(_, \"%{ID:id}\")",
			Message: "x AB12 y",
			Want:    `id="AB12"`,
		}, {
			Script: "add_pattern(\"MS\", \"%{NUMBER:cost:float}ms\")\nadd_pattern(\"DONE\", \"done in %{MS}\")\n" +
				"add_pattern(\"MS\", \"never\")\ngrok(_, \"%{DONE}\")",
			Message: "done in 12.5ms",
			Want:    "cost=12.5",
		}, {
			Script: "add_pattern(\"V\", \"\\\\d+\")\nif true {\n add_pattern(\"V\", \"[a-z]+\")\n grok(_, \"%{V:inner}\")\n}\n" +
				"grok(_, \"%{V:outer}\")",
			Message: "7 seven",
			Want:    "inner=\"seven\"\nouter=\"7\"",
		},
	},
	Bind: func(c *Call) eval.Expr {
		if err := c.DefinePattern(c.Str(0), c.Str(1)); err != nil {
			c.patternFault(1, err)
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
	Doc: "The pattern may match anywhere in the text: `^` and `$` hold it to the ends. Patterns without a key are not written, but keys inside " +
		"them are: `%{SYSLOGPROG}` gives `program` and `pid`. `(?P<key>...)` gives a key, too. In keys `-` and `.` become `_`. " +
		"**Traps**: A group that took no part writes `\"\"`, or the zero of its type, over what the key had. Of groups with the same " +
		"name the last one decides, even if it took no part. An `int` is read with its prefix: `010` is 8, `0x1F` is 31, `08` and `3.7` " +
		"are 0; use `cast(key, \"int\")` for decimal digits with zeros in front. A bad `float` is 0. `.` does not match a newline, so " +
		"`%{GREEDYDATA}` ends with the line; `%{GREEDYLINES}` goes on. `%{...}` with other characters is plain text; an unknown pattern " +
		"or type makes the script faulty. Differs from DataKit: the time for a match is bounded and grows with the length of " +
		"the text, also for hostile texts.",
	Result: "bool",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "pattern", Kind: Text, Summary: "RE2 with `%{PATTERN:key:type}`; the types are `str`, `int`, `float`, `bool`"},
		{Name: "trim_space", Kind: Flag, Optional: true, Summary: "strip white space from the groups, by default true"},
	},
	Examples: []Example{
		{
			Script:  "add_key(ok, grok(_, \"%{IPV4:ip} %{INT:code:int}\"))",
			Message: "10.0.0.1 404",
			Want:    "ip=\"10.0.0.1\"\ncode=404\nok=true",
		}, {
			Script:  "if !grok(_, \"%{IPV4:ip} %{WORD:verb}\") {\n grok(_, \"%{WORD:verb} from %{IPORHOST:host}\")\n}",
			Message: "GET from web-07",
			Want:    "verb=\"GET\"\nhost=\"web-07\"",
		}, {
			Script:  "grok(_, \"(?:took %{NUMBER:ms:float}ms|%{INT:lines:int} lines)\")\ngrok(_, \"ms,%{DATA:note}$\", false)",
			Message: "took 7.50ms, cached",
			Want:    "ms=7.5\nlines=0\nnote=\" cached\"",
		}, {
			Script:  "grok(_, \"%{INT:a:int} %{INT:b:int}\")\ngrok(_, \"%{INT:c} %{INT:d}\")\ncast(c, \"int\")",
			Message: "010 08",
			Want:    "a=8\nb=0\nc=10\nd=\"08\"",
		},
	},
	Bind: func(c *Call) eval.Expr {
		m, err := c.Patterns().Compile(c.Str(1))
		if err != nil {
			c.patternFault(1, err)
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

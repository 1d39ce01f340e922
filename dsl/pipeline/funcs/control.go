package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:     "drop",
	Group:    OnControl,
	Summary:  "Marks the point as dropped. The script goes on.",
	Surplus:  true,
	Examples: []Example{{Script: "drop()\nadd_key(a, 1)", Want: "dropped\na=1"}},
	Bind: func(*Call) eval.Expr {
		return func(f *eval.Frame) (point.Value, bool) {
			f.Dropped = true
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:     "exit",
	Group:    OnControl,
	Summary:  "Ends the script without an error. In a script called by `use` it ends that one only.",
	Surplus:  true,
	Examples: []Example{{Script: "add_key(a, 1)\nif true { exit() }\nadd_key(b, 2)", Want: "a=1"}},
	Bind: func(*Call) eval.Expr {
		return func(f *eval.Frame) (point.Value, bool) {
			f.Exit()
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:    "use",
	Group:   OnControl,
	Summary: "Runs another script on the same point. It has variables and grok patterns of its own.",
	Params:  []Param{{Name: "script", Kind: Text, Summary: "its file name"}},
	Bind: func(c *Call) eval.Expr {
		src, at := c.Source(), c.at
		prog := c.Program(c.Str(0), at)
		if prog == nil {
			c.bad = true
			return nil
		}
		return func(f *eval.Frame) (point.Value, bool) { return wrote(f.Use(prog, src, at)) }
	},
})

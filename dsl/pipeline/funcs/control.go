package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "drop",
	Group:   OnControl,
	Summary: "Marks the point as dropped. The script goes on.",
	Doc: "What the script does after it still counts: it may create points, fill a cache, or end with an error, and then the point is not " +
		"dropped. Call `exit()` as well where nothing else is to be done. A dropped point leaves the operator by its output `dropped`. " +
		"Arguments are ignored.",
	Surplus: true,
	Examples: []Example{
		{Script: "drop()\nadd_key(a, 1)", Want: "dropped\na=1"},
		{Script: "if \"GET /health\" in message {\n drop()\n exit()\n}\nadd_key(kept, true)", Message: "GET /health 200", Want: "dropped"},
		{Script: "drop()\nx = 1 + nosuch", Want: "error 2:7: unsupported rhs data type: nil"},
	},
	Bind: func(*Call) eval.Expr {
		return func(f *eval.Frame) (point.Value, bool) {
			f.Dropped = true
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:    "exit",
	Group:   OnControl,
	Summary: "Ends the script without an error. In a script called by `use` it ends that one only.",
	Doc: "What was written stays, and what follows a script without an error is done: the status of a log is mapped, the key `time` becomes " +
		"the time of the point. Arguments are ignored.",
	Surplus: true,
	Examples: []Example{
		{Script: "add_key(a, 1)\nif true { exit() }\nadd_key(b, 2)", Want: "a=1"},
		{Script: "for x in [1, 2, 3] {\n add_key(last, x)\n if x == 2 { exit() }\n}\nadd_key(b, 2)", Want: "last=2"},
		{Script: "use(\"sub.p\")\nadd_key(c, 3)", Scripts: map[string]string{"sub.p": "add_key(a, 1)\nexit()\nadd_key(b, 2)"}, Want: "a=1\nc=3"},
	},
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
	Doc: "Neither variables nor patterns go in or come out: pass values by keys of the point. The name is that of a file in the same set of " +
		"scripts, and is known when the script is loaded: one that is missing, faulty, or calls back in a circle makes every script on the " +
		"way faulty. An error in it ends this script, too, and names both places.",
	Params: []Param{{Name: "script", Kind: Text, Summary: "its file name"}},
	Examples: []Example{
		{Script: "use(\"service.p\")\nadd_key(b, service)", Scripts: map[string]string{"service.p": "set_tag(service, \"cart\")"}, Want: "service#=\"cart\"\nb=\"cart\""},
		{Script: "v = 1\nuse(\"sub.p\")\nadd_key(mine, v)\nadd_key(its, w)", Scripts: map[string]string{"sub.p": "add_key(seen, v)\nw = 2"},
			Want: "seen=nil\nmine=1\nits=nil"},
		{Script: "add_key(a, 1)\nuse(\"sub.p\")\nadd_key(b, 2)", Scripts: map[string]string{"sub.p": "x = 1 + nosuch"},
			Want: "error sub.p:1:7: unsupported rhs data type: nil\n2:1:\na=1"},
	},
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

package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "setopt",
	Group:   OnControl,
	Summary: "Switches off, or on again, that the status of a log is brought to its usual form when the script has ended.",
	Doc: "The mapping makes `error` of `E`, `warning` of `warn`, `OK` of `s`, writes any other text in lower case, and puts `info` where a " +
		"log has no status. It works on logs only. The last call wins; a value that is no bool is ignored. The argument must be named.",
	// A Rest parameter keeps arguments without a name apart from one with its name, which is how the former are found.
	Params: []Param{{Name: "status_mapping", Kind: Rest, Optional: true, Summary: "a bool, must be named; by default the mapping is on"}},
	Named:  true,
	Examples: []Example{
		{Script: "add_key(status, \"FATAL\")\nsetopt(status_mapping=false)", Want: `status="FATAL"`},
		{Script: "raw = false\nsetopt(status_mapping=!raw)\nadd_key(ok, true)", Want: "ok=true"},
		{Script: "setopt(false)", Want: "load error 1:8: setopt: the argument status_mapping must be named"},
	},
	Bind: func(c *Call) eval.Expr {
		if len(c.rest) > 0 {
			c.fault(c.rest[0].Pos(), "setopt: the argument status_mapping must be named")
			return nil
		}
		if !c.Has(0) {
			return func(*eval.Frame) (point.Value, bool) { return done() }
		}
		mapping := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := mapping(f)
			if ok && v.Kind() == point.KindBool {
				f.KeepStatus = !v.Bool()
			}
			return wrote(ok)
		}
	},
})

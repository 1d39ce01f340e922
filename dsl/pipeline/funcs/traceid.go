package funcs

import (
	"strconv"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "conv_traceid_w3c_to_dd",
	Group:   OnClass,
	Summary: "Turns a trace ID of W3C into one of Datadog: its last 16 hexadecimal digits as a decimal number, a text.",
	Doc:     "The ID is a text of 32 or 16 hexadecimal digits, in any case. Any other value is left alone.",
	Params:  []Param{{Name: "key", Kind: Key}},
	Examples: []Example{
		{Script: "add_key(trace_id, \"18962fdd9eea517f2ae0771ea69d6e16\")\nconv_traceid_w3c_to_dd(trace_id)",
			Want: `trace_id="3089600317904219670"`},
		{Script: "add_key(a, \"FFFFFFFFFFFFFFFF\")\nconv_traceid_w3c_to_dd(a)", Want: `a="18446744073709551615"`},
		{Script: "add_key(a, \"18962fdd\")\nconv_traceid_w3c_to_dd(a)\nconv_traceid_w3c_to_dd(nosuch)",
			Want: `a="18962fdd"`},
	},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, _ := read(f)
			id, ok := traceID(v.Str())
			if !ok {
				return done()
			}
			return wrote(f.Write(key, point.String(f.End(strconv.AppendUint(f.Begin(), id, 10)))))
		}
	},
})

// traceID returns the last 64 bits of an ID of 16 or 32 hexadecimal digits.
func traceID(s string) (id uint64, ok bool) {
	const digits = 16 // of 64 bits
	if len(s) != digits && len(s) != 2*digits {
		return 0, false
	}
	// The first half counts for nothing, but it must be digits, too.
	if _, err := strconv.ParseUint(s[:digits], 16, 64); err != nil {
		return 0, false
	}
	id, err := strconv.ParseUint(s[len(s)-digits:], 16, 64)
	return id, err == nil
}

package funcs

import (
	"time"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/timetext"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:  "default_time",
	Group: OnTime,
	Summary: "Reads the text of a key as a time in any of the usual forms and writes it to the key in ns since 1970. On failure " +
		"the key gets the time of the point, and `pl_msg` says why.",
	Params: []Param{
		{Name: "key", Kind: Key, Summary: "the key `time` becomes the time of the point when the script has ended"},
		{Name: "zone", Kind: Text, Optional: true,
			Summary: "of texts without an offset: an IANA name or an offset like `\"+8\"`; by default the local zone"},
	},
	Surplus: true,
	Examples: []Example{
		{Script: "add_key(t, \"2024-03-09 16:05:06.789\")\ndefault_time(t, \"+8\")", Want: "t=1709971506789000000"},
		{Script: "add_key(t, \"yesterday\")\ndefault_time(t)\ndefault_time(nosuch)",
			Want: "t=1700000000000000000\npl_msg=\"time convert failed: unknown time format\""},
	},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), c.Read(0)
		var zone *time.Location // nil: the local one
		var zoneErr error       // is told when a script runs: it has always been so
		if c.Has(1) {
			zone, zoneErr = timetext.Zone(c.Str(1))
		}
		detector := new(timetext.Detector)
		return func(f *eval.Frame) (point.Value, bool) {
			text, known, ok := readText(f, read)
			if !known || !ok {
				return wrote(ok)
			}
			loc, err, ns := zone, zoneErr, int64(0)
			if loc == nil {
				loc = f.Local
			}
			if err == nil {
				ns, err = detector.Parse(text, loc, f.Now)
			}
			if err != nil {
				if ns = f.Point.Time; ns == 0 {
					ns = f.Now().UnixNano()
				}
				return wrote(f.Write(key, point.Int(ns)) && f.Write("pl_msg", point.String("time convert failed: "+err.Error())))
			}
			return wrote(f.Write(key, point.Int(ns)))
		}
	},
})

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
	Doc: "These forms are known: numbers of 10, 13, 16 and 19 digits (s, ms, us, ns since 1970), `2024`, `20240309`, `20240309160506`; ISO 8601 with " +
		"`T` or a blank, fractions and offsets; dates with slashes, dots and colons; English month names, full or of three letters, with and without " +
		"a weekday; `2024年03月09日`; and the forms of nginx (`09/Mar/2024:16:05:06 +0800`), redis (`09 Mar 2024 16:05:06.789`), mysql (`240309 16:05:06`), " +
		"gin (`2024/03/09 - 16:05:06`) and apache (`Sat Mar 9 16:05:06.789012 2024`). Where day and month are ambiguous the month comes first; " +
		"white space in front is not allowed.\n\n" +
		"**A zone's name in the text is ignored** (`UTC`, `GMT`, `CST` behind the time), an offset and `Z` count. An offset given as zone stands for a place, with " +
		"its daylight saving time: `\"-5\"` is New York. `\"CST\"` and `\"+8:00\"` are no zones.\n\n" +
		"Differs from DataKit: `Z` behind a fraction is UTC, and texts that it reads wrongly are failures: an offset of two digits, an offset with a colon " +
		"behind a fraction and a blank, `Mar  9 16:05:06` (it has no year), `10:11:12`, `2024-068`.",
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
		{Script: "grok(_, \"%{HTTPDATE:time}\")\ndefault_time(time)", Message: "[18/Nov/2026:09:14:07 +0000] GET /", Want: "time=1794993247000000000"},
		{Script: "add_key(a, 1709971506)\ndefault_time(a)\nb = \"2024-03-09T16:05:06.789Z\"\ndefault_time(b, \"+8\")\nadd_key(c, \"Sat, 09 Mar 2024 16:05:06 GMT\")\ndefault_time(c, \"+8\")",
			Want: "a=1709971506000000000\nb=1710000306789000000\nc=1709971506000000000"},
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

package funcs

import (
	"fmt"
	"time"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/timetext"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "default_time_with_fmt",
	Group:   OnTime,
	Summary: "Reads the text of a key as a time by a Go layout and writes it to the key in ns since 1970. What does not fit stays as it is.",
	Doc: "A Go layout shows how the time 2006-01-02 15:04:05 would be written; a fraction of seconds is read where the text has one, also if the " +
		"layout has none. Unlike with `default_time` nothing is written on failure, and offsets like `\"+8\"` are no zones. Write to the key " +
		"`time` to set the time of the point.",
	Params: []Param{
		{Name: "key", Kind: Name},
		{Name: "layout", Kind: Text},
		{Name: "zone", Kind: Text, Optional: true, Summary: "of texts without an offset: an IANA name; by default the local zone"},
	},
	Examples: []Example{
		{Script: "add_key(t, \"2024-03-09 16:05:06.789\")\ndefault_time_with_fmt(t, \"2006-01-02 15:04:05\", \"Asia/Shanghai\")", Want: "t=1709971506789000000"},
		{Script: "add_key(t, \"09.03.24 16h05\")\ndefault_time_with_fmt(t, \"02.01.06 15h04\")", Want: "t=1710000300000000000"},
		{Script: "add_key(t, \"yesterday\")\ndefault_time_with_fmt(t, \"2006-01-02\")\nadd_key(u, \"2024-03-09\")\ndefault_time_with_fmt(u, \"2006-01-02\", \"+8\")",
			Want: "t=\"yesterday\"\nu=\"2024-03-09\""},
	},
	Bind: func(c *Call) eval.Expr {
		key, read, layout := c.Key(0), c.Read(0), c.Str(1)
		zone, zoneErr := (*time.Location)(nil), error(nil)
		if c.Has(2) {
			zone, zoneErr = placeZone(c.Str(2))
		}
		return func(f *eval.Frame) (point.Value, bool) {
			text, known, ok := readText(f, read)
			if !known || !ok || zoneErr != nil {
				return wrote(ok)
			}
			t, err := time.ParseInLocation(layout, text, zoneOr(zone, f.Local))
			if err != nil {
				return done()
			}
			ns, ok := unixNano(t)
			return wrote(!ok || f.Write(key, point.Int(ns)))
		}
	},
})

// placeZone returns the zone of an IANA name, nil for "Local": offsets and CST are no such names.
func placeZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q", name)
	}
	return zone, nil
}

// dateZone returns the zone of an IANA name or of one of the names for offsets, to which parse_date adds CST.
func dateZone(name string) (*time.Location, error) {
	switch name {
	case "":
		return time.UTC, nil
	case "CST":
		name = "Asia/Shanghai"
	}
	return timetext.Zone(name)
}

func zoneOr(zone, otherwise *time.Location) *time.Location {
	if zone == nil {
		return otherwise
	}
	return zone
}

// unixNano returns t in ns since 1970. ok is false for a year that 64 bits cannot hold as a whole.
func unixNano(t time.Time) (ns int64, ok bool) {
	const first, last = 1678, 2261
	if y := t.UTC().Year(); y < first || y > last {
		return 0, false
	}
	return t.UnixNano(), true
}

package funcs

import (
	"time"

	"github.com/itchyny/timefmt-go"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/grok"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "datetime",
	Group:   OnTime,
	Summary: "Writes a number that is a time as text, to the key that it was read from.",
	Doc: "The format is the name of a Go layout (`ANSIC`, `UnixDate`, `RubyDate`, `RFC822`, `RFC822Z`, `RFC850`, `RFC1123`, `RFC1123Z`, `RFC3339`, " +
		"`RFC3339Nano`, `Kitchen`, `Stamp`, `StampMilli`, `StampMicro`, `StampNano`), or a text with the directives of strftime:\n\n" +
		"    %Y %y %C %G %g year           %H %k hour, %I %l of 12        %a %A weekday, %u %w its number\n" +
		"    %m month, %B %b %h its name   %M minute                      %U %W %V week of the year\n" +
		"    %d %e day, %j of the year     %S second, %f microseconds     %p %P AM or am\n" +
		"    %z %:z %::z offset            %Z name of the zone            %s seconds since 1970\n" +
		"    %F %T %R %D %x %X %r %c %+ %v dates and times                %n %t %%\n\n" +
		"Between `%` and the letter may stand `-` (no padding), `_` (blanks), `0` (zeros), `^` (upper case), `#` (swapped case) and a width. " +
		"What is no directive is copied, a Go layout as a whole, too.\n\n" +
		"The value is made an int: a float is cut, a text is read with its prefix (`010` is octal), anything else is 0. Differs from DataKit: " +
		"a time before the year 0 is left as it is.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "precision", Kind: Text, Summary: "`\"s\"`, `\"ms\"` or `\"us\"`; anything else means ns"},
		{Name: "fmt", Kind: Text},
		{Name: "tz", Kind: Text, Optional: true, Summary: "an IANA name; by default the local zone"},
	},
	Named: true,
	Examples: []Example{
		{Script: "add_key(t, 1610103765)\ndatetime(t, \"s\", \"RFC3339\", \"Asia/Kolkata\")", Want: `t="2021-01-08T16:32:45+05:30"`},
		{Script: "add_key(t, 1610103765123)\ndatetime(t, \"ms\", \"%Y/%m/%d %H:%M:%S.%f\", tz=\"UTC\")", Want: `t="2021/01/08 11:02:45.123000"`},
		{Script: "t = \"1610103765\"\ndatetime(t, \"s\", \"%-d %^b %y, %l %p\", \"UTC\")\ndatetime(nosuch, \"s\", \"%F\")", Want: `t="8 JAN 21, 11 AM"`},
		{Script: "add_key(t, 0)\ndatetime(t, \"s\", \"%F\", \"+8\")", Want: "error 2:1: datetime: unknown time zone \"+8\"\nt=0"},
	},
	Bind: func(c *Call) eval.Expr {
		key, read, precision := c.Key(0), c.Read(0), c.Str(1)
		format := timeFormat(c.Str(2))
		zone, zoneErr := (*time.Location)(nil), error(nil) // told when a script runs: it has always been so
		if c.Has(3) {
			zone, zoneErr = placeZone(c.Str(3))
		}
		return func(f *eval.Frame) (point.Value, bool) {
			v, known := read(f)
			if !known {
				return done()
			}
			if zoneErr != nil {
				return f.Failf("datetime: %v", zoneErr)
			}
			t := timeOf(wholeNumber(v), precision).In(zoneOr(zone, f.Local))
			if t.Year() < 0 {
				return done()
			}
			b := format(f.Begin(), t)
			if !f.Spend(len(b)) {
				return failed()
			}
			return wrote(f.Write(key, point.String(f.End(b))))
		}
	},
})

var goLayouts = map[string]string{
	"ANSIC": time.ANSIC, "UnixDate": time.UnixDate, "RubyDate": time.RubyDate, "RFC822": time.RFC822, "RFC822Z": time.RFC822Z,
	"RFC850": time.RFC850, "RFC1123": time.RFC1123, "RFC1123Z": time.RFC1123Z, "RFC3339": time.RFC3339, "RFC3339Nano": time.RFC3339Nano,
	"Kitchen": time.Kitchen, "Stamp": time.Stamp, "StampMilli": time.StampMilli, "StampMicro": time.StampMicro, "StampNano": time.StampNano,
}

// timeFormat returns what appends a time in the format: the name of a Go layout or a text of strftime.
func timeFormat(format string) func(dst []byte, t time.Time) []byte {
	if layout, ok := goLayouts[format]; ok {
		return func(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, layout) }
	}
	return func(dst []byte, t time.Time) []byte { return timefmt.AppendFormat(dst, t, format) }
}

// timeOf returns the time that n says in the precision: s, ms, us, else ns.
func timeOf(n int64, precision string) time.Time {
	switch precision {
	case "s":
		return time.Unix(n, 0)
	case "ms":
		return time.UnixMilli(n)
	case "us":
		return time.UnixMicro(n)
	}
	return time.Unix(0, n)
}

// wholeNumber returns v as an int, as the type int of grok does.
func wholeNumber(v point.Value) int64 {
	switch v.Kind() {
	case point.KindInt:
		return v.Int()
	case point.KindString:
		return grok.ParseInt(v.Str())
	}
	return eval.ToInt(v)
}

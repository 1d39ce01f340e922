package funcs

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "parse_date",
	Group:   OnTime,
	Summary: "Puts a time together of its parts, as text, and writes it to a key in ns since 1970.",
	Doc: "All parts are **text**. A part that is no text counts as missing, as does a number that cannot be read, and one whose evaluation " +
		"fails. Missing year, month, day, hour and minute are those of now, **by the local clock, although the zone is UTC where none is " +
		"given**; a missing second and what is below it are 0.\n\n" +
		"A year below 100 belongs to the present century. A month is 1 to 12 or an English name, `may`, `Aug` or `august`, in any case. " +
		"31 February is 2 or 3 March. A month, day, hour, minute or second out of its range, a year that is negative or beyond 2261, and an unknown " +
		"zone are errors.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "yy", Kind: Value, Optional: true, Summary: "year"},
		{Name: "MM", Kind: Value, Optional: true, Summary: "month"},
		{Name: "dd", Kind: Value, Optional: true, Summary: "day"},
		{Name: "hh", Kind: Value, Optional: true, Summary: "hour"},
		{Name: "mm", Kind: Value, Optional: true, Summary: "minute"},
		{Name: "ss", Kind: Value, Optional: true, Summary: "second"},
		{Name: "ms", Kind: Value, Optional: true, Summary: "milliseconds"},
		{Name: "us", Kind: Value, Optional: true, Summary: "microseconds, added to those"},
		{Name: "ns", Kind: Value, Optional: true, Summary: "nanoseconds, added to those"},
		{Name: "zone", Kind: Value, Optional: true, Summary: "an IANA name, an offset like `\"+8\"`, `\"CST\"` (China) or `\"UTC\"`, which is the default"},
	},
	Named: true,
	Examples: []Example{
		{Script: "parse_date(a, \"2021\", \"may\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\", \"CST\")", Want: "a=1619985906007008009"},
		{Script: "grok(_, \"%{MONTHDAY:d} %{MONTH:m} %{YEAR:y} (?P<h>..)(?P<min>..)\")\nparse_date(t, yy=y, MM=m, dd=d, hh=h, mm=min, zone=\"+0\")\nfor k in [\"d\", \"m\", \"y\", \"h\", \"min\"] { pt_kvs_del(k) }",
			Message: "09 Mar 24 1605", Want: "t=1710000300000000000"},
		{Script: "parse_date(t, \"2021\", \"2\", \"31\", \"0\", \"0\")\nadd_key(u, t)\ndatetime(u, \"ns\", \"%F\", \"UTC\")", Want: "t=1614729600000000000\nu=\"2021-03-03\""},
		{Script: "parse_date(t, dd=\"32\")", Want: "error 1:1: parse_date: the argument dd is 32, not 1 to 31"},
	},
	Bind: bindParseDate,
})

// The arguments of parse_date.
const (
	dateYear = 1 + iota
	dateMonth
	dateDay
	dateHour
	dateMinute
	dateSecond
	dateMilli
	dateMicro
	dateNano
	dateZoneName
)

func bindParseDate(c *Call) eval.Expr {
	key := c.Key(0)
	d := &dateParts{decl: c.decl}
	for i := dateYear; i <= dateZoneName; i++ {
		if c.Has(i) {
			d.args[i] = c.Value(i)
		}
	}
	return func(f *eval.Frame) (point.Value, bool) {
		t, ok := d.read(f)
		if !ok {
			return failed()
		}
		ns, ok := unixNano(t)
		if !ok {
			return f.Failf("parse_date: the year %d is out of range", t.Year())
		}
		return wrote(f.Write(key, point.Int(ns)))
	}
}

// dateParts are the arguments of one call.
type dateParts struct {
	decl *Decl
	args [dateZoneName + 1]eval.Expr // nil: not given
	zone atomic.Pointer[namedZone]   // of the last call: looking one up means reading a file
}

type namedZone struct {
	name string
	at   *time.Location
	err  error
}

func (d *dateParts) read(f *eval.Frame) (t time.Time, ok bool) {
	now := f.Now().In(f.Local)
	n := [dateZoneName]int64{
		dateYear: int64(now.Year()), dateMonth: int64(now.Month()), dateDay: int64(now.Day()), dateHour: int64(now.Hour()),
		dateMinute: int64(now.Minute()),
	}
	for i := dateYear; i <= dateNano; i++ {
		text, ok := d.text(f, i)
		if !ok || text != "" && !d.number(f, i, text, now, &n[i]) {
			return t, false
		}
	}
	name, ok := d.text(f, dateZoneName)
	if !ok {
		return t, false
	}
	zone, err := d.zoneOf(name)
	if err != nil {
		f.Failf("parse_date: %v", err)
		return t, false
	}
	below := time.Duration(n[dateMilli])*time.Millisecond + time.Duration(n[dateMicro])*time.Microsecond + time.Duration(n[dateNano])
	return time.Date(int(n[dateYear]), time.Month(n[dateMonth]), int(n[dateDay]), int(n[dateHour]), int(n[dateMinute]),
		int(n[dateSecond]), int(below), zone), true
}

// text returns argument i, "" if it is missing, no text, or cannot be evaluated.
func (d *dateParts) text(f *eval.Frame, i int) (text string, ok bool) {
	if d.args[i] == nil {
		return "", true
	}
	v, ok := d.args[i](f)
	if !ok {
		return "", f.Recover()
	}
	return v.Str(), true
}

// ranges of the parts. A year is checked against what 64 bits can hold; it must fit an int on any machine before. What is
// below a second has always been taken as it is: a fraction of other digits is given like that.
var ranges = [dateZoneName]struct{ low, high int64 }{
	dateYear: {0, 2261}, dateMonth: {1, 12}, dateDay: {1, 31}, dateHour: {0, 23}, dateMinute: {0, 59}, dateSecond: {0, 59},
	dateMilli: {-1e9, 1e9}, dateMicro: {-1e9, 1e9}, dateNano: {-1e9, 1e9},
}

// number reads part i into n, which keeps its value if the text is no number.
func (d *dateParts) number(f *eval.Frame, i int, text string, now time.Time, n *int64) (ok bool) {
	v, isNumber := decimal(text)
	if !isNumber && i == dateMonth {
		if v = months[strings.ToLower(text)]; v == 0 {
			f.Failf("parse_date: there is no month %.20q", text)
			return false
		}
	} else if !isNumber {
		return true
	}
	if r := ranges[i]; v < r.low || v > r.high {
		f.Failf("parse_date: the argument %s is %d, not %d to %d", d.decl.Params[i].Name, v, r.low, r.high)
		return false
	}
	if *n = v; i == dateYear && v < 100 {
		*n += int64(now.Year() / 100 * 100)
	}
	return true
}

// decimal reads a decimal integer. What begins like none does not pay for an error that says so.
func decimal(text string) (n int64, ok bool) {
	if c := text[0]; c != '+' && c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

var months = func() map[string]int64 {
	byName := map[string]int64{}
	for m := time.January; m <= time.December; m++ {
		name := strings.ToLower(m.String())
		byName[name], byName[name[:3]] = int64(m), int64(m)
	}
	return byName
}()

func (d *dateParts) zoneOf(name string) (*time.Location, error) {
	z := d.zone.Load()
	if z == nil || z.name != name {
		z = &namedZone{name: strings.Clone(name)}
		z.at, z.err = dateZone(name)
		d.zone.Store(z)
	}
	return z.at, z.err
}

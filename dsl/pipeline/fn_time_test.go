package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

// at returns options with the clock and the local zone set.
func at(clock, zone string) pipeline.Options {
	o := options()
	now, err := time.Parse(time.RFC3339Nano, clock)
	if err != nil {
		panic(err)
	}
	o.Now = func() time.Time { return now }
	if o.Location, err = time.LoadLocation(zone); err != nil {
		panic(err)
	}
	return o
}

func TestDefaultTimeWithFormat(t *testing.T) {
	shanghai := at("2026-11-18T12:00:00Z", "Asia/Shanghai")
	runCases(t, shanghai, []fnCase{
		{"2024-03-09 16:05:06", "default_time_with_fmt(message, \"2006-01-02 15:04:05\")", "message=1709971506000000000"},
		{"2024-03-09 16:05:06", "default_time_with_fmt(message, \"2006-01-02 15:04:05\", \"UTC\")", "message=1710000306000000000"},
		{"2024-03-09 16:05:06", "default_time_with_fmt(message, \"2006-01-02 15:04:05\", \"\")", "message=1710000306000000000"},
		{"2024-03-09 16:05:06", "default_time_with_fmt(message, \"2006-01-02 15:04:05\", \"Local\")", "message=1709971506000000000"},
		{"2024-03-09 16:05:06 -0700", "default_time_with_fmt(_, \"2006-01-02 15:04:05 -0700\", \"UTC\")", "message=1710025506000000000"},
		{"2024-03-09 16:05:06,789", "default_time_with_fmt(_, \"2006-01-02 15:04:05\")", "message=1709971506789000000"},
		{"m", "a.b = 1\nadd_key(a.b, \"2024\")\ndefault_time_with_fmt(a.b, \"2006\", \"UTC\")\nadd_key(n, 2024)\ndefault_time_with_fmt(n, \"2006\", \"UTC\")", "a.b=1704067200000000000\nn=1704067200000000000"},
		{"m", "time = \"2024\"\ndefault_time_with_fmt(time, \"2006\", \"UTC\")", "time=1704067200000000000"},
		{"2024-03-09", "default_time_with_fmt(_, \"2006/01/02\")\ndefault_time_with_fmt(_, \"2006-01-02\", \"+8\")\ndefault_time_with_fmt(_, \"2006-01-02\", \"CST\")\ndefault_time_with_fmt(_, \"2006-01-02\", \"Mars/Base\")\ndefault_time_with_fmt(nosuch, \"2006\")", ""},
		{"9999-01-01", "default_time_with_fmt(_, \"2006-01-02\")\nset_tag(t, \"2024\")\ndefault_time_with_fmt(t, \"2006\", \"UTC\")", `t#="1704067200000000000"`},
		{"16:05", "default_time_with_fmt(_, \"15:04\")", ""}, // the year 0
	})
	loadCases(t, [][2]string{
		{"default_time_with_fmt(t)", "layout is missing"}, {"default_time_with_fmt(\"t\", \"2006\")", "must be a name or a path"}, {"default_time_with_fmt(t, f)", "must be a text literal"},
		{"default_time_with_fmt(t, \"2006\", z)", "must be a text literal"}, {"default_time_with_fmt(t, \"2006\", \"UTC\", 1)", "at most 3"},
	})
}

// TestDatetimeDirectives is the table of directives: 2021-01-08 16:32:45.123456 in India.
func TestDatetimeDirectives(t *testing.T) {
	const value = 1610103765123456
	for format, want := range map[string]string{
		"%Y": "2021", "%y": "21", "%C": "20", "%G": "2021", "%g": "21", "%H": "16", "%k": "16", "%I": "04", "%l": " 4", "%m": "01", "%B": "January", "%b": "Jan", "%h": "Jan",
		"%M": "32", "%S": "45", "%f": "123456", "%d": "08", "%e": " 8", "%j": "008", "%p": "PM", "%P": "pm", "%a": "Fri", "%A": "Friday", "%u": "5", "%w": "5", "%z": "+0530", "%:z": "+05:30",
		"%::z": "+05:30:00", "%Z": "IST", "%U": "01", "%W": "01", "%V": "01", "%s": "1610103765", "%F": "2021-01-08", "%T": "16:32:45", "%R": "16:32", "%D": "01/08/21", "%c": "Fri Jan  8 16:32:45 2021",
		"%+": "Fri Jan  8 16:32:45 IST 2021", "%x": "01/08/21", "%X": "16:32:45", "%r": "04:32:45 PM", "%v": " 8-Jan-2021", "%n": "\n", "%t": "\t", "%%": "%",
		// flags and widths
		"%-d": "8", "%-m/%-I": "1/4", "%_d": " 8", "%_m": " 1", "%0e": "08", "%0l": "04", "%^a": "FRI", "%^B": "JANUARY", "%#p": "pm", "%#Z": "ist", "%#a": "FRI", "%10Y": "0000002021", "%_10Y": "      2021", "%-10Y": "      2021", "%03d": "008", "%12B": "     January",
		"%^10b": "       JAN", "%3S": "045",
		// what is no directive is copied
		"%E": "%E", "%L": "%L", "%N": "%N", "%O": "%O", "%q": "%q", "%": "%", "100%": "100%", "%-": "%-", "": "", "2006-01-02 15:04": "2006-01-02 15:04", "rfc3339": "rfc3339", "RFC 3339": "RFC 3339", "年%Y": "年2021", "%é": "%é",
		// names of layouts
		"ANSIC": "Fri Jan  8 16:32:45 2021", "UnixDate": "Fri Jan  8 16:32:45 IST 2021", "RubyDate": "Fri Jan 08 16:32:45 +0530 2021", "RFC822": "08 Jan 21 16:32 IST", "RFC822Z": "08 Jan 21 16:32 +0530",
		"RFC850": "Friday, 08-Jan-21 16:32:45 IST", "RFC1123": "Fri, 08 Jan 2021 16:32:45 IST", "RFC1123Z": "Fri, 08 Jan 2021 16:32:45 +0530", "RFC3339": "2021-01-08T16:32:45+05:30",
		"RFC3339Nano": "2021-01-08T16:32:45.123456+05:30", "Kitchen": "4:32PM", "Stamp": "Jan  8 16:32:45", "StampMilli": "Jan  8 16:32:45.123", "StampMicro": "Jan  8 16:32:45.123456", "StampNano": "Jan  8 16:32:45.123456000",
	} {
		got := run(t, fmt.Sprintf("add_key(t, %d)\ndatetime(t, \"us\", %q, \"Asia/Kolkata\")", value, format), "m", options())
		if got != fmt.Sprintf("t=%q", want) {
			t.Errorf("%q: got %s, want %q", format, got, want)
		}
	}
}

func TestDatetime(t *testing.T) {
	o := at("2026-11-18T12:00:00Z", "America/New_York")
	runCases(t, o, []fnCase{
		{"1610103765", "datetime(_, \"s\", \"%F %T\")", `message="2021-01-08 06:02:45"`},
		{"m", "t = 1610103765123\ndatetime(t, \"ms\", \"%T.%f\", \"UTC\")\nadd_key(same, t)", "t=\"11:02:45.123000\"\nsame=1610103765123"},
		{"m", "for p in [1] { add_key(t, 1610103765123456789)\n datetime(t, \"ns\", \"RFC3339Nano\", \"UTC\")\n add_key(u, 1610103765123456789)\n datetime(u, \"h\", \"RFC3339Nano\", \"UTC\") }", "t=\"2021-01-08T11:02:45.123456789Z\"\nu=\"2021-01-08T11:02:45.123456789Z\""},
		{"m", "add_key(t, 1610103765)\ndatetime(key=t, fmt=\"%F\", precision=\"s\", tz=\"Asia/Tokyo\")", `t="2021-01-08"`},
		{"m", "add_key(t, 5.9)\ndatetime(t, \"s\", \"%s\", \"UTC\")\nadd_key(u, true)\ndatetime(u, \"s\", \"%s\", \"UTC\")\nadd_key(v, nil)\ndatetime(v, \"s\", \"%s\", \"UTC\")\nw = [1]\ndatetime(w, \"s\", \"%s\", \"UTC\")", "t=\"5\"\nu=\"1\"\nv=\"0\"\nw=\"0\""},
		{"m", "r = []\nfor x in [\"010\", \"0x10\", \"12.00\", \"12.5\", \"08\", \"abc\", \"\", \"-5\", \"9999999999999999999\", \"0.0\", \"1e3\"] {\n v = x\n datetime(v, \"s\", \"%s\", \"UTC\")\n r = append(r, get_key(v))\n}\ndrop_key(v)\nadd_key(r)",
			`r="[\"8\",\"16\",\"12\",\"0\",\"0\",\"0\",\"0\",\"-5\",\"0\",\"0\",\"0\"]"`},
		{"m", "set_tag(t, \"0\")\ndatetime(t, \"s\", \"%F\", \"UTC\")\ndatetime(nosuch, \"s\", \"%F\")\ndatetime(nosuch, \"s\", \"%F\", \"Mars/Base\")", `t#="1970-01-01"`},
		{"m", "add_key(t, 0)\ndatetime(t, \"s\", \"%F\", \"Mars/Base\")", "error 2:1: datetime: unknown time zone \"Mars/Base\"\nt=0"},
		{"m", "add_key(t, 9223372036854775807)\ndatetime(t, \"s\", \"%Y\", \"UTC\")\nadd_key(u, -9223372036854775807)\ndatetime(u, \"ms\", \"%Y\", \"UTC\")\nadd_key(v, 253402300800)\ndatetime(v, \"s\", \"%F\", \"UTC\")", "t=\"292277026596\"\nu=-9223372036854775807\nv=\"10000-01-01\""},
		{"m", "add_key(t, -1)\ndatetime(t, \"s\", \"%F %T\", \"UTC\")", `t="1969-12-31 23:59:59"`},
	})
	loadCases(t, [][2]string{
		{"datetime(t)", "precision is missing"}, {"datetime(t, \"s\")", "fmt is missing"}, {"datetime(t, s, \"%F\")", "must be a text literal"}, {"datetime(t, \"s\", f)", "must be a text literal"},
		{"datetime(t, \"s\", \"%F\", tz=z)", "must be a text literal"}, {"datetime(5, \"s\", \"%F\")", "must be a name"}, {"datetime(t, \"s\", \"%F\", zone=\"UTC\")", "has no argument zone"}, {"datetime(t, \"s\", \"%F\", \"UTC\", 1)", "at most 4"},
	})
}

func TestAdjustTimezone(t *testing.T) {
	const now = "2026-11-18T12:30:00Z"
	for local, zone := range map[string]string{"UTC": "UTC", "half an hour off": "Asia/Kolkata"} {
		o := at(now, zone)
		base := o.Now()
		for _, x := range []struct{ off, want time.Duration }{
			{0, 0}, {time.Minute, time.Minute}, {2 * time.Minute, 2 * time.Minute}, {2*time.Minute + 1, 2*time.Minute + 1 - time.Hour}, {-58 * time.Minute, 2 * time.Minute}, {-58*time.Minute + 1, -58*time.Minute + 1},
			{8 * time.Hour, 0}, {-8 * time.Hour, 0}, {8*time.Hour - 10*time.Minute, -10 * time.Minute}, {-300*time.Hour + 5*time.Minute, -55 * time.Minute}, {5*time.Hour + 30*time.Minute, -30 * time.Minute}, {-20 * time.Minute, -20 * time.Minute},
		} {
			got := run(t, fmt.Sprintf("add_key(t, %d)\nadjust_timezone(t)", base.Add(x.off).UnixNano()), "m", o)
			if want := fmt.Sprintf("t=%d", base.Add(x.want).UnixNano()); got != want {
				t.Errorf("%s, %v: got %s, want %s", local, x.off, got, want)
			}
		}
		for _, ns := range []int64{-1 << 62, -1, 0, 1, 1<<63 - 1} {
			p := logPoint("m")
			s, err := pipeline.Compile("adjust_timezone(t)", o)
			if err != nil {
				t.Fatal(err)
			}
			p.Set("t", point.Int(ns))
			s.NewRunner().Run(&p)
			v, _ := p.Get("t")
			d := time.Unix(0, v.Int()).Sub(base)
			if d <= -58*time.Minute || d > 2*time.Minute || (v.Int()-ns)%int64(time.Hour) != 0 && ns > 0 {
				t.Errorf("%d became %v from now", ns, d)
			}
		}
	}
	runCases(t, at(now, "UTC"), []fnCase{
		{"m", "adjust_timezone(nosuch)", ""},
		{"m", "add_key(t, 5.0)\nadjust_timezone(t)", "error 2:1: adjust_timezone: the value of t is not int but float\nt=5.0"},
		{"m", "adjust_timezone(message)", "error 1:1: adjust_timezone: the value of message is not int but str"},
		{"m", "t = 1795005000000000000\nadd_key(t, \"other\")\nadjust_timezone(t)", "t=1795005000000000000"},
	})
	loadCases(t, [][2]string{{"adjust_timezone()", "missing"}, {"adjust_timezone(t, 2)", "at most 1"}, {"adjust_timezone(5)", "must be a name"}})
}

func TestParseDate(t *testing.T) {
	o := at("2026-11-18T23:45:56.789Z", "Asia/Shanghai") // 2026-11-19 07:45 there
	instant := func(s string) string {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("t=%d", v.UnixNano())
	}
	failing := func(text string) string { return "error 1:1: parse_date: " + text }
	for args, want := range map[string]string{
		`"2021", "may", "3", "4", "5", "6", "7", "8", "9", "CST"`: "t=1619985906007008009",
		``:          instant("2026-11-19T07:45:00Z"),
		`zone="+8"`: instant("2026-11-19T07:45:00+08:00"),
		`yy="21", MM="1", dd="2", hh="3", mm="4", ss="5"`:                      instant("2021-01-02T03:04:05Z"),
		`yy="0", MM="01", dd="02", hh="03", mm="04", ss="05"`:                  instant("2000-01-02T03:04:05Z"),
		`yy="99", MM="12", dd="31", hh="23", mm="59", ss="59"`:                 instant("2099-12-31T23:59:59Z"),
		`yy="1969", MM="12", dd="31", hh="23", mm="59", ss="59"`:               instant("1969-12-31T23:59:59Z"),
		`yy="2021", MM="2", dd="31", hh="0", mm="0"`:                           instant("2021-03-03T00:00:00Z"),
		`yy=2021, MM=1, dd=2.0, hh=true, mm=nil, ss=[1]`:                       instant("2026-11-19T07:45:00Z"),
		`yy="x", dd="", hh="1.5", mm=" 5", ss="6s", ms="a", us="b", ns="c"`:    instant("2026-11-19T07:45:00Z"),
		`yy=1 + nosuch, zone=1 + nosuch`:                                       instant("2026-11-19T07:45:00Z"),
		`yy="2021", MM="JAN", dd="2", hh="0", mm="0", zone="UTC"`:              instant("2021-01-02T00:00:00Z"),
		`yy="2021", MM="Sep", dd="2", hh="0", mm="0", zone="America/New_York"`: instant("2021-09-02T00:00:00-04:00"),
		`yy="2021", MM="december", dd="2", hh="0", mm="0", zone="-5"`:          instant("2021-12-02T00:00:00-05:00"),
		`yy="2021", MM="1", dd="2", hh="0", mm="0", zone="+5:30"`:              instant("2021-01-02T00:00:00+05:30"),
		`yy="2021", MM="1", dd="2", hh="0", mm="0", zone=""`:                   instant("2021-01-02T00:00:00Z"),
		`yy="2021", MM="1", dd="2", hh="0", mm="0", zone=5`:                    instant("2021-01-02T00:00:00Z"),
		`yy="2021", MM="1", dd="2", hh="0", mm="0", ss="1", ms="2"`:            instant("2021-01-02T00:00:01.002Z"),
		`yy="2021", MM="1", dd="2", hh="0", mm="0", ms="1500", us="1", ns="1"`: instant("2021-01-02T00:00:01.500001001Z"),
		`"2021", "1", "2", "+3", "4", ns="-1"`:                                 instant("2021-01-02T03:03:59.999999999Z"),
		`MM="13"`:                                                              failing("the argument MM is 13, not 1 to 12"), `MM="0"`: failing("the argument MM is 0, not 1 to 12"), `MM="foo"`: failing(`there is no month "foo"`), `MM="janu"`: failing(`there is no month "janu"`), `MM="1.0"`: failing(`there is no month "1.0"`),
		`dd="0"`: failing("the argument dd is 0, not 1 to 31"), `dd="32"`: failing("the argument dd is 32, not 1 to 31"), `hh="24"`: failing("the argument hh is 24, not 0 to 23"), `hh="-1"`: failing("the argument hh is -1, not 0 to 23"),
		`mm="60"`: failing("the argument mm is 60, not 0 to 59"), `ss="60"`: failing("the argument ss is 60, not 0 to 59"), `yy="-1"`: failing("the argument yy is -1, not 0 to 2261"), `yy="2262"`: failing("the argument yy is 2262, not 0 to 2261"),
		`yy="1500"`: failing("the year 1500 is out of range"), `zone="Mars/Base"`: failing(`unknown time zone "Mars/Base"`), `zone="Local"`: failing("the name of the time zone is missing"), `ms="9223372036854775807"`: failing("the argument ms is 9223372036854775807, not -1000000000 to 1000000000"),
	} {
		call := strings.TrimSuffix("parse_date(t, "+args, ", ") + ")"
		if got := run(t, call, "m", o); got != want {
			t.Errorf("%s: got %s, want %s", call, got, want)
		}
	}
	runCases(t, o, []fnCase{
		{"m", "set_tag(time, \"x\")\nparse_date(key=\"time\", yy=\"2021\", MM=\"1\", dd=\"1\", hh=\"0\", mm=\"0\")", ""}, // a tag holds text, which is no time
		{"m", "parse_date(time, \"2021\", \"1\", \"1\", \"0\", \"0\")", "time=1609459200000000000"},
		{"m", "for z in [\"+8\", \"UTC\", \"+8\"] { parse_date(t, \"2021\", \"1\", \"1\", \"0\", \"0\", zone=z) }", "t=1609430400000000000"},
	})
	loadCases(t, [][2]string{{"parse_date()", "parse_date: the argument key is missing"}, {"parse_date(yy=\"2021\")", "key is missing"}, {"parse_date(5)", "must be a name"}, {"parse_date(t, year=\"1\")", "has no argument year"}})
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]string{
		"1h2m3.5s": "3723500000000", "-2ms": "-2000000", "1ns": "1", "1us": "1000", "1µs": "1000", "1μs": "1000", "1s": "1000000000", "1m": "60000000000", "0": "0", "+5s": "5000000000", ".5s": "500000000", "1.5h": "5400000000000", "-0": "0",
		"15": "", "1d": "", "": "", "s": "", "1 s": "", " 1s": "", "1S": "", "1e3s": "", "9999999h": "", strings.Repeat("1h", 60): "",
	} {
		if want == "" {
			want = fmt.Sprintf("%q", text)
		}
		if got := run(t, fmt.Sprintf("add_key(t, %q)\nparse_duration(t)", text), "m", options()); got != "t="+want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	runCases(t, options(), []fnCase{
		{"5s", "parse_duration(_)\nparse_duration(nosuch)\nadd_key(a, 5)\nparse_duration(a)\nadd_key(b, nil)\nparse_duration(b)\nset_tag(c, \"1ms\")\nparse_duration(c)\nv = \"1us\"\nparse_duration(v)", "message=5000000000\na=5\nb=nil\nc#=\"1000000\"\nv=1000"},

		{"m", "add_key(d, 1500)\nduration_precision(d, \"us\", \"ns\")\nadd_key(e, 1999)\nduration_precision(e, \"MS\", \"s\")\nadd_key(f, -1999)\nduration_precision(\"f\", \"ms\", \"s\")\nadd_key(g, 7)\nduration_precision(g, \"s\", \"s\")", "d=1500000\ne=1\nf=-1\ng=7"},
		{"m", "d = 3\nduration_precision(d, \"s\", \"ns\")\nadd_key(a.b, 5000)\nduration_precision(a.b, \"ns\", \"us\")\nadd_key(m, d)", "d=3000000000\na.b=5\nm=3"},
		{"m", "add_key(d, 5)\nduration_precision(d, \"h\", \"s\")\nduration_precision(d, \"s\", \"h\")\nduration_precision(d, \"h\", x)\nduration_precision(d, \"\", \"s\")", "d=5"},
		{"m", "add_key(d, 9223372036854775807)\nduration_precision(d, \"s\", \"ms\")", "d=-1000"},
		{"m", "add_key(d, 5)\nduration_precision(d, \"s\")", "error 2:1: duration_precision takes 3 arguments, not 2\nd=5"},
		{"m", "duration_precision()", "error 1:1: duration_precision takes 3 arguments, not 0"},
		{"m", "duration_precision(d, \"s\", \"ms\", 1)", "error 1:1: duration_precision takes 3 arguments, not 4"},
		{"m", "duration_precision(nosuch, \"s\", \"ms\")", "error 1:1: duration_precision: there is no key nosuch"},
		{"m", "duration_precision(message, \"s\", \"ms\")", "error 1:1: duration_precision: the value of message is not int but str"},
		{"m", "duration_precision(5, \"s\", \"ms\")", "error 1:1: duration_precision: the argument key must be a name, a path or a text"},
		{"m", "add_key(d, 5)\nduration_precision(d, \"s\", to)", "error 2:1: duration_precision: a unit must be a text literal\nd=5"},
		{"m", "if false { duration_precision(d) }\nadd_key(a, 1)", "a=1"},
	})
	loadCases(t, [][2]string{{"parse_duration()", "missing"}, {"parse_duration(5)", "must be a name"}, {"parse_duration(a, b)", "at most 1"}, {"duration_precision(key=d)", "takes no named arguments"}})
}

func TestTimestamp(t *testing.T) {
	o := at("2026-11-18T12:30:00.123456789Z", "Asia/Tokyo")
	runCases(t, o, []fnCase{
		{"m", "a = timestamp()\nb = timestamp(\"us\")\nc = timestamp(\"ms\")\nd = timestamp(precision=\"s\")\ne = timestamp(\"ns\")\nadd_key(r, [a, b, c, d, e])", `r="[1795005000123456789,1795005000123456,1795005000123,1795005000,1795005000123456789]"`},
		{"m", "p = \"m\" + \"s\"\na = timestamp(p)\nb = timestamp(5)\nc = timestamp(nil)\nd = timestamp(\"S\")\nadd_key(r, [a, b, c, d])", `r="[1795005000123,1795005000123456789,1795005000123456789,1795005000123456789]"`},
		{"m", "timestamp(1 + nosuch)", "error 1:13: unsupported rhs data type: nil"},
	})
	loadCases(t, [][2]string{{"timestamp(unit=\"s\")", "has no argument unit"}, {"timestamp(\"s\", 1)", "at most 1"}})
}

// FuzzDatetime formats any time in any way: no panic, and a text that is sound if the format is.
func FuzzDatetime(f *testing.F) {
	for _, format := range []string{"%Y-%m-%d %H:%M:%S.%f %z", "%-10::z%_5:::z%#Z", "%1024Y%99999999999999999999d", "%^#_0-5c%+%v", "%:%::%:x", "%", "%5", "%^", "RFC3339", "%E%L%5q%Ez"} {
		f.Add(int64(1610103765123456), "us", format)
		f.Add(int64(-62135596801), "s", format)
		f.Add(int64(1<<62), "ms", format)
	}
	f.Fuzz(func(t *testing.T, n int64, precision, format string) {
		s, err := pipeline.Compile(fmt.Sprintf("datetime(t, %q, %q, \"Asia/Kolkata\")", precision, format), options())
		if err != nil {
			return // no text of the language
		}
		p := logPoint("m")
		p.Set("t", point.Int(n))
		out := s.NewRunner().Run(&p)
		v, _ := p.Get("t")
		switch {
		case out.Err != nil:
			if !strings.Contains(out.Err.Error(), "budget") && !strings.Contains(out.Err.Error(), "too long") {
				t.Error(out.Err)
			}
		case v.Kind() == point.KindString && utf8.ValidString(format) && n >= 0 && !utf8.ValidString(v.Str()):
			t.Errorf("%d in %q is %q", n, format, v.Str())
		}
	})
}

// FuzzParseDate puts times together of any texts: what comes out, taken apart, is the same again.
func FuzzParseDate(f *testing.F) {
	f.Add("2021", "may", "3", "4", "5", "6", "UTC")
	f.Add("21", "12", "31", "23", "59", "59", "+5:45")
	f.Add("-1", "foo", "99", "", "x", "\xff", "../../etc/passwd")
	s, err := pipeline.Compile("for k in [\"y\", \"mo\", \"d\", \"h\", \"mi\", \"s\", \"z\"] { pt_kvs_set(k, pt_kvs_get(k)) }\nparse_date(t, y, mo, d, h, mi, s, zone=z)", options())
	if err != nil {
		f.Fatal(err)
	}
	r := s.NewRunner()
	f.Fuzz(func(t *testing.T, y, mo, d, h, mi, sec, zone string) {
		read := func(y, mo, d, h, mi, sec, zone string) (int64, *pipeline.RunError) {
			p := logPoint("m")
			for key, text := range map[string]string{"y": y, "mo": mo, "d": d, "h": h, "mi": mi, "s": sec, "z": zone} {
				p.Set(key, point.String(text))
			}
			out := r.Run(&p)
			v, _ := p.Get("t")
			return v.Int(), out.Err
		}
		ns, err := read(y, mo, d, h, mi, sec, zone)
		if err != nil {
			return
		}
		at := time.Unix(0, ns).UTC()
		if at.Year() < 1678 || at.Year() > 2261 {
			t.Fatalf("the year is %d", at.Year())
		}
		part := func(layout string) string { return at.Format(layout) }
		again, err := read(part("2006"), part("January"), part("2"), part("15"), part("4"), part("5"), "UTC")
		if err != nil || again != ns {
			t.Errorf("%v became %d, then %d, error %v", at, ns, again, err)
		}
	})
}

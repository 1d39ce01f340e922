package timetext

import (
	"testing"
	"time"
	_ "time/tzdata"
)

func fixedNow() time.Time { return time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC) }

const (
	day     = "2024-03-09T00:00:00Z"
	minute  = "2024-03-09T16:05:00Z"
	second  = "2024-03-09T16:05:06Z"
	milli   = "2024-03-09T16:05:06.789Z"
	micro   = "2024-03-09T16:05:06.789012Z"
	nano    = "2024-03-09T16:05:06.789012345Z"
	plus8   = "2024-03-09T08:05:06Z"
	plus9   = "2024-03-09T07:05:06Z"
	minus3  = "2024-03-09T19:05:06Z"
	minus7  = "2024-03-09T23:05:06Z"
	pm4     = "2024-03-09T16:05:06Z"
	pm4min  = "2024-03-09T16:05:00Z"
	month3  = "2024-03-01T00:00:00Z"
	failure = ""
)

// The texts of the families that are read, in the zone UTC.
var families = []struct{ text, want string }{
	{"1709999999", "2024-03-09T15:59:59Z"}, {"1709999999123", "2024-03-09T15:59:59.123Z"},
	{"1709999999123456", "2024-03-09T15:59:59.123456Z"}, {"1709999999123456789", "2024-03-09T15:59:59.123456789Z"},
	{"2024", "2024-01-01T00:00:00Z"}, {"20240309", day}, {"20240309160506", second},

	{"09/Mar/2024:16:05:06 -0300", minus3}, {"09 Mar 2024 16:05:06.789", milli}, {"09 Mar 16:05:06.789", milli},
	{"240309 16:05:06", second}, {"2024/03/09 - 16:05:06", second}, {"Sat Mar 9 16:05:06.789012 2024", micro},
	{"2024-03-09 16:05:06.789 UTC", milli},

	{"2024-03-09T16:05:06", second}, {"2024-03-09T16:05:06.789", milli}, {"2024-03-09T16:05:06.789012345", nano},
	{"2024-03-09T16:05:06Z", second}, {"2024-03-09T16:05:06.789Z", milli}, {"2024-03-09T16:05:06+0000", second},
	{"2024-03-09T16:05:06-07:00", minus7}, {"2024-03-09T16:05:06 +0800", plus8}, {"2024-03-09T16:05:06,789", milli},
	{"2024-03-09T16:05Z", minute}, {"2024-03-09T16:05:06.789-07:00", "2024-03-09T23:05:06.789Z"},

	{"2024-03-09", day}, {"2024-3-9", day}, {"2024-03", month3}, {"2024-03-09 16:05", minute}, {"2024-03-09 16:05:06", second},
	{"2024-03-09 16:05:06.789", milli}, {"2024-03-09 16:05:06,789", milli}, {"2024-03-09 04:05:06 PM", pm4},
	{"2024-03-09 04:05 PM", pm4min},

	{"2024-03-09 16:05:06 UTC", second}, {"2024-03-09 16:05:06 GMT", second}, {"2024-03-09 16:05:06Z", second},
	{"2024-03-09 16:05:06 +0800", plus8}, {"2024-03-09 16:05:06+0900", plus9}, {"2024-03-09 16:05:06+09:00", plus9},
	{"2024-03-09 16:05:06 +0800 +08", plus8}, {"2024-03-09 16:05:06 +0000 UTC", second},
	{"2024-03-09 16:05:06 +0300 MSK m=+0.000000001", "2024-03-09T13:05:06Z"}, {"2024-03-09 16:05:06 +09:00", plus9},
	{"2024-03-09 16:05:06.789 UTC", milli}, {"2024-03-09 16:05:06.789 GMT", milli}, {"2024-03-09 16:05:06.789Z", milli},
	{"2024-03-09 16:05:06.789 +0800", "2024-03-09T08:05:06.789Z"}, {"2024-03-09 16:05:06.789+0900", "2024-03-09T07:05:06.789Z"},
	{"2024-03-09 16:05:06.789+09:00", "2024-03-09T07:05:06.789Z"}, {"2024-03-09 16:05:06.789 +0800 +08", "2024-03-09T08:05:06.789Z"},
	{"2024-03-09 16:05:06.789 +0000 UTC", milli}, {"2024-03-09 16:05:06.789 +0300 MSK m=+0.000000001", "2024-03-09T13:05:06.789Z"},

	{"3/9/2024", day}, {"03/09/24", day}, {"2024/3/9", day}, {"3/9/2024 16:05", minute}, {"3/9/2024 16:05:06", second},
	{"3/9/2024 16:05:06.789012", micro}, {"3/9/2024 4:05:06 PM", pm4}, {"3/9/2024 04:05 PM", pm4min},
	{"03/09/24 16:05", minute}, {"03/09/24 16:05:06", second}, {"03/09/24 16:05:06.789012", micro}, {"03/09/24 4:05:06 PM", pm4},
	{"03/09/24 04:05 PM", pm4min}, {"2024/3/9 16:05", minute}, {"2024/3/9 16:05:06", second}, {"2024/3/9 16:05:06.789012", micro},
	{"2024/3/9 4:05:06 PM", pm4}, {"2024/3/9 04:05 PM", pm4min}, {"03/09/2024 16:05:06 -0700", minus7},

	{"3.9.2024", day}, {"03.09.24", day}, {"2024.03", month3}, {"2024.03.09", day},
	{"2024:3:9", day}, {"3:9:2024", day}, {"2024:03:09 16:05:06.789", milli},

	{"9 Mar 2024", day}, {"9 mar 24", day}, {"09 March 2024", day}, {"9 Mar 2024 16:05", minute}, {"9 Mar 2024, 16:05", minute},
	{"09 Mar 2024 16:05:06.789", milli}, {"2024-Mar-09", day}, {"09-Mar-24", day}, {"09-Mar-2024 16:05:06", second},

	{"Mar 9, 2024", day}, {"mar. 9, 2024", day}, {"mar 9, '24", day}, {"March 9th, 2024", day}, {"Mar 9, 2024 4:05:06 PM", pm4},
	{"March 9, 2024 4:05pm", pm4min}, {"March 9, 2024 at 4:05pm", pm4min}, {"March 9, 2024 at 4:05pm PST-08", "2024-03-10T00:05:00Z"},
	{"March 9, 2024, 16:05:06", second}, {"Mar 9 16:05:06 2024", second},

	{"Sat Mar  9 16:05:06 2024", second}, {"Sat Mar  9 16:05:06 UTC 2024", second}, {"Sat Mar 09 16:05:06 -0300 2024", minus3},
	{"Saturday, 09-Mar-24 16:05:06 UTC", second}, {"Sat, 09 Mar 2024 16:05:06 GMT", second},
	{"Sat, 09 Mar 2024 16:05:06 -0300", minus3}, {"Sat, 9 Mar 2024 16:05:06 +0200 (CEST)", "2024-03-09T14:05:06Z"},
	{"Sat 09 Mar 2024 04:05:06 PM UTC", pm4}, {"Sat Mar 09 2024 16:05:06 GMT+0100 (GMT Daylight Time)", "2024-03-09T15:05:06Z"},

	{"2024年03月09日", day}, {"2024年03月09日 16:05:06", second},

	// read wrongly by the detector that scripts are used to: a failure is better
	{"09/Mar/2024 16:05:06 -0300", failure}, {"2024-03-09T16:05-04", failure}, {"2024-03-09T16:05:06.789+08", failure},
	{"2024-03-09 16:05:06+09", failure}, {"2024-03-09 16:05:06.789 +09:00", failure}, {"Sat Mar 09 16:05:06 UTC+0100 2024", failure},
	{"Mar  9 16:05:06", failure}, {"2024-068", failure}, {"10:11:12", failure},

	{"2024-03-09_16:05:06", failure}, {"2024-03-09 16", failure}, {"3.9.2024 16:05:06", failure}, {"2024-Mar-09 16:05:06", failure},
	{"16:05:06", failure}, {"27.05.2021", failure}, {"Sat, 9 Mar 2024 16:05:06 +0800 (GMT+08:00)", failure},
	{"2024-03-09T16:05:06:789+0100", failure}, {"0", failure}, {"", failure}, {" 2024-03-09", failure}, {"13/09/2024", failure},
	{"123456789", failure}, {"12345678901", failure}, {"170999999912", failure}, {"1709999999.5", failure},
	{"2024-02-31 00:00:00", failure}, {"2024-03-09 24:05:06", failure}, {"not a time", failure},
}

func TestFamilies(t *testing.T) {
	var remembering Detector
	for _, f := range families {
		for _, d := range []*Detector{new(Detector), &remembering, &remembering} {
			ns, err := d.Parse(f.text, time.UTC, fixedNow)
			if f.want == failure {
				if err == nil {
					t.Errorf("%q: got %v, want a failure", f.text, time.Unix(0, ns).UTC().Format(time.RFC3339Nano))
				}
				continue
			}
			want, _ := time.Parse(time.RFC3339Nano, f.want)
			if err != nil || ns != want.UnixNano() {
				t.Errorf("%q: got %v, %v, want %s", f.text, time.Unix(0, ns).UTC().Format(time.RFC3339Nano), err, f.want)
			}
		}
	}
}

// With the zone +8: numeric offsets and Z count, names do not, but for one between time and year.
func TestZonesInTheText(t *testing.T) {
	loc, err := Zone("+8")
	if err != nil {
		t.Fatal(err)
	}
	const local = plus8
	for _, f := range []struct{ text, want string }{
		{"2024-03-09 16:05:06", local}, {"2024-03-09 16:05:06 +0900", plus9}, {"2024-03-09T16:05:06-07:00", minus7},
		{"March 9, 2024 at 4:05pm PST-08", "2024-03-10T00:05:00Z"},
		{"Sat Mar 09 2024 16:05:06 GMT+0100 (GMT Daylight Time)", "2024-03-09T15:05:06Z"},
		{"2024-03-09T16:05:06Z", second}, {"2024-03-09T16:05:06.789Z", milli}, {"2024-03-09 16:05:06.789Z", milli},
		{"2024/03/09 16:05:06.789Z", milli},
		{"2024-03-09 16:05:06 UTC", local}, {"2024-03-09 16:05:06 GMT", local}, {"2024-03-09 16:05:06 CST", local},
		{"Sat, 09 Mar 2024 16:05:06 GMT", local}, {"Saturday, 09-Mar-24 16:05:06 UTC", local},
		{"2024-03-09 16:05:06.789 UTC", "2024-03-09T08:05:06.789Z"},
		{"Sat Mar  9 16:05:06 UTC 2024", second}, {"Sat Mar  9 16:05:06 CST 2024", local}, {"Sat Mar  9 16:05:06 XYZ 2024", second},
		{"20240309160506", local}, {"1709971506", plus8},
	} {
		var d Detector
		for range 2 {
			ns, err := d.Parse(f.text, loc, fixedNow)
			want, _ := time.Parse(time.RFC3339Nano, f.want)
			if err != nil || ns != want.UnixNano() {
				t.Errorf("%q: got %v, %v, want %s", f.text, time.Unix(0, ns).UTC().Format(time.RFC3339Nano), err, f.want)
			}
		}
	}
}

func TestZone(t *testing.T) {
	for name := range zones {
		if _, err := Zone(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	july := time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)
	loc, _ := Zone("-5")
	if _, offset := july.In(loc).Zone(); offset != -4*3600 {
		t.Errorf("-5 in July is %d s from UTC, want -14400", offset)
	}
	for _, bad := range []string{"", "Local", "+8:00", "CST", "Nowhere/Land"} {
		if loc, err := Zone(bad); err == nil {
			t.Errorf("%q is %v, want an error", bad, loc)
		}
	}
}

func TestPlainFormsAllocateNothing(t *testing.T) {
	loc, _ := Zone("+8")
	var d Detector
	for _, s := range []string{"2024-03-09T16:05:06.789+08:00", "2024-03-09 16:05:06,789", "09/Mar/2024:16:05:06 +0000"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = d.Parse(s, loc, fixedNow) }); n != 0 {
			t.Errorf("%q: %v allocations", s, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range families {
		f.Add(s.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d Detector
		first, err := d.Parse(s, time.UTC, fixedNow)
		second, err2 := d.Parse(s, time.UTC, fixedNow)
		if first != second || (err == nil) != (err2 == nil) {
			t.Errorf("%q: first %d, %v, then %d, %v", s, first, err, second, err2)
		}
	})
}

func BenchmarkISO(b *testing.B) {
	var d Detector
	loc, _ := Zone("+8")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = d.Parse("2024-03-09T16:05:06.789+08:00", loc, fixedNow)
	}
}

func BenchmarkRemembered(b *testing.B) {
	var d Detector
	b.ReportAllocs()
	for b.Loop() {
		_, _ = d.Parse("Mar 9, 2024 4:05:06 PM", time.UTC, fixedNow)
	}
}

// TestRewritten reads texts that the library does not read, or reads wrongly, behind others of their shape, whose form is
// remembered.
func TestRewritten(t *testing.T) {
	shanghai, err := Zone("+8")
	if err != nil {
		t.Fatal(err)
	}
	var d Detector
	for _, x := range []struct{ text, want string }{
		{"March 9, 2024 at 10:21am", "2024-03-09T02:21:00Z"},
		{"March 9, 2024 at 12:21am", "2024-03-08T16:21:00Z"},
		{"March 9, 2024 at 12:21pm", "2024-03-09T04:21:00Z"},
		{"March 9, 2024 at 11:21pm", "2024-03-09T15:21:00Z"},
		{"March 9, 2024 at 12:21am PST-08", "2024-03-09T08:21:00Z"},
		{"2024-03-09 12:05:06 am", "2024-03-08T16:05:06Z"},
		{"3/9/2024 12:05am", "2024-03-08T16:05:00Z"},
		{"Sat Mar 09 2024 16:05:06 GMT+0800 (China Standard Time)", "2024-03-09T08:05:06Z"},
		{"Sat Mar 09 2024 16:05:06 GMT+0000 (Coordinated Universal Time)", "2024-03-09T16:05:06Z"},
		{"Sat Mar 09 2024 16:05:06 UTC+0100 (CET)", "2024-03-09T15:05:06Z"},
		{"Sat Mar 09 2024 16:05:06 GMT-0000", "2024-03-09T16:05:06Z"},
		{"2024-03-09 16:05:06 Z", "2024-03-09T16:05:06Z"},
		{"2024-03-09 16:05:06", "2024-03-09T08:05:06Z"},
	} {
		for range 2 {
			ns, err := d.Parse(x.text, shanghai, time.Now)
			if got := time.Unix(0, ns).UTC().Format(time.RFC3339); err != nil || got != x.want {
				t.Errorf("%s: got %s, %v, want %s", x.text, got, err, x.want)
			}
		}
	}
}

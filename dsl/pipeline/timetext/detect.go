// Package timetext reads times as people and programs write them, without being told how.
package timetext

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/araddon/dateparse"
)

// Detector reads the times of one place in a script. It remembers the forms of the last ones, since the next has one of
// these as a rule, and finding out a form costs a hundred times as much as reading it. The zero Detector is ready; it is
// safe for use by several goroutines.
type Detector struct {
	forms atomic.Pointer[[]form] // never changed in place; the newest stands last
}

const maxForms = 8

// form is a detected form: all texts of the shape are read by the layout, but for the name of a zone at the end, which is
// ignored. Without a layout they are detected each time.
type form struct {
	shape, layout string
	named         bool // a blank and a name in capitals stand at the end
}

// read reads a text of the shape.
func (f *form) read(s string, loc *time.Location) (ns int64, ok bool) {
	if f.layout == "" {
		return 0, false
	}
	if f.named {
		at := strings.LastIndexByte(s, ' ')
		if strings.Trim(s[at+1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return 0, false
		}
		s = s[:at]
	}
	t, err := time.ParseInLocation(f.layout, s, loc)
	if err != nil {
		return 0, false
	}
	return nanos(t)
}

// errUnknown is what is said of a text that is no time.
var errUnknown = errors.New("unknown time format")

// Parse returns the time that s says in ns since 1970. What has no offset is read in loc. Names of zones are ignored, but for
// one between time and year.
func (d *Detector) Parse(s string, loc *time.Location, now func() time.Time) (int64, error) {
	if ns, ok := parsePlain(s, loc); ok {
		return ns, nil
	}
	const longest = 100 // no time is longer; the library would look at each byte of a message
	if s == "" || len(s) > longest || s[0] == ' ' || s[0] == '\t' {
		return 0, errUnknown
	}
	if ns, ok := parseLayouts(s, loc, now); ok {
		return ns, nil
	}
	if digits(s) >= 0 || len(s) > 19 && strings.Trim(s, "0123456789") == "" {
		return parseNumber(s, loc)
	}
	known := d.known(s)
	if known != nil {
		if ns, ok := known.read(s, loc); ok {
			return ns, nil
		}
	}
	t, err := detect(s, loc)
	if err != nil {
		return 0, err
	}
	ns, ok := nanos(t)
	if !ok {
		return 0, fmt.Errorf("the year %d is out of range", t.Year())
	}
	if known == nil {
		d.remember(formOf(s, loc, ns))
	}
	return ns, nil
}

// known returns the form of s, nil if it is none of the last ones.
func (d *Detector) known(s string) *form {
	forms := d.forms.Load()
	if forms == nil {
		return nil
	}
	for i := range *forms {
		if f := &(*forms)[i]; hasShape(s, f.shape) {
			return f
		}
	}
	return nil
}

func (d *Detector) remember(f form) {
	var old []form
	if forms := d.forms.Load(); forms != nil {
		old = *forms
	}
	if len(old) == maxForms {
		old = old[1:]
	}
	forms := append(slices.Clone(old), f)
	d.forms.Store(&forms) // one of another goroutine may get lost
}

// parseNumber reads seconds, milliseconds, microseconds or nanoseconds since 1970, or a year, a date, a date with time,
// which one the length says.
func parseNumber(s string, loc *time.Location) (int64, error) {
	perUnit := map[int]time.Duration{10: time.Second, 13: time.Millisecond, 16: time.Microsecond, 19: time.Nanosecond}
	if unit, ok := perUnit[len(s)]; ok {
		n := digits(s)
		if n < 0 {
			return 0, errUnknown // more than 64 bits
		}
		return int64(n) * int64(unit), nil
	}
	byLength := map[int]string{4: "2006", 8: "20060102", 14: "20060102150405"}
	t, err := time.ParseInLocation(byLength[len(s)], s, loc)
	if ns, ok := nanos(t); err == nil && ok {
		return ns, nil
	}
	return 0, errUnknown
}

// misread are texts that the library accepts and reads wrongly.
var misread = regexp.MustCompile(strings.Join([]string{
	`^\d+/[A-Za-z]+/\d+ `,                          // 09/Mar/2024 16:05:06 -0300
	`T\d+:\d+[+-]`,                                 // 2024-03-09T16:05-04
	`:\d+([.,]\d+)? ?[+-]\d\d$`,                    // 2024-03-09 16:05:06+09
	`[.,]\d+ [+-]\d+:\d+$`,                         // 2024-03-09 16:05:06.789 +09:00
	`\([^)]*[+-]\d`,                                // Sat, 9 Mar 2024 16:05:06 +0800 (GMT+08:00)
	`T\d+:\d+:\d+:`,                                // 2024-03-09T16:05:06:789+0100
	`[A-Za-z]{3,}[+-]\d+ \d{4}$`,                   // Sat Mar 09 16:05:06 UTC+0100 2024
	`^\d{4}-\d{3}$`,                                // 2024-068
	`^\d{1,2}:\d{1,2}:\d{1,2}(\D|$)`,               // 10:11:12
	`^\d+\.\d{5,}$|^\d{5,}\.\d+$`,                  // a number with a fraction
	`^[A-Za-z]+\.? +\d+ \d+:\d+(:\d+([.,]\d+)?)?$`, // Mar  9 16:05:06, which has no year
}, "|"))

// rewritten are parts of texts that the library reads wrongly, or not at all, and what means the same.
var rewritten = [...]struct {
	part *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`(\d ?)am\b`), "${1}AM"},                        // 12:05am would be noon
	{regexp.MustCompile(`\b(?:GMT|UTC)([+-]\d{4})( \(|$)`), "${1}${2}"}, // GMT+0000 (Greenwich Mean Time), UTC+0100 (...)
}

var (
	endsInZ    = regexp.MustCompile(`\d ?Z$`)
	endsInName = regexp.MustCompile(`(?:^|[^+\d-])\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?(?: ?[AaPp][Mm])? [A-Z]{3,5}$`)
)

// detect asks the library, which panics on some texts.
func detect(s string, loc *time.Location) (t time.Time, err error) {
	defer func() {
		if recover() != nil {
			err = errUnknown
		}
	}()
	if misread.MatchString(s) {
		return time.Time{}, errUnknown
	}
	for _, r := range rewritten {
		s = r.part.ReplaceAllString(s, r.as)
	}
	if endsInZ.MatchString(s) { // the library takes Z behind a fraction for nothing
		loc = time.UTC
	}
	if !endsInName.MatchString(s) {
		t, err = dateparse.ParseIn(s, loc)
	} else if t, err = dateparse.ParseIn(s, time.UTC); err == nil { // the name does not count: the clock is that of loc
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
	}
	if err != nil {
		return time.Time{}, errUnknown
	}
	return t, nil
}

// formOf returns the form of s, which reads as the given time.
func formOf(s string, loc *time.Location, ns int64) form {
	f := form{shape: shapeOf(s), named: endsInName.MatchString(s)}
	if f.named {
		s = s[:strings.LastIndexByte(s, ' ')]
	}
	f.layout = layoutOf(s, loc, ns)
	return f
}

// layoutOf returns the layout of s, "" if there is none by which s reads as the given time.
func layoutOf(s string, loc *time.Location, ns int64) (layout string) {
	defer func() {
		if recover() != nil { // see detect
			layout = ""
		}
	}()
	layout, err := dateparse.ParseFormat(s)
	if err != nil || strings.Contains(layout, "MST") || strings.HasSuffix(s, "Z") || rewritten[0].part.MatchString(s) {
		return "" // names of zones are ignored, but not by the layout; am is no verb of it
	}
	if t, err := time.ParseInLocation(layout, s, loc); err != nil || t.UnixNano() != ns {
		return ""
	}
	return layout
}

// class maps digits to 0 and letters to a.
func class(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return '0'
	case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
		return 'a'
	}
	return c
}

func shapeOf(s string) string {
	shape := []byte(s)
	for i, c := range shape {
		shape[i] = class(c)
	}
	return string(shape)
}

func hasShape(s, shape string) bool {
	if len(s) != len(shape) {
		return false
	}
	for i := range len(s) {
		if class(s[i]) != shape[i] {
			return false
		}
	}
	return true
}

package timetext

import (
	"strings"
	"time"
)

// layout is a form of time texts that is tried as a whole, before the detector. fits says cheaply that a text is not
// of the form: parsing in vain costs more than all else here.
type layout struct {
	layout string
	fits   func(s string) bool
	noYear bool // the year is that of now
}

var layouts = [...]layout{
	{layout: "02/Jan/2006:15:04:05 -0700", fits: func(s string) bool { return s[2] == '/' && s[6] == '/' }},                                 // nginx
	{layout: "02 Jan 2006 15:04:05.000", fits: func(s string) bool { return s[2] == ' ' && s[6] == ' ' && hasFraction(s) }},                 // redis
	{layout: "02 Jan 15:04:05.000", noYear: true, fits: func(s string) bool { return s[2] == ' ' && s[6] == ' ' && hasFraction(s) }},        // old redis
	{layout: "060102 15:04:05", fits: func(s string) bool { return s[6] == ' ' && s[0]-'0' <= 9 }},                                          // mysql
	{layout: "2006/01/02 - 15:04:05", fits: func(s string) bool { return s[4] == '/' && s[7] == '/' && strings.IndexByte(s[8:], '-') > 0 }}, // gin
	{layout: "Mon Jan 2 15:04:05.000000 2006", fits: func(s string) bool { return s[3] == ' ' && s[7] == ' ' && hasFraction(s) }},           // apache
	// postgresql. UTC is just a word here: the text is read in the given zone.
	{layout: "2006-01-02 15:04:05.000 UTC", fits: func(s string) bool { return s[4] == '-' && strings.HasSuffix(s, " UTC") && hasFraction(s) }},
}

func hasFraction(s string) bool {
	return strings.IndexByte(s, '.') > 0 || strings.IndexByte(s, ',') > 0
}

const shortest = len("060102 15:04:05")

// parseLayouts tries the layouts in order. Times before 1970 do not count.
func parseLayouts(s string, loc *time.Location, now func() time.Time) (ns int64, ok bool) {
	if len(s) < shortest {
		return 0, false
	}
	for i := range layouts {
		l := &layouts[i]
		if !l.fits(s) {
			continue
		}
		t, err := time.ParseInLocation(l.layout, s, loc)
		if err != nil {
			continue
		}
		if l.noYear {
			t = time.Date(now().In(loc).Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
		}
		if ns, ok := nanos(t); ok && ns > 0 {
			return ns, true
		}
	}
	return 0, false
}

// nanos returns t as ns since 1970, if it can be said so.
func nanos(t time.Time) (int64, bool) {
	const first, last = 1678, 2261 // whole years within 64 bits
	if y := t.Year(); y < first || y > last {
		return 0, false
	}
	return t.UnixNano(), true
}

// parsePlain reads the commonest forms by hand: ISO 8601 with seconds, and that of nginx.
//
//	2024-03-09T16:05:06[.789][Z|+08:00|+0800| +0800]     T or a blank, point or comma
//	09/Mar/2024:16:05:06 +0800
func parsePlain(s string, loc *time.Location) (ns int64, ok bool) {
	const iso, nginx = len("2024-03-09T16:05:06"), len("09/Mar/2024:16:05:06 +0800")
	if len(s) < iso {
		return 0, false
	}
	if s[2] == '/' && s[6] == '/' && s[11] == ':' && s[14] == ':' && s[17] == ':' && len(s) == nginx && s[20] == ' ' {
		return instant(digits(s[7:11]), month(s[3:6]), digits(s[0:2]), s[12:20], 0, s[21:], loc)
	}
	if s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	zone, fraction := s[iso:], 0
	if zone != "" && (zone[0] == '.' || zone[0] == ',') {
		n := 1
		for n < len(zone) && zone[n]-'0' <= 9 {
			n++
		}
		if n == 1 || n > 10 {
			return 0, false
		}
		fraction = digits(zone[1:n])
		for range 10 - n {
			fraction *= 10
		}
		zone = zone[n:]
	}
	if strings.HasPrefix(zone, " ") {
		if zone = zone[1:]; len(zone) != len("+0800") { // a blank and +08:00 are not read by the detector either
			return 0, false
		}
	}
	return instant(digits(s[0:4]), digits(s[5:7]), digits(s[8:10]), s[11:19], fraction, zone, loc)
}

// instant puts a time together. clock is 16:05:06; zone is "", Z, +0800 or +08:00. Parts that are no number are -1.
func instant(year, mon, day int, clock string, ns int, zone string, loc *time.Location) (int64, bool) {
	hour, minute, sec := digits(clock[0:2]), digits(clock[3:5]), digits(clock[6:8])
	if year < 0 || mon < 1 || mon > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
		sec < 0 || sec > 59 || ns < 0 {
		return 0, false
	}
	offset := 0
	if zone != "" {
		var ok bool
		if offset, ok = zoneOffset(zone); !ok {
			return 0, false
		}
		loc = time.UTC
	}
	t := time.Date(year, time.Month(mon), day, hour, minute, sec, ns, loc)
	if t.Day() != day && loc == time.UTC || day > 28 && day > daysIn(year, mon) {
		return 0, false // 31 February
	}
	n, ok := nanos(t)
	return n - int64(offset)*int64(time.Second), ok
}

func daysIn(year, mon int) int {
	return time.Date(year, time.Month(mon)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// zoneOffset reads Z, +0800 or +08:00 as seconds.
func zoneOffset(s string) (int, bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) == len("+08:00") && s[3] == ':' {
		s = s[:3] + s[4:]
	}
	if len(s) != len("+0800") || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, m := digits(s[1:3]), digits(s[3:5])
	if h < 0 || h > 24 || m < 0 || m > 59 {
		return 0, false
	}
	offset := (h*60 + m) * 60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// digits returns the number that s says, -1 if there is anything but digits.
func digits(s string) int {
	n := 0
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return -1
		}
		n = n*10 + int(c)
	}
	return n
}

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

// month returns the number of an English month by its first three letters, 0 if it is none.
func month(s string) int {
	var name [3]byte
	for i := range name {
		name[i] = s[i] | 'a' - 'A'
	}
	if i := strings.Index(months, string(name[:])); i >= 0 && i%3 == 0 {
		return i/3 + 1
	}
	return 0
}

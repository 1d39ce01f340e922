package eval

import (
	"strings"

	"dataflow/engine/point"
)

// After does what follows a script that ended without an error: the status of a log is brought to its usual form,
// and a key "time" is removed and, if it holds an int other than 0, becomes the time of the point.
func (f *Frame) After() {
	p := f.Point
	if p.Category == point.Logging && !f.KeepStatus {
		mapStatus(p)
	}
	takeTime(p)
	for i := range f.Created {
		takeTime(&f.Created[i])
	}
}

func takeTime(p *point.Point) {
	if v, ok := p.Get("time"); ok {
		if t := v.Int(); t != 0 {
			p.Time = t
		}
		p.Delete("time")
	}
}

func mapStatus(p *point.Point) {
	v, _ := p.Get("status")
	text := "info"
	if v.Kind() == point.KindString {
		text = Status(v.Str())
	}
	p.Set("status", point.String(text))
}

// Status returns the usual form of the status of a log.
func Status(s string) string {
	var room [16]byte // enough for all that has another form
	if len(s) > len(room) {
		return strings.ToLower(s)
	}
	lower := room[:len(s)]
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	switch string(lower) {
	case "f", "emerg":
		return "emerg"
	case "a", "alert":
		return "alert"
	case "c", "critical":
		return "critical"
	case "e", "error":
		return "error"
	case "w", "warn", "warning":
		return "warning"
	case "n", "notice":
		return "notice"
	case "i", "info", "":
		return "info"
	case "d", "trace", "verbose", "debug":
		return "debug"
	case "o", "s", "ok":
		return "OK"
	}
	return strings.ToLower(s)
}

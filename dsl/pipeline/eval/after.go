package eval

import (
	"slices"
	"strings"

	"dataflow/engine/point"
)

// After does what follows a script that ended without an error: the status of a log is brought to its usual form,
// and a key "time" is removed and, if it holds an int other than 0, becomes the time of the point.
func (f *Frame) After() {
	p := f.Point
	if p.Category == point.Logging && !f.KeepStatus {
		f.mapStatus()
	}
	takeTime(p, f.Index("time"))
	for i := range f.Created {
		p := &f.Created[i]
		takeTime(p, p.Index("time"))
	}
}

// takeTime makes the field at i the time of the point. There is none if i is negative.
func takeTime(p *point.Point, i int) {
	if i < 0 {
		return
	}
	if t := p.Fields[i].Value.Int(); t != 0 {
		p.Time = t
	}
	p.Fields = slices.Delete(p.Fields, i, i+1)
}

func (f *Frame) mapStatus() {
	p := f.Point
	i := f.Index("status")
	if i < 0 {
		p.Fields = append(p.Fields, point.Field{Key: "status", Value: point.String("info")})
		return
	}
	text := "info"
	if v := f.seen(p.Fields[i].Value); v.Kind() == point.KindString {
		if text = v.Str(); !isUsual(text) {
			text = Status(text)
		}
	}
	p.Fields[i].Value = point.String(text)
}

// isUsual reports whether a status has its usual form already.
func isUsual(s string) bool {
	switch s {
	case "info", "error", "warning", "debug", "critical", "notice", "alert", "emerg", "OK":
		return true
	}
	return false
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

package grok

import (
	"strconv"

	"dataflow/engine/point"
)

// conversion is the type of a group.
type conversion uint8

const (
	toString conversion = iota
	toInt
	toFloat
	toBool
)

var conversions = map[string]conversion{"str": toString, "string": toString, "int": toInt, "float": toFloat, "bool": toBool}

// value returns s as a value of the type. It never fails: bad text is the zero of the type.
func (c conversion) value(s string) point.Value {
	switch c {
	case toInt:
		return point.Int(ParseInt(s))
	case toFloat:
		return point.Float(parseFloat(s))
	case toBool:
		return point.Bool(s == "1" || s == "t" || s == "T" || s == "true" || s == "TRUE" || s == "True")
	}
	return point.String(s)
}

// ParseInt reads an integer as the type int does, with its prefix: 0x, 0o or 0 for octal, 0b. A fraction of nothing but
// zeros is fine; any other text is 0.
func ParseInt(s string) int64 {
	digits := s
	if s != "" && (s[0] == '-' || s[0] == '+') {
		digits = s[1:]
	}
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return 0 // what no number begins with should not cost the making of an error
	}
	if zeros := len(s); s[zeros-1] == '0' {
		for s[zeros-1] == '0' && zeros > 1 {
			zeros--
		}
		if s[zeros-1] == '.' {
			s = s[:zeros-1]
		}
	}
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		return 0
	}
	return n
}

func parseFloat(s string) float64 {
	if f, ok := point.ParseDecimal(s); ok {
		return f
	}
	if s == "" || s == "-" {
		return 0
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return f
}

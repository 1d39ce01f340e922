package eval

import (
	"strconv"

	"dataflow/engine/point"
)

// ToInt returns v as an int, cut; what is no number is 0.
func ToInt(v point.Value) int64 {
	switch v.Kind() {
	case point.KindBool:
		return integer(v)
	case point.KindInt:
		return TruncateFloat(float64(v.Int())) // through float, as it was always done
	case point.KindFloat:
		return TruncateFloat(v.Float())
	case point.KindString:
		if i, ok := shortInt(v.Str()); ok {
			return i
		}
		return TruncateFloat(ToFloat(v))
	}
	return 0
}

// ToFloat returns v as a float; what is no number is 0.
func ToFloat(v point.Value) float64 {
	if v.Kind() == point.KindString {
		if i, ok := shortInt(v.Str()); ok {
			return float64(i)
		}
		if s := v.Str(); s != "" { // the parser pays for telling why it fails
			if f, err := strconv.ParseFloat(s, 64); err == nil {
				return f
			}
		}
		return 0
	}
	f, _ := v.Number()
	return f
}

// shortInt reads up to 15 decimal digits, which a float holds exactly.
func shortInt(s string) (int64, bool) {
	const exactDigits = 15
	if s == "" || len(s) > exactDigits {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	return n, true
}

// ToBool returns v as a bool; a text is true if it says so: 1, t, T, true, TRUE, True.
func ToBool(v point.Value) bool {
	switch v.Kind() {
	case point.KindString:
		switch v.Str() {
		case "1", "t", "T", "true", "TRUE", "True":
			return true
		}
		return false
	case point.KindBool, point.KindInt, point.KindFloat:
		return Truth(v)
	}
	return false
}

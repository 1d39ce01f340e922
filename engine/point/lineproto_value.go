package point

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unsafe"
)

// scalar reads a value that is no array.
func (r *lineReader) scalar(i int) (next int, v Value, reason string) {
	switch c := r.s[i]; {
	case c == '"':
		return r.quoted(i + 1)
	case c-'0' <= 9 || c == '.' || c == '-' || c == 'N' || c == 'n':
		return r.number(i)
	}
	start := i
	for !r.atEnd(i) && r.s[i] != ',' && r.s[i] != ' ' && r.s[i] != ']' {
		i++
	}
	switch r.s[start:i] {
	case "t", "T", "true", "True", "TRUE":
		return i, Bool(true), ""
	case "f", "F", "false", "False", "FALSE":
		return i, Bool(false), ""
	}
	return i, v, "invalid boolean"
}

// quoted reads a string, or bytes if a b stands behind the closing quote.
func (r *lineReader) quoted(start int) (next int, v Value, reason string) {
	i := start
	for {
		n := strings.IndexByte(r.s[i:], '"')
		if n < 0 {
			return i, v, "unbalanced quotes"
		}
		// A quote behind an odd number of backslashes is part of the string.
		if i += n; i == start || r.s[i-1] != '\\' {
			break
		}
		slashes := 1
		for i-slashes > start && r.s[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			break
		}
		i++
	}
	s := r.s[start:i]
	i++
	if i < len(r.s) && r.s[i] == 'b' {
		ok := true
		raw := r.b.arena.text(func(dst []byte) []byte {
			decoded, err := base64.StdEncoding.AppendDecode(dst, unsafe.Slice(unsafe.StringData(s), len(s)))
			if ok = err == nil; !ok {
				return dst
			}
			return decoded
		})
		if !ok {
			return i, v, "invalid base64"
		}
		v = String(raw)
		v.kind = KindBytes
		return i + 1, v, ""
	}
	if strings.IndexByte(s, '\\') < 0 {
		return i, String(s), ""
	}
	return i, String(r.b.arena.text(func(dst []byte) []byte {
		for i := 0; i < len(s); i++ {
			if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
				i++
			}
			dst = append(dst, s[i])
		}
		return dst
	})), ""
}

func (r *lineReader) number(start int) (next int, v Value, reason string) {
	i := start
	negative := r.s[i] == '-'
	if negative {
		i++
	}
	whole, digits, plain := uint64(0), i, true
	for i < len(r.s) && r.s[i]-'0' <= 9 {
		whole = whole*10 + uint64(r.s[i]-'0') // used only if it cannot have overflowed
		i++
	}
	digits = i - digits
	for i < len(r.s) && (r.s[i]-'0' <= 9 || r.s[i] == '.' || r.s[i]|0x20 == 'e' || (r.s[i] == '-' || r.s[i] == '+') && r.s[i-1]|0x20 == 'e') {
		plain = false
		i++
	}
	text := r.s[start:i]
	if i < len(r.s) && (r.s[i] == 'i' || r.s[i] == 'u') {
		if !plain || digits == 0 {
			return i, v, "invalid number"
		}
		unsigned := r.s[i] == 'u'
		i++
		switch {
		case unsigned && negative:
			return i, v, "invalid number"
		case unsigned && digits < 20:
			return i, Uint(whole), ""
		case unsigned:
			u, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				return i, v, "unable to parse unsigned " + text + ": " + err.Error()
			}
			return i, Uint(u), ""
		case digits < 19 && negative:
			return i, Int(-int64(whole)), ""
		case digits < 19:
			return i, Int(int64(whole)), ""
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return i, v, "unable to parse integer " + text + ": " + err.Error()
		}
		return i, Int(n), ""
	}
	if !r.atEnd(i) && r.s[i] != ',' && r.s[i] != ' ' && r.s[i] != ']' || text == "" {
		return i, v, "invalid number"
	}
	f, ok := ParseDecimal(text)
	if !ok {
		if strings.ContainsAny(text, "eE") || digits > 300 {
			return i, v, "invalid float"
		}
		return i, v, "invalid number"
	}
	return i, Float(f), ""
}

// array reads the elements behind an opening bracket. An empty array is nil.
func (r *lineReader) array(i int) (next int, v Value, reason string) {
	if i < len(r.s) && r.s[i] == ']' {
		return i + 1, v, ""
	}
	a := r.b.arena
	start := len(a.values)
	for {
		if r.atEnd(i) || r.s[i] == '[' {
			reason = "missing closing bracket"
			break
		}
		if r.s[i] == ' ' {
			reason = "space inside an array"
			break
		}
		var x Value
		if i, x, reason = r.scalar(i); reason != "" {
			break
		}
		if len(a.values) > start && a.values[start].kind != x.kind {
			reason = "array of mixed types"
			break
		}
		a.values, start = room(a.values, start, 1)
		a.values = append(a.values, x)
		switch {
		case r.atEnd(i):
			reason = "missing closing bracket"
		case r.s[i] == ' ':
			reason = "space inside an array"
		case r.s[i] == ',':
			i++
			continue
		case r.s[i] != ']':
			reason = "invalid array"
		}
		break
	}
	if reason != "" {
		a.values = a.values[:start]
		return i, v, reason
	}
	var items []Value
	a.values, items = take(a.values, start, 0)
	return i + 1, List(items), ""
}

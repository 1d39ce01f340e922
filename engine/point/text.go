package point

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// AppendFloat appends f in plain decimal notation: the fewest digits that read back as f, never an exponent,
// no fraction for a whole number. NaN and the infinities are NaN, +Inf and -Inf.
func AppendFloat(dst []byte, f float64) []byte {
	// Most floats of metrics have a handful of decimals. If a whole number m below 2^50 divided by 10^k gives
	// f back and no smaller k does, then m/10^k is the shortest text: two candidates of k decimals would lie
	// closer together than the neighbours of f.
	const exact = 1 << 50
	a := math.Abs(f)
	if !(a < exact) || a < 1e-5 && a != 0 || a == 0 && math.Signbit(f) {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	if i := uint64(a); float64(i) == a {
		if f < 0 {
			dst = append(dst, '-')
		}
		if i < 1000 { // ids, codes and counts are mostly that small
			return appendSmall(dst, uint16(i))
		}
		return strconv.AppendUint(dst, i, 10)
	}
	pow, upow := 1.0, uint64(1)
	for k := 1; k <= 9; k++ {
		pow, upow = pow*10, upow*10
		scaled := a * pow
		if scaled >= exact {
			break
		}
		m := uint64(scaled + 0.5)
		if float64(m)/pow != a {
			continue
		}
		if f < 0 {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, m/upow, 10)
		dst = append(dst, '.')
		fraction := m % upow
		for upow /= 10; upow > 0; upow /= 10 {
			dst = append(dst, byte('0'+fraction/upow%10))
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// appendSmall appends a number below 1000.
func appendSmall(dst []byte, n uint16) []byte {
	switch {
	case n >= 100:
		return append(dst, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
	case n >= 10:
		return append(dst, byte('0'+n/10), byte('0'+n%10))
	}
	return append(dst, byte('0'+n))
}

// AppendText appends the text of a scalar as scripts and tags see it: true, 12, 1.5, the string or bytes
// themselves, nothing for nil. A list or map is its JSON text, see [AppendJSON].
func AppendText(dst []byte, v Value) []byte {
	switch v.Kind() {
	case KindNil, KindRef:
		return dst
	case KindFloat:
		return AppendFloat(dst, v.Float())
	case KindString, KindBytes:
		return append(dst, v.Raw()...)
	}
	return AppendJSON(dst, v)
}

// AppendJSON appends the JSON text of v as scripts see it: no spaces, the keys of maps sorted by bytes, the
// characters < > & escaped, a float without a fraction as an integer and with an exponent from 1e21 up and
// below 1e-6. Bytes are base64. Invalid UTF-8 becomes U+FFFD; what JSON cannot say (NaN, infinities, refs, a
// list or map inside itself) becomes null.
func AppendJSON(dst []byte, v Value) []byte { return appendJSON(dst, v, nil) }

// container is a list or map that is being written, with those around it: scripts can put one into itself.
type container struct {
	id    unsafe.Pointer
	outer *container
}

func (c *container) holds(id unsafe.Pointer) bool {
	for ; c != nil; c = c.outer {
		if c.id == id {
			return true
		}
	}
	return false
}

func appendJSON(dst []byte, v Value, outer *container) []byte {
	switch v.kind {
	case KindBool:
		return strconv.AppendBool(dst, v.num != 0)
	case KindInt:
		return strconv.AppendInt(dst, int64(v.num), 10)
	case KindUint:
		return strconv.AppendUint(dst, v.num, 10)
	case KindFloat:
		return appendJSONFloat(dst, v.Float())
	case KindString:
		return AppendJSONString(dst, v.Str(), true)
	case KindBytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Raw())
		return append(dst, '"')
	case KindList:
		items := v.Items()
		if len(items) > 0 && outer.holds(v.ptr) {
			return append(dst, "null"...)
		}
		here := container{v.ptr, outer}
		dst = append(dst, '[')
		for i, x := range items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, x, &here)
		}
		return append(dst, ']')
	case KindMap:
		return appendJSONMap(dst, v, outer)
	}
	return append(dst, "null"...)
}

func appendJSONMap(dst []byte, v Value, outer *container) []byte {
	m := v.Map()
	id := *(*unsafe.Pointer)(unsafe.Pointer(&m)) // two values can share a map without sharing the pointer to it
	if outer.holds(id) {
		return append(dst, "null"...)
	}
	here := container{id, outer}
	var few [16]string
	keys := few[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(dst, k, true)
		dst = append(dst, ':')
		dst = appendJSON(dst, m[k], &here)
	}
	return append(dst, '}')
}

func appendJSONFloat(dst []byte, f float64) []byte {
	a := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(dst, "null"...)
	case a != 0 && a < 1e-6 || a >= 1e21:
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return AppendFloat(dst, f)
}

const hexDigits = "0123456789abcdef"

// plainJSON holds the ASCII characters that stand for themselves in a JSON string; htmlJSON those that
// nevertheless are escaped so that the text can stand in a page.
var plainJSON, htmlJSON = func() (plain, html [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
		html[c] = plain[c] && c != '<' && c != '>' && c != '&'
	}
	return plain, html
}()

// AppendJSONString appends s as a JSON string, quotes included. Invalid UTF-8 becomes U+FFFD. With html the
// characters < > & are escaped.
func AppendJSONString(dst []byte, s string, html bool) []byte {
	plain := &plainJSON
	if html {
		plain = &htmlJSON
	}
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[done:i]...)
				dst = append(dst, "\uFFFD"...)
				done = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[done:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		done = i
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}

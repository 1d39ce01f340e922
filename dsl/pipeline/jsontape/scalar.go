package jsontape

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"dataflow/engine/point"
)

var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
	1e20, 1e21, 1e22,
}

// parseNumber returns the number that the validated text s says, correctly rounded.
func parseNumber(s string) float64 {
	i := 0
	negative := s[0] == '-'
	if negative {
		i = 1
	}
	// Up to 18 digits fit an integer. If it is below 2^53 and the power of ten is exact, too, one multiplication
	// or division rounds once, which is correct rounding.
	mantissa, decimals, digits := uint64(0), -1, 0
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' {
			decimals = 0
			continue
		}
		if c-'0' > 9 {
			break
		}
		if digits++; digits > 18 {
			return parseSlowly(s)
		}
		mantissa = mantissa*10 + uint64(c-'0')
		if decimals >= 0 {
			decimals++
		}
	}
	exponent := -max(decimals, 0)
	if i < len(s) { // e
		i++
		down := s[i] == '-'
		if down || s[i] == '+' {
			i++
		}
		if len(s)-i > 3 {
			return parseSlowly(s)
		}
		e := 0
		for ; i < len(s); i++ {
			e = e*10 + int(s[i]-'0')
		}
		if down {
			e = -e
		}
		exponent += e
	}
	if mantissa >= 1<<53 || exponent > 22 || exponent < -22 {
		return parseSlowly(s)
	}
	f := float64(mantissa)
	if exponent < 0 {
		f /= powersOfTen[-exponent]
	} else {
		f *= powersOfTen[exponent]
	}
	if negative {
		return -f
	}
	return f
}

func parseSlowly(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64) // Parse has checked the range
	return f
}

// appendUnescaped appends what the validated inside s of a string says. Half of a surrogate pair becomes U+FFFD.
func appendUnescaped(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(s, 0)
			s = s[4:]
			if utf16.IsSurrogate(r) {
				low := rune(utf8.RuneError)
				if strings.HasPrefix(s, `\u`) {
					low, _ = hex4(s, 2)
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					s = s[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
}

// AppendText appends the JSON text of v as the language defines it, see [point.AppendJSON].
func AppendText(dst []byte, v point.Value) []byte { return point.AppendJSON(dst, v) }

// AppendFloat appends f in plain decimal notation, see [point.AppendFloat].
func AppendFloat(dst []byte, f float64) []byte { return point.AppendFloat(dst, f) }

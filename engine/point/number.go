package point

import "strconv"

var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
	1e20, 1e21, 1e22,
}

// ParseDecimal reads a decimal number: digits with an optional sign, point and exponent. It is correctly
// rounded. It reports false for other text, also for NaN, infinities and hexadecimals, and for a number
// beyond float64.
func ParseDecimal(s string) (float64, bool) {
	i, negative := 0, false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		i, negative = 1, s[0] == '-'
	}
	// Up to 18 digits fit an integer. If it is below 2^53 and the power of ten is exact, too, one multiplication
	// or division rounds once, which is correct rounding.
	mantissa, digits, point := uint64(0), 0, -1
	for ; i < len(s); i++ {
		c := s[i]
		if c-'0' <= 9 {
			mantissa = mantissa*10 + uint64(c-'0')
			digits++
			continue
		}
		if c != '.' || point >= 0 {
			break
		}
		point = digits
	}
	if digits == 0 {
		return 0, false
	}
	exponent := 0
	if point >= 0 {
		exponent = point - digits
	}
	if i < len(s) {
		if s[i]|0x20 != 'e' {
			return 0, false
		}
		i++
		down := false
		if i < len(s) && (s[i] == '-' || s[i] == '+') {
			down = s[i] == '-'
			i++
		}
		if i == len(s) {
			return 0, false
		}
		e := 0
		for ; i < len(s); i++ {
			if s[i]-'0' > 9 {
				return 0, false
			}
			if e < 100000 { // far beyond float64, far below overflow
				e = e*10 + int(s[i]-'0')
			}
		}
		if down {
			e = -e
		}
		exponent += e
	}
	if digits > 18 || mantissa >= 1<<53 || exponent > 22 || exponent < -22 {
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil
	}
	f := float64(mantissa)
	if exponent < 0 {
		f /= powersOfTen[-exponent]
	} else {
		f *= powersOfTen[exponent]
	}
	if negative {
		f = -f
	}
	return f, true
}

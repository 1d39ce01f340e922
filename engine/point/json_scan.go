package point

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonScanner reads JSON token by token. After an error it is at the end of the text and every method
// returns nothing.
type jsonScanner struct {
	s     string
	i     int
	err   error
	arena *Arena // for strings with escapes
}

const maxJSONDepth = 512

// fail keeps the first error.
func (r *jsonScanner) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("json: "+format, args...)
	}
	r.i = len(r.s)
}

// problem returns the error of reading the whole text. A syntax error anywhere comes first and is worded by
// encoding/json, like DataKit's.
func (r *jsonScanner) problem() error {
	if r.err == nil {
		return nil
	}
	var raw json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal([]byte(r.s), &raw); errors.As(err, &syntax) {
		return err
	}
	return r.err
}

// peek skips white space and returns the next character, 0 at the end.
func (r *jsonScanner) peek() byte {
	for ; r.i < len(r.s); r.i++ {
		switch c := r.s[r.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// next reports whether c is the next character, which it consumes.
func (r *jsonScanner) next(c byte) bool {
	if r.peek() != c || r.i >= len(r.s) {
		return false
	}
	r.i++
	return true
}

// more leads through the members or elements of what began with an opening bracket: it reports whether another
// one follows. first is true for the first call.
func (r *jsonScanner) more(first bool, end byte) bool {
	switch {
	case r.err != nil || r.next(end):
		return false
	case first || r.next(','):
		return true
	}
	r.fail("expecting a comma or %q", end)
	return false
}

// key reads the key of a member and the colon.
func (r *jsonScanner) key() string {
	k := r.text()
	if r.err == nil && !r.next(':') {
		r.fail("expecting a colon")
	}
	return k
}

// word consumes one of the literals.
func (r *jsonScanner) word(w string) bool {
	if strings.HasPrefix(r.s[r.i:], w) {
		r.i += len(w)
		return true
	}
	r.fail("invalid literal")
	return false
}

// null consumes a null if it is next.
func (r *jsonScanner) null() bool { return r.peek() == 'n' && r.word("null") }

// text reads a string.
func (r *jsonScanner) text() string {
	if !r.next('"') {
		r.fail("expecting a string")
		return ""
	}
	start, escaped := r.i, false
	for ; r.i < len(r.s); r.i++ {
		switch c := r.s[r.i]; {
		case c == '"':
			inside := r.s[start:r.i]
			r.i++
			if !escaped {
				return inside
			}
			return r.arena.text(func(dst []byte) []byte { return AppendUnescaped(dst, inside) })
		case c < ' ':
			r.fail("control character in a string")
			return ""
		case c == '\\':
			escaped = true
			r.i++
			if n := escapeLength(r.s[r.i:]); n > 0 {
				r.i += n - 1
			} else {
				r.fail("invalid escape in a string")
				return ""
			}
		}
	}
	r.fail("unexpected end of a string")
	return ""
}

// escapeLength returns the bytes of the escape whose backslash stands before s, 0 if it is none.
func escapeLength(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if _, ok := hex4(s[1:]); ok {
			return 5
		}
	}
	return 0
}

// number reads a number and returns its text.
func (r *jsonScanner) number() string {
	r.peek()
	start := r.i
	if r.i < len(r.s) && r.s[r.i] == '-' {
		r.i++
	}
	whole := r.digits()
	bad := whole == 0 || whole > 1 && r.s[r.i-whole] == '0'
	if r.i < len(r.s) && r.s[r.i] == '.' {
		r.i++
		bad = r.digits() == 0 || bad
	}
	if r.i < len(r.s) && r.s[r.i]|0x20 == 'e' {
		if r.i++; r.i < len(r.s) && (r.s[r.i] == '+' || r.s[r.i] == '-') {
			r.i++
		}
		bad = r.digits() == 0 || bad
	}
	if bad {
		r.fail("invalid number")
		return ""
	}
	return r.s[start:r.i]
}

func (r *jsonScanner) digits() (n int) {
	for ; r.i < len(r.s) && r.s[r.i]-'0' <= 9; r.i++ {
		n++
	}
	return n
}

// skip consumes a value.
func (r *jsonScanner) skip(depth int) {
	if depth > maxJSONDepth {
		r.fail("nested too deeply")
		return
	}
	switch c := r.peek(); c {
	case '"':
		r.text()
	case '{':
		r.i++
		for first := true; r.more(first, '}'); first = false {
			r.key()
			r.skip(depth + 1)
		}
	case '[':
		r.i++
		for first := true; r.more(first, ']'); first = false {
			r.skip(depth + 1)
		}
	case 't':
		r.word("true")
	case 'f':
		r.word("false")
	case 'n':
		r.word("null")
	default:
		r.number()
	}
}

// kind names the type of the next value as encoding/json does.
func (r *jsonScanner) kind() string {
	switch r.peek() {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "bool"
	}
	return "number"
}

// AppendUnescaped appends what the inside of a valid JSON string says. Half of a surrogate pair becomes U+FFFD.
func AppendUnescaped(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
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
			r, ok := hex4(s)
			if !ok {
				continue
			}
			s = s[4:]
			if utf16.IsSurrogate(r) {
				low := rune(utf8.RuneError)
				if strings.HasPrefix(s, `\u`) {
					low, _ = hex4(s[2:])
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

// hex4 reads the four hexadecimal digits that s begins with.
func hex4(s string) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for i := range 4 {
		c := s[i]
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

package sources

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"dataflow/engine/point"
)

func (r *jsonReader) number() (point.Value, error) {
	start := r.at
	whole, err := r.scanNumber()
	if err != nil {
		return point.Value{}, err
	}
	text := point.StringOf(r.in[start:r.at]).Str()
	if whole {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return point.Int(i), nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return point.Value{}, r.errorf("the number %s does not fit 64 bits", strings.Clone(text))
	}
	return point.Float(f), nil
}

// scanNumber passes a number and reports whether it has neither fraction nor exponent.
func (r *jsonReader) scanNumber() (whole bool, err error) {
	whole = true
	if r.peek() == '-' {
		r.at++
	}
	switch c := r.peek(); {
	case c == '0':
		r.at++
	case c >= '1' && c <= '9':
		r.digits()
	default:
		return false, r.errorf("expected a value")
	}
	if r.peek() == '.' {
		r.at++
		whole = false
		if !r.digits() {
			return false, r.errorf("expected a digit after the point")
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		whole = false
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		if !r.digits() {
			return false, r.errorf("expected a digit in the exponent")
		}
	}
	return whole, nil
}

func (r *jsonReader) digits() bool {
	start := r.at
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at > start
}

// str reads a string.
func (r *jsonReader) str() (string, error) {
	start := r.at + 1
	escaped, err := r.scanString()
	if err != nil {
		return "", err
	}
	raw := r.in[start : r.at-1]
	if !escaped {
		return point.StringOf(raw).Str(), nil
	}
	if cap(r.text)-len(r.text) < len(raw) { // unescaped text is never longer
		r.text = make([]byte, 0, max(4096, len(raw)))
	}
	from := len(r.text)
	r.text = unescape(r.text, raw)
	return point.StringOf(r.text[from:]).Str(), nil
}

// scanString passes a string and reports whether it has escapes.
func (r *jsonReader) scanString() (escaped bool, err error) {
	for i := r.at + 1; i < len(r.in); i++ {
		switch c := r.in[i]; {
		case c == '"':
			r.at = i + 1
			return escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLen(r.in[i:])
			if n == 0 {
				r.at = i
				return false, r.errorf("wrong escape in a string")
			}
			i += n - 1
		case c < ' ':
			r.at = i
			return false, r.errorf("control character in a string")
		}
	}
	r.at = len(r.in)
	return false, r.errorf("the string does not end")
}

// escapeLen returns the length of the escape that s begins with, 0 if it is none.
func escapeLen(s []byte) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(s[2:]); ok {
			return 6
		}
	}
	return 0
}

func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape appends the text of s, whose escapes are known to be right. Half a surrogate pair becomes U+FFFD.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			i++
			continue
		}
		c := s[i+1]
		i += 2
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			u, _ := hex4(s[i:])
			i += 4
			if utf16.IsSurrogate(u) {
				var low rune
				if len(s)-i >= 6 && s[i] == '\\' && s[i+1] == 'u' {
					low, _ = hex4(s[i+2:])
				}
				if u = utf16.DecodeRune(u, low); u != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, u)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// skip passes a value.
func (r *jsonReader) skip(depth int) error {
	switch r.peek() {
	case '"':
		_, err := r.scanString()
		return err
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	case '{', '[':
		if depth >= r.depth {
			return r.errorf("nested deeper than %d", r.depth)
		}
		return r.skipNested(depth)
	}
	_, err := r.scanNumber()
	return err
}

func (r *jsonReader) skipNested(depth int) error {
	object := r.peek() == '{'
	end := byte(']')
	if object {
		end = '}'
	}
	r.at++
	r.space()
	if r.peek() == end {
		r.at++
		return nil
	}
	for {
		r.space()
		if object {
			if r.peek() != '"' {
				return r.errorf("expected a key")
			}
			if _, err := r.scanString(); err != nil {
				return err
			}
			r.space()
			if r.peek() != ':' {
				return r.errorf("expected : after a key")
			}
			r.at++
			r.space()
		}
		if err := r.skip(depth + 1); err != nil {
			return err
		}
		r.space()
		switch r.peek() {
		case ',':
			r.at++
		case end:
			r.at++
			return nil
		default:
			return r.errorf("expected , or %c", end)
		}
	}
}

func (r *jsonReader) word(w string) error {
	if len(r.in)-r.at < len(w) || string(r.in[r.at:r.at+len(w)]) != w {
		return r.errorf("expected a value")
	}
	r.at += len(w)
	return nil
}

// close checks that nothing follows.
func (r *jsonReader) close() error {
	r.space()
	if r.at < len(r.in) {
		return r.errorf("text after the value")
	}
	return nil
}

func (r *jsonReader) space() {
	for r.at < len(r.in) {
		switch r.in[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (r *jsonReader) peek() byte {
	if r.at < len(r.in) {
		return r.in[r.at]
	}
	return 0
}

func (r *jsonReader) errorf(format string, a ...any) error {
	return fmt.Errorf("byte %d: %s", r.at, fmt.Sprintf(format, a...))
}

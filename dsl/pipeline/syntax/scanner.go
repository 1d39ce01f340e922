package syntax

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"dataflow/engine/point"
)

// scanner cuts a script into tokens. What is no token becomes tokBad, reported once.
type scanner struct {
	src    *Source
	text   string
	at     int
	tokens []token
	errs   Errors

	comment func(start, end int) // is told of comments unless it is nil
}

const byteOrderMark = "\uFEFF"

func scan(src *Source) ([]token, Errors) {
	return scanWith(src, nil)
}

func scanWith(src *Source, comment func(start, end int)) ([]token, Errors) {
	s := scanner{src: src, text: src.Text, tokens: make([]token, 0, len(src.Text)/4+1), comment: comment}
	if strings.HasPrefix(s.text, byteOrderMark) { // editors of other systems write it; it would be a part of the first name
		s.at = len(byteOrderMark)
	}
	for s.at < len(s.text) {
		s.next()
	}
	s.emit(tokEOF, s.at)
	return s.tokens, s.errs
}

func (s *scanner) emit(k kind, start int) *token {
	s.tokens = append(s.tokens, token{kind: k, pos: Pos(start), end: Pos(s.at)})
	return &s.tokens[len(s.tokens)-1]
}

func (s *scanner) bad(at int, format string, args ...any) {
	if len(s.errs) < MaxErrors {
		s.errs = append(s.errs, s.src.Errorf(Pos(at), format, args...))
	}
	s.emit(tokBad, at)
}

func (s *scanner) next() {
	start := s.at
	switch c := s.text[start]; {
	case c == ' ' || c == '\t' || c == '\r':
		s.at++
	case c == '\n':
		s.at++
		s.emit(tokNewline, start)
	case c == '#':
		s.at = s.lineEnd()
		if s.comment != nil {
			s.comment(start, s.at)
		}
	case c == '`':
		s.quotedIdent()
	case c == '"' || c == '\'':
		s.string(c)
	case isDigit(c):
		s.number()
	case isLetter(c):
		s.word()
	default:
		for _, p := range &punctuation {
			if strings.HasPrefix(s.text[start:], p.text) {
				s.at += len(p.text)
				s.emit(p.kind, start)
				return
			}
		}
		s.at++
		s.bad(start, "unexpected character %q", c)
		s.hint(strayHints[c])
	}
}

// strayHints say what was probably meant by a character that has no meaning.
var strayHints = map[byte]string{
	'&': "and is written &&", '|': "or is written ||", '@': "a name with @ in it stands in backquotes", '$': "a name with $ in it stands in backquotes",
	'?': "a choice is written if cond { } else { }", '\\': "a line goes on behind an operator or a comma, without a sign",
}

// hint adds what to do to the fault that was reported last.
func (s *scanner) hint(text string) {
	if n := len(s.errs); n > 0 && text != "" {
		s.errs[n-1].Hint = text
	}
}

func (s *scanner) lineEnd() int {
	if n := strings.IndexByte(s.text[s.at:], '\n'); n >= 0 {
		return s.at + n
	}
	return len(s.text)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isLetter reports whether c begins an identifier. Every non-ASCII character does, blanks of Unicode included.
func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func (s *scanner) word() {
	start := s.at
	for s.at < len(s.text) && (isLetter(s.text[s.at]) || isDigit(s.text[s.at])) {
		s.at++
	}
	text := s.text[start:s.at]
	k, isWord := words[strings.ToLower(text)]
	if !isWord {
		k = tokIdent
	}
	t := s.emit(k, start)
	t.text = text
	if k == tokNumber {
		t.value = point.Float(math.Inf(1))
		if strings.EqualFold(text, "nan") {
			t.value = point.Float(math.NaN())
		}
	}
}

func (s *scanner) quotedIdent() {
	start := s.at
	n := strings.IndexByte(s.text[start+1:], '`')
	if n < 0 {
		s.at = s.lineEnd()
		s.bad(start, "the closing backquote of this name is missing")
		return
	}
	s.at = start + n + 2
	s.emit(tokIdent, start).text = s.text[start+1 : s.at-1]
}

// number reads an int (decimal, 0x hexadecimal, 0 octal) or a float. What fits no int64 becomes a float.
func (s *scanner) number() {
	start := s.at
	isFloat := false
	if s.text[start] == '0' && start+1 < len(s.text) && (s.text[start+1] == 'x' || s.text[start+1] == 'X') {
		s.at += 2
		for s.at < len(s.text) && isHex(s.text[s.at]) {
			s.at++
		}
	} else {
		s.digits()
		if s.at < len(s.text) && s.text[s.at] == '.' {
			isFloat = true
			s.at++
			s.digits()
		}
		if s.at < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
			isFloat = true
			s.at++
			if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
				s.at++
			}
			s.digits()
		}
	}
	if s.at < len(s.text) && isLetter(s.text[s.at]) {
		for s.at < len(s.text) && (isLetter(s.text[s.at]) || isDigit(s.text[s.at])) {
			s.at++
		}
		s.bad(start, "%s is no number", s.text[start:s.at])
		return
	}
	text := s.text[start:s.at]
	if !isFloat {
		if i, err := strconv.ParseInt(text, 0, 64); err == nil {
			s.emit(tokNumber, start).value = point.Int(i)
			return
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.bad(start, "%s is no number, or out of range", text)
		return
	}
	s.emit(tokNumber, start).value = point.Float(f)
}

func (s *scanner) digits() {
	for s.at < len(s.text) && isDigit(s.text[s.at]) {
		s.at++
	}
}

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func (s *scanner) string(quote byte) {
	start := s.at
	if rest := s.text[start:]; len(rest) >= 3 && rest[1] == quote && rest[2] == quote {
		s.rawString(quote)
		return
	}
	var buf []byte // nil as long as nothing is escaped
	plain := start + 1
	for i := start + 1; i < len(s.text); {
		switch c := s.text[i]; c {
		case quote:
			text := s.text[plain:i]
			if buf != nil {
				text = string(append(buf, text...))
			}
			s.at = i + 1
			s.emit(tokString, start).value = point.String(text)
			return
		case '\n':
			s.at = i
			s.bad(start, "this string has no end on its line (a text of several lines stands in three quotes)")
			return
		case '\\':
			if buf == nil {
				buf = make([]byte, 0, 64)
			}
			buf = append(buf, s.text[plain:i]...)
			var n int
			buf, n = unescape(buf, s.text[i:], quote)
			if n == 0 {
				s.at = s.afterString(i+1, quote)
				s.bad(i, "unknown escape in a string (a backslash itself is written \\\\, or stands in three quotes)")
				return
			}
			i += n
			plain = i
		default:
			i++
		}
	}
	s.at = len(s.text)
	s.bad(start, "this string has no end")
}

// afterString returns where scanning goes on after a broken string: behind its closing quote or at the line's end.
func (s *scanner) afterString(i int, quote byte) int {
	for ; i < len(s.text) && s.text[i] != '\n'; i++ {
		if s.text[i] == quote {
			return i + 1
		}
		if s.text[i] == '\\' && i+1 < len(s.text) && s.text[i+1] != '\n' {
			i++
		}
	}
	return i
}

// rawString reads a string in three quotes. It ends at the first run of three equal quotes of either kind.
func (s *scanner) rawString(quote byte) {
	start := s.at
	body := s.text[start+3:]
	double, single := strings.Index(body, `"""`), strings.Index(body, `'''`)
	own, other := double, single
	if quote == '\'' {
		own, other = single, double
	}
	switch {
	case own < 0 && other < 0:
		s.at = len(s.text)
		s.bad(start, "this string has no end")
	case own < 0 || other >= 0 && other < own:
		s.at = start + 3 + other + 3
		s.bad(start, "this string begins and ends with different quotes")
	default:
		s.at = start + 3 + own + 3
		s.emit(tokString, start).value = point.String(body[:own])
	}
}

var simpleEscapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\'}

// unescape appends what the escape at the start of text stands for and returns its length, 0 if it is none.
func unescape(dst []byte, text string, quote byte) ([]byte, int) {
	if len(text) < 2 {
		return dst, 0
	}
	c := text[1]
	if plain, ok := simpleEscapes[c]; ok {
		return append(dst, plain), 2
	}
	first, digits, base := 2, 0, 16
	switch {
	case c == quote:
		return append(dst, c), 2
	case c == 'x':
		digits = 2
	case c == 'u':
		digits = 4
	case c == 'U':
		digits = 8
	case c >= '0' && c <= '7':
		first, digits, base = 1, 3, 8
	default:
		return dst, 0
	}
	end := first + digits
	if len(text) < end {
		return dst, 0
	}
	n, err := strconv.ParseUint(text[first:end], base, 32)
	if err != nil {
		return dst, 0
	}
	if c == 'u' || c == 'U' {
		if n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
			return dst, 0
		}
		return utf8.AppendRune(dst, rune(n)), end
	}
	if n > math.MaxUint8 {
		return dst, 0
	}
	return append(dst, byte(n)), end
}

package jsontape

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unsafe"

	"dataflow/engine/point"
)

const noContainer = ^uint32(0)

const (
	object = uint32(point.KindMap)
	array  = uint32(point.KindList)
)

// Parse reads src, which must not change while nodes or values of it are in use. The text must be one JSON
// value with nothing but white space around it; two liberties are taken, numbers may have leading zeros and
// strings may hold raw control characters. Invalid UTF-8 is kept. A number beyond float64 is an error, as is
// nesting deeper than [MaxDepth]. After an error the document is null. The error is reused by the next call.
func (d *Doc) Parse(src string) error {
	d.src = src
	d.reset()
	s := unsafe.Slice(unsafe.StringData(src), len(src))
	if len(s) <= maxSource && d.remembered(s) {
		return nil
	}
	tape := d.tape[:cap(d.tape)]
	var (
		n     uint32               // entries written
		i     int                  // read position
		c     byte                 //
		end   int                  // of the string or literal at i
		flags uint32               // of the string
		isKey bool                 // it is
		depth int                  //
		open  uint32 = noContainer // the innermost open container
		kind  uint32               // its kind
		count uint32               // its elements or members so far
		what  string
		limit = MaxDepth
	)
	if d.Depth > 0 {
		limit = min(d.Depth, MaxDepth)
	}
	if len(s) > maxSource {
		what = "text is longer than 256 MiB"
		goto fail
	}

value:
	for ; ; i++ {
		if i >= len(s) {
			what = "unexpected end, expecting a value"
			goto fail
		}
		if c = s[i]; c > ' ' {
			break
		}
		if !isSpace(c) {
			what = "invalid character, expecting a value"
			goto fail
		}
	}
	if int(n) >= len(tape) {
		tape = grow(tape)
	}
	switch c {
	case '"':
		isKey = false
		goto text
	case '{', '[':
		if depth++; depth > limit {
			what = "nested too deeply"
			goto fail
		}
		if open != noContainer {
			tape[open].info = kind | count<<countAt
		}
		kind, count = array, 0
		if c == '{' {
			kind = object
		}
		tape[n] = entry{start: uint32(i), end: open}
		open = n
		n++
		for i++; i < len(s) && s[i] <= ' ' && isSpace(s[i]); i++ {
		}
		if i < len(s) && s[i] == c+2 { // ] and } stand two after [ and {
			goto closing
		}
		if c == '{' {
			goto key
		}
		goto value
	case 't', 'n', 'f':
		word, k := wordOf(c)
		if len(s)-i < len(word) || src[i:i+len(word)] != word {
			what = "invalid word, expecting " + word
			goto fail
		}
		tape[n] = entry{uint32(i), uint32(i + len(word)), n + 1, uint32(k)}
		n++
		i += len(word)
	default:
		if end = scanNumber(s, i); end < 0 {
			i, what = ^end, "invalid number"
			goto fail
		}
		tape[n] = entry{uint32(i), uint32(end), n + 1, uint32(point.KindFloat)}
		n++
		i = end
	}

after:
	if open == noContainer {
		for ; i < len(s); i++ {
			if !isSpace(s[i]) {
				what = "data after the value"
				goto fail
			}
		}
		d.tape = tape[:n]
		d.learn()
		return nil
	}
	count++
	for ; ; i++ {
		if i >= len(s) {
			what = "unexpected end inside an object or array"
			goto fail
		}
		if c = s[i]; c > ' ' || !isSpace(c) {
			break
		}
	}
	if c == ',' {
		i++
		if kind == array {
			goto value
		}
		goto key
	}
	if kind == object && c != '}' || kind == array && c != ']' {
		what = "invalid character, expecting a comma or the end of the object or array"
		goto fail
	}

closing:
	i++
	{
		e := &tape[open]
		open, e.end, e.next, e.info = e.end, uint32(i), n, kind|count<<countAt
		if open != noContainer {
			info := tape[open].info
			kind, count = info&kindBits, info>>countAt
		}
		depth--
	}
	goto after

key:
	for ; i < len(s); i++ {
		if c = s[i]; c > ' ' || !isSpace(c) {
			break
		}
	}
	if i >= len(s) || c != '"' {
		what = "expecting a key in quotes"
		goto fail
	}
	isKey = true

text: // which begins at i; the first quote or backslash in it is mostly its end
	end = i + 1
	for len(s)-end >= 8 {
		if hit := quotes(binary.LittleEndian.Uint64(s[end:])); hit != 0 {
			end += bits.TrailingZeros64(hit) >> 3
			break
		}
		end += 8
	}
	if flags = 0; end < len(s) && s[end] == '"' {
		end++
	} else if end, flags = scanString(s, i+1); end < 0 {
		i, what = ^end, stringProblem(s, ^end)
		goto fail
	}
	if int(n) >= len(tape) {
		tape = grow(tape)
	}
	tape[n] = entry{uint32(i), uint32(end), n + 1, uint32(point.KindString) | flags}
	n++
	i = end
	if !isKey {
		goto after
	}
	for ; i < len(s); i++ {
		if c = s[i]; c > ' ' || !isSpace(c) {
			break
		}
	}
	if i >= len(s) || c != ':' {
		what = "expecting a colon after a key"
		goto fail
	}
	i++
	goto value

fail:
	d.src, d.tape = "", tape[:0]
	d.err = SyntaxError{i, what}
	return &d.err
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func grow(tape []entry) []entry {
	bigger := make([]entry, max(64, 2*len(tape)))
	copy(bigger, tape)
	return bigger
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// quotes returns a number whose lowest bit is in the first byte of x that is a quote or a backslash, 0 if there is none.
func quotes(x uint64) uint64 {
	q, b := x^('"'*ones), x^('\\'*ones)
	return ((q-ones)&^q | (b-ones)&^b) & highs
}

// scanString returns the position after the closing quote of the string whose first byte is at i, and whether
// it has escapes. A negative end is the complement of the position of an error.
func scanString(s []byte, i int) (end int, flags uint32) {
	for {
		for len(s)-i >= 8 {
			if hit := quotes(binary.LittleEndian.Uint64(s[i:])); hit != 0 {
				i += bits.TrailingZeros64(hit) >> 3
				break
			}
			i += 8
		}
		for i < len(s) && s[i] != '"' && s[i] != '\\' {
			i++
		}
		if i >= len(s) {
			return ^len(s), 0
		}
		if s[i] == '"' {
			return i + 1, flags
		}
		flags = escaped
		if i+1 >= len(s) {
			return ^len(s), 0
		}
		switch s[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			if !hexDigits(s, i+2) {
				return ^i, 0
			}
			i += 6
		default:
			return ^i, 0
		}
	}
}

func stringProblem(s []byte, at int) string {
	if at >= len(s) {
		return "unexpected end inside a string"
	}
	return "invalid escape in a string"
}

// hexDigits reports whether four hexadecimal digits stand at i.
func hexDigits(s []byte, i int) bool {
	if len(s)-i < 4 {
		return false
	}
	for _, c := range s[i : i+4] {
		if c-'0' > 9 && c|0x20-'a' > 5 {
			return false
		}
	}
	return true
}

// scanNumber returns the position after the number at i, or the complement of the position of an error.
func scanNumber(s []byte, i int) int {
	start := i
	if s[i] == '-' {
		i++
	}
	digits := i
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	if i == digits {
		return ^i
	}
	if i >= len(s) || s[i] != '.' && s[i]|0x20 != 'e' {
		if i-digits > 300 && !inRange(s[start:i]) {
			return ^start
		}
		return i
	}
	if s[i] == '.' {
		fraction := i + 1
		for i = fraction; i < len(s) && s[i]-'0' <= 9; i++ {
		}
		if i == fraction {
			return ^i
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		exponent := i
		for i < len(s) && s[i]-'0' <= 9 {
			i++
		}
		if i == exponent {
			return ^i
		}
		if i-exponent > 2 && !inRange(s[start:i]) {
			return ^start
		}
	}
	if i-start > 200 && !inRange(s[start:i]) {
		return ^start
	}
	return i
}

// inRange reports whether a number that might not be is within float64.
func inRange(s []byte) bool {
	_, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(s), len(s)), 64)
	return err == nil
}

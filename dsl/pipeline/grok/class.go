package grok

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// class is a set of runes. Nearly all text is ASCII, so that a class is a table of bytes first of all; runes beyond
// ASCII are decoded only where a class has some of them, but not all.
type class struct {
	bytes  *byteTable // of ASCII, and true for all bytes beyond if the class has any rune beyond
	wide   wideness
	ranges []rune // pairs of the first and last rune, ascending; all of the class, ASCII too
}

// wideness says which runes beyond ASCII a class has.
type wideness uint8

const (
	narrow wideness = iota // none
	partly                 // some: they must be decoded
	widely                 // all, and so also U+FFFD, which stands for a byte that is no UTF-8: any byte will do
)

// byteTable is a set of bytes for loops over text.
type byteTable [256]bool

// newClass makes a class of ranges of runes.
func newClass(ranges []rune) class {
	c := class{bytes: new(byteTable), ranges: ranges}
	beyond := rune(utf8.RuneSelf)
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		for r := lo; r <= min(hi, utf8.RuneSelf-1); r++ {
			c.bytes[r] = true
		}
		if hi < utf8.RuneSelf {
			continue
		}
		c.wide = partly
		if lo <= beyond {
			beyond = max(beyond, hi+1)
		}
	}
	if beyond > unicode.MaxRune {
		c.wide = widely
	}
	for b := utf8.RuneSelf; b < len(c.bytes); b++ {
		c.bytes[b] = c.wide != narrow
	}
	return c
}

// classOf returns the class that an expression for a single rune stands for.
func classOf(re *syntax.Regexp) (class, bool) {
	switch re.Op {
	case syntax.OpAnyChar:
		return newClass([]rune{0, unicode.MaxRune}), true
	case syntax.OpAnyCharNotNL:
		return newClass([]rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}), true
	case syntax.OpCharClass:
		return newClass(re.Rune), true
	case syntax.OpLiteral:
		if len(re.Rune) == 1 {
			return newClass(orbit(re.Rune[0], re.Flags&syntax.FoldCase != 0)), true
		}
	}
	return class{}, false
}

// orbit returns the ranges of a rune, with fold of all its forms: k, K and the sign of Kelvin are one.
func orbit(r rune, fold bool) []rune {
	forms := []rune{r}
	if fold {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			forms = append(forms, f)
		}
	}
	slices.Sort(forms)
	var ranges []rune
	for _, f := range forms {
		ranges = append(ranges, f, f)
	}
	return ranges
}

// has reports whether the class has a rune beyond ASCII.
func (c *class) has(r rune) bool {
	if c.wide != partly {
		return c.wide == widely
	}
	lo, hi := 0, len(c.ranges)/2
	for lo < hi {
		m := (lo + hi) / 2
		switch {
		case r < c.ranges[2*m]:
			hi = m
		case r > c.ranges[2*m+1]:
			lo = m + 1
		default:
			return true
		}
	}
	return false
}

// width returns the length of the rune at pos if the class has it, else 0. A byte that is no UTF-8 counts as U+FFFD.
func (c *class) width(text string, pos int) int {
	if pos >= len(text) || !c.bytes[text[pos]] {
		return 0
	}
	if text[pos] < utf8.RuneSelf {
		return 1
	}
	if r, n := utf8.DecodeRuneInString(text[pos:]); c.has(r) {
		return n
	}
	return 0
}

// boundary reports whether a rune begins at pos, counting from low, where one begins. Bytes that are no UTF-8 are
// runes of their own, so that looking for the last byte that begins a rune is not enough.
func boundary(text string, low, pos int) bool {
	if pos >= len(text) || utf8.RuneStart(text[pos]) {
		return true
	}
	for at := pos - 1; at >= low && at > pos-utf8.UTFMax; at-- {
		if utf8.RuneStart(text[at]) {
			_, n := utf8.DecodeRuneInString(text[at:])
			return at+n <= pos
		}
	}
	return true
}

func isWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_'
}

// atWordBoundary reports whether one of the runes around pos belongs to a word and the other does not.
func atWordBoundary(text string, pos int) bool {
	before := pos > 0 && isWord(text[pos-1])
	return before != (pos < len(text) && isWord(text[pos]))
}

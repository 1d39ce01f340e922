package grok

import (
	"regexp/syntax"
	"unicode/utf8"
)

// look says what may stand at a position for a match to go on from there. It may allow too much, never too little:
// what it rules out need not be tried.
type look struct {
	set byteSet // the next byte
	end bool    // or the text has ended
}

// byteSet is a set of bytes for computing with sets.
type byteSet [4]uint64

func (s *byteSet) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *byteSet) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

func (s byteSet) union(t byteSet) byteSet {
	return byteSet{s[0] | t[0], s[1] | t[1], s[2] | t[2], s[3] | t[3]}
}

func (s byteSet) common(t byteSet) byteSet {
	return byteSet{s[0] & t[0], s[1] & t[1], s[2] & t[2], s[3] & t[3]}
}

func (s byteSet) without(t byteSet) byteSet {
	return byteSet{s[0] &^ t[0], s[1] &^ t[1], s[2] &^ t[2], s[3] &^ t[3]}
}

func (s byteSet) empty() bool { return s == byteSet{} }

// wide reports whether the set has a byte beyond ASCII.
func (s byteSet) wide() bool { return s[2]|s[3] != 0 }

func (s byteSet) table() byteTable {
	var t byteTable
	for b := range t {
		t[b] = s.has(byte(b))
	}
	return t
}

func (t *byteTable) set() (s byteSet) {
	for b, in := range t {
		if in {
			s.add(byte(b))
		}
	}
	return s
}

var (
	anyByte  = byteSet{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
	newline  = byteSet{1 << '\n'}
	wordByte = func() (s byteSet) {
		for b := range utf8.RuneSelf {
			if isWord(byte(b)) {
				s.add(byte(b))
			}
		}
		return s
	}()
)

// firstOf returns the bytes that a match of the expression alone may begin with, and whether it may be empty. It is
// for loops, whose body goes on with the loop that is still to be made.
func firstOf(re *syntax.Regexp) (s byteSet, nullable bool) {
	if c, ok := classOf(re); ok {
		return c.bytes.set(), false
	}
	switch re.Op {
	case syntax.OpNoMatch:
		return s, false
	case syntax.OpLiteral:
		if len(re.Rune) == 0 {
			return s, true
		}
		c := newClass(orbit(re.Rune[0], re.Flags&syntax.FoldCase != 0))
		return c.bytes.set(), false
	case syntax.OpCapture, syntax.OpPlus:
		return firstOf(re.Sub[0])
	case syntax.OpStar, syntax.OpQuest:
		s, _ = firstOf(re.Sub[0])
		return s, true
	case syntax.OpRepeat:
		s, nullable = firstOf(re.Sub[0])
		return s, nullable || re.Min == 0
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			t, empty := firstOf(sub)
			if s = s.union(t); !empty {
				return s, false
			}
		}
		return s, true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			t, empty := firstOf(sub)
			s, nullable = s.union(t), nullable || empty
		}
		return s, nullable
	}
	return s, true // the empty expression and assertions
}

package grok

import "math"

// node is a step of a program. A program is a graph of them: what a node does at a position is either to fail, or to go
// on at another position with the node next, which is all of the expression that is still to come. Where there are
// several ways, the others stay on the stack of choices, in the order in which a Perl-like matcher tries them.
type node struct {
	op    op
	c     byte // of opByte
	wide  bool // follow has bytes beyond ASCII, which must begin a rune
	reach reach
	memo  bool // of a run: remembers from where on it has failed
	atEnd bool // of a run: what follows may be at the end of the text

	id   int32
	slot int32 // of captures: where the position is kept; of runs: which memo
	min  int32 // of runs, in runes
	max  int32

	next   *node
	lit    string     // of literals; of runs: what follows begins with it
	class  class      // of single runes and runs
	follow *byteTable // of runs: what follows may begin with it

	// Of branches: for each byte the ones that may match there, the first one in the lowest bit.
	masks    *[256]uint32
	endMask  uint32
	branches []*node
}

const unlimited = math.MaxInt32

// maxBranches is how many branches a node can have; more are spread over several nodes.
const maxBranches = 32

// reach is how far a run without a limit may go.
type reach uint8

const (
	whileIn   reach = iota // as long as the bytes are in the class
	toNewline              // up to the next newline
	toEnd                  // to the end of the text
)

type op uint8

const (
	opFail op = iota
	opMatch
	opByte
	opString
	opFold    // ASCII letters in any case; lit is in lower case
	opClass   // one rune
	opCapture // a group that takes part in every match, once
	opSave    // any other group: its old position comes back when the way fails
	opBranch
	opBeginText
	opEndText
	opBeginLine
	opEndLine
	opBoundary
	opNoBoundary

	// Runs: a class repeated. Bytes are enough where a class has either all runes beyond ASCII or none.
	opSpan   // of bytes, as far as it goes: what follows cannot match earlier
	opGreedy // of bytes, the longest first
	opLazy   // of bytes, the shortest first
	opSpanRunes
	opGreedyRunes
	opLazyRunes
)

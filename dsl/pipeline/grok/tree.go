package grok

import (
	"regexp/syntax"
	"unicode/utf8"
)

// maxNodes bounds a program. Counted repeats multiply; package regexp, which then matches instead, is not much larger.
const maxNodes = 20000

// program is an expression as a graph of nodes.
type program struct {
	nodes  []*node
	start  *node
	slots  int // positions that are kept during a match: two for each group
	memos  int // runs that remember
	budget int // steps for each byte of a text
	seek   seek
}

// builder makes a program from the back to the front, so that each node knows what follows.
type builder struct {
	nodes    []*node
	looks    []look // by id
	groups   bool
	optional int // how many loops and alternatives are around
	slots    int
	memos    int
	failed   bool // there is something that only package regexp does exactly
	tables   map[byteTable]*byteTable
	masks    map[[256]uint32]*[256]uint32
}

// newProgram makes a program, nil if it cannot. Without groups it finds where a match is and nothing else.
func newProgram(re *syntax.Regexp, groups bool) *program {
	b := &builder{groups: groups, slots: 2, tables: make(map[byteTable]*byteTable), masks: make(map[[256]uint32]*[256]uint32)}
	if groups {
		b.slots = 2 * (re.MaxCap() + 1)
	}
	end := b.add(node{op: opMatch}, look{anyByte, true})
	start := b.build(re, end)
	if b.failed {
		return nil
	}
	p := &program{nodes: b.nodes, start: start, slots: b.slots, memos: b.memos}
	// A step takes a few ns. Package regexp takes from 20 ns for a byte, and the more the larger the expression is.
	p.budget = 16 + len(b.nodes)/4
	p.seek = newSeek(re, start, b.look(start))
	return p
}

// add makes a node, with what may stand where it matches.
func (b *builder) add(n node, l look) *node {
	n.id = int32(len(b.nodes))
	if len(b.nodes) >= maxNodes {
		b.failed = true
		return b.nodes[0]
	}
	b.nodes = append(b.nodes, &n)
	b.looks = append(b.looks, l)
	return &n
}

func (b *builder) look(n *node) look { return b.looks[n.id] }

// table returns a shared copy of t: expressions repeat their classes many times.
func (b *builder) table(t byteTable) *byteTable {
	if b.tables[t] == nil {
		b.tables[t] = &t
	}
	return b.tables[t]
}

// build returns the node where a match of re that goes on with next begins.
func (b *builder) build(re *syntax.Regexp, next *node) *node {
	if b.failed {
		return next
	}
	after := b.look(next)
	switch re.Op {
	case syntax.OpNoMatch:
		return b.add(node{op: opFail}, look{})
	case syntax.OpEmptyMatch:
		return next
	case syntax.OpLiteral:
		return b.literal(re.Rune, re.Flags&syntax.FoldCase != 0, next)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		c, _ := classOf(re)
		return b.single(c, next)
	case syntax.OpBeginLine:
		return b.add(node{op: opBeginLine, next: next}, after)
	case syntax.OpEndLine:
		return b.add(node{op: opEndLine, next: next}, look{after.set.common(newline), after.end})
	case syntax.OpBeginText:
		return b.add(node{op: opBeginText, next: next}, after)
	case syntax.OpEndText:
		return b.add(node{op: opEndText, next: next}, look{end: after.end})
	case syntax.OpWordBoundary:
		return b.add(node{op: opBoundary, next: next}, after)
	case syntax.OpNoWordBoundary:
		return b.add(node{op: opNoBoundary, next: next}, after)
	case syntax.OpCapture:
		if !b.groups {
			return b.build(re.Sub[0], next)
		}
		op := opCapture
		if b.optional > 0 {
			op = opSave
		}
		closing := b.add(node{op: op, slot: int32(2*re.Cap + 1), next: next}, after)
		inner := b.build(re.Sub[0], closing)
		return b.add(node{op: op, slot: int32(2 * re.Cap), next: inner}, b.look(inner))
	case syntax.OpStar:
		return b.repeat(re.Sub[0], 0, -1, re.Flags&syntax.NonGreedy == 0, next)
	case syntax.OpPlus:
		return b.repeat(re.Sub[0], 1, -1, re.Flags&syntax.NonGreedy == 0, next)
	case syntax.OpQuest:
		return b.repeat(re.Sub[0], 0, 1, re.Flags&syntax.NonGreedy == 0, next)
	case syntax.OpRepeat:
		return b.repeat(re.Sub[0], re.Min, re.Max, re.Flags&syntax.NonGreedy == 0, next)
	case syntax.OpConcat:
		for i := len(re.Sub) - 1; i >= 0; i-- {
			next = b.build(re.Sub[i], next)
		}
		return next
	case syntax.OpAlternate:
		b.optional++
		defer func() { b.optional-- }()
		branches := make([]*node, len(re.Sub))
		for i, sub := range re.Sub {
			branches[i] = b.build(sub, next)
		}
		return b.branch(branches)
	}
	b.failed = true
	return next
}

// literal makes the nodes of runes one after the other. Plain ones become a text; those with forms that are not two
// ASCII letters, and U+FFFD, which any byte that is no UTF-8 matches, too, are classes.
func (b *builder) literal(runes []rune, fold bool, next *node) *node {
	for end := len(runes); end > 0; {
		start := end
		for start > 0 && isPlain(runes[start-1], fold) {
			start--
		}
		if start == end {
			r := runes[end-1]
			if !utf8.ValidRune(r) {
				b.failed = true // no text has it, but package regexp may think otherwise
			}
			next = b.single(newClass(orbit(r, fold)), next)
			end--
			continue
		}
		next = b.text(string(runes[start:end]), fold, next)
		end = start
	}
	return next
}

func isPlain(r rune, fold bool) bool {
	if r == utf8.RuneError || !utf8.ValidRune(r) {
		return false
	}
	if !fold {
		return true
	}
	forms := orbit(r, true)
	return len(forms) == 2 || len(forms) == 4 && forms[2] < utf8.RuneSelf
}

func (b *builder) text(s string, fold bool, next *node) *node {
	var l look
	if fold {
		s = lowerASCII(s)
		fold = hasLetter(s)
	}
	l.set.add(s[0])
	if !fold {
		if len(s) == 1 {
			return b.add(node{op: opByte, c: s[0], lit: s, next: next}, l)
		}
		return b.add(node{op: opString, lit: s, next: next}, l)
	}
	if s[0] >= 'a' && s[0] <= 'z' {
		l.set.add(s[0] - 'a' + 'A')
	}
	return b.add(node{op: opFold, lit: s, next: next}, l)
}

// single makes the node of one rune of a class.
func (b *builder) single(c class, next *node) *node {
	c.bytes = b.table(*c.bytes)
	return b.add(node{op: opClass, class: c, next: next}, look{set: c.bytes.set()})
}

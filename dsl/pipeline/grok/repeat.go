package grok

import "regexp/syntax"

// repeat makes the nodes of an expression that stands min to max times, without a limit if max is below 0. What
// package syntax makes of counted repeats when it simplifies, this makes, too: the order of the ways is the same.
func (b *builder) repeat(sub *syntax.Regexp, min, max int, greedy bool, next *node) *node {
	if max == 0 || sub.Op == syntax.OpEmptyMatch {
		return next
	}
	if same(sub, min, max) && greedy == (sub.Flags&syntax.NonGreedy == 0) {
		return b.build(sub, next)
	}
	if c, ok := classOf(sub); ok {
		if min == 1 && max == 1 {
			return b.single(c, next)
		}
		return b.run(c, min, max, greedy, next)
	}
	b.optional++
	defer func() { b.optional-- }()
	copies := min
	switch {
	case max < 0 && min == 0:
		next = b.loop(sub, greedy, true, next)
	case max < 0:
		next = b.loop(sub, greedy, false, next)
		copies--
	default:
		// x{2,4} is xx(x(x)?)?: the way out is the same from everywhere.
		out := next
		for range max - min {
			next = b.either(b.build(sub, next), out, greedy)
		}
	}
	for range copies {
		next = b.build(sub, next)
	}
	return next
}

// same reports whether sub is the same kind of repeat as the one around it: (?:x*)* is x*.
func same(sub *syntax.Regexp, min, max int) bool {
	switch sub.Op {
	case syntax.OpStar:
		return min == 0 && max < 0
	case syntax.OpPlus:
		return min == 1 && max < 0
	case syntax.OpQuest:
		return min == 0 && max == 1
	}
	return false
}

// either goes on with more or leaves by out, first what greedy says.
func (b *builder) either(more, out *node, greedy bool) *node {
	if greedy {
		return b.branch([]*node{more, out})
	}
	return b.branch([]*node{out, more})
}

// loop makes sub stand once or more, or any number of times if it may be skipped.
func (b *builder) loop(sub *syntax.Regexp, greedy, skip bool, next *node) *node {
	first, nullable := firstOf(sub)
	after := b.look(next)
	again := b.add(node{op: opBranch}, look{first.union(after.set), after.end})
	if nullable {
		// When an iteration matches nothing it depends on all nodes that were passed at this position how package
		// regexp goes on. Such loops are rare enough to leave them to it.
		b.failed = true
		return next
	}
	body := b.build(sub, again)
	branches := []*node{body, next}
	if !greedy {
		branches = []*node{next, body}
	}
	b.dispatch(again, branches)
	if skip {
		return again
	}
	return body
}

// branch makes a node that tries branches in their order.
func (b *builder) branch(branches []*node) *node {
	if len(branches) > maxBranches {
		rest := b.branch(branches[maxBranches-1:])
		branches = append(branches[:maxBranches-1:maxBranches-1], rest)
	}
	var l look
	for _, n := range branches {
		m := b.look(n)
		l = look{l.set.union(m.set), l.end || m.end}
	}
	n := b.add(node{op: opBranch}, l)
	b.dispatch(n, branches)
	return n
}

// dispatch gives n its branches, each under the bytes that it may begin with.
func (b *builder) dispatch(n *node, branches []*node) {
	var masks [256]uint32
	for i, x := range branches {
		l := b.look(x)
		for c := range masks {
			if l.set.has(byte(c)) {
				masks[c] |= 1 << i
			}
		}
		if l.end {
			n.endMask |= 1 << i
		}
	}
	if b.masks[masks] == nil {
		b.masks[masks] = &masks
	}
	n.branches, n.masks = branches, b.masks[masks]
}

// run makes the node of a class that stands min to max times.
func (b *builder) run(c class, min, max int, greedy bool, next *node) *node {
	if max < 0 {
		max = unlimited
	}
	after := b.look(next)
	set := c.bytes.set()
	own := look{set: set}
	if min == 0 {
		own = look{set.union(after.set), after.end}
	}
	follow := b.behind(set, min, after, next)
	n := node{class: c, min: int32(min), max: int32(max), next: next, atEnd: follow.end, wide: follow.set.wide()}
	n.class.bytes = b.table(*c.bytes)
	n.follow = b.table(follow.set.table())
	bytes := c.wide == narrow || c.wide == widely && min <= 1 && max == unlimited
	if bytes && set.union(newline) == anyByte {
		if n.reach = toEnd; set != anyByte {
			n.reach = toNewline
		}
		n.lit = literalAt(next)
	}
	switch {
	// Wherever the run could end earlier there is one more of its runes, with which nothing can go on. So a lazy run
	// must go as far as a greedy one.
	case set.common(follow.set).empty():
		n.op = opSpan
		if !bytes {
			n.op = opSpanRunes
		}
		return b.add(n, own)
	case bytes && greedy:
		n.op = opGreedy
	case bytes:
		n.op = opLazy
	case greedy:
		n.op = opGreedyRunes
	default:
		n.op = opLazyRunes
	}
	if bytes && max == unlimited {
		n.memo = true
		n.slot = int32(b.memos)
		b.memos++
	}
	return b.add(n, own)
}

// behind returns what may come where a run has ended before its last rune.
func (b *builder) behind(set byteSet, min int, after look, next *node) look {
	for next.op == opCapture || next.op == opSave {
		next = next.next
	}
	if min > 0 && set.without(wordByte).empty() {
		switch next.op {
		case opBoundary: // the rune before belongs to a word, so that the one behind must not
			after.set = after.set.without(wordByte)
		case opNoBoundary:
			after.set, after.end = after.set.common(wordByte), false
		}
	}
	return after
}

// literalAt returns the text that every match from n on begins with, "" if there is none.
func literalAt(n *node) string {
	for n.op == opCapture || n.op == opSave {
		n = n.next
	}
	if n.op == opByte || n.op == opString {
		return n.lit
	}
	return ""
}

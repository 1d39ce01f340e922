package grok

import "math/bits"

// run tries to match at pos and nowhere else. It returns where the match ends, noMatch or exhausted.
func (p *program) run(s *scratch, text string, pos int) int {
	stack, steps := s.stack[:0], s.steps
	n := p.start
	for {
		if steps--; steps < 0 || len(stack) >= maxChoices {
			s.steps, s.stack = steps, stack
			return exhausted
		}
		// A node that can go on continues the loop; one that cannot leaves the switch.
		switch n.op {
		case opMatch:
			s.steps, s.stack = steps, stack
			return pos
		case opByte:
			if pos < len(text) && text[pos] == n.c {
				pos++
				n = n.next
				continue
			}
		case opString:
			if end := pos + len(n.lit); end <= len(text) && text[pos:end] == n.lit {
				pos = end
				n = n.next
				continue
			}
		case opFold:
			if end := pos + len(n.lit); end <= len(text) && equalFold(text[pos:end], n.lit) {
				pos = end
				n = n.next
				continue
			}
		case opClass:
			if w := n.class.width(text, pos); w > 0 {
				pos += w
				n = n.next
				continue
			}
		case opCapture:
			s.slots[n.slot] = pos
			n = n.next
			continue
		case opSave:
			stack = append(stack, choice{node: n.id, pos: int32(s.slots[n.slot])})
			s.slots[n.slot] = pos
			n = n.next
			continue
		case opBranch:
			mask := n.endMask
			if pos < len(text) {
				mask = n.masks[text[pos]]
			}
			if mask != 0 {
				if rest := mask & (mask - 1); rest != 0 {
					stack = append(stack, choice{node: n.id, pos: int32(pos), a: int32(rest)})
				}
				n = n.branches[bits.TrailingZeros32(mask)]
				continue
			}
		case opSpan:
			end := n.extent(text, pos)
			steps -= (end - pos) >> 2
			if end-pos >= int(n.min) {
				pos = end
				n = n.next
				continue
			}
		case opGreedy:
			low, ok := n.least(text, pos)
			if !ok || n.memo && s.memos[n.slot].has(low) {
				break
			}
			end, high := n.reaches(s, text, pos)
			steps -= (high - pos) >> 2
			if end < low {
				break
			}
			at := noMatch
			if high >= low {
				at = n.latest(text, low, high)
				steps -= (high - max(at, low)) >> 2
			}
			if at < 0 {
				n.remember(s, low, end)
				break
			}
			if n.memo || at > low {
				stack = append(stack, choice{n.id, int32(at), int32(low), int32(end)})
			}
			pos = at
			n = n.next
			continue
		case opLazy:
			low, ok := n.least(text, pos)
			if !ok || n.memo && s.memos[n.slot].has(low) {
				break
			}
			limit := len(text)
			if most := int(n.max); limit-pos > most {
				limit = pos + most
			}
			at, end, cost := n.following(s, text, low, limit)
			steps -= cost
			if at < 0 {
				n.remember(s, low, end)
				break
			}
			stack = append(stack, choice{n.id, int32(at), int32(low), int32(limit)})
			pos = at
			n = n.next
			continue
		case opSpanRunes:
			if end, count := n.extentRunes(text, pos, int(n.max)); count >= int(n.min) {
				steps -= (end - pos) >> 2
				pos = end
				n = n.next
				continue
			}
		case opGreedyRunes:
			low, count := n.extentRunes(text, pos, int(n.min))
			if count < int(n.min) {
				break
			}
			end, _ := n.extentRunes(text, low, int(n.max-n.min))
			steps -= (end - pos) >> 2
			at := n.latestRune(text, low, end)
			if at < 0 {
				break
			}
			if at > low {
				stack = append(stack, choice{n.id, int32(at), int32(low), 0})
			}
			pos = at
			n = n.next
			continue
		case opLazyRunes:
			low, count := n.extentRunes(text, pos, int(n.min))
			if count < int(n.min) {
				break
			}
			steps -= (low - pos) >> 2
			stack = append(stack, choice{n.id, int32(low), n.max - n.min, 0})
			pos = low
			n = n.next
			continue
		case opBeginText:
			if pos == 0 {
				n = n.next
				continue
			}
		case opEndText:
			if pos == len(text) {
				n = n.next
				continue
			}
		case opBeginLine:
			if pos == 0 || text[pos-1] == '\n' {
				n = n.next
				continue
			}
		case opEndLine:
			if pos == len(text) || text[pos] == '\n' {
				n = n.next
				continue
			}
		case opBoundary:
			if atWordBoundary(text, pos) {
				n = n.next
				continue
			}
		case opNoBoundary:
			if !atWordBoundary(text, pos) {
				n = n.next
				continue
			}
		}

		// Back to the last choice that has something left.
		for {
			last := len(stack) - 1
			if last < 0 {
				s.steps, s.stack = steps, stack
				return noMatch
			}
			if steps--; steps < 0 {
				s.steps, s.stack = steps, stack
				return exhausted
			}
			c := &stack[last]
			n = p.nodes[c.node]
			at := noMatch
			switch n.op {
			case opSave:
				s.slots[n.slot] = int(c.pos)
			case opBranch:
				mask := uint32(c.a)
				pos = int(c.pos)
				n = n.branches[bits.TrailingZeros32(mask)]
				if mask &= mask - 1; mask == 0 {
					stack = stack[:last]
				} else {
					c.a = int32(mask)
				}
				goto on
			case opGreedy:
				if c.pos > c.a {
					at = n.latest(text, int(c.a), int(c.pos)-1)
					steps -= int(c.pos-max(int32(at), c.a)) >> 2
				}
				if at < 0 {
					n.remember(s, int(c.a), int(c.b))
				}
			case opLazy:
				var end, cost int
				at, end, cost = n.later(s, text, int(c.pos), int(c.b))
				steps -= cost
				if at < 0 {
					n.remember(s, int(c.a), end)
				}
			case opGreedyRunes:
				if c.pos > c.a {
					at = n.latestRune(text, int(c.a), int(c.pos)-1)
					steps -= int(c.pos-max(int32(at), c.a)) >> 2
				}
			case opLazyRunes:
				if w := n.class.width(text, int(c.pos)); w > 0 && c.a > 0 {
					at = int(c.pos) + w
					c.a--
				}
			}
			if at >= 0 {
				c.pos = int32(at)
				pos = at
				n = n.next
				goto on
			}
			stack = stack[:last]
		}
	on:
	}
}

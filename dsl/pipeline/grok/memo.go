package grok

// span is what a run without a limit remembers: from which of its ends on nothing goes on. Another run of the same node
// that begins before has these ends, too, and need not try them again; one that begins in between has none
// but these. So patterns with several .* do not multiply, whatever the text is. What comes behind a run does not
// depend on how the match got there, so that this holds for all matches in the same text.
type span struct{ from, to int32 }

func (m span) has(pos int) bool { return int(m.from) <= pos && pos <= int(m.to) }

// remember notes that nothing goes on from any end between low and high.
func (n *node) remember(s *scratch, low, high int) {
	if n.memo {
		s.memos[n.slot] = span{int32(low), int32(high)}
	}
}

// reaches returns where a greedy run that begins at pos ends at the latest, and the last end that it has not tried.
func (n *node) reaches(s *scratch, text string, pos int) (end, high int) {
	if n.memo {
		if m := s.memos[n.slot]; int(m.from) > pos && int(m.from) < len(text) {
			if high = n.extent(text[:m.from], pos); high == int(m.from) {
				return int(m.to), high - 1
			}
			return high, high
		}
	}
	end = n.extent(text, pos)
	return end, end
}

// following returns the first end of a lazy run from low on at which something may go on and that it has not
// tried, or noMatch and how far its ends are known then. cost is in steps.
func (n *node) following(s *scratch, text string, low, limit int) (at, end, cost int) {
	if !n.memo {
		at, end = n.earliest(text, low, limit)
		return at, end, (end - low) >> 2
	}
	m := s.memos[n.slot]
	if int(m.from) > low {
		limit = min(limit, int(m.from))
	}
	at, end = n.earliest(text, low, limit)
	cost = (end - low) >> 2
	if m.has(end) {
		return noMatch, int(m.to), cost
	}
	return at, end, cost
}

// later is following for a lazy run that has ended at pos in vain.
func (n *node) later(s *scratch, text string, pos, limit int) (at, end, cost int) {
	w := 0
	if pos < limit {
		w = n.class.width(text, pos)
	}
	if w == 0 {
		return noMatch, pos, 0
	}
	return n.following(s, text, pos+w, limit)
}

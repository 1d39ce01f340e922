package grok

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// seek is how a program finds the places at which it tries to match.
type seek struct {
	anchored bool      // only at the beginning of the text
	prefix   string    // only where this stands
	first    byteTable // only before these bytes
	any      bool      // first has all bytes
	end      bool      // at the end of the text, too
	lead     *node     // every match begins with this run, without a limit
	required string    // is somewhere in every match
}

func newSeek(re *syntax.Regexp, start *node, l look) seek {
	s := seek{first: l.set.table(), any: l.set == anyByte, end: l.end, required: required(re), prefix: literalAt(start)}
	for n := start; ; n = n.next {
		switch n.op {
		case opCapture, opSave:
			continue
		case opBeginText:
			s.anchored = true
			continue
		case opSpan, opGreedy, opLazy:
			if n.max == unlimited && n.min <= 1 {
				s.lead = n
			}
		}
		break
	}
	if strings.Contains(s.prefix, s.required) {
		s.required = ""
	}
	return s
}

// required returns the longest literal that is a part of every match, "" if none is known.
func required(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		s := string(re.Rune)
		if re.Flags&syntax.FoldCase != 0 || strings.ContainsRune(s, utf8.RuneError) {
			return ""
		}
		return s
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		longest := ""
		for _, sub := range re.Sub {
			if s := required(sub); len(s) > len(longest) {
				longest = s
			}
		}
		return longest
	}
	return ""
}

// search finds the first match from a position on. It returns noMatch or exhausted as the start if there is none.
func (p *program) search(s *scratch, text string, from int) (start, end int) {
	if p.seek.anchored {
		if from > 0 {
			return noMatch, 0
		}
		end = p.run(s, text, 0)
		return min(end, 0), end
	}
	needed := -1 // the required literal is at or after this position
	for pos := from; ; {
		if pos = p.seek.next(text, pos); pos < 0 {
			return noMatch, 0
		}
		// Lines that match usually do so at once. So the literal is looked for when an attempt has failed.
		if pos > from && p.seek.required != "" && needed < pos {
			i := strings.Index(text[pos:], p.seek.required)
			if i < 0 {
				return noMatch, 0
			}
			needed = pos + i
		}
		if end = p.run(s, text, pos); end != noMatch {
			if end == exhausted {
				pos = exhausted
			}
			return pos, end
		}
		if pos = p.seek.after(text, pos); pos < 0 {
			return noMatch, 0
		}
	}
}

// next returns the first position from pos on at which a match may begin, or noMatch.
func (k *seek) next(text string, pos int) int {
	if k.prefix != "" {
		i := strings.Index(text[pos:], k.prefix)
		if i < 0 {
			return noMatch
		}
		return pos + i
	}
	if k.any {
		return pos
	}
	for pos < len(text) && !k.first[text[pos]] {
		if text[pos] < utf8.RuneSelf {
			pos++
			continue
		}
		_, w := utf8.DecodeRuneInString(text[pos:])
		pos += w
	}
	if pos == len(text) && !k.end {
		return noMatch
	}
	return pos
}

// after returns where to go on after a match has failed at pos, or noMatch. Where a match begins with a run the attempt
// has shown that nothing goes on from any end of it, so that beginning later in the run is in vain, too.
func (k *seek) after(text string, pos int) int {
	if k.lead != nil {
		pos = k.lead.extent(text, pos)
	}
	if pos >= len(text) {
		return noMatch
	}
	_, w := utf8.DecodeRuneInString(text[pos:])
	return pos + w
}

package grok

import (
	"strings"
	"unicode/utf8"
)

// extent returns where a run of bytes that begins at pos ends at the latest.
func (n *node) extent(text string, pos int) int {
	switch n.reach {
	case toEnd:
		return len(text)
	case toNewline:
		if i := strings.IndexByte(text[pos:], '\n'); i >= 0 {
			return pos + i
		}
		return len(text)
	}
	if most := int(n.max); len(text)-pos > most {
		text = text[:pos+most]
	}
	set := n.class.bytes
	for pos < len(text) && set[text[pos]] {
		pos++
	}
	return pos
}

// least returns where a run of bytes that begins at pos ends at the earliest.
func (n *node) least(text string, pos int) (int, bool) {
	for range n.min {
		w := n.class.width(text, pos)
		if w == 0 {
			return 0, false
		}
		pos += w
	}
	return pos, true
}

// mayEnd reports whether what follows a run may begin at pos. low is where the run may end at the earliest.
func (n *node) mayEnd(text string, low, pos int) bool {
	if pos == len(text) {
		return n.atEnd
	}
	return n.follow[text[pos]] && (text[pos] < utf8.RuneSelf || !n.wide || boundary(text, low, pos))
}

// latest returns the last position from low to high at which what follows the run may begin, or noMatch.
func (n *node) latest(text string, low, high int) int {
	if n.lit != "" {
		end := min(high+len(n.lit), len(text))
		if i := strings.LastIndex(text[low:end], n.lit); i >= 0 {
			return low + i
		}
		return noMatch
	}
	for ; high >= low; high-- {
		if n.mayEnd(text, low, high) {
			return high
		}
	}
	return noMatch
}

// earliest returns the first position from low on at which what follows the run may begin, or noMatch. end is how far
// it looked: in between no run can end in another way.
func (n *node) earliest(text string, low, limit int) (at, end int) {
	if n.lit != "" {
		end = limit
		if n.reach == toNewline {
			if i := strings.IndexByte(text[low:limit], '\n'); i >= 0 {
				end = low + i
			}
		}
		i := strings.Index(text[low:min(end+len(n.lit), len(text))], n.lit)
		if i < 0 {
			return noMatch, end
		}
		return low + i, low + i
	}
	set := n.class.bytes
	for pos := low; ; pos++ {
		if n.mayEnd(text, low, pos) {
			return pos, pos
		}
		if pos >= limit || !set[text[pos]] {
			return noMatch, pos
		}
	}
}

// extentRunes returns where a run of at most so many runes ends that begins at pos, and how many it has.
func (n *node) extentRunes(text string, pos, most int) (end, count int) {
	for count < most {
		w := n.class.width(text, pos)
		if w == 0 {
			break
		}
		pos += w
		count++
	}
	return pos, count
}

// latestRune is latest for a run that is counted in runes.
func (n *node) latestRune(text string, low, high int) int {
	for ; high >= low; high-- {
		if boundary(text, low, high) && n.mayEnd(text, low, high) {
			return high
		}
	}
	return noMatch
}

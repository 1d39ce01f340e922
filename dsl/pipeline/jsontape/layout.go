package jsontape

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"

	"dataflow/engine/point"
)

// Messages of one kind differ in their numbers, texts and words only: what stands between those is the same from message
// to message. A layout is what stands between them in a text that was parsed. Where it stands in the next text, too, only the numbers, texts
// and words are read, and the tape is that of the layout but for their places. What a script looks up by constant keys is then where it was the last time.

const (
	layouts    = 4   // that a document remembers: messages of a few kinds often alternate
	maxEntries = 256 // of the tape of a layout
	maxGaps    = 4 << 10

	// A text that fits no layout casts doubt on them, one that fits takes a little of it away. Beyond a measure of it layouts rest,
	// each time for longer, so that texts of ever new kinds cost little more than parsing them.
	misfit, tooMuch     = 8, 64
	firstRest, lastRest = 64, 4096
)

// layout is what stands between the scalars of a text.
type layout struct {
	id     uint32   // by age; 0 is none
	proved bool     // another text had it since it was learned
	tape   []entry  // of the text
	slots  []uint32 // entries of its scalars, in their order
	gaps   []string // what stands before each of them, and behind the last one
	text   []byte   // backs gaps
	before []uint16 // how many scalars stand before the beginning of each entry
	within []uint16 // and before its end
}

// memory is what a document knows of those before it.
type memory struct {
	layouts [layouts]layout
	current int // the layout that fitted last
	learned uint32
	doubt   int
	rest    int // texts left to parse without layouts
	nap     int // how long the last rest was

	fits *layout // the layout that the present text has; nil if it was parsed
	bare bool    // of its tape only the scalars have their places so far

	paths [16]path
}

// path is where Walk got to in texts of a layout.
type path struct {
	keys   *string
	count  int
	from   Node
	layout uint32
	to     Node
	steps  int
}

// remembered reads s as a text of a layout that is known. It reports false if it is none of those.
func (d *Doc) remembered(s []byte) bool {
	m := &d.memory
	m.fits, m.bare = nil, false
	if m.rest > 0 {
		m.rest--
		return false
	}
	for i := range layouts {
		k := (m.current + i) % layouts
		if l := &m.layouts[k]; l.id != 0 && d.fit(l, s) {
			m.current, l.proved = k, true
			if m.doubt > 0 {
				m.doubt--
			} else {
				m.nap = 0
			}
			return true
		}
	}
	return false
}

// fit makes the tape of s if s has the layout.
func (d *Doc) fit(l *layout, s []byte) bool {
	if first := l.gaps[0]; len(s) < len(first) || string(s[:len(first)]) != first {
		return false
	}
	if cap(d.tape) < len(l.tape) {
		d.tape = make([]entry, len(l.tape))
	}
	tape := d.tape[:len(l.tape)]
	copy(tape, l.tape)
	i := 0
	for k, slot := range l.slots {
		gap := l.gaps[k]
		if len(s)-i <= len(gap) || string(s[i:i+len(gap)]) != gap {
			return false
		}
		i += len(gap)
		end, info := scalar(s, i)
		if end < 0 {
			return false
		}
		e := &tape[slot]
		e.start, e.end, e.info = uint32(i), uint32(end), info
		i = end
	}
	if string(s[i:]) != l.gaps[len(l.slots)] {
		return false
	}
	d.tape, d.fits, d.bare = tape, l, true
	return true
}

// scalar returns where the text, number or word at i ends, and its entry's info; a negative end if there is none.
func scalar(s []byte, i int) (end int, info uint32) {
	switch c := s[i]; c {
	case '"':
		for end = i + 1; len(s)-end >= 8; end += 8 {
			if hit := quotes(binary.LittleEndian.Uint64(s[end:])); hit != 0 {
				end += bits.TrailingZeros64(hit) >> 3
				break
			}
		}
		if end < len(s) && s[end] == '"' {
			return end + 1, uint32(point.KindString)
		}
		end, flags := scanString(s, i+1)
		return end, uint32(point.KindString) | flags
	case 't', 'n', 'f':
		word, kind := wordOf(c)
		if len(s)-i < len(word) || string(s[i:i+len(word)]) != word {
			return -1, 0
		}
		return i + len(word), uint32(kind)
	case '{', '[':
		return -1, 0
	}
	return scanNumber(s, i), uint32(point.KindFloat)
}

// wordOf returns the word that begins with c.
func wordOf(c byte) (string, point.Kind) {
	switch c {
	case 't':
		return "true", point.KindBool
	case 'f':
		return "false", point.KindBool
	}
	return "null", point.KindNil
}

// settle gives the keys, objects and arrays of the tape their places.
func (d *Doc) settle() {
	d.bare = false
	l := d.fits
	shift := func(scalars uint16) uint32 { // of what so many scalars stand before; it may wrap around
		if scalars == 0 {
			return 0
		}
		slot := l.slots[scalars-1]
		return d.tape[slot].end - l.tape[slot].end
	}
	next := 0 // of the scalars
	for i := range d.tape {
		if next < len(l.slots) && l.slots[next] == uint32(i) {
			next++
			continue
		}
		e := &d.tape[i]
		e.start += shift(l.before[i])
		e.end += shift(l.within[i])
	}
}

// learn remembers the layout of the text that was parsed.
func (d *Doc) learn() {
	m := &d.memory
	if m.rest > 0 || len(d.tape) > maxEntries {
		return
	}
	if m.learned >= layouts { // until then there was nothing to fit
		m.doubt += misfit
	}
	if m.doubt > tooMuch {
		m.nap = min(max(firstRest, 2*m.nap), lastRest)
		m.doubt, m.rest = tooMuch-misfit, m.nap
		for i := range m.layouts {
			m.layouts[i].proved = false // what comes then may be other kinds
		}
		return
	}
	k := m.worst()
	l := &m.layouts[k]
	l.id, l.proved = 0, false
	if !l.of(d.src, d.tape) {
		if m.learned < layouts {
			m.doubt += misfit // trying to learn texts like it is in vain, too
		}
		return
	}
	m.learned++
	l.id, m.current = m.learned, k
}

// worst returns the layout to forget for another: the oldest that no text had but the one it is of, so that a text of its own kind, which
// comes now and then, costs one layout and not each in turn. If all have proved it is the oldest.
func (m *memory) worst() (k int) {
	for i := 1; i < layouts; i++ {
		l, best := &m.layouts[i], &m.layouts[k]
		if l.proved == best.proved && l.id < best.id || !l.proved && best.proved {
			k = i
		}
	}
	return k
}

// of makes l the layout of a text, unless too much stands between its scalars.
func (l *layout) of(src string, tape []entry) bool {
	l.tape, l.slots, l.gaps, l.text = append(l.tape[:0], tape...), l.slots[:0], l.gaps[:0], l.text[:0]
	l.before = slices.Grow(l.before[:0], len(tape))[:len(tape)]
	l.within = slices.Grow(l.within[:0], len(tape))[:len(tape)]
	l.mark(0)
	size := len(src)
	for _, slot := range l.slots {
		size -= int(tape[slot].end - tape[slot].start)
	}
	if size > maxGaps {
		return false
	}
	l.text = slices.Grow(l.text, size) // once, so that gaps can point into it
	at := uint32(0)
	for _, slot := range l.slots {
		l.keep(src[at:tape[slot].start])
		at = tape[slot].end
	}
	l.keep(src[at:])
	return true
}

// mark notes the scalars from the value at n on, and how many of them stand before what.
func (l *layout) mark(n uint32) {
	e := &l.tape[n]
	l.before[n] = uint16(len(l.slots))
	switch e.kind() {
	case point.KindList:
		for i := n + 1; i < e.next; i = l.tape[i].next {
			l.mark(i)
		}
	case point.KindMap:
		for i := n + 1; i < e.next; i = l.tape[i+1].next {
			l.before[i], l.within[i] = uint16(len(l.slots)), uint16(len(l.slots))
			l.mark(i + 1)
		}
	default:
		l.slots = append(l.slots, n)
	}
	l.within[n] = uint16(len(l.slots))
}

// keep adds a gap.
func (l *layout) keep(s string) {
	start := len(l.text)
	l.text = append(l.text, s...)
	l.gaps = append(l.gaps, unsafe.String(unsafe.SliceData(l.text[start:]), len(s)))
}

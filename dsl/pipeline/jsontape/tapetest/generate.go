package tapetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes JSON texts, and chains of indexes that mostly lead into them: both have few keys.
type generator struct {
	*rand.Rand
	buf []byte
}

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g *generator) chain() string {
	var b strings.Builder
	for range 1 + g.IntN(4) {
		b.WriteString(g.pick(`["a"]`, `["a"]`, `["b"]`, `["b"]`, `["ab"]`, `["c"]`, `[""]`, `["\n"]`, `["k-long-enough-to-need-words"]`, "[0]", "[1]", "[-1]", "[7]",
			"[1+1]", "[nil]", `["a" + "b"]`))
	}
	return b.String()
}

func (g *generator) text() string {
	g.buf = g.buf[:0]
	g.space()
	g.value(0)
	g.space()
	if g.IntN(3) == 0 {
		for range 1 + g.IntN(3) {
			g.mutate()
		}
	}
	return string(g.buf)
}

func (g *generator) write(s string) { g.buf = append(g.buf, s...) }

func (g *generator) space() {
	if g.IntN(4) == 0 {
		g.write(g.pick(" ", "\n", "\t", "\r", "  ", "         "))
	}
}

func (g *generator) value(depth int) {
	kind := g.IntN(10)
	if depth == 0 && kind < 5 {
		kind = 9
	}
	if depth == 5 {
		kind %= 6
	}
	switch kind {
	case 0:
		g.write(g.pick("null", "true", "false"))
	case 1, 2:
		g.number()
	case 3, 4, 5:
		g.str()
	case 6, 7:
		g.members('[', depth, func() {})
	default:
		g.members('{', depth, func() {
			g.write(g.pick(`"a"`, `"a"`, `"b"`, `"b"`, `"ab"`, `"c"`, `"\u0061"`, `"a\u0062"`, `""`, `"\n"`, `"k-long-enough-to-need-words"`,
				`"k-long-enough-to-need-w\u006frds"`, `"A"`))
			g.space()
			g.write(":")
		})
	}
}

func (g *generator) members(open byte, depth int, key func()) {
	g.buf = append(g.buf, open)
	g.space()
	n := g.IntN(5)
	if g.IntN(200) == 0 {
		n = 80 // many keys are counted in another way
	}
	for i := range n {
		if i > 0 {
			g.write(",")
			g.space()
		}
		key()
		g.space()
		g.value(depth + 1)
		g.space()
	}
	g.buf = append(g.buf, open+2)
}

func (g *generator) number() {
	if g.IntN(3) == 0 {
		g.write(g.pick("0", "-0", "1e400", "9223372036854775808", "1.7976931348623157e308", "1e-400", "0.1", "-1.5E+2", "12345678901234567890.5", "3"))
		return
	}
	g.buf = fmt.Appendf(g.buf, g.pick("%d", "%d.25", "%de2", "-%d", "%d.0"), g.IntN(1<<g.IntN(40)))
}

// str writes a string.
func (g *generator) str() {
	g.write(`"`)
	for range g.IntN(4) {
		g.write(g.pick("a", "word", "0123456789", `\n`, `\"`, `\\`, `\u00e4`, `\ud83d\ude00`, `\ud83d`, "ä", "😀", " ", "/", `\/`, strings.Repeat("x", g.IntN(40))))
	}
	g.write(`"`)
}

// mutate changes the text somewhere.
func (g *generator) mutate() {
	if len(g.buf) == 0 {
		return
	}
	const bytes = "{}[]\",:\\ 0123456789truefalsn-+.eE\x00\x1f\xff\n/u"
	at := g.IntN(len(g.buf))
	switch c := bytes[g.IntN(len(bytes))]; g.IntN(5) {
	case 0:
		g.buf[at] = c
	case 1:
		g.buf = append(g.buf[:at], g.buf[at+1:]...)
	case 2:
		g.buf = append(g.buf[:at+1], g.buf[at:]...)
		g.buf[at] = c
	case 3:
		g.buf = g.buf[:at]
	case 4: // a piece twice
		end := min(at+1+g.IntN(8), len(g.buf))
		g.buf = append(g.buf[:end], g.buf[at:]...)
	}
}

package diag

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	tabWidth = 4
	maxWidth = 120 // columns of source that are shown of a long line
	ellipsis = "..."
)

// Print writes every diagnostic with its line of source, a caret under what is meant, and its hint. Source
// returns the text of a file, nil if there is none; it may be nil itself. Call [List.Sort] before.
func (l List) Print(w io.Writer, source func(file string) []byte) error {
	texts := map[string][][]byte{}
	lines := func(file string) [][]byte {
		text, ok := texts[file]
		if !ok && source != nil {
			text = bytes.Split(source(file), []byte("\n"))
			texts[file] = text
		}
		return text
	}
	var b bytes.Buffer
	for i, d := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		d.print(&b, lines(d.File))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (d Diagnostic) print(b *bytes.Buffer, lines [][]byte) {
	if at := d.Pos.String(); at != "" {
		b.WriteString(at)
		b.WriteString(": ")
	}
	fmt.Fprintf(b, "%s: %s\n", d.Severity, d.Message)
	gutter := 2
	if d.Line > 0 && d.Line <= len(lines) {
		number := strconv.Itoa(d.Line)
		gutter = len(number) + 2
		text, pad, width := d.excerpt(string(bytes.TrimRight(lines[d.Line-1], "\r\n")))
		fmt.Fprintf(b, "  %s | %s\n", number, text)
		if d.Col > 0 {
			fmt.Fprintf(b, "%*s | %s%s\n", gutter, "", strings.Repeat(" ", pad), strings.Repeat("^", width))
		}
	}
	if d.Hint != "" {
		for i, line := range strings.Split(d.Hint, "\n") {
			mark := "hint: "
			if i > 0 {
				mark = "      "
			}
			fmt.Fprintf(b, "%*s = %s%s\n", gutter, "", mark, line)
		}
	}
}

// excerpt returns the line as it is shown, tabs expanded and control characters replaced, with the column of
// the caret and how many columns are underlined. Of a long line it is the part around the caret.
func (d Diagnostic) excerpt(line string) (text string, pad, width int) {
	var cells []cell
	at, col := 0, 1
	pad, end := -1, -1
	for _, r := range line {
		if col == d.Col {
			pad = at
		}
		if col == d.EndCol {
			end = at
		}
		c := cell{string(r), runeWidth(r)}
		switch {
		case r == '\t':
			c.width = tabWidth - at%tabWidth
			c.text = strings.Repeat(" ", c.width)
		case r == utf8.RuneError || unicode.IsControl(r):
			c = cell{"\uFFFD", 1}
		}
		cells = append(cells, c)
		at += c.width
		col++
	}
	if pad < 0 {
		pad = at // the position is behind the last character: something is missing there
	}
	if end < 0 && d.EndCol >= col {
		end = at
	}
	width = max(1, end-pad)
	return cut(cells, at, pad, width)
}

// cell is what one character of the source becomes on the screen.
type cell struct {
	text  string
	width int
}

// cut leaves out what does not fit. It keeps the caret in the first third, where the reader looks.
func cut(cells []cell, total, pad, width int) (string, int, int) {
	from, to := 0, total
	if total > maxWidth {
		from = max(0, min(pad-maxWidth/3, total-maxWidth))
		to = from + maxWidth
	}
	var b strings.Builder
	skipped, at := 0, 0
	for _, c := range cells {
		switch {
		case at < from:
			skipped += c.width
		case at+c.width <= to:
			b.WriteString(c.text)
		}
		at += c.width
	}
	text := b.String()
	if to < total {
		text += ellipsis
	}
	pad -= skipped
	if skipped > 0 {
		text, pad = ellipsis+text, pad+len(ellipsis)
	}
	return text, pad, max(1, min(width, maxWidth-(pad-len(ellipsis))))
}

// wide holds the runes that take two columns of a terminal (East Asian Wide and Fullwidth, emoji).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115F, Stride: 1}, {Lo: 0x2E80, Hi: 0x303E, Stride: 1}, {Lo: 0x3041, Hi: 0xA4CF, Stride: 1},
		{Lo: 0xA960, Hi: 0xA97F, Stride: 1}, {Lo: 0xAC00, Hi: 0xD7A3, Stride: 1}, {Lo: 0xF900, Hi: 0xFAFF, Stride: 1},
		{Lo: 0xFE30, Hi: 0xFE6F, Stride: 1}, {Lo: 0xFF00, Hi: 0xFF60, Stride: 1}, {Lo: 0xFFE0, Hi: 0xFFE6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1F300, Hi: 0x1F64F, Stride: 1}, {Lo: 0x1F680, Hi: 0x1F6FF, Stride: 1}, {Lo: 0x1F900, Hi: 0x1F9FF, Stride: 1},
		{Lo: 0x20000, Hi: 0x3FFFD, Stride: 1},
	},
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

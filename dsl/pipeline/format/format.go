// Package format brings the text of a script to its one usual form.
package format

import (
	"strings"

	"dataflow/dsl/pipeline/syntax"
)

// Source returns a script in its usual form, which is read as the same tree: a tab for each block, every statement and every
// end of a block on a line of its own, a blank around operators and after commas, at most one empty line in a row. Comments, breaks of
// lines within brackets and behind operators, and texts stay as they are written. What is in that form already is
// returned as it is. The errors are those of the script.
func Source(src *syntax.Source) (string, syntax.Errors) {
	tokens, errs := syntax.Tokens(src)
	if len(errs) > 0 {
		return "", errs
	}
	p := printer{src: src.Text}
	for _, t := range tokens {
		p.token(t)
	}
	if p.written {
		p.WriteByte('\n')
	}
	return p.String(), nil
}

// printer writes tokens one after the other. Breaks of lines are held back until it is known what follows.
type printer struct {
	strings.Builder
	src string

	blocks   int   // that are open
	brackets []int // that are open: the indentation of what closes each
	indent   int   // of the present line
	base     int   // of the last line that began outside of brackets

	written  bool         // anything
	last     syntax.Role  // of what was written last, comments included
	prev     syntax.Token // what was written last, without comments
	newlines int          // in the text since then
	due      bool         // what comes next begins a line, whatever the text says
}

func (p *printer) token(t syntax.Token) {
	switch t.Role {
	case syntax.Newline:
		p.newlines++
		return
	case syntax.Semicolon:
		p.due = true
		return
	case syntax.Comment:
		p.comment(t)
		return
	case syntax.Follower:
		p.due = false
	case syntax.BlockClose:
		p.blocks--
		empty := p.last == syntax.BlockOpen
		if p.due = !empty; empty {
			p.newlines = 0
		}
	}
	if !p.begin(t.Role) && p.spaced(t) {
		p.WriteByte(' ')
	}
	p.WriteString(p.src[t.Pos:t.End])
	switch t.Role {
	case syntax.Open:
		outer := p.base
		if n := len(p.brackets); n > 0 {
			outer = p.brackets[n-1] + 1
		}
		p.brackets = append(p.brackets, min(p.indent, outer))
	case syntax.Close:
		p.brackets = p.brackets[:len(p.brackets)-1]
	case syntax.BlockOpen:
		p.blocks++
		p.due = true
	case syntax.BlockClose:
		p.due = true
	}
	p.prev, p.last = t, t.Role
}

// comment writes a comment behind what stands on its line, or on a line of its own.
func (p *printer) comment(t syntax.Token) {
	due := p.due
	p.due = false
	if !p.begin(syntax.Comment) {
		p.WriteByte(' ')
	}
	p.due = due
	p.WriteString(strings.TrimRight(p.src[t.Pos:t.End], " \t\r\v\f"))
	p.last = syntax.Comment
}

// begin ends the line and indents the next one if a token with the role stands on a new one. It reports whether it is the
// first of its line.
func (p *printer) begin(role syntax.Role) bool {
	newlines, due := p.newlines, p.due
	p.newlines, p.due = 0, false
	switch {
	case !p.written:
		p.written = true
		return true
	case newlines == 0 && !due:
		return false
	}
	p.WriteByte('\n')
	opened := p.last == syntax.Open || p.last == syntax.BlockOpen
	closes := role == syntax.Close || role == syntax.BlockClose
	goesOn := len(p.brackets) == 0 && p.continued()
	if newlines > 1 && !opened && !closes && !goesOn {
		p.WriteByte('\n')
	}
	switch n := len(p.brackets); {
	case n > 0 && role == syntax.Close:
		p.indent = p.brackets[n-1]
	case n > 0:
		p.indent = p.brackets[n-1] + 1
	case goesOn:
		p.indent = p.blocks + 1
	default:
		p.indent = p.blocks
	}
	if len(p.brackets) == 0 {
		p.base = p.indent
	}
	for range p.indent {
		p.WriteByte('\t')
	}
	return true
}

// continued reports whether the statement goes on behind what was written last.
func (p *printer) continued() bool {
	switch p.prev.Role {
	case syntax.Operator, syntax.NamedAssign, syntax.Comma, syntax.MapColon:
		return true
	}
	return false
}

// spaced reports whether a blank stands in front of a token that is not the first of its line.
func (p *printer) spaced(t syntax.Token) bool {
	prev := p.prev.Role
	switch prev {
	case syntax.Open, syntax.Sign, syntax.Dot, syntax.SliceColon, syntax.NamedAssign:
		return false
	}
	operand := prev == syntax.Word || prev == syntax.Close // ended in front of t
	switch t.Role {
	case syntax.Close, syntax.Comma, syntax.MapColon, syntax.SliceColon, syntax.NamedAssign:
		return false
	case syntax.HeaderSemicolon:
		return prev == syntax.Keyword || prev == syntax.HeaderSemicolon
	case syntax.Dot, syntax.Open:
		return !operand
	case syntax.BlockClose:
		return prev != syntax.BlockOpen
	}
	return true
}

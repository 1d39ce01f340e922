// Package syntax turns the text of a Pipeline script into a tree: scanner, parser, positions and errors.
package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Pos is a byte offset in the text of a script. NoPos is none.
type Pos int32

// NoPos is the position of what stands nowhere in the text.
const NoPos Pos = -1

// Source is the text of a script and the name under which errors mention it.
type Source struct {
	Name string
	Text string
}

// LineCol returns the line and the column of pos, both counted from 1; a column is a character.
func (s *Source) LineCol(pos Pos) (line, col int) {
	if pos < 0 {
		return 0, 0
	}
	before := s.Text[:min(int(pos), len(s.Text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// Place returns the place of pos.
func (s *Source) Place(pos Pos) Place {
	line, col := s.LineCol(pos)
	return Place{File: s.Name, Line: line, Col: col}
}

// Errorf returns an error at pos.
func (s *Source) Errorf(pos Pos, format string, args ...any) *Error {
	return &Error{Place: s.Place(pos), Msg: fmt.Sprintf(format, args...)}
}

// Place is a place in a script. Line and Col count from 1, Col in characters; they are 0 if there is no place.
type Place struct {
	File string
	Line int
	Col  int
}

// String returns "file:line:col", without what is not known.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	if p.File == "" {
		return fmt.Sprintf("%d:%d", p.Line, p.Col)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Error is one fault of a script.
type Error struct {
	Place
	Msg  string
	Hint string // what to do about it, or ""
}

// Error returns "file:line:col: text (hint)", without what is not known.
func (e *Error) Error() string {
	text := e.Msg
	if place := e.Place.String(); place != "" {
		text = place + ": " + text
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Errors are the faults of a script in the order in which they were found.
type Errors []*Error

// Error returns one line for each fault.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

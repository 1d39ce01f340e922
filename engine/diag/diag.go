// Package diag holds what a user is told about a text that the user wrote: a graph file, a condition, a
// script. A [Diagnostic] has a position and often a hint; a [List] prints all of them at once, each with its
// line of source and a caret. It is a leaf: it imports nothing of ours.
package diag

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a file. Line and Col count from 1, Col in characters (not in bytes). A Line of 0 stands
// for the whole file, a Col of 0 for the whole line.
type Pos struct {
	File      string
	Line, Col int
}

// String returns file:line:column, without the parts that are not known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

func (p Pos) compare(q Pos) int {
	return cmp.Or(strings.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Severity says whether a diagnostic stops the user.
type Severity uint8

// The severities.
const (
	Error Severity = iota
	Warning
)

// String returns the word for the severity.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Diagnostic is one thing to tell the user.
type Diagnostic struct {
	Pos
	// EndCol is the column after the last character that is meant, on the same line; 0 if it is not known.
	EndCol   int
	Message  string // lower case, no full stop
	Hint     string // what to do about it; may be empty
	Severity Severity
}

// String returns the diagnostic on one line.
func (d Diagnostic) String() string {
	var b strings.Builder
	if at := d.Pos.String(); at != "" {
		b.WriteString(at)
		b.WriteString(": ")
	}
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Message)
	if d.Hint != "" {
		b.WriteString(" (")
		b.WriteString(strings.ReplaceAll(d.Hint, "\n", " "))
		b.WriteString(")")
	}
	return b.String()
}

// Error returns [Diagnostic.String], so that a diagnostic can travel as an error.
func (d Diagnostic) Error() string { return d.String() }

// List is all there is to tell about a text. It is an error if it is not empty; see [List.Err].
type List []Diagnostic

// Error returns a line for each diagnostic.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, d := range l {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Sort orders l by position and removes what was said twice. It returns the result, which shares l's memory.
func (l List) Sort() List {
	slices.SortStableFunc(l, func(a, b Diagnostic) int { return a.compare(b.Pos) })
	// A repetition is not always a neighbour: others may stand at the same position.
	seen := make(map[Diagnostic]bool, len(l))
	return slices.DeleteFunc(l, func(d Diagnostic) bool {
		was := seen[d]
		seen[d] = true
		return was
	})
}

// HasErrors reports whether one of l is more than a warning.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Err returns l as an error, sorted and with its warnings, or nil if it has no errors.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return l.Sort()
}

// Of returns the diagnostics that err is made of: a [Diagnostic] or [List] as it is, the parts of a joined error
// each, a [TextError] and everything else at the position at. A nil err gives none.
func Of(err error, at Pos) List {
	switch e := err.(type) { //nolint:errorlint // the tree is walked here
	case nil:
		return nil
	case List:
		return e
	case Diagnostic:
		return List{e}
	case *TextError:
		return List{{Pos: at, Message: e.Message, Hint: e.Hint}}
	case interface{ Unwrap() []error }:
		var list List
		for _, one := range e.Unwrap() {
			list = append(list, Of(one, at)...)
		}
		return list
	}
	var list List
	var one Diagnostic
	var text *TextError
	switch {
	case errors.As(err, &list):
		return list
	case errors.As(err, &one):
		return List{one}
	case errors.As(err, &text):
		return List{{Pos: at, Message: text.Message, Hint: text.Hint}}
	}
	return List{{Pos: at, Message: err.Error()}}
}

package eval

import (
	"fmt"

	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// RunError is how a script failed on a point.
type RunError struct {
	Places []syntax.Place // where it happened, and from where that script was called, the innermost first
	Msg    string
	// OverBudget says that the script used up its budget.
	OverBudget bool

	placed bool // the place where it happened is known
}

// Error returns "file:line:col: text" and a line "file:line:col:" for each calling place.
func (e *RunError) Error() string {
	if len(e.Places) == 0 {
		return e.Msg
	}
	text := e.Places[0].String() + ": " + e.Msg
	for _, p := range e.Places[1:] {
		text += "\n" + p.String() + ":"
	}
	return text
}

func (e *RunError) locate(src *syntax.Source, pos syntax.Pos) {
	e.Places = append(e.Places, src.Place(pos))
	e.placed = true
}

// Failf ends the script with an error whose place is filled in by [Frame.Locate]. It returns what an [Expr]
// returns then.
func (f *Frame) Failf(format string, args ...any) (point.Value, bool) {
	if !f.fatal {
		f.err = &RunError{Msg: fmt.Sprintf(format, args...)}
	}
	return point.Nil(), false
}

// FailAt ends the script with an error at pos.
func (f *Frame) FailAt(src *syntax.Source, pos syntax.Pos, format string, args ...any) (point.Value, bool) {
	f.Failf(format, args...)
	f.Locate(src, pos)
	return point.Nil(), false
}

func (f *Frame) failFatal(format string, args ...any) {
	f.Failf(format, args...)
	f.fatal, f.err.OverBudget = true, true
}

// Locate gives the error of the frame a place, unless it has one already. Compiled code calls it on the way
// out of what failed.
func (f *Frame) Locate(src *syntax.Source, pos syntax.Pos) {
	if f.err != nil && !f.err.placed {
		f.err.locate(src, pos)
	}
}

// Recover forgets the error of an argument and reports whether the script may go on: it may not once its
// budget is used up.
func (f *Frame) Recover() bool {
	if f.fatal {
		return false
	}
	f.err = nil
	return true
}

// Package eval is the run time of the Pipeline language: what a script works on while it runs, and the
// operations of the language on values. Package compile makes closures of a script that call it; package funcs
// adds the functions.
//
// Values are those of package point. A run knows three more, which never stand on a point: a reference into a
// parsed JSON text ([Frame.LoadJSON]), void (what a call without a result yields) and unset (a variable that
// does not exist at present).
package eval

import (
	"time"

	"dataflow/dsl/pipeline/jsontape"
	"dataflow/dsl/pipeline/state"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// Expr evaluates an expression. ok is false if that ended the script with an error, which the frame holds.
type Expr func(*Frame) (v point.Value, ok bool)

// Cond evaluates the truth of an expression. ok is false after an error.
type Cond func(*Frame) (truth, ok bool)

// Lookup reads a name. known is false if there is neither a variable nor a key of that name.
type Lookup func(*Frame) (v point.Value, known bool)

// Stmt runs a statement and says where to go on.
type Stmt func(*Frame) Flow

// Flow is where a script goes on after a statement.
type Flow uint8

// The ways to go on.
const (
	Next     Flow = iota
	Break         // leave the innermost loop
	Continue      // its next round
	Exit          // leave the script without an error
	Fail          // leave it with the error that the frame holds
)

// Frame is the state of the run of one script on one point. It is reused from run to run by one goroutine.
type Frame struct {
	Point   *point.Point
	Slots   []point.Value // the variables of the running script
	Created []point.Point // by the script, to be fed on their own

	Dropped    bool
	KeepStatus bool // the script switched the status mapping off
	exiting    bool

	Now   func() time.Time
	Local *time.Location
	Host  Host         // never nil
	State *state.State // of the script, shared with the frames of other goroutines; never nil

	err    *RunError
	fatal  bool // err is no error of the script but of its budget, which nothing swallows
	limits Limits
	steps  int64     // left
	pause  int64     // the clock is looked at when steps are below
	output int64     // left, in bytes
	until  time.Time // by when the run must have ended

	hints hints
	text  chunk
	docs  []*jsontape.Doc
	used  int
	plain read // of texts that are read at once
	stack []point.Value
	top   int

	// Offsets is room for the places of matches. A function may use it until it returns.
	Offsets []int

	groups []point.Value
	args   []any
}

// NewFrame returns a frame. Now and local are the clock and the time zone of the scripts.
func NewFrame(limits Limits, now func() time.Time, local *time.Location) *Frame {
	if limits.Steps <= 0 {
		limits.Steps = defaultSteps
	}
	if limits.Output <= 0 {
		limits.Output = defaultOutput
	}
	return &Frame{
		limits: limits, steps: limits.Steps, output: limits.Output, Now: now, Local: local, Host: nowhere{}, State: state.New(),
		plain: read{doc: jsontape.Doc{Depth: limits.Depth}},
	}
}

// Run runs the program on p from its beginning. It returns nil or how the script failed.
func (f *Frame) Run(prog *Program, p *point.Point) *RunError {
	f.Point, f.Created = p, nil
	f.Dropped, f.KeepStatus, f.exiting = false, false, false
	f.err, f.fatal = nil, false
	f.used, f.top = 0, 0
	f.plain.text = ""
	f.reset()
	if len(f.stack) < prog.Need {
		f.stack = make([]point.Value, prog.Need)
	}
	if f.call(prog) {
		return nil
	}
	return f.err
}

// call runs prog with variables of its own.
func (f *Frame) call(prog *Program) bool {
	outer, exiting := f.Slots, f.exiting
	f.exiting = false
	f.Slots = f.stack[f.top : f.top+prog.Slots]
	f.top += prog.Slots
	flow := prog.Body(f)
	f.top -= prog.Slots
	f.Slots, f.exiting = outer, exiting
	return flow != Fail
}

// Use runs another script on the same point, for the call of use at pos in src. It costs a step: scripts that use
// others twice each would double their run time with every level.
func (f *Frame) Use(prog *Program, src *syntax.Source, pos syntax.Pos) bool {
	if !f.Step(pos, src) {
		return false
	}
	if f.call(prog) {
		return true
	}
	f.err.locate(src, pos)
	return false
}

// Program is a compiled script.
type Program struct {
	Source *syntax.Source
	Body   Stmt
	Slots  int // of its own variables
	Need   int // of its own and of those that it may be using at a time
}

// Exit makes the script end after the present statement.
func (f *Frame) Exit() { f.exiting = true }

// Exiting reports whether the script ends after the present statement.
func (f *Frame) Exiting() bool { return f.exiting }

// Groups returns room for the groups of a match, good until the next call.
func (f *Frame) Groups() []point.Value { return f.groups[:0] }

// KeepGroups gives room from [Frame.Groups] back after it may have grown.
func (f *Frame) KeepGroups(room []point.Value) { f.groups = room }

// Args returns room for n arguments of a format, good until the next call.
func (f *Frame) Args(n int) []any {
	if cap(f.args) < n {
		f.args = make([]any, n)
	}
	return f.args[:n]
}

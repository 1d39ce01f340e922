package eval

import (
	"time"

	"dataflow/dsl/pipeline/syntax"
)

// Limits bound what one run may use. Zero fields mean the defaults. A run over one of them fails, and nothing in the
// script can swallow that.
type Limits struct {
	// Steps is the number of loop rounds and calls of use, 10 million by default. Work whose size depends on data costs
	// steps, too: one for each 16 bytes that are read or made, and more for points of very many keys.
	Steps int64
	// Time is how long a run may take, 0 is unlimited. It is looked at every 1,024 steps.
	Time time.Duration
	// Output is how many bytes of texts and lists a run may make, with the keys that it adds and the points that it
	// creates, 64 MiB by default. What was thrown away again counts.
	Output int64
	// Depth is how deep JSON may be nested, 0 is what jsontape allows.
	Depth int
}

// ItemSize is what an element of a list costs of the output. One of a map costs twice as much.
const ItemSize = 24

const (
	defaultSteps  = 10_000_000
	defaultOutput = 64 << 20
	stepsPerClock = 1024
	bytesPerStep  = 16
	keysPerStep   = 32       // that are looked through for a name
	maxText       = 64 << 20 // whatever Output is
)

// reset gives the run its budget.
func (f *Frame) reset() {
	f.steps, f.pause, f.output = f.limits.Steps, max(0, f.limits.Steps-stepsPerClock), f.limits.Output
	f.until = time.Time{}
}

// Step pays for a round of a loop. It reports false, with an error, when the budget is used up.
func (f *Frame) Step(pos syntax.Pos, src *syntax.Source) bool {
	f.steps--
	return f.steps >= f.pause || f.checkBudget(pos, src)
}

func (f *Frame) checkBudget(pos syntax.Pos, src *syntax.Source) bool {
	if f.withinBudget() {
		return true
	}
	f.Locate(src, pos)
	return false
}

// withinBudget looks at the steps and at the clock, and says when to look again.
func (f *Frame) withinBudget() bool {
	f.pause = max(0, f.steps-stepsPerClock)
	if f.steps < 0 {
		f.failFatal("the script used up its budget of %d steps", f.limits.Steps)
		return false
	}
	if !f.SpendOutput(0) {
		return false
	}
	if f.limits.Time <= 0 {
		return true
	}
	now := f.Now()
	if f.until.IsZero() {
		f.until = now.Add(f.limits.Time) // most runs never get here, and the clock costs more than a statement
	} else if now.After(f.until) {
		f.failFatal("the script took longer than %v", f.limits.Time)
		return false
	}
	return true
}

// Work pays for reading n bytes, or for as much of other work. A function whose time depends on its data calls it, or
// [Frame.Spend]. It reports false, with an error, when the budget is used up.
func (f *Frame) Work(n int) bool {
	f.steps -= int64(n / bytesPerStep)
	return f.steps >= f.pause || f.withinBudget()
}

// Spend pays for making a text of n bytes, or as many of a list.
func (f *Frame) Spend(n int) bool {
	if n > maxText {
		f.failFatal("a text of %d bytes is too long", n)
		return false
	}
	return f.SpendOutput(n) && f.Work(n)
}

// SpendOutput pays for n bytes that the run keeps or gives out, as [Frame.Spend] does, but not for the work.
func (f *Frame) SpendOutput(n int) bool {
	f.output -= int64(n)
	if f.output < 0 {
		f.failFatal("the script used up its budget of %d bytes of output", f.limits.Output)
		return false
	}
	return true
}

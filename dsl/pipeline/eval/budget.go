package eval

import (
	"time"

	"dataflow/dsl/pipeline/syntax"
)

// Limits bound what one run may use. Zero fields mean the defaults.
type Limits struct {
	// Steps is the number of loop rounds of a run, 10 million by default. Making long texts and lists costs
	// steps, too, so that it bounds the memory of a run.
	Steps int64
	// Time is how long a run may take, 0 is unlimited. It is looked at every 1,024 steps.
	Time time.Duration
	// Depth is how deep JSON may be nested, 0 is what jsontape allows.
	Depth int
}

const (
	defaultSteps  = 10_000_000
	stepsPerClock = 1024
	bytesPerStep  = 16 // how much making a text or list costs
	maxText       = 64 << 20
)

// Step pays for a round of a loop. It reports false, with an error, when the budget is used up.
func (f *Frame) Step(pos syntax.Pos, src *syntax.Source) bool {
	f.steps--
	return f.steps >= f.pause || f.checkBudget(pos, src)
}

func (f *Frame) checkBudget(pos syntax.Pos, src *syntax.Source) bool {
	f.pause = max(0, f.steps-stepsPerClock)
	if f.steps < 0 {
		f.failFatal("the script used up its budget of %d steps", f.limits.Steps)
	} else if f.limits.Time > 0 && f.Now().After(f.until) {
		f.failFatal("the script took longer than %v", f.limits.Time)
	} else {
		return true
	}
	f.Locate(src, pos)
	return false
}

// Spend pays for making a text of n bytes, or as many of a list.
func (f *Frame) Spend(n int) bool {
	if n > maxText {
		f.failFatal("a text of %d bytes is too long", n)
		return false
	}
	f.steps -= int64(n / bytesPerStep)
	if f.steps < 0 {
		f.failFatal("the script used up its budget of %d steps", f.limits.Steps)
		return false
	}
	return true
}

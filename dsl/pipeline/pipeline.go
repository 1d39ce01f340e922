// Package pipeline runs scripts of the Pipeline language on points. A [Script] is compiled once; a [Runner] of it
// belongs to one goroutine.
//
//	script, err := pipeline.Compile(text, pipeline.Options{Name: "nginx.p"})
//	runner := script.NewRunner()
//	outcome := runner.Run(&p)
//
// It follows the engine of DataKit 1.84, surprises included, but for these: a run has a budget of steps; what panicked
// there does something harmless; maps are walked in the order of their keys; times that it reads wrongly are failures, and Z is
// UTC; a numeric escape may stand before the closing quote; named arguments leave no variables behind.
//
// How it is made: package syntax reads the text, compile makes closures over numbered slots, eval has the
// operations of the language, funcs its functions, jsontape and grok what they stand on.
package pipeline

import (
	"cmp"
	"time"

	"dataflow/dsl/pipeline/compile"
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/grok"
	"dataflow/dsl/pipeline/state"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// Options are what is around a script. The zero Options will do.
type Options struct {
	Name     string                                    // of the script, for errors
	Loader   func(name string) (src string, err error) // other scripts, for use("x.p"); nil: there are none
	Patterns map[string]string                         // further grok patterns; a built-in one of the name wins
	Location *time.Location                            // where times without a zone belong, by default time.Local
	Now      func() time.Time                          // by default time.Now

	Host Host          // what the functions reach that read from outside; nil: nothing
	Tags []point.Field // global tags, for points that are made of many (agg_create)

	MaxSteps  int64         // rounds of loops in a run; 0 is ten million. Long texts and lists use them up, too
	MaxTime   time.Duration // of a run; 0 is unlimited
	MaxOutput int64         // bytes of texts, lists and points that a run may make; 0 is 64 MiB
	MaxDepth  int           // of nested JSON; text that is nested deeper is read as nil. 0 is 512

	// Observe, if it is not nil, may wrap each statement as it is compiled. At is where it begins.
	Observe func(at Place, run eval.Stmt) eval.Stmt

	// Notes, if it is not nil, is told why an index yields nil or fails: which key a map lacks, and which it has. It is for
	// trying scripts; it takes time, and is called by the goroutine of the runner.
	Notes func(at Place, text string)

	// Bare leaves out what follows a run without an error: the status of a log is brought to its usual form, and the
	// key time is removed and becomes the time of the point if it is an int other than 0.
	Bare bool
	// NoStatusMapping leaves out the first of these.
	NoStatusMapping bool
}

type (
	// Error is one fault of a script's text.
	Error = syntax.Error
	// Place is a place in a script.
	Place = syntax.Place
	// Errors are all faults that were found. It is what Compile returns as an error.
	Errors = syntax.Errors
	// RunError is how a script failed on a point.
	RunError = eval.RunError
	// Host is what scripts reach outside of their point.
	Host = eval.Host
	// Request is what the function http_request sends.
	Request = eval.Request
	// Reply is what the function http_request got.
	Reply = eval.Reply
)

// Script is a compiled script. It is safe for use by several goroutines.
type Script struct {
	program *eval.Program
	options Options
	state   *state.State
}

// Compile reads and checks a script, and those that it uses. The error is of type [Errors].
func Compile(src string, o Options) (*Script, error) {
	patterns := grok.Builtin()
	if len(o.Patterns) > 0 {
		var errs Errors
		if patterns, errs = withPatterns(patterns, o.Patterns); len(errs) > 0 {
			return nil, errs
		}
	}
	program, errs := compile.Compile(&syntax.Source{Name: o.Name, Text: src}, compile.Options{
		Load: o.Loader, Patterns: patterns, Observe: o.Observe, Notes: o.Notes,
	})
	if len(errs) > 0 {
		return nil, errs
	}
	s := &Script{program: program, options: o, state: state.New()}
	s.state.Buckets.Tags = o.Tags
	return s, nil
}

// Due returns the points of the aggregation buckets (agg_create) whose interval is over, in a fixed order. With all, which is for
// the end of the script, it returns those of every bucket, and leaves all empty. Whoever runs the script calls it every
// second or so, also while no points come. The points belong to the caller.
func (s *Script) Due(now time.Time, all bool) []point.Point { return s.state.Buckets.Due(now, all) }

// Lost counts what the state of a script (cache, aggregations, windows of points) could not hold.
type Lost = state.Lost

// Lost returns what the state of the script could not hold so far.
func (s *Script) Lost() Lost { return s.state.Lost() }

// Runner runs a script. It is for one goroutine at a time.
type Runner struct {
	script *Script
	frame  *eval.Frame
}

// NewRunner returns a runner of the script.
func (s *Script) NewRunner() *Runner {
	o := &s.options
	now := o.Now
	if now == nil {
		now = time.Now
	}
	limits := eval.Limits{Steps: o.MaxSteps, Time: o.MaxTime, Output: o.MaxOutput, Depth: o.MaxDepth}
	frame := eval.NewFrame(limits, now, cmp.Or(o.Location, time.Local))
	frame.State = s.state.View()
	if o.Host != nil {
		frame.Host = o.Host
	}
	return &Runner{script: s, frame: frame}
}

// Outcome is what a run says about its point.
type Outcome struct {
	Dropped bool          // the script called drop(), and no window handed the point back; never set with Err
	Err     *RunError     // nil, or why the script ended early; what it wrote before stays on the point
	Created []point.Point // further points, made by the script or handed back by a window, none with Err; they belong to the caller

	KeptStatus bool // the script switched the status mapping off
}

// Status returns the usual form of the status of a log: "error" for "E", "warning" for "warn".
func Status(s string) string { return eval.Status(s) }

// Run runs the script on p and changes p in place. Texts that the script makes do not share memory with anything
// that is reused: they may stay on the point as long as those of the message that it was made of.
func (r *Runner) Run(p *point.Point) Outcome {
	f := r.frame
	f.State.Begin(p)
	if err := f.Run(r.script.program, p); err != nil {
		return Outcome{Err: err} // the point goes on: no window stores it, and its hit is none
	}
	out := Outcome{KeptStatus: f.KeepStatus}
	f.KeepStatus = f.KeepStatus || r.script.options.NoStatusMapping
	if !r.script.options.Bare {
		f.After()
	}
	created, stays := f.State.Settle(f.Dropped, f.Created)
	out.Created, out.Dropped = created, !stays
	return out
}

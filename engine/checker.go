package engine

import "context"

// Checker is implemented by components that can look at what they connect to without taking part in it: validate
// --connect asks them in place of running them. Check calls found from one goroutine and returns soon after ctx has ended.
type Checker interface {
	Check(ctx context.Context, found func(Finding))
}

// Finding is one thing that a [Checker] has found, in one line that leaves the node out.
type Finding struct{ Grade, Text string }

// The grades of findings, as they are printed.
const (
	Fact   = "ok"
	Advice = "advice" // it works, and there is something better
	Fault  = "fault"  // running would not work
)

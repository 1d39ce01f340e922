//go:build !invariants

package batch

// Without -tags invariants the checks cost nothing.
type (
	trace   struct{}
	sharing struct{}
)

func (trace) start(*node)    {}
func (trace) end(*node)      {}
func (sharing) begin(*Batch) {}
func (sharing) check(*Batch) {}

func poison(*arena) bool { return false }

// Live returns the batches that were emitted and are not done, with the stacks that made them. It knows them
// with -tags invariants only.
func Live() []string { return nil }

// Forget empties what Live knows. A hard stop leaves batches that are never done; tests of it clean up with this.
func Forget() {}

// Invariants reports whether the checks are compiled in.
const Invariants = false

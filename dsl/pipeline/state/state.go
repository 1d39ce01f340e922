// Package state is what a script keeps from point to point: its cache, its aggregations and its windows of points.
// It holds copies, so that nothing waits for it, and is lost when the process ends.
package state

// State is the state of one loaded script. It is shared by all goroutines that run the script.
type State struct{}

// New returns an empty state.
func New() *State { return &State{} }

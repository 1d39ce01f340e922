//go:build !race

package pipeline_test

import "testing"

// TestAllocations is left out under the race detector, which makes pools forget what they hold.
func TestAllocations(t *testing.T) {
	for _, x := range benches {
		b := newBench(t, x.name, x.metric)
		if n := testing.AllocsPerRun(1000, func() { b.run() }); n > x.allocs {
			t.Errorf("%s: %v allocations, want %v", x.name, n, x.allocs)
		}
	}
}

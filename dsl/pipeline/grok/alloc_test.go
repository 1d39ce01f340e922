//go:build !race

package grok

import (
	"testing"

	"dataflow/engine/point"
)

// TestAllocations is left out under the race detector, which makes pools forget what they hold.
func TestAllocations(t *testing.T) {
	dst := make([]point.Value, 0, 16)
	for _, c := range matches {
		m := compile(t, Builtin(), c.pattern)
		for _, text := range []string{c.line, "no such line"} {
			if n := testing.AllocsPerRun(1000, func() { dst, _ = m.Match(text, true, dst) }); n != 0 {
				t.Errorf("%s on %q: %v allocations", c.name, text, n)
			}
		}
	}
	r, err := CompileRegexp(`(\w)=(\d+)`)
	if err != nil {
		t.Fatal(err)
	}
	at := r.FindAll("a=1 b=2", nil)
	if n := testing.AllocsPerRun(1000, func() { at = r.FindAll("a=1 b=2", at[:0]) }); n != 0 || !r.Match("a=1") {
		t.Errorf("FindAll: %v allocations", n)
	}
}

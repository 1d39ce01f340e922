package crash

import (
	"testing"

	"dataflow/test/harness"
)

func TestKillTail(t *testing.T) {
	loops := *loops
	if testing.Short() {
		loops = 1
	}
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d", *seed)
	r, err := KillTail(binary, KillOptions{Loops: loops, Seed: *seed, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("figure: %+v", r)
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}

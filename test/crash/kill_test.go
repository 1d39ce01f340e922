package crash

import (
	"flag"
	"testing"

	"dataflow/test/harness"
)

var (
	loops = flag.Int("loops", 3, "kills in each test")
	seed  = flag.Uint64("seed", 1, "seed of the moments")
)

func TestKillKafka(t *testing.T) {
	if testing.Short() {
		*loops = 1
	}
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []string{"latest", "earliest"} {
		t.Run(start, func(t *testing.T) {
			t.Logf("seed %d", *seed)
			r, err := Kill(binary, KillOptions{Loops: *loops, Seed: *seed, Start: start, Batch: 20_000, Log: t.Output()})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			if err := r.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

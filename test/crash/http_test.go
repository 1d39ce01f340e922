package crash

import (
	"flag"
	"testing"
	"time"

	"dataflow/test/harness"
)

var outage = flag.Duration("outage", 6*time.Second, "how long DataWay is away")

func TestKillHTTP(t *testing.T) {
	n := *loops
	if testing.Short() {
		n = 1
	}
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, buffer := range []string{"", "disk", "spill"} {
		t.Run("buffer "+buffer, func(t *testing.T) {
			t.Logf("seed %d", *seed)
			r, err := KillHTTP(binary, HTTPOptions{Loops: n, Seed: *seed, Clients: 8, Buffer: buffer, Log: t.Output()})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("figure: %v: %+v; duplicates allowed %d + %d; %+v", r.Phases, r.Sum, r.Answers.Repeated, r.Allowed, r.Answers)
			if err := r.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOutageHTTP(t *testing.T) {
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Outage(binary, OutageOptions{Before: *outage / 3, Outage: *outage, Clients: 16, Log: t.Output()})
	t.Logf("\n%s", r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}

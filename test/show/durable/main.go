// The command durable runs what issue 7 promises of disk buffers, line by line, and fails when a line of it fails. It is cut into parts of
// under 60 minutes; the output is the evidence in docs/evidence/durable.md.
package main

import (
	"fmt"
	"os"
	"time"

	"dataflow/test/crash"
	"dataflow/test/evidence"
)

// A show is the lines of issue 7 that there are.
type show struct{ *evidence.Show }

func main() {
	os.Exit(evidence.Main(func(e *evidence.Show) {
		s := show{e}
		// Part 1.
		s.Line("kills: Kafka, without a buffer (D1)", s.kafka)
		s.Line("kills: HTTP, disk and spill (D2)", s.http)
		// Part 2. In the short form these are part of go test.
		if !e.Short {
			s.Line("disk: power cuts (D4)", s.sized("^TestPowerCut$", "-trials", "20000"))
			s.Line("disk: torn log (D6)", s.sized("^TestTornWAL$", "-torn", "1000"))
			s.Line("disk: bit rot (D7)", s.sized("^TestBitRot$", "-cases", "5000"))
			s.Line("disk: full volume (D8)", s.sized("^TestENOSPC$"))
			s.Line("disk: failing fsync and other operations (D9)", s.sized("^(TestFaultFS|TestFailedSync|TestSlowDisk)$", "-faults", "2000"))
			s.Line("disk: model (D11)", s.sized("^TestModel$", "-rapid.checks=20000"))
			s.Line("disk: versions (D30)", s.sized("^TestCompat$"))
		}
	}))
}

// sized runs tests of the buffer at full size.
func (s show) sized(run string, args ...string) func() error {
	return func() error {
		return s.Tests(append([]string{"./engine/buffer", "-run", run, "-count=1", "-v", "-timeout", "50m"}, args...)...)
	}
}

// kafka kills kafka -> pipeline -> dataway.
func (s show) kafka() error {
	for _, start := range []string{"latest", "earliest"} {
		seed := uint64(time.Now().UnixNano())
		r, err := crash.Kill(s.Binary, crash.KillOptions{Loops: s.Scale(100, 3), Seed: seed, Start: start, Batch: 20_000})
		s.Printf("start: %s, seed %d: %d kills %v; %d produced, %d at DataWay, lost %d, ghosts %d, duplicates %d of %d allowed",
			start, seed, r.Kills, r.Phases, r.Produced, r.Seen.Distinct, r.Seen.Missing, r.Seen.Ghosts, r.Duplicates, r.Allowed)
		if err == nil {
			err = r.Check()
		}
		if err == nil {
			err = s.everyPhase(r.Phases, r.Kills)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// http kills http -> dataway with a disk buffer.
func (s show) http() error {
	for _, buffer := range []string{"disk", "spill"} {
		seed := uint64(time.Now().UnixNano())
		r, err := crash.KillHTTP(s.Binary, crash.HTTPOptions{Loops: s.Scale(200, 8), Seed: seed, Clients: 8, Buffer: buffer})
		s.Printf("%s, seed %d: %d kills %v; %d points answered with 2xx, %d of them before DataWay had them, %d at DataWay, lost %d, ghosts %d, duplicates %d of %d allowed (clients sent %d again)",
			buffer, seed, r.Kills, r.Phases, r.Sum.Acknowledged, r.Answers.Early, r.Sum.Seen, r.Sum.Lost, r.Sum.Ghosts, r.Sum.Duplicates, r.Answers.Repeated+r.Allowed, r.Answers.Repeated)
		if err == nil {
			err = r.Check()
		}
		if err == nil {
			err = s.everyPhase(r.Phases, r.Kills)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// everyPhase checks that no phase got less than a twentieth of the kills.
func (s show) everyPhase(phases map[string]int, kills int) error {
	for phase, n := range phases {
		if !s.Short && 20*n < kills {
			return fmt.Errorf("only %d of %d kills hit %q", n, kills, phase)
		}
	}
	return nil
}

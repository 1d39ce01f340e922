// The command show runs what issue 3 promises, line by line, and fails when a line of it fails. Its output is the
// evidence in docs/evidence/engine.md.
package main

import (
	"os"

	"dataflow/test/evidence"
)

// A show is the lines of issue 3.
type show struct{ *evidence.Show }

func main() {
	os.Exit(evidence.Main(func(e *evidence.Show) {
		s := show{e}
		s.Line("README's commands on a bare machine with Go alone", s.readme)
		s.Line("1,000,000 messages of the manual's metric from Kafka in another process", s.million)
		s.Line("kills by SIGKILL", s.kills)
		s.Line("a stream whose sink hangs holds up no other", s.blocked)
		s.Line("sample and rate_limit", s.limits)
		s.Line("vectors of the contract", s.vectors)
		s.Line("memory at 3,000,000 messages and with the DataWay stopped", s.memory)
		s.Line("speed", s.speed)
	}))
}

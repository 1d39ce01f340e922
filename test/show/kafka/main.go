// The command kafka runs what issue 6 promises of the Kafka source, line by line, and fails when a line of it fails. It installs the brokers. Its
// output is the evidence in docs/evidence/kafka.md.
package main

import (
	"os"

	"dataflow/test/evidence"
)

// A show is the lines of issue 6.
type show struct{ *evidence.Show }

func main() {
	os.Exit(evidence.Main(func(e *evidence.Show) {
		s := show{e}
		s.Line("speed", s.speed) // first: what comes behind it needs less of the machine
		s.Line("security and versions: every way in, good and bad", s.matrix)
		s.full("groups: assignors, protocols, static members, older members, version hints", s.groups)
		s.full("records and topics of every kind, bad input", s.records)
		s.Line("clients that produce, with every compression", s.producers)
		s.Line("three brokers: kills, a rolling restart, brokers that are held", s.brokers)
		s.full("engines in a group: joining, leaving, killed", s.engines)
		s.Line("rebalance storm (D13)", s.storm)
		s.Line("zombie commits (D14)", s.zombies)
		s.Line("broker faults (D15)", s.faults)
		s.full("storm on real brokers (D16)", s.unrest)
	}))
}

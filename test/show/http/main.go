// The command http runs what issue 5 promises of the write API and of what leaves for DataWay, line by line, and fails when a line of it fails.
// Its output is the evidence in docs/evidence/http.md.
package main

import (
	"os"

	"dataflow/test/evidence"
)

// A show is the lines of issue 5.
type show struct{ *evidence.Show }

func main() {
	os.Exit(evidence.Main(func(e *evidence.Show) {
		s := show{e}
		s.Line("vectors of the write API (16.1)", s.writeVectors)
		s.Line("vectors of DataWay requests (16.6)", s.datawayVectors)
		s.Line("error codes, routes, options and access rules (3, 16.9)", s.tables)
		s.Line("clients, run for real", s.clients)
		s.Line("hostile answers of DataWay (D18)", s.hostile)
		s.Line("file follows a log (tail)", s.tail)
		s.Line("kills by SIGKILL", s.kills)
		s.Line("outage of DataWay at full intake", s.outage)
		s.Line("guarantees E1 to E10", s.guarantees)
		s.Line("seeds of the fuzz targets", s.seeds)
		s.Line("speed", s.speed)
	}))
}

// The command pipeline runs what issue 4 promises of the Pipeline language, line by line, and fails when a line of it fails. Its
// output is the evidence in docs/evidence/pipeline.md.
package main

import (
	"os"

	"dataflow/test/evidence"
)

// A show is the lines of issue 4.
type show struct{ *evidence.Show }

func main() {
	os.Exit(evidence.Main(func(e *evidence.Show) {
		s := show{e}
		s.Line("the command runs a script", s.command)
		s.Line("results of the reference", s.reference)
		s.Line("functions and their examples", s.examples)
		s.Line("pipeline vectors of the contract (16.8)", s.vectors)
		s.Line("geoip against a generated database", s.geoip)
		s.Line("reference tables from a live server that changes", s.tables)
		s.Line("for(;;){} on one point", s.endless)
		s.Line("five mistakes, five messages", s.mistakes)
		s.Line("grok as regexp, lazy as full JSON", s.differential)
		s.Line("allocations, and the seeds of all fuzz targets", s.seeds)
		s.Line("speed", s.speed)
	}))
}

package main

// The components that are compiled in. A build with others changes this list and nothing else.
import (
	_ "time/tzdata" // zones of scripts, wherever the engine runs

	_ "dataflow/operators"
	_ "dataflow/sinks"
	_ "dataflow/sources"
)

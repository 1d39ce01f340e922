package main

// limits runs the tests of sample and rate_limit at full size.
func (s show) limits() error {
	return s.Tests("./operators", "-run", "TestSample|TestRateLimit", "-count=1", "-v", "-full="+map[bool]string{true: "false", false: "true"}[s.Short])
}

// vectors runs the tests that hold the vectors of the contract.
func (s show) vectors() error {
	return s.Tests("./engine/point", "./sources", "./operators", "./sinks", "./dsl/pipeline", "-run", "Vector", "-count=1", "-v")
}

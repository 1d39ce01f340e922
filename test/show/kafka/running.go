package main

// full is a line of the full form only.
func (s show) full(title string, f func() error) {
	if !s.Short {
		s.Line(title, f)
	}
}

// brokerTests are tests against Apache Kafka; more are further arguments.
func (s show) brokerTests(run string, more ...string) error {
	return s.Tests(append([]string{"./test/kafka", "-run", run, "-long", "-count=1", "-v", "-timeout", "40m"}, more...)...)
}

// matrix reads by every kind of listener of both lines of versions; in the short form it is two rows of the newest.
func (s show) matrix() error {
	if s.Short {
		return s.Tests("./test/kafka", "-run", "^TestMatrix$", "-count=1", "-v")
	}
	return s.brokerTests("^TestMatrix$")
}

// groups shares partitions in every way.
func (s show) groups() error {
	return s.brokerTests("^(TestAssignors|TestStaticMember|TestBesideRoundRobin|TestVersionHints|TestBrokerComesBack)$")
}

// records reads what is odd, damaged or gone.
func (s show) records() error {
	return s.brokerTests("^(TestRecords|TestLook)$")
}

// producers writes with the clients that people use.
func (s show) producers() error {
	if s.Short {
		return s.brokerTests("^TestProducers$/4.3.1/franz-go")
	}
	return s.brokerTests("^TestProducers$")
}

// brokers takes brokers away under load.
func (s show) brokers() error {
	if s.Short {
		return s.brokerTests("^TestThreeBrokers$/4.3.1/coordinator-killed")
	}
	if err := s.brokerTests("^TestThreeBrokers$/^4"); err != nil {
		return err
	}
	return s.brokerTests("^TestThreeBrokers$/^3/^(leader|coordinator|controller)-killed$") // the whole is make brokers
}

// engines lets engines join and leave under load.
func (s show) engines() error {
	return s.brokerTests("^TestEnginesInAGroup$")
}

// storm is ten minutes of rebalances against the broker in the process, a third for each way of sharing, with every commit looked at.
func (s show) storm() error {
	args := []string{"./test/kafka", "-run", "^TestStorm$", "-count=1", "-v", "-timeout", "40m"}
	if !s.Short {
		args = append(args, "-minutes", "3.4")
	}
	return s.Tests(args...)
}

// zombies lets a sink wake up after its partitions have gone to another member.
func (s show) zombies() error {
	return s.Tests("./sources", "-run", "LateAck", "-count=1", "-v")
}

// faults makes the broker in the process answer wrongly, late or not at all; in the short form it is every eighth row.
func (s show) faults() error {
	if s.Short {
		return s.Tests("./test/kafka", "-run", "^TestBrokerFaults$", "-count=1", "-v")
	}
	return s.brokerTests("^TestBrokerFaults$")
}

// unrest is the storm against real brokers.
func (s show) unrest() error {
	return s.brokerTests("^TestUnrest$", "-unrest", "2m")
}

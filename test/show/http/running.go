package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dataflow/test/crash"
)

// clients runs the clients that people use and compares what they wrote with what DataWay got.
func (s show) clients() error {
	return s.Tests("./test/clients", "-real", "-count=1", "-v", "-timeout", "30m")
}

// tail follows a log that grows and rotates, and kills the engine meanwhile.
func (s show) tail() error {
	if err := s.Tests("./sources", "-run", "^TestFileTail|^TestTail", "-count=1", "-v", "-rotations", strconv.Itoa(s.Scale(10_000, 1000))); err != nil {
		return err
	}
	seed := uint64(time.Now().UnixNano())
	r, err := crash.KillTail(s.Binary, crash.KillOptions{Loops: s.Scale(20, 5), Seed: seed, Log: s.Out})
	s.Printf("seed %d: %+v", seed, r)
	if err != nil {
		return err
	}
	return r.Check()
}

// kills kills http -> dataway while clients write.
func (s show) kills() error {
	seed := uint64(time.Now().UnixNano())
	r, err := crash.KillHTTP(s.Binary, crash.HTTPOptions{Loops: s.Scale(20, 5), Seed: seed, Clients: 8, Log: s.Out})
	if err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	s.Printf("seed %d: %d kills %v", seed, r.Kills, r.Phases)
	s.Printf("%d points answered with 2xx, %d at DataWay, lost %d, answered before DataWay had them %d, duplicates %d (clients sent %d again); answers by status, 0 is none: %v",
		r.Sum.Acknowledged, r.Sum.Seen, r.Sum.Lost, r.Answers.Early, r.Sum.Duplicates, r.Answers.Repeated, r.Answers.ByStatus)
	return r.Check()
}

// outage takes DataWay away.
func (s show) outage() error {
	away := time.Duration(s.Scale(600, 10)) * time.Second
	s.Printf("limits.memory 160MiB; 32 clients, half of them wait as Retry-After says, half come back after 10 ms; bodies of up to 2,000 points")
	s.Printf("%v of DataWay's absence: a third of 503, a third without answers, a third of refused connections", away)
	r, err := crash.Outage(s.Binary, crash.OutageOptions{Before: min(away/3, 20*time.Second), Outage: away, Clients: 32, Log: s.Out})
	s.Printf("%s", r)
	if err != nil {
		return err
	}
	return r.Check()
}

// logged matches what a test has logged, behind the place where it did.
var logged = regexp.MustCompile(`^\s+\w+_test\.go:\d+: (.*)$`)

// speed runs the table of HTTP intake beside a handler that only reads the body.
func (s show) speed() error {
	args := []string{"test", "./bench", "-run", "^TestHTTPIntake$", "-count=1", "-v", "-timeout", "30m", "-http-turns", fmt.Sprint(s.Scale(5, 1))}
	s.Printf("$ go %s", strings.Join(args, " "))
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	said := 0
	for line := range strings.Lines(string(out)) {
		if m := logged.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			s.Printf("%s", m[1])
			said++
		}
	}
	if said == 0 {
		return fmt.Errorf("there are no figures:\n%s", out)
	}
	return nil
}

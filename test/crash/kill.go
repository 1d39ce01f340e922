// Package crash kills the engine at random moments and compares what was read with what was delivered, by id.
package crash

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"dataflow/bench"
	"dataflow/engine/embedded"
	"dataflow/test/harness"
)

// KillOptions are the options of [Kill].
type KillOptions struct {
	Loops int
	Seed  uint64
	Start string // latest or earliest
	Batch int    // messages produced in each loop
	Log   io.Writer
}

// KillReport is what a storm of kills did.
type KillReport struct {
	Kills      int
	Phases     map[string]int // kills by what the engine was doing
	Produced   int
	Seen       bench.Seen
	Duplicates int64
	Allowed    int64 // duplicates that the guarantee allows
	Lag        int64
}

// What the engine was doing when it was killed.
const (
	phaseStarting   = "before the first delivery"
	phaseDelivering = "while delivering"
	phaseSlow       = "while DataWay is slow"
	phaseFailing    = "while DataWay fails"
)

const (
	killTopic      = "metric_topic"
	killGroup      = "datakit-group"
	killPartitions = 12
	inFlight       = 8192 // points of a partition, the default
)

// Kill runs the metric graph, kills it with SIGKILL at a random moment of each loop and starts it again under
// the same instance_id, while messages come in and DataWay is well, slow or failing. In the end it lets the engine
// finish and counts.
func Kill(binary string, o KillOptions) (KillReport, error) {
	r := rand.New(rand.NewPCG(o.Seed, 7))
	report := KillReport{Phases: map[string]int{}}
	dir, err := os.MkdirTemp("", "engine-kill")
	if err != nil {
		return report, err
	}
	defer os.RemoveAll(dir)
	graph, err := harness.Graph(dir, "graph.yaml", harness.MetricGraph("start: "+o.Start, "instance_id: crash", "session_timeout: 6s"), "metric.p", harness.MetricScript)
	if err != nil {
		return report, err
	}
	stand, err := harness.StandIn(binary, fmt.Sprintf("%s:%d", killTopic, killPartitions))
	if err != nil {
		return report, err
	}
	defer stand.Close()

	produce := func(n int) error {
		report.Produced += n
		return stand.Produce(killTopic, n, "")
	}
	if err := produce(o.Batch); err != nil {
		return report, err
	}
	for loop := range o.Loops {
		phase, err := oneKill(binary, graph, stand, r, loop, o.Batch, produce)
		if err != nil {
			return report, fmt.Errorf("loop %d: %w", loop, err)
		}
		report.Kills++
		report.Phases[phase]++
		if o.Log != nil {
			fmt.Fprintf(o.Log, "kill %2d: %s\n", loop+1, phase)
		}
	}
	if err := stand.SetFault(nil); err != nil {
		return report, err
	}
	e, err := harness.Start(binary, graph, stand, "--until-idle", "3s")
	if err != nil {
		return report, err
	}
	if code := e.Wait(); code != 0 {
		return report, fmt.Errorf("the last run ended with %d:\n%s", code, e.Log())
	}
	if report.Seen, err = stand.Seen(); err != nil {
		return report, err
	}
	if report.Lag, err = stand.Lag(killGroup, killTopic); err != nil {
		return report, err
	}
	report.Duplicates = report.Seen.Points - report.Seen.Distinct - report.Seen.Ghosts
	// In flight, and what a commit interval delivers: 50,000 points done bring an earlier commit.
	const interval = 50_000
	report.Allowed = int64(report.Kills) * min(killPartitions*inFlight+interval, int64(report.Produced))
	return report, nil
}

// oneKill starts the engine, sets the scene that the loop's number asks for and kills the engine in it.
func oneKill(binary, graph string, stand *bench.StandIn, r *rand.Rand, loop, count int, produce func(int) error) (string, error) {
	phases := []string{phaseDelivering, phaseStarting, phaseSlow, phaseDelivering, phaseFailing}
	phase := phases[loop%len(phases)]
	var fault *embedded.Fault
	switch phase {
	case phaseSlow:
		fault = &embedded.Fault{Delay: 200 * time.Millisecond}
	case phaseFailing:
		fault = &embedded.Fault{Status: 503}
	}
	before, err := stand.Seen()
	if err != nil {
		return "", err
	}
	if err := stand.SetFault(nil); err != nil {
		return "", err
	}
	e, err := harness.Start(binary, graph, stand)
	if err != nil {
		return "", err
	}
	defer e.Kill()
	// A start takes some 200 ms up to the first delivery.
	moment := time.NewTimer(time.Duration(r.Int64N(int64(200 * time.Millisecond))))
	defer moment.Stop()
	if phase == phaseStarting {
		<-moment.C
		e.Kill()
		after, err := stand.Seen()
		if err == nil && after.Points > before.Points {
			phase = phaseDelivering
		}
		return phase, err
	}
	// With start: latest what was there before the group's first commit is skipped: a few messages at a time
	// show when the engine delivers.
	err = harness.Until(60*time.Second, func() (bool, error) {
		if e.Ended() {
			return false, fmt.Errorf("the engine ended by itself:\n%s", e.Log())
		}
		now, err := stand.Seen()
		if err != nil || now.Points > before.Points {
			return true, err
		}
		return false, produce(killPartitions)
	})
	if err != nil {
		return "", err
	}
	if err := stand.SetFault(fault); err != nil {
		return "", err
	}
	if err := produce(count); err != nil {
		return "", err
	}
	moment.Reset(time.Duration(r.Int64N(int64(600 * time.Millisecond))))
	<-moment.C
	e.Kill()
	return phase, nil
}

// Check returns what is wrong with the report, nil if it is as promised.
func (r KillReport) Check() error {
	switch {
	case r.Seen.Missing != 0:
		return fmt.Errorf("lost %d messages", r.Seen.Missing)
	case r.Seen.Ghosts != 0:
		return fmt.Errorf("%d points were never produced", r.Seen.Ghosts)
	case r.Seen.Rewinds != 0:
		return fmt.Errorf("%d commits went back", r.Seen.Rewinds)
	case r.Lag != 0:
		return fmt.Errorf("the group lags %d records", r.Lag)
	case r.Duplicates > r.Allowed:
		return fmt.Errorf("%d duplicates, %d are allowed", r.Duplicates, r.Allowed)
	case r.Seen.Distinct == 0:
		return fmt.Errorf("nothing was delivered")
	}
	return nil
}

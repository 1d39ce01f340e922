package crash

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"dataflow/engine/embedded"
	"dataflow/test/harness"
)

// HTTPOptions are the options of [KillHTTP].
type HTTPOptions struct {
	Loops   int
	Seed    uint64
	Clients int
	Buffer  string // type of the sink's buffer, in memory if empty
	Log     io.Writer
}

// HTTPReport is what a storm of kills did to clients of the write API.
type HTTPReport struct {
	Kills   int
	Phases  map[string]int
	Sum     harness.Sum
	Answers harness.Answers
	Buffer  string
	Allowed int64 // duplicates that the guarantee allows beside what clients send again
}

const (
	phaseStopping = "while stopping"
	phaseDraining = "while sending what was stored"
)

// What may come twice after a kill, beside what clients send again: bodies on their way, and what was answered in the last second.
const (
	sinkWindow = 4 * 4096 // dataway: concurrency, and points of a batch
	perSecond  = 200_000  // points that the clients of KillHTTP are above never
)

// KillHTTP runs http -> dataway and kills it with SIGKILL at a random moment of each loop, while clients
// write and DataWay is well, slow or failing. Clients send again what was not answered with 2xx. In the end they finish what they are at,
// and a disk buffer is sent to its end.
func KillHTTP(binary string, o HTTPOptions) (HTTPReport, error) {
	r := rand.New(rand.NewPCG(o.Seed, 11))
	report := HTTPReport{Phases: map[string]int{}, Buffer: o.Buffer}
	dir, err := os.MkdirTemp("", "engine-kill")
	if err != nil {
		return report, err
	}
	defer os.RemoveAll(dir)
	var ledger harness.Ledger
	dataway, err := harness.DataWay("", &ledger)
	if err != nil {
		return report, err
	}
	defer dataway.Close()
	address, err := harness.FreeAddress()
	if err != nil {
		return report, err
	}
	text := harness.HTTPGraph(address, dataway.URL())
	if o.Buffer != "" {
		text = strings.Replace(text, "out: {", "out: {buffer: {type: "+o.Buffer+"}, retry: {max: 1s}, ", 1)
	}
	graph, err := harness.Graph(dir, "graph.yaml", text)
	if err != nil {
		return report, err
	}
	const soon = 50 * time.Millisecond // clients that waited as they are asked to would miss most of the kills
	clients := harness.Intake{Address: address, Ledger: &ledger, Clients: o.Clients, Points: 500, Pause: func(int) time.Duration { return soon }}
	if o.Buffer != "" {
		clients.Points, clients.Rest = 200, 5*time.Millisecond
		report.Allowed = int64(o.Loops) * (sinkWindow + perSecond)
	}
	clients.Start()
	for loop := range o.Loops {
		phase, err := killHTTP(binary, graph, address, dataway, &clients, r, loop, o.Buffer != "")
		if err != nil {
			return report, fmt.Errorf("loop %d: %w", loop, err)
		}
		report.Kills++
		report.Phases[phase]++
		if o.Log != nil {
			fmt.Fprintf(o.Log, "kill %2d: %s\n", loop+1, phase)
		}
	}
	dataway.SetFault(nil)
	e, err := harness.Run(binary, graph)
	if err != nil {
		return report, err
	}
	defer e.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := clients.Stop(ctx); err != nil {
		return report, fmt.Errorf("%w: %+v\n%s", err, clients.Answers(), e.Log())
	}
	if o.Buffer != "" {
		// A stopped engine leaves on the disk what is not sent.
		err := harness.Until(2*time.Minute, func() (bool, error) { return ledger.Sum().Lost == 0, nil })
		if err != nil {
			return report, fmt.Errorf("%w: %+v\n%s", err, ledger.Sum(), e.Log())
		}
	}
	if code := e.Stop(); code != 0 {
		return report, fmt.Errorf("the last run ended with %d:\n%s", code, e.Log())
	}
	report.Sum, report.Answers = ledger.Sum(), clients.Answers()
	return report, nil
}

// killHTTP starts the engine, sets the scene that the loop's number asks for and kills the engine in it.
func killHTTP(binary, graph, address string, dataway *embedded.DataWay, clients *harness.Intake, r *rand.Rand, loop int, stores bool) (string, error) {
	phases := []string{phaseDelivering, phaseStarting, phaseSlow, phaseStopping, phaseFailing}
	if stores { // away half of the time: what is stored while it fails is sent behind the next kill, or the one after that
		phases = []string{phaseFailing, phaseDraining, phaseFailing, phaseStarting, phaseDelivering, phaseSlow, phaseFailing, phaseStopping}
	}
	phase := phases[loop%len(phases)]
	dataway.SetFault(nil)
	started := time.Now()
	e, err := harness.Run(binary, graph)
	if err != nil {
		return "", err
	}
	defer e.Kill()
	moment := func(most time.Duration) {
		timer := time.NewTimer(time.Duration(r.Int64N(int64(most))))
		<-timer.C
	}
	if phase == phaseStarting {
		const start = 60 * time.Millisecond // up to the first 2xx
		moment(start)
		e.Kill()
		if clients.Answers().LastTaken.After(started) {
			phase = phaseDelivering
		}
		return phase, nil
	}
	err = harness.Until(time.Minute, func() (bool, error) {
		if e.Ended() {
			return false, fmt.Errorf("the engine ended by itself:\n%s", e.Log())
		}
		return clients.Answers().LastTaken.After(started), nil
	})
	if err != nil {
		return "", err
	}
	switch phase {
	case phaseDraining:
		moment(100 * time.Millisecond)
		e.Kill()
		return phase, nil
	case phaseSlow:
		dataway.SetFault(&embedded.Fault{Delay: 200 * time.Millisecond})
	case phaseFailing:
		dataway.SetFault(&embedded.Fault{Status: 503})
	case phaseStopping:
		dataway.SetFault(&embedded.Fault{Delay: 200 * time.Millisecond})
		moment(300 * time.Millisecond)
		e.Terminate()
	}
	moment(600 * time.Millisecond)
	e.Kill()
	return phase, nil
}

// Check returns what is wrong with the report, nil if it is as promised.
func (r HTTPReport) Check() error {
	switch s, a := r.Sum, r.Answers; {
	case s.Lost != 0:
		return fmt.Errorf("lost %d points that were answered with 2xx", s.Lost)
	case a.Early != 0 && r.Buffer == "":
		return fmt.Errorf("%d points were answered with 2xx before DataWay had them", a.Early)
	case s.Ghosts != 0:
		return fmt.Errorf("%d points were never written", s.Ghosts)
	case s.Acknowledged != s.Given || s.Seen != s.Given:
		return fmt.Errorf("not every point was taken in the end: %+v", s)
	case s.Duplicates > a.Repeated+r.Allowed:
		return fmt.Errorf("%d duplicates, clients sent only %d points again, and %d more are allowed", s.Duplicates, a.Repeated, r.Allowed)
	case r.Buffer != "" && a.Early == 0:
		return fmt.Errorf("nothing was answered before DataWay had it: the disk was not used")
	case a.NoRetry != 0:
		return fmt.Errorf("%d answers with 429 or 503 have no Retry-After", a.NoRetry)
	case a.Odd != "":
		return fmt.Errorf("an answer that says neither yes nor later: %s", a.Odd)
	case s.Given == 0:
		return fmt.Errorf("nothing was written")
	}
	return nil
}

package crash

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"dataflow/bench"
	"dataflow/engine/embedded"
	"dataflow/engine/point"
	"dataflow/test/harness"
)

// TailReport is what a storm of kills did to lines of a log.
type TailReport struct {
	Kills      int
	Phases     map[string]int
	Written    int
	Rotations  int
	Lost       int
	Ghosts     int
	Duplicates int
	Allowed    int // duplicates that the guarantee allows
}

const (
	tailPace     = 5 * time.Millisecond
	tailLines    = 100 // of a pace
	tailRotate   = 3000
	tailInFlight = 4 << 20 // bytes of the window
	tailPoint    = 520     // bytes that a point takes of it at least
)

const tailGraph = `version: 1
name: tail
limits: {memory: 160MiB, in_flight: 4MiB}
sources:
  log: {type: file, mode: tail, paths: ["logs/app.log*"]}
sinks:
  out: {type: dataway, from: log, url: "http://127.0.0.1:9528?token=tkn_00000000000000000000000000000000", encoding: line}
`

// KillTail runs a graph that follows a log which grows and rotates, kills it with SIGKILL at a random moment of each loop, while
// DataWay is well, slow or failing, and starts it again. In the end it lets the engine finish and counts the lines by number.
func KillTail(binary string, o KillOptions) (TailReport, error) {
	report := TailReport{Phases: map[string]int{}}
	r := rand.New(rand.NewPCG(o.Seed, 11))
	dir, err := os.MkdirTemp("", "engine-tail")
	if err != nil {
		return report, err
	}
	defer os.RemoveAll(dir)
	graph, err := harness.Graph(dir, "graph.yaml", tailGraph)
	if err != nil {
		return report, err
	}
	var seen lineCount
	dataway, err := embedded.StartDataWay(embedded.DataWayOptions{OnPoint: seen.point})
	if err != nil {
		return report, err
	}
	defer dataway.Close()
	stand := &bench.StandIn{StandInAddresses: bench.StandInAddresses{Kafka: "127.0.0.1:1", DataWay: dataway.URL()}}

	w := &growingLog{dir: filepath.Join(dir, "logs")}
	end, err := w.start()
	if err != nil {
		return report, err
	}
	defer func() { _ = end() }()
	for loop := range o.Loops {
		phase, err := killTail(binary, graph, stand, dataway, &seen, r, loop)
		if err != nil {
			return report, fmt.Errorf("loop %d: %w", loop, err)
		}
		report.Kills++
		report.Phases[phase]++
		if o.Log != nil {
			fmt.Fprintf(o.Log, "kill %2d: %s\n", loop+1, phase)
		}
	}
	if err := end(); err != nil {
		return report, err
	}
	dataway.SetFault(nil)
	e, err := harness.Start(binary, graph, stand, "--until-idle", "3s")
	if err != nil {
		return report, err
	}
	if code := e.Wait(); code != 0 {
		return report, fmt.Errorf("the last run ended with %d:\n%s", code, e.Log())
	}
	report.Written, report.Rotations = w.written, w.rotations
	report.Lost, report.Duplicates, report.Ghosts = seen.compare(w.written)
	// In flight, and what is done in a commit interval of 500 ms: at most a second's lines of this writer, and what was left to catch up with.
	perSecond := int(time.Second/tailPace) * tailLines
	report.Allowed = report.Kills * (tailInFlight/tailPoint + 4*perSecond)
	return report, nil
}

// killTail starts the engine, sets the scene that the loop's number asks for and kills the engine in it.
func killTail(binary, graph string, stand *bench.StandIn, dataway *embedded.DataWay, seen *lineCount, r *rand.Rand, loop int) (string, error) {
	phases := []string{phaseDelivering, phaseStarting, phaseSlow, phaseDelivering, phaseFailing}
	phase := phases[loop%len(phases)]
	dataway.SetFault(nil)
	before := seen.all()
	e, err := harness.Start(binary, graph, stand)
	if err != nil {
		return "", err
	}
	defer e.Kill()
	pause := func(most time.Duration) {
		moment := time.NewTimer(time.Duration(r.Int64N(int64(most))))
		defer moment.Stop()
		<-moment.C
	}
	if phase == phaseStarting {
		pause(200 * time.Millisecond)
		e.Kill()
		if seen.all() > before {
			phase = phaseDelivering
		}
		return phase, nil
	}
	err = harness.Until(60*time.Second, func() (bool, error) {
		if e.Ended() {
			return false, fmt.Errorf("the engine ended by itself:\n%s", e.Log())
		}
		return seen.all() > before, nil
	})
	if err != nil {
		return "", err
	}
	switch phase {
	case phaseSlow:
		dataway.SetFault(&embedded.Fault{Delay: 200 * time.Millisecond})
	case phaseFailing:
		dataway.SetFault(&embedded.Fault{Status: 503})
	}
	pause(1500 * time.Millisecond)
	e.Kill()
	return phase, nil
}

// Check returns what is wrong with the report, nil if it is as promised.
func (r TailReport) Check() error {
	switch {
	case r.Written == 0 || r.Rotations == 0:
		return fmt.Errorf("%d lines were written and %d files rotated", r.Written, r.Rotations)
	case r.Lost != 0:
		return fmt.Errorf("lost %d lines", r.Lost)
	case r.Ghosts != 0:
		return fmt.Errorf("%d points were never written as a line", r.Ghosts)
	case r.Duplicates > r.Allowed:
		return fmt.Errorf("%d duplicates, %d are allowed", r.Duplicates, r.Allowed)
	}
	return nil
}

// A growingLog writes numbered lines at a steady pace, some of them in two pieces, and renames the file time and again.
type growingLog struct {
	dir       string
	written   int
	rotations int
}

// start writes until the function that it returns is called.
func (w *growingLog) start() (end func() error, err error) {
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() { failed = w.run(ctx) })
	return func() error {
		cancel()
		wg.Wait()
		return failed
	}, nil
}

func (w *growingLog) run(ctx context.Context) (err error) {
	name := filepath.Join(w.dir, "app.log")
	var out io.WriteCloser
	defer func() {
		if out != nil {
			_ = out.Close()
		}
	}()
	tick := time.NewTicker(tailPace)
	defer tick.Stop()
	for in := 0; ; {
		if out == nil {
			if out, err = os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
				return err
			}
		}
		var text strings.Builder
		for range tailLines {
			fmt.Fprintf(&text, "%d a line of the log that the engine follows\n", w.written)
			w.written++
		}
		half := text.Len() - 20 // the last line comes in two pieces
		for _, piece := range []string{text.String()[:half], text.String()[half:]} {
			if _, err := io.WriteString(out, piece); err != nil {
				return err
			}
		}
		if in += tailLines; in >= tailRotate {
			w.rotations++
			in = 0
			if err := os.Rename(name, name+"."+strconv.Itoa(w.rotations)); err != nil {
				return err
			}
			if err := out.Close(); err != nil {
				return err
			}
			out = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// lineCount counts the lines that were delivered, by number.
type lineCount struct {
	mu     sync.Mutex
	times  map[int]int
	ghosts int
	total  int
}

func (c *lineCount) point(p *point.Point) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times == nil {
		c.times = map[int]int{}
	}
	c.total++
	v, _ := p.Get("message")
	number, rest, _ := strings.Cut(v.Str(), " ")
	if n, err := strconv.Atoi(number); err == nil && rest == "a line of the log that the engine follows" {
		c.times[n]++
	} else {
		c.ghosts++
	}
}

func (c *lineCount) all() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// compare returns what became of the lines 0 to written-1.
func (c *lineCount) compare(written int) (lost, duplicates, ghosts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ghosts = c.ghosts
	for n := range written {
		if c.times[n] == 0 {
			lost++
		} else {
			duplicates += c.times[n] - 1
		}
	}
	for n := range c.times {
		if n < 0 || n >= written {
			ghosts++
		}
	}
	return lost, duplicates, ghosts
}

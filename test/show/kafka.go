package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"dataflow/bench"
	"dataflow/engine/embedded"
	"dataflow/test/crash"
	"dataflow/test/harness"
)

// readme runs the two commands that the README opens with in a fresh clone, with nothing but Go and the shell.
func (s show) readme() error {
	text, err := os.ReadFile("README.md")
	if err != nil {
		return err
	}
	_, block, _ := strings.Cut(string(text), "```sh\n")
	block, _, ok := strings.Cut(block, "```")
	commands := strings.Split(strings.TrimSpace(block), "\n")
	if !ok || len(commands) != 2 {
		return fmt.Errorf("README.md does not open with two commands: %q", block)
	}
	dir, err := os.MkdirTemp("", "engine-clone")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clone := filepath.Join(dir, "engine")
	if out, err := exec.Command("git", "clone", "-q", ".", clone).CombinedOutput(); err != nil {
		return fmt.Errorf("cloning: %w\n%s", err, out)
	}
	goBin, err := exec.LookPath("go")
	if err != nil {
		return err
	}
	if s.Short {
		// CI runs the tests in a step of its own.
		commands = commands[:1]
	}
	for i, c := range commands {
		cmd := exec.Command("/bin/sh", "-c", c)
		cmd.Dir = clone
		cmd.Env = []string{"PATH=" + filepath.Dir(goBin) + ":/bin:/usr/bin", "HOME=" + os.Getenv("HOME"), "GOFLAGS=-buildvcs=false"}
		out, err := cmd.CombinedOutput()
		s.Printf("$ %s", c)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", c, err, out)
		}
		if i == 0 {
			points := 0
			for _, l := range strings.Split(string(out), "\n") {
				if strings.HasPrefix(l, "metric_topic,") {
					s.Printf("%s", l)
					points++
				}
			}
			if points == 0 {
				return fmt.Errorf("%s printed no points:\n%s", c, out)
			}
		} else {
			tests := strings.Count(string(out), "ok  \t")
			s.Printf("%d packages ok", tests)
		}
	}
	return nil
}

// million sends the manual's metric through the graph and counts points, lag and ledger.
func (s show) million() error {
	count := s.Scale(1_000_000, 100_000)
	graph, remove, err := s.Folder("graph.yaml", harness.MetricGraph("start: earliest"), "metric.p", harness.MetricScript)
	if err != nil {
		return err
	}
	defer remove()
	stand, err := harness.StandIn(s.Binary, "metric_topic:12")
	if err != nil {
		return err
	}
	defer stand.Close()
	if err := stand.Produce("metric_topic", count, ""); err != nil {
		return err
	}
	e, err := harness.Start(s.Binary, graph, stand, "--until-idle", "2s")
	if err != nil {
		return err
	}
	code := e.Wait()
	seen, err := stand.Seen()
	if err != nil {
		return err
	}
	lag, err := stand.Lag("datakit-group", "metric_topic")
	if err != nil {
		return err
	}
	u := e.Usage()
	s.Printf("produced %d on 12 partitions; points at DataWay %d, distinct %d, missing %d; lag %d; exit %d; peak RSS %d MiB",
		count, seen.Points, seen.Distinct, seen.Missing, lag, code, u.MaxRSS>>20)
	switch {
	case code != 0:
		return fmt.Errorf("the ledger does not balance, or the run failed:\n%s", e.Log())
	case seen.Points != int64(count) || seen.Distinct != int64(count) || seen.Missing != 0 || seen.Ghosts != 0:
		return fmt.Errorf("not every message is there once: %+v", seen)
	case lag != 0:
		return fmt.Errorf("the group lags")
	}
	s.Printf("ledger balanced (an imbalance ends the run with 1)")
	return nil
}

func (s show) kills() error {
	loops := s.Scale(20, 5)
	for i, start := range []string{"latest", "earliest"} {
		r, err := crash.Kill(s.Binary, crash.KillOptions{Loops: loops / 2, Seed: uint64(time.Now().UnixNano()) + uint64(i), Start: start, Batch: s.Scale(50_000, 20_000), Log: s.Out})
		if err != nil {
			return fmt.Errorf("start: %s: %w", start, err)
		}
		s.Printf("start: %s: %d kills %v; produced %d, distinct %d, lost %d, before the start %d, duplicates %d (allowed %d), lag %d", start,
			r.Kills, r.Phases, r.Produced, r.Seen.Distinct, r.Seen.Missing, r.Seen.Skipped, r.Duplicates, r.Allowed, r.Lag)
		if err := r.Check(); err != nil {
			return fmt.Errorf("start: %s: %w", start, err)
		}
	}
	return nil
}

// blocked runs two streams of one Kafka node, one of them into a DataWay that hangs for its category.
func (s show) blocked() error {
	count := s.Scale(1_000_000, 300_000)
	graph, remove, err := s.Folder("graph.yaml", blockedGraph)
	if err != nil {
		return err
	}
	defer remove()
	rate := func(hang bool) (float64, error) {
		stand, err := harness.StandIn(s.Binary, "logs:4,metrics:4")
		if err != nil {
			return 0, err
		}
		defer stand.Close()
		if hang {
			if err := stand.SetFault(&embedded.Fault{Hang: true, Category: "logging"}); err != nil {
				return 0, err
			}
			if err := stand.Produce("logs", count, "a line of a log that goes nowhere for now"); err != nil {
				return 0, err
			}
		}
		if err := stand.Produce("metrics", count, ""); err != nil {
			return 0, err
		}
		e, err := harness.Start(s.Binary, graph, stand, "--drain-timeout", "1s")
		if err != nil {
			return 0, err
		}
		defer e.Kill()
		// The rate is that of the last four fifths: in the first one the source learns which partitions to pause.
		var first, last time.Time
		var already int64
		err = harness.Until(2*time.Minute, func() (bool, error) {
			seen, err := stand.Seen()
			last = time.Now()
			if seen.Points >= int64(count)/5 && first.IsZero() {
				first, already = last, seen.Points
			}
			return seen.Points >= int64(count), err
		})
		if err != nil {
			return 0, fmt.Errorf("the healthy stream did not get through: %w\n%s", err, e.Log())
		}
		return float64(int64(count)-already) / last.Sub(first).Seconds(), nil
	}
	var alone, beside float64 // the best of three: the machine has other work
	for range 3 {
		a, err := rate(false)
		if err != nil {
			return err
		}
		b, err := rate(true)
		if err != nil {
			return err
		}
		alone, beside = max(alone, a), max(beside, b)
	}
	s.Printf("metrics alone %.0f points/s; beside a stream of logs whose sink hangs %.0f points/s (%.2f)", alone, beside, beside/alone)
	least := 0.8
	if s.Short {
		least = 0.1 // a third of a second tells only that the stream goes on
	}
	if beside < least*alone {
		return fmt.Errorf("the hanging sink slows the other stream")
	}
	return nil
}

const blockedGraph = `version: 1
name: blocked
sources:
  mq:
    type: kafka
    brokers: ["localhost:9092"]
    group: blocked
    start: earliest
    streams:
      logs: {topics: [logs], category: logging}
      metrics: {topics: [metrics], category: metric}
sinks:
  logs: {type: dataway, from: mq.logs, url: "http://127.0.0.1:9528?token=tkn_00000000000000000000000000000000"}
  metrics: {type: dataway, from: mq.metrics, url: "http://127.0.0.1:9528?token=tkn_00000000000000000000000000000000"}
`

// memory holds the engine's peak memory to its limit.
func (s show) memory() error {
	const limit = 200 << 20
	graph, remove, err := s.Folder("graph.yaml", harness.MetricGraph("start: earliest"), "metric.p", harness.MetricScript)
	if err != nil {
		return err
	}
	defer remove()
	run := func(count int, stopped time.Duration) error {
		stand, err := harness.StandIn(s.Binary, "metric_topic:12")
		if err != nil {
			return err
		}
		defer stand.Close()
		if err := stand.Produce("metric_topic", count, ""); err != nil {
			return err
		}
		if stopped > 0 {
			if err := stand.SetFault(&embedded.Fault{Hang: true}); err != nil {
				return err
			}
		}
		e, err := harness.Start(s.Binary, graph, stand, "--until-idle", "2s")
		if err != nil {
			return err
		}
		defer e.Kill()
		if stopped > 0 {
			pause := time.NewTimer(stopped)
			<-pause.C
			if err := stand.SetFault(&embedded.Fault{Status: 503, Times: 3}); err != nil {
				return err
			}
		}
		if code := e.Wait(); code != 0 {
			return fmt.Errorf("exit %d:\n%s", code, e.Log())
		}
		seen, err := stand.Seen()
		if err != nil {
			return err
		}
		rss := e.Usage().MaxRSS
		s.Printf("%d messages, DataWay stopped for %v: distinct %d, missing %d, peak RSS %d MiB (limits.memory 160MiB)", count, stopped, seen.Distinct, seen.Missing, rss>>20)
		switch {
		case seen.Missing != 0 || seen.Distinct != int64(count):
			return fmt.Errorf("not everything arrived")
		case rss > limit:
			return fmt.Errorf("peak RSS %d MiB is above %d", rss>>20, limit>>20)
		}
		return nil
	}
	if err := run(s.Scale(3_000_000, 200_000), 0); err != nil {
		return err
	}
	return run(s.Scale(1_000_000, 200_000), time.Duration(s.Scale(60, 5))*time.Second)
}

// speed compares the engine with a hand-written loop, in turns.
func (s show) speed() error {
	count, turns := s.Scale(1_000_000, 100_000), s.Scale(5, 1)
	graph, remove, err := s.Folder("graph.yaml", harness.MetricGraph("start: earliest"), "metric.p", harness.MetricScript)
	if err != nil {
		return err
	}
	defer remove()
	discard, removeDiscard, err := s.Folder("graph.yaml", discardGraph)
	if err != nil {
		return err
	}
	defer removeDiscard()
	stand, err := harness.StandIn(s.Binary, "metric_topic:12")
	if err != nil {
		return err
	}
	defer stand.Close()
	if err := stand.Produce("metric_topic", count, ""); err != nil {
		return err
	}
	group := 0
	floor := func(dataway string) func(int) (bench.Usage, error) {
		return func(int) (bench.Usage, error) {
			group++
			return bench.Measure(exec.Command(s.Binary, "bench", "floor", "--kafka", stand.Kafka, "--count", fmt.Sprint(count), "--group", fmt.Sprintf("floor-%d", group), "--dataway", dataway))
		}
	}
	engine := func(graph string) func(int) (bench.Usage, error) {
		return func(int) (bench.Usage, error) {
			group++
			var log strings.Builder
			cmd := harness.Command(s.Binary, graph, stand.StandInAddresses, "--until-idle", "1s", "--set", fmt.Sprintf("mq.group=bench-%d", group))
			cmd.Stderr = &log
			u, err := bench.Measure(cmd)
			if err != nil {
				err = fmt.Errorf("%w\n%s", err, log.String())
			}
			u.Wall -= time.Second
			return u, err
		}
	}
	s.Printf("CPU per message of the process (getrusage), %d messages, %d turns; the wall clock includes start and joining the group", count, turns)
	s.Printf("\nA/A:")
	if _, err := bench.Compare(s.Out, []bench.Job{{Name: "floor", Run: floor(stand.DataWay)}, {Name: "floor again", Run: floor(stand.DataWay)}}, turns, count); err != nil {
		return err
	}
	s.Printf("\n(a) kafka -> discard")
	if _, err := bench.Compare(s.Out, []bench.Job{{Name: "bare franz-go poll", Run: floor("")}, {Name: "engine", Run: engine(discard)}}, turns, count); err != nil {
		return err
	}
	s.Printf("\n(b) kafka -> pipeline -> dataway (line)")
	if err := stand.Reset(); err != nil {
		return err
	}
	costs, err := bench.Compare(s.Out, []bench.Job{{Name: "hand-written loop", Run: floor(stand.DataWay)}, {Name: "engine", Run: engine(graph)}}, turns, count)
	if err != nil {
		return err
	}
	seen, err := stand.Seen()
	if err != nil {
		return err
	}
	if err := s.Profile(stand.StandInAddresses, graph, "metric_topic", count); err != nil {
		return err
	}
	if err := s.benchmarks(); err != nil {
		return err
	}
	if want := int64(2 * turns * count); seen.Points != want || seen.Missing != 0 {
		return fmt.Errorf("the jobs did not deliver what they should: %+v, want %d points", seen, want)
	}
	const limit = 1.8
	if ratio := costs[1].Median / costs[0].Median; ratio > limit && !s.Short {
		return fmt.Errorf("%.2f times the hand-written loop, the limit is %.1f", ratio, limit)
	}
	return nil
}

const discardGraph = `version: 1
name: discard
sources:
  mq: {type: kafka, brokers: ["localhost:9092"], group: discard, start: earliest, topics: [metric_topic], category: metric}
sinks:
  out: {type: discard, from: mq}
`

package crash

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"dataflow/engine/embedded"
	"dataflow/test/harness"
)

// OutageOptions are the options of [Outage].
type OutageOptions struct {
	Before, Outage time.Duration // how long DataWay is well, and then is not
	Clients        int           // half of them wait as long as they are asked to, half come back at once
	Log            io.Writer
}

// OutageReport is what an outage of DataWay did.
type OutageReport struct {
	Before, During, After Stretch
	FirstTaken            time.Duration // from healing to the first 2xx
	Recovered             time.Duration // from healing until clients get 2xx at the pace of before
	Sum                   harness.Sum
	Answers               harness.Answers
}

// A Stretch is a part of the run.
type Stretch struct {
	Memory    int64   // highest resident memory, bytes
	Early     int64   // the same in the first half of it
	Late      int64   // and in the second one
	Taken     int64   // requests answered with 2xx
	Later     int64   // with 429 or 503
	Unheard   int64   // without an answer
	PerSecond float64 // requests answered with 2xx
}

const (
	memoryLimit = 160 << 20 // limits.memory of harness.HTTPGraph
	backOff     = 30 * time.Second
)

// Outage runs http -> dataway at full intake, lets DataWay fail with 503, then hang, then refuse connections, a third of the outage each,
// and heals it.
func Outage(binary string, o OutageOptions) (OutageReport, error) {
	var report OutageReport
	dir, err := os.MkdirTemp("", "engine-outage")
	if err != nil {
		return report, err
	}
	defer os.RemoveAll(dir)
	var ledger harness.Ledger
	listen, err := harness.FreeAddress()
	if err != nil {
		return report, err
	}
	dataway, err := harness.DataWay(listen, &ledger)
	if err != nil {
		return report, err
	}
	defer func() { dataway.Close() }()
	address, err := harness.FreeAddress()
	if err != nil {
		return report, err
	}
	graph, err := harness.Graph(dir, "graph.yaml", harness.HTTPGraph(address, dataway.URL()))
	if err != nil {
		return report, err
	}
	e, err := harness.Run(binary, graph)
	if err != nil {
		return report, err
	}
	defer e.Kill()
	if err := e.Serving(address); err != nil {
		return report, err
	}
	const rude = 10 * time.Millisecond
	clients := harness.Intake{Address: address, Ledger: &ledger, Clients: o.Clients, Points: 2000}
	impatient := harness.Intake{Address: address, Ledger: &ledger, Clients: o.Clients / 2, Points: 2000, Pause: func(int) time.Duration { return rude }}
	clients.Clients -= impatient.Clients
	clients.Start()
	impatient.Start()
	watch := &watch{engine: e, answers: func() harness.Answers { return clients.Answers().Plus(impatient.Answers()) }, log: o.Log}

	report.Before = watch.stretch(o.Before)
	dataway.SetFault(&embedded.Fault{Status: 503})
	during := watch.begin()
	during.add(o.Outage / 3)
	dataway.SetFault(&embedded.Fault{Hang: true})
	during.add(o.Outage / 3)
	if err := dataway.Close(); err != nil {
		return report, err
	}
	during.add(o.Outage / 3)
	report.During = during.end()

	healed := time.Now()
	if dataway, err = harness.DataWay(listen, &ledger); err != nil {
		return report, err
	}
	err = harness.Until(3*backOff, func() (bool, error) {
		return watch.answers().LastTaken.After(healed), nil
	})
	if err != nil {
		return report, fmt.Errorf("nothing is taken after healing: %w\n%s", err, e.Log())
	}
	report.FirstTaken = time.Since(healed)
	const part = time.Second
	for {
		s := watch.stretch(part)
		if report.Recovered = time.Since(healed); s.PerSecond >= report.Before.PerSecond/2 {
			break
		}
		if report.Recovered > 4*backOff {
			return report, fmt.Errorf("%v after healing %.0f requests/s are taken, before it were %.0f\n%s", report.Recovered, s.PerSecond, report.Before.PerSecond, e.Log())
		}
	}
	report.After = watch.stretch(o.Before)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, c := range []*harness.Intake{&clients, &impatient} {
		if err := c.Stop(ctx); err != nil {
			return report, fmt.Errorf("%w\n%s", err, e.Log())
		}
	}
	if code := e.Stop(); code != 0 {
		return report, fmt.Errorf("the engine ended with %d:\n%s", code, e.Log())
	}
	report.Sum, report.Answers = ledger.Sum(), watch.answers()
	return report, nil
}

// watch samples the memory of the engine and the answers that clients get.
type watch struct {
	engine  *harness.Engine
	answers func() harness.Answers
	log     io.Writer
}

// part is a stretch that is being watched.
type part struct {
	*watch
	start   time.Time
	before  harness.Answers
	samples []int64
	said    time.Time
}

func (w *watch) begin() *part {
	return &part{watch: w, start: time.Now(), before: w.answers(), said: time.Now()}
}

// add watches for a while.
func (p *part) add(d time.Duration) {
	const often = 100 * time.Millisecond
	tick := time.NewTicker(often)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); {
		<-tick.C
		p.samples = append(p.samples, p.engine.Memory())
		if p.log != nil && time.Since(p.said) >= time.Minute {
			p.said = time.Now()
			fmt.Fprintf(p.log, "  %v: RSS %d MiB, answers %v\n", time.Since(p.start).Round(time.Second), p.samples[len(p.samples)-1]>>20, p.answers().ByStatus)
		}
	}
}

func (p *part) end() Stretch {
	var s Stretch
	for i, m := range p.samples {
		s.Memory = max(s.Memory, m)
		if i < len(p.samples)/2 {
			s.Early = max(s.Early, m)
		} else {
			s.Late = max(s.Late, m)
		}
	}
	for status, n := range p.answers().ByStatus {
		n -= p.before.ByStatus[status]
		switch {
		case status == 0:
			s.Unheard += n
		case status/100 == 2:
			s.Taken += n
		default:
			s.Later += n
		}
	}
	s.PerSecond = float64(s.Taken) / time.Since(p.start).Seconds()
	return s
}

func (w *watch) stretch(d time.Duration) Stretch {
	p := w.begin()
	p.add(d)
	return p.end()
}

// Check returns what is wrong with the report, nil if it is as promised.
func (r OutageReport) Check() error {
	// What the collector has not yet given back.
	const most, growth = memoryLimit * 5 / 4, 24 << 20
	if err := (HTTPReport{Sum: r.Sum, Answers: r.Answers}).Check(); err != nil {
		return err
	}
	switch d := r.During; {
	case max(r.Before.Memory, d.Memory, r.After.Memory) > most:
		return fmt.Errorf("the memory rose to %d, %d are the limit", max(r.Before.Memory, d.Memory, r.After.Memory), most)
	case d.Late > d.Early+growth:
		return fmt.Errorf("the memory grows in the outage: %d in its first half, %d in its second", d.Early, d.Late)
	case d.Later == 0:
		return fmt.Errorf("no client was told to come again")
	case d.Unheard > 0:
		return fmt.Errorf("%d requests were not answered", d.Unheard)
	case r.FirstTaken > 2*backOff:
		return fmt.Errorf("the first 2xx came %v after healing", r.FirstTaken)
	}
	return nil
}

// String returns the figures, a line each.
func (r OutageReport) String() string {
	line := func(name string, s Stretch) string {
		return fmt.Sprintf("%-8s peak RSS %3d MiB (halves %d, %d); requests: %d 2xx (%.0f/s), %d 429 or 503, %d unanswered\n",
			name, s.Memory>>20, s.Early>>20, s.Late>>20, s.Taken, s.PerSecond, s.Later, s.Unheard)
	}
	return line("before", r.Before) + line("outage", r.During) + line("after", r.After) +
		fmt.Sprintf("healed: first 2xx after %v, half the pace of before after %v\n", r.FirstTaken.Round(time.Millisecond), r.Recovered.Round(time.Second)) +
		fmt.Sprintf("points: %d acknowledged, %d at DataWay, lost %d, acknowledged before DataWay had them %d, duplicates %d (clients sent %d again); answers %v, without Retry-After %d",
			r.Sum.Acknowledged, r.Sum.Seen, r.Sum.Lost, r.Answers.Early, r.Sum.Duplicates, r.Answers.Repeated, r.Answers.ByStatus, r.Answers.NoRetry)
}

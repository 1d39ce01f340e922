package runtime

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// failing returns a send that fails n times with the given class.
func failing(n int, class engine.ErrorClass, after time.Duration) func(context.Context, engine.Body) error {
	var calls atomic.Int64
	return func(context.Context, engine.Body) error {
		if calls.Add(1) <= int64(n) {
			return &engine.SendError{Class: class, After: after, Err: errors.New("no luck")}
		}
		return nil
	}
}

func gaps(as []attempt) []time.Duration {
	var out []time.Duration
	for i := 1; i < len(as); i++ {
		out = append(out, as[i].at-as[i-1].at)
	}
	return out
}

func TestRetryBacksOff(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 10)
		l.send["out"] = failing(9, engine.Retry, 0)
		l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, retry: {initial: 500ms, max: 30s}}}
`)
		l.wantDelivered("out", upTo(10))
		sent := l.sent("out")
		if len(sent) != 10 {
			t.Fatalf("%d attempts", len(sent))
		}
		for i, gap := range gaps(sent) {
			if most := min(500*time.Millisecond<<i, 30*time.Second); gap > most || gap <= 0 {
				t.Errorf("pause %d was %v, want at most %v", i, gap, most)
			}
		}
		if longest := slices.Max(gaps(sent)); longest <= 500*time.Millisecond {
			t.Errorf("the pauses do not grow: %v", gaps(sent))
		}
		for _, a := range sent {
			if a.id != sent[0].id {
				t.Errorf("the body's id changed from %s to %s", sent[0].id, a.id)
			}
		}
	})
}

func TestRetryAfterOverridesTheBackOff(t *testing.T) {
	for _, class := range []engine.ErrorClass{engine.Retry, engine.Refused} {
		t.Run(class.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.source("in", 10)
				l.send["out"] = failing(3, class, 7*time.Second)
				l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in}}
`)
				for _, gap := range gaps(l.sent("out")) {
					if gap != 7*time.Second {
						t.Errorf("waited %v", gap)
					}
				}
				l.wantDelivered("out", upTo(10))
			})
		})
	}
}

// While a lane fails, one body at a time goes out, the oldest.
func TestOneProbePerLane(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 5, 5, 5, 5, 5, 5, 5, 5)
		l.concurrency["out"] = 4
		var inFlight, most atomic.Int64
		l.send["out"] = func(ctx context.Context, body engine.Body) error {
			most.Store(max(most.Load(), inFlight.Add(1)))
			defer inFlight.Add(-1)
			down := l.clock() < 10*time.Second
			if err := pause(ctx, nil, nil, 100*time.Millisecond); err != nil {
				return err
			}
			if down {
				return &engine.SendError{Class: engine.Retry, Err: errors.New("down")}
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, batch: {max_points: 5}, retry: {initial: 100ms, max: 1s}}}
`)
		if n := most.Load(); n != 4 {
			t.Errorf("%d bodies were sent at once", n)
		}
		l.wantDelivered("out", upTo(40))
		sent := l.sent("out")
		// Which of the four that went out together stands first in line is chance.
		oldest := sent[4].ns
		if !slices.ContainsFunc(sent[:4], func(a attempt) bool { return slices.Equal(a.ns, oldest) }) {
			t.Errorf("the probe %v is none of the first bodies", oldest)
		}
		for i, a := range sent {
			if i < 4 || a.at >= 10*time.Second {
				continue
			}
			if !slices.Equal(a.ns, oldest) {
				t.Errorf("at %v a body that is not the oldest went out: %v", a.at, a.ns)
			}
			if i > 4 && a.at < sent[i-1].at+100*time.Millisecond {
				t.Errorf("two probes at once, at %v and %v", sent[i-1].at, a.at)
			}
		}
	})
}

// Several bodies that fail together are one failure: they do not multiply the back-off.
func TestFailuresTogetherCountOnce(t *testing.T) {
	s := &sinkNode{retry: retry{Initial: time.Second, Max: time.Hour}, health: func(error) {}}
	l := newLane(s, "logging", 4)
	var rounds []int
	for range 4 {
		l.tickets = append(l.tickets, uint64(len(l.tickets)+1))
		round, err := l.await(context.Background(), uint64(len(l.tickets)), load{})
		if err != nil {
			t.Fatal(err)
		}
		rounds = append(rounds, round)
	}
	for _, round := range rounds {
		l.failed(round, &engine.SendError{Class: engine.Retry, Err: errors.New("down")})
	}
	if n := l.health.failures; n != 1 {
		t.Errorf("counted %d failures", n)
	}
	l.failed(1, &engine.SendError{Class: engine.Retry, Err: errors.New("down")})
	if n := l.health.failures; n != 2 {
		t.Errorf("counted %d failures after the probe", n)
	}
	l.failed(0, &engine.SendError{Class: engine.Retry, After: time.Minute, Err: errors.New("down")})
	if wait := time.Until(l.health.until); wait < 59*time.Second {
		t.Errorf("a late answer's Retry-After was forgotten: waiting %v", wait)
	}
}

// A lane that is refused holds up no other, and the node is unhealthy as long as one lane is.
func TestLanesAreIndependent(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.category = func(n int) point.Category {
			if n%2 == 0 {
				return point.Metric
			}
			return point.Logging
		}
		l.source("in", 10, 10)
		fixed := make(chan struct{})
		l.send["out"] = func(_ context.Context, body engine.Body) error {
			select {
			case <-fixed:
				return nil
			default:
			}
			if body.Lane == point.Metric.String() {
				return &engine.SendError{Class: engine.Refused, After: 30 * time.Second, Err: errors.New("quota")}
			}
			return nil
		}
		x := l.start(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, batch: {max_points: 5}}}
`)
		synctest.Wait()
		l.wantDelivered("out", []int64{1, 3, 5, 7, 9, 11, 13, 15, 17, 19})
		if _, acks := l.acked(); acks != 0 {
			t.Errorf("%d acks", acks)
		}
		if failing := x.Ready(); len(failing) != 1 || failing[0].Node != "out" {
			t.Errorf("failing: %v", failing)
		}
		close(fixed)
		l.clean(x)
		l.wantDelivered("out", upTo(20))
		if failing := x.Ready(); len(failing) != 0 {
			t.Errorf("failing: %v", failing)
		}
		if n := len(l.sent("out")); n > 22 {
			t.Errorf("%d attempts: the pause was not kept", n)
		}
	})
}

// refuse fails bodies that hold one of the guilty.
func refuse(class engine.ErrorClass, guilty ...int64) func(context.Context, engine.Body) error {
	return func(_ context.Context, body engine.Body) error {
		for _, n := range bodyNumbers(body) {
			if slices.Contains(guilty, n) {
				return &engine.SendError{Class: class, Err: errors.New("cannot take it")}
			}
		}
		return nil
	}
}

// A refused body is narrowed to its guilty points: these are on disk before the ack, the others are delivered once.
func TestBadDataIsNarrowed(t *testing.T) {
	guilty := []int64{0, 13, 14, 57, 99}
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 60, 40)
		l.send["out"] = refuse(engine.BadData, guilty...)
		l.onAck = func() {
			if got := l.letterNumbers(); len(got) < 4 {
				t.Errorf("acknowledged with %v in the dead letters", got)
			}
		}
		e := l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, batch: {max_points: 100, wait: 1s}}}
`)
		l.wantDelivered("out", upTo(100, guilty...))
		if got := l.letterNumbers(); !slices.Equal(got, guilty) {
			t.Errorf("dead letters of %v", got)
		}
		for _, x := range l.letters() {
			if x.Node != "out" || !strings.Contains(x.Error, "cannot take it") || x.Origin.Node != "in" {
				t.Errorf("dead letter %+v", x)
			}
		}
		seen := map[string]bool{}
		for _, a := range l.sent("out") {
			if !strings.HasPrefix(a.id, "body1") && !strings.HasPrefix(a.id, "body2") || seen[a.id] {
				t.Errorf("id %s is not derived, or sent twice", a.id)
			}
			seen[a.id] = true
		}
		if !l.topics["t"] {
			t.Error("the encoder does not learn where the points come from")
		}
		if s := statsOf(e, "out"); s.Out != 95 || total(s.Failed) != 5 {
			t.Errorf("counted %d out, %d failed", s.Out, total(s.Failed))
		}
	})
}

func TestTooLargeIsHalved(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 100)
		l.send["out"] = func(_ context.Context, body engine.Body) error {
			if ns := bodyNumbers(body); len(ns) > 10 || slices.Contains(ns, 42) {
				return &engine.SendError{Class: engine.TooLarge, Err: errors.New("too large")}
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in}}
`)
		l.wantDelivered("out", upTo(100, 42))
		if got := l.letterNumbers(); !slices.Equal(got, []int64{42}) {
			t.Errorf("dead letters of %v", got)
		}
	})
}

func TestGiveUp(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 10)
		l.send["out"] = func(context.Context, engine.Body) error { return errors.New("down for good") }
		l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, retry: {initial: 100ms, max: 1s, give_up: 5s}}}
`)
		if got := l.letterNumbers(); !slices.Equal(got, upTo(10)) {
			t.Errorf("dead letters of %v", got)
		}
		sent := l.sent("out")
		if d := sent[len(sent)-1].at - sent[0].at; d < 5*time.Second || d > 6*time.Second {
			t.Errorf("gave up after %v", d)
		}
	})
}

// Bodies are sent side by side; order: partition gives that up for order.
func TestConcurrencyAndOrder(t *testing.T) {
	for order, want := range map[string]int64{"none": 3, "partition": 1} {
		t.Run(order, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.source("in", 10, 10, 10, 10, 10)
				l.concurrency["out"] = 3
				gate := make(chan struct{})
				var inFlight atomic.Int64
				l.send["out"] = func(ctx context.Context, _ engine.Body) error {
					inFlight.Add(1)
					defer inFlight.Add(-1)
					return untilClosed(ctx, gate)
				}
				x := l.start(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, order: ` + order + `, batch: {max_points: 10}}}
`)
				synctest.Wait()
				if n := inFlight.Load(); n != want {
					t.Errorf("%d bodies at once, want %d", n, want)
				}
				close(gate)
				l.clean(x)
				if got := l.delivered("out"); order == "partition" && !slices.Equal(got, upTo(50)) {
					t.Errorf("delivered %v", got)
				}
				l.wantDelivered("out", upTo(50))
			})
		})
	}
}

// One attempt takes no longer than the node's timeout; it is repeated.
func TestTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 10)
		var calls atomic.Int64
		l.send["out"] = func(ctx context.Context, _ engine.Body) error {
			if calls.Add(1) == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, timeout: 3s, retry: {initial: 10ms, max: 10ms}}}
`)
		l.wantDelivered("out", upTo(10))
		if at := l.sent("out")[1].at; at != 3*time.Second+10*time.Millisecond {
			t.Errorf("the second attempt was at %v", at)
		}
	})
}

// A sink's .failed takes what would be a dead letter, as copies: another sink has the same points.
func TestSinkFailedPort(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 20)
		l.send["out"] = refuse(engine.BadData, 3, 4)
		l.process["mark"] = func(_ context.Context, b *engine.Batch) error {
			for i := range b.Points {
				p := &b.Points[i]
				if v, ok := p.Get(nodeField); !ok || v.Str() != "out" {
					t.Errorf("a failed point has the node %v", v)
				}
				p.Set("n", point.Int(number(p)+100))
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
operators: {mark: {type: test_process, from: out.failed}}
sinks: {out: {type: test_encoder, from: in}, other: {type: test_writer, from: in}, last: {type: test_writer, from: mark}}
`)
		l.wantDelivered("out", upTo(20, 3, 4))
		l.wantDelivered("other", upTo(20))
		l.wantDelivered("last", []int64{103, 104})
		if got := l.letterNumbers(); len(got) > 0 {
			t.Errorf("dead letters of %v", got)
		}
	})
}

// syncCounter counts the fsyncs of files.
type syncCounter struct {
	engine.OS
	n atomic.Int64
}

type countedFile struct {
	engine.FSFile
	n *atomic.Int64
}

func (f countedFile) Sync() error {
	f.n.Add(1)
	return f.FSFile.Sync()
}

func (c *syncCounter) OpenFile(name string, flag int, perm fs.FileMode) (engine.FSFile, error) {
	f, err := c.OS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return countedFile{f, &c.n}, nil
}

// The points of a batch that cannot be encoded share an fsync.
func TestUnencodablePointsAreBuriedTogether(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		files := &syncCounter{}
		l.options.Env.FS = files
		l.source("in", 100)
		l.encode["out"] = func(p *point.Point) error {
			if n := number(p); n%2 == 0 {
				return errors.New("even")
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in}}
`)
		if n := len(l.letterNumbers()); n != 50 {
			t.Errorf("%d dead letters", n)
		}
		if n := files.n.Load(); n > 10 {
			t.Errorf("%d fsyncs for one batch", n)
		}
	})
}

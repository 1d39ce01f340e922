package runtime

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/internal/batch"
)

// forgetLive clears what Live knows after a hard stop, whose batches are never done.
func forgetLive() { batch.Forget() }

// endless emits a batch of 10 every second until its context ends.
func (l *lab) endless(node string) {
	l.sources[node] = func(ctx context.Context, emit engine.Emit) error {
		for n := 0; ; n += 10 {
			if err := emit(ctx, l.points(&engine.Origin{Node: node}, n, 10)); err != nil {
				return err
			}
			if err := pause(ctx, nil, nil, time.Second); err != nil {
				return err
			}
		}
	}
}

// A soft stop ends the sources, and what they have emitted is delivered and acknowledged.
func TestSoftStop(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.endless("in")
		gate := make(chan struct{})
		l.send["out"] = func(ctx context.Context, _ engine.Body) error { return untilClosed(ctx, gate) }
		x := l.start(`
sources: {in: {type: test_source}}
operators: {hold: {type: test_hold, from: in}}
sinks: {out: {type: test_encoder, from: hold}, too: {type: test_writer, from: in}}
`)
		advance(5500 * time.Millisecond)
		x.stopSources()
		synctest.Wait()
		if _, acks := l.acked(); acks != 0 {
			t.Errorf("%d acks while the sink hangs", acks)
		}
		close(gate)
		l.clean(x)
		l.wantDelivered("out", upTo(60))
		l.wantDelivered("too", upTo(60))
	})
}

// After the drain timeout what is left is discarded without an ack, and nothing hangs, whatever hangs in the graph.
func TestHardStop(t *testing.T) {
	graphs := map[string]string{
		"encoder":  "sinks: {out: {type: test_encoder, from: in}}",
		"writer":   "sinks: {out: {type: test_writer, from: in}}",
		"operator": "operators: {op: {type: test_process, from: in, on_error: drop}}\nsinks: {out: {type: test_writer, from: op}}",
		"streamer": "operators: {st: {type: test_stream, from: in, on_error: drop}}\nsinks: {out: {type: test_writer, from: st}}",
		"behind a fork": `operators: {a: {type: test_process, from: in}, b: {type: test_process, from: a}}
sinks: {out: {type: test_encoder, from: [a, b]}, fine: {type: test_writer, from: [a, b, in]}}`,
		"retrying":   "sinks: {out: {type: test_encoder, from: in, retry: {initial: 1h, max: 1h}}}",
		"many lines": "sinks: {out: {type: test_encoder, from: in, batch: {max_points: 1}}}",
	}
	for name, text := range graphs {
		for typ, code := range map[string]int{"test_source": ExitDeadline, "test_once": ExitLost} {
			t.Run(name+" "+typ, func(t *testing.T) {
				everyWiring(t, func(t *testing.T, l *lab) {
					l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
						for n := 0; ; n += 10 {
							if err := emit(ctx, l.points(&engine.Origin{}, n, 10)); err != nil {
								return err
							}
						}
					}
					hang := func(ctx context.Context) error {
						<-ctx.Done()
						return ctx.Err()
					}
					l.send["out"] = func(ctx context.Context, _ engine.Body) error {
						if name == "retrying" {
							return errors.New("down")
						}
						return hang(ctx)
					}
					l.write["out"] = func(ctx context.Context, _ *engine.Batch) error { return hang(ctx) }
					l.process["op"] = func(ctx context.Context, _ *engine.Batch) error { return hang(ctx) }
					l.stream["st"] = func(ctx context.Context, _ *engine.Batch, _ engine.Emit) error { return hang(ctx) }
					l.options.DrainTimeout = 20 * time.Second
					x := l.start("limits: {in_flight: 100KB}\nsources: {in: {type: " + typ + "}}\n" + text + "\n")
					advance(3 * time.Second)
					begin := time.Now()
					x.stopSources()
					r := x.wait()
					if r.Code != code || r.Err == nil {
						t.Errorf("ended with %d: %v", r.Code, r.Err)
					}
					if d := time.Since(begin); d > 20*time.Second {
						t.Errorf("stopping took %v", d)
					}
					if made, acks := l.acked(); acks != 0 || made < 5 {
						t.Errorf("%d of %d batches were acknowledged", acks, made)
					}
					if name == "operator" || name == "streamer" {
						if s := statsOf(x.Engine, map[string]string{"operator": "op", "streamer": "st"}[name]); total(s.Failed) > 0 {
							t.Errorf("the stop failed points: %v", s.Failed)
						}
					}
					forgetLive()
				})
			})
		}
	}
}

// Components learn of a hard stop by their context first: an emit that is refused because of it is no failure.
func TestHardStopEndsContextsFirst(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 1)
		e := l.build("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}}\n")
		drained := make(chan struct{})
		close(drained)
		e.discardAll(drained, func() {
			if e.stop.hard() {
				t.Error("emits are refused before contexts end")
			}
		}, 0)
		if !e.stop.hard() {
			t.Error("no hard stop")
		}
	})
}

func TestHurry(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 10)
		l.write["out"] = func(ctx context.Context, _ *engine.Batch) error {
			<-ctx.Done()
			return ctx.Err()
		}
		x := l.start("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}}\n")
		synctest.Wait()
		x.stopSources()
		advance(time.Second)
		close(x.hurry)
		begin := time.Now()
		if r := x.wait(); r.Code != ExitDeadline {
			t.Errorf("ended with %d: %v", r.Code, r.Err)
		}
		if d := time.Since(begin); d > 0 {
			t.Errorf("hurrying took %v", d)
		}
		forgetLive()
	})
}

// A component that does not listen to its context does not keep the engine from ending.
func TestStopWithoutTheSinksHelp(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 10)
		gate := make(chan struct{})
		l.write["out"] = func(context.Context, *engine.Batch) error {
			<-gate
			return nil
		}
		l.options.DrainTimeout = 10 * time.Second
		x := l.start("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}}\n")
		synctest.Wait()
		begin := time.Now()
		x.stopSources()
		if r := x.wait(); r.Code != ExitDeadline {
			t.Errorf("ended with %d: %v", r.Code, r.Err)
		}
		if d := time.Since(begin); d > 10*time.Second+hangTime {
			t.Errorf("stopping took %v", d)
		}
		close(gate)
		synctest.Wait()
		forgetLive()
	})
}

func TestUntilIdle(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			for n := range 3 {
				if err := emit(ctx, l.points(&engine.Origin{}, 10*n, 10)); err != nil {
					return err
				}
				advance(3 * time.Second)
			}
			<-ctx.Done()
			return ctx.Err()
		}
		// The last batch is on its way for longer than the engine waits for idleness.
		l.write["out"] = func(ctx context.Context, b *engine.Batch) error {
			if number(&b.Points[0]) == 20 {
				return pause(ctx, nil, nil, time.Minute)
			}
			return nil
		}
		l.options.UntilIdle = 5 * time.Second
		begin := time.Now()
		l.finish("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}}\n")
		l.wantDelivered("out", upTo(30))
		if d := time.Since(begin); d < 70*time.Second || d > 72*time.Second {
			t.Errorf("ended after %v", d)
		}
	})
}

// A source that fails ends the run, and the others' data is delivered.
func TestSourceError(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.endless("good")
		l.sources["bad"] = func(ctx context.Context, emit engine.Emit) error {
			_ = pause(ctx, nil, nil, 3500*time.Millisecond)
			return errors.New("gone")
		}
		r := l.start(`
sources: {good: {type: test_source}, bad: {type: test_source}}
sinks: {out: {type: test_encoder, from: [good, bad]}}
`).wait()
		if r.Code != ExitFailed || r.Err == nil || r.Err.Error() != "source bad: gone" {
			t.Errorf("ended with %d: %v", r.Code, r.Err)
		}
		l.allAcked()
		l.wantDelivered("out", upTo(40))
	})
}

// A source that was told to stop may say so.
func TestSourceReturnsItsContextsError(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.endless("in")
		x := l.start("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}}\n")
		synctest.Wait()
		x.stopSources()
		l.clean(x)
	})
}

// Emitting on a port that is none is refused, and the batch stays with the source.
func TestUnknownPort(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			b := l.points(&engine.Origin{}, 0, 3)
			b.Port = "nowhere"
			err := emit(ctx, b)
			if !engine.IsPermanent(err) || !strings.Contains(err.Error(), "in.nowhere") {
				t.Errorf("emitting says %v", err)
			}
			b.Port = ""
			return emit(ctx, b)
		}
		l.finish("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}}\n")
		l.wantDelivered("out", upTo(3))
	})
}

// A failing disk under the dead letters stops the engine; what could not be buried is not acknowledged.
func TestDeadLettersFail(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.options.Env.FS = &failingFS{}
		l.source("in", 10)
		l.process["a"] = failOn(3)
		r := l.start(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in}}
sinks: {out: {type: test_writer, from: a}}
`).wait()
		if r.Code != ExitDisk || !errors.Is(r.Err, errDisk) {
			t.Errorf("ended with %d: %v", r.Code, r.Err)
		}
		if _, acks := l.acked(); acks != 0 {
			t.Error("acknowledged what is nowhere")
		}
		forgetLive()
	})
}

var errDisk = errors.New("the disk is on fire")

type failingFS struct{ engine.OS }

func (failingFS) OpenFile(string, int, fs.FileMode) (engine.FSFile, error) { return nil, errDisk }

// What a node gets from outside is what the run was given.
func TestEnv(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		var dialled atomic.Int64
		l.options.DialFor = func(role string) Dial {
			if role != "test" {
				return nil
			}
			return func(context.Context, string, string) (net.Conn, error) {
				dialled.Add(1)
				return nil, errors.New("no network")
			}
		}
		l.source("in", 1)
		e := l.build("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}}\n")
		env := e.env("out", "test", e.stats[0])
		if _, err := env.Dial(context.Background(), "tcp", "x:1"); err == nil || dialled.Load() != 1 || !env.Plain {
			t.Errorf("dialling: %v, plain %v", err, env.Plain)
		}
		if env := e.env("out", "other", nil); env.Plain {
			t.Error("a role that is not led elsewhere is plain")
		}
		env.Counter("seen", "").Add(2)
		env.Counter("seen", "twice").Add(3)
		if got := e.stats[0].read().Custom; !slices.Equal(got, []Count{{"seen", 2}, {"seen{twice}", 3}}) {
			t.Errorf("counters %v", got)
		}
		if a, b := env.Shared("k", func() any { return 1 }), env.Shared("k", func() any { return 2 }); a != 1 || b != 1 {
			t.Errorf("shared %v and %v", a, b)
		}
		env.Health(errors.New("ill"))
		if got := e.Ready(); len(got) != 1 || got[0].Node != "out" {
			t.Errorf("ready: %v", got)
		}
	})
}

// A sink that has given everything up is ill, but nothing is on its way: the graph is idle.
func TestUntilIdleAfterGivingUp(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			if err := emit(ctx, l.points(&engine.Origin{}, 0, 3)); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}
		l.send["out"] = func(context.Context, engine.Body) error { return errors.New("down") }
		l.options.UntilIdle = 5 * time.Second
		x := l.start(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, retry: {initial: 100ms, max: 1s, give_up: 5s}}}
`)
		advance(time.Minute)
		if len(x.result) == 0 {
			t.Error("it does not end by itself")
		}
		x.stopSources()
		l.clean(x)
	})
}

// A source that cannot reach what it reads has nothing on its way, and yet the graph is not idle.
func TestUntilIdleWaitsForSources(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			l.envs["in"].Health(errors.New("no broker"))
			if err := pause(ctx, nil, nil, time.Minute); err != nil {
				return err
			}
			l.envs["in"].Health(nil)
			if err := emit(ctx, l.points(&engine.Origin{}, 0, 3)); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}
		l.options.UntilIdle = 5 * time.Second
		l.finish("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}}\n")
		l.wantDelivered("out", upTo(3))
	})
}

// The deadline has passed when it has passed, also if nothing is on its way: a source that does not end might have more.
func TestSourceThatDoesNotEnd(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		gate := make(chan struct{})
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			if err := emit(ctx, l.points(&engine.Origin{}, 0, 3)); err != nil {
				return err
			}
			<-gate
			return emit(ctx, l.points(&engine.Origin{}, 3, 3))
		}
		x := l.start("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}}\n")
		synctest.Wait()
		x.stopSources()
		if r := x.wait(); r.Code != ExitDeadline {
			t.Errorf("ended with %d: %v", r.Code, r.Err)
		}
		close(gate)
		synctest.Wait()
		l.wantDelivered("out", upTo(3))
		if made, acks := l.acked(); made != 2 || acks != 1 {
			t.Errorf("%d of %d acknowledged", acks, made)
		}
		forgetLive()
	})
}

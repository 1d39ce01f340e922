package runtime

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/deadletter"
	"dataflow/engine/point"
)

// failOn makes an operator fail the points with the given numbers.
func failOn(bad ...int64) func(context.Context, *engine.Batch) error {
	return func(_ context.Context, b *engine.Batch) error {
		for i := range b.Points {
			if slices.Contains(bad, number(&b.Points[i])) {
				b.Fail(i, errors.New("bad luck"))
			}
		}
		return nil
	}
}

func TestOnError(t *testing.T) {
	bad := []int64{0, 4, 5, 19}
	run := func(t *testing.T, l *lab, policy string) *Engine {
		l.source("in", 10, 10)
		l.process["a"] = failOn(bad...)
		return l.finish(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in, on_error: ` + policy + `}}
sinks: {out: {type: test_writer, from: a}}
`)
	}
	t.Run("pass", func(t *testing.T) {
		bubble(t, func(t *testing.T, l *lab) {
			var order []int64
			l.write["out"] = func(_ context.Context, b *engine.Batch) error {
				order = append(order, numbers(b.Points)...)
				for i := range b.Points {
					text, failed := b.Points[i].Get(errorField)
					node, _ := b.Points[i].Get(nodeField)
					if want := slices.Contains(bad, number(&b.Points[i])); failed != want {
						t.Errorf("point %d has an error: %v", number(&b.Points[i]), failed)
					} else if want && (text.Str() != "bad luck" || node.Str() != "a") {
						t.Errorf("the error is %q of %q", text.Str(), node.Str())
					}
				}
				return nil
			}
			e := run(t, l, "pass")
			if !slices.Equal(order, upTo(20)) {
				t.Errorf("delivered %v", order)
			}
			if s := statsOf(e, "a"); total(s.Passed) != 4 || total(s.Failed) != 0 || s.Out != 20 {
				t.Errorf("counted %+v", s)
			}
		})
	})
	t.Run("dead_letter", func(t *testing.T) {
		bubble(t, func(t *testing.T, l *lab) {
			l.onAck = func() {
				if len(l.letterNumbers()) == 0 {
					t.Error("acknowledged before the dead letter was on disk")
				}
			}
			run(t, l, "dead_letter")
			l.wantDelivered("out", upTo(20, bad...))
			if got := l.letterNumbers(); !slices.Equal(got, bad) {
				t.Errorf("dead letters of %v", got)
			}
			for _, x := range l.letters() {
				if x.Kind != deadletter.Record || x.Node != "a" || x.Error != "bad luck" || x.Origin.Topic != "t" {
					t.Errorf("dead letter %+v", x)
				}
			}
		})
	})
	t.Run("drop", func(t *testing.T) {
		bubble(t, func(t *testing.T, l *lab) {
			e := run(t, l, "drop")
			l.wantDelivered("out", upTo(20, bad...))
			if s := statsOf(e, "a"); total(s.Failed) != 4 || len(l.letters()) > 0 {
				t.Errorf("counted %+v, %d dead letters", s, len(l.letters()))
			}
		})
	})
	t.Run("stop", func(t *testing.T) {
		bubble(t, func(t *testing.T, l *lab) {
			l.source("in", 10, 10)
			l.process["a"] = failOn(15)
			r := l.start(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in, on_error: stop}}
sinks: {out: {type: test_writer, from: a}}
`).wait()
			if r.Code != ExitFailed || r.Err == nil || !strings.Contains(r.Err.Error(), "a: bad luck") {
				t.Errorf("ended with %d: %v", r.Code, r.Err)
			}
			if got := l.acks; !slices.Equal(got, []int{1, 0}) {
				t.Errorf("acks %v: the batch that failed must be read again", got)
			}
			forgetLive()
		})
	})
}

// A route that nobody reads is a failure, not a loss; a failure without an error is one too.
func TestOddVerdicts(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 4)
		l.process["a"] = func(_ context.Context, b *engine.Batch) error {
			b.Route(1, "nowhere")
			b.Fail(2, nil)
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in}}
sinks: {out: {type: test_writer, from: a}}
`)
		l.wantDelivered("out", []int64{0, 3})
		if got := l.letterNumbers(); !slices.Equal(got, []int64{1, 2}) {
			t.Errorf("dead letters of %v", got)
		}
	})
}

// An operator's error, or panic, fails its batch by on_error; the others go on.
func TestOperatorErrorAndPanic(t *testing.T) {
	fail := map[string]func() error{
		"error": func() error { return errors.New("no batch like this") },
		"panic": func() error { panic("no batch like this") },
	}
	for name, f := range fail {
		for _, typ := range []string{"test_process", "test_stream"} {
			t.Run(name+" "+typ, func(t *testing.T) {
				bubble(t, func(t *testing.T, l *lab) {
					l.source("in", 5, 5, 5)
					l.process["a"] = func(_ context.Context, b *engine.Batch) error {
						if number(&b.Points[0]) == 5 {
							b.Drop(0, "before it fails")
							return f()
						}
						return nil
					}
					l.stream["a"] = func(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
						if number(&b.Points[0]) == 5 {
							return f()
						}
						return emit(ctx, b.Split(b.Points))
					}
					e := l.finish(`
sources: {in: {type: test_source}}
operators: {a: {type: ` + typ + `, from: in}}
sinks: {out: {type: test_writer, from: a}}
`)
					l.wantDelivered("out", []int64{0, 1, 2, 3, 4, 10, 11, 12, 13, 14})
					if got := l.letterNumbers(); !slices.Equal(got, []int64{5, 6, 7, 8, 9}) {
						t.Errorf("dead letters of %v", got)
					}
					if failed := statsOf(e, "a").Failed; len(failed) != 1 || failed[0] != (Count{name, 5}) {
						t.Errorf("failed: %v", failed)
					}
				})
			})
		}
	}
}

// A streamer that fails halfway has emitted points that fail too: they are counted as made, so that the ledger balances.
func TestStreamerFailsHalfway(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 10)
		l.stream["a"] = func(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
			if err := emit(ctx, b.Split(b.Points[:4])); err != nil {
				return err
			}
			panic("halfway")
		}
		l.finish(`
sources: {in: {type: test_source}}
operators: {a: {type: test_stream, from: in}}
sinks: {out: {type: test_writer, from: a}}
`)
		l.wantDelivered("out", upTo(4))
		if got := l.letterNumbers(); !slices.Equal(got, upTo(10)) {
			t.Errorf("dead letters of %v", got)
		}
	})
}

// More than ten panics a minute stop the engine, ten do not.
func TestTooManyPanics(t *testing.T) {
	for n, want := range map[int]int{10: ExitDone, 11: ExitFailed} {
		bubbleName := map[int]string{10: "ten", 11: "eleven"}[n]
		t.Run(bubbleName, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.source("in", slices.Repeat([]int{1}, n)...)
				l.process["a"] = func(context.Context, *engine.Batch) error { panic("poison") }
				r := l.start(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in}}
sinks: {out: {type: test_writer, from: a}}
`).wait()
				if r.Code != want || (r.Err != nil) != (want != 0) {
					t.Errorf("ended with %d: %v", r.Code, r.Err)
				}
				l.allAcked()
				if got := l.letterNumbers(); !slices.Equal(got, upTo(int64(n))) {
					t.Errorf("dead letters of %v", got)
				}
				if got := strings.Count(l.log.String(), "component panicked"); got != 1 {
					t.Errorf("%d log lines", got)
				}
			})
		})
	}
}

func TestPanicMeterForgets(t *testing.T) {
	var m panicMeter
	now := time.Unix(1_000_000, 0)
	for i := range 100 {
		if m.tooMany(now.Add(time.Duration(i) * 7 * time.Second)) {
			t.Fatalf("panic %d of one every seven seconds is too many", i)
		}
	}
}

// Tags of a node are added where they are absent.
func TestTags(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.ports["in"] = []engine.Port{{Tags: []point.Field{{Key: "zone", Value: point.String("port"), Tag: true}}}}
		l.source("in", 5)
		l.write["out"] = func(_ context.Context, b *engine.Batch) error {
			for i := range b.Points {
				zone, _ := b.Points[i].Get("zone")
				rack, _ := b.Points[i].Get("rack")
				if zone.Str() != "port" || rack.Str() != "a1" {
					t.Errorf("tags %q %q", zone.Str(), rack.Str())
				}
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source, tags: {zone: node}}}
operators: {a: {type: test_process, from: in, tags: {zone: operator, rack: a1}}}
sinks: {out: {type: test_writer, from: a}}
`)
		l.wantDelivered("out", upTo(5))
	})
}

package runtime

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// A single line does not wait for more when nothing else is on its way, and for no longer than wait when there is.
func TestBatcherFlushesAtOnce(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			for n := range 5 {
				before := time.Now()
				acked := make(chan struct{})
				b := l.points(&engine.Origin{}, n, 1)
				l.onAck = func() { close(acked) }
				if err := emit(ctx, b); err != nil {
					return err
				}
				<-acked
				if d := time.Since(before); d > 0 {
					t.Errorf("a single line took %v", d)
				}
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in}}
sinks: {out: {type: test_encoder, from: a, batch: {max_points: 1000, wait: 10s}}}
`)
		l.wantDelivered("out", upTo(5))
	})
}

func TestBatcherWaits(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 3, 4)
		l.source("busy", 1)
		gate := make(chan struct{})
		l.write["stuck"] = func(ctx context.Context, _ *engine.Batch) error { return untilClosed(ctx, gate) }
		x := l.start(`
sources: {in: {type: test_source}, busy: {type: test_source}}
sinks:
  out: {type: test_encoder, from: in, batch: {max_points: 1000, wait: 10s}}
  stuck: {type: test_writer, from: busy}
`)
		synctest.Wait()
		// The sources have ended, and with them the batcher's inlet: it holds nothing back.
		l.wantDelivered("out", upTo(7))
		close(gate)
		l.clean(x)
	})
	bubbleWait := func(t *testing.T, l *lab) {
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			for n, at := range []time.Duration{time.Second, 4 * time.Second, 20 * time.Second} {
				if err := pause(ctx, nil, nil, at-l.clock()); err != nil {
					return err
				}
				if err := emit(ctx, l.points(&engine.Origin{}, n, 1)); err != nil {
					return err
				}
			}
			return pause(ctx, nil, nil, 40*time.Second-l.clock())
		}
		l.source("busy", 1)
		gate := make(chan struct{})
		l.write["stuck"] = func(ctx context.Context, _ *engine.Batch) error { return untilClosed(ctx, gate) }
		x := l.start(`
sources: {in: {type: test_source}, busy: {type: test_source}}
sinks:
  out: {type: test_encoder, from: in, batch: {max_points: 1000, wait: 10s}}
  stuck: {type: test_writer, from: busy}
`)
		advance(50 * time.Second)
		close(gate)
		l.clean(x)
		var at []time.Duration
		for _, a := range l.sent("out") {
			at = append(at, a.at)
		}
		if want := []time.Duration{11 * time.Second, 30 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("sent at %v, want %v", at, want)
		}
	}
	bubble(t, bubbleWait)
}

// Batches are merged up to points or bytes; one lane of several gets its own group.
func TestBatcherMerges(t *testing.T) {
	for name, limits := range map[string]string{"points": "{max_points: 50, wait: 1s}", "bytes": "{max_points: 1000, max_bytes: 5000, wait: 1s}"} {
		t.Run(name, func(t *testing.T) {
			everyWiring(t, func(t *testing.T, l *lab) {
				l.category = func(n int) point.Category {
					if n/10%10 == 3 {
						return point.Metric
					}
					return point.Logging
				}
				l.source("in", slices.Repeat([]int{10}, 100)...)
				l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, batch: ` + limits + `}}
`)
				l.wantDelivered("out", upTo(1000))
				bodies := l.sent("out")
				if len(bodies) > 60 {
					t.Errorf("%d bodies: they were not merged", len(bodies))
				}
				for _, a := range bodies {
					metrics := 0
					for _, n := range a.ns {
						if n/10%10 == 3 {
							metrics++
						}
					}
					if metrics > 0 && metrics < len(a.ns) {
						t.Errorf("a body of two lanes: %v", a.ns)
					}
					if len(a.ns) > 50 {
						t.Errorf("a body of %d points", len(a.ns))
					}
				}
			})
		})
	}
}

// A batch of several categories goes to their lanes in pieces and is done once.
func TestMixedBatch(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.category = func(n int) point.Category {
			return []point.Category{point.Metric, point.Metric, point.Logging, point.RUM}[n%4]
		}
		l.source("in", 41, 17)
		l.send["out"] = refuse(engine.BadData, 10, 11)
		l.finish("sources: {in: {type: test_source}}\nsinks: {out: {type: test_encoder, from: in}, too: {type: test_writer, from: in}}\n")
		l.wantDelivered("out", upTo(58, 10, 11))
		l.wantDelivered("too", upTo(58))
		if got := l.letterNumbers(); !slices.Equal(got, []int64{10, 11}) {
			t.Errorf("dead letters of %v", got)
		}
	})
}

package runtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"dataflow/engine"
)

// Whatever fails, and however it is timed, every point ends in exactly one place, each batch is acknowledged once and
// the ledger balances.
func TestEveryPointEndsOnce(t *testing.T) {
	const runs, count, size = 20, 60, 13
	graphs := []string{`
operators:
  a: {from: in, workers: 3, steps: [test_process: {}, test_hold: {}, test_process: {}]}
  b: {type: test_process, from: a, workers: 2, when: 'fields.n >= 100'}
sinks:
  out: {type: test_encoder, from: [b, b.side], batch: {max_points: 40, wait: 50ms}, retry: {initial: 10ms, max: 100ms}}
`, `
operators:
  a: {from: in, order: none, workers: 4, steps: [test_process: {when: 'meta.topic == "t"'}, test_process: {}]}
  b: {type: test_hold, from: a}
sinks:
  out: {type: test_encoder, from: [b, a.side], order: partition, batch: {max_points: 7}, retry: {initial: 10ms, max: 100ms}}
`}
	for run := range runs {
		t.Run(fmt.Sprint("run ", run), func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.partitions("in", 3, count, size)
				l.concurrency["out"] = 1 + run%4
				work := func(ctx context.Context, b *engine.Batch) error {
					jitter(ctx)
					for i := range b.Points {
						switch n := number(&b.Points[i]); {
						case n%17 == 3:
							b.Fail(i, errors.New("bad"))
						case n%23 == 4:
							b.Drop(i, "policy")
						case n%29 == 5:
							b.Route(i, "side")
						case n%403 == 7 && rand.IntN(2) == 0:
							panic("poison")
						}
					}
					return nil
				}
				l.process["b"] = work
				l.process["a/1:test_process"] = work
				l.send["out"] = func(ctx context.Context, body engine.Body) error {
					jitter(ctx)
					switch k := rand.IntN(10); {
					case k == 0:
						return &engine.SendError{Class: engine.Retry, Err: errors.New("not now")}
					case k == 1 && body.Points > 5:
						return &engine.SendError{Class: engine.TooLarge, Err: errors.New("too large")}
					}
					return refuse(engine.BadData, 20, 21, 1_000_050, 2_000_333)(ctx, body)
				}
				e := l.finish("limits: {in_flight: 20KB}\nsources: {in: {type: test_source}}" + graphs[run%len(graphs)])

				places := map[int64]int{}
				for _, n := range append(l.delivered("out"), l.letterNumbers()...) {
					places[n]++
				}
				dropped := 0
				for p := range int64(3) {
					for i := range int64(count * size) {
						switch n := p*1_000_000 + i; {
						case places[n] == 0 && n%23 == 4:
							dropped++
						case places[n] != 1:
							t.Errorf("point %d ended in %d places", n, places[n])
						}
					}
				}
				var counted int64
				for _, s := range e.Snapshot().Nodes {
					counted += total(s.Dropped)
				}
				if int64(dropped) != counted {
					t.Errorf("%d points are nowhere, %d were counted as dropped", dropped, counted)
				}
			})
		})
	}
}

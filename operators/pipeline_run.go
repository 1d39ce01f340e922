package operators

import (
	"context"
	"fmt"

	"dataflow/dsl/pipeline"
	"dataflow/engine"
	"dataflow/engine/point"
)

// pipelineWorker runs the scripts of a node in one goroutine.
type pipelineWorker struct {
	*pipelineFactory
	runners []*pipeline.Runner // by the index of the script; nil until it is needed
	tallies []scriptTally      // of the present batch, by the index of the script
	touched []int              // which tallies hold something
	room    []byte
	created []point.Point
}

// Process runs the script of each point.
func (w *pipelineWorker) Process(ctx context.Context, b *engine.Batch) error {
	if len(b.Points) == 0 {
		return nil
	}
	if err := w.outside.ready(ctx); err != nil {
		return err
	}
	var s *script
	once := w.choice.perBatch(b)
	if once {
		if s = w.choice.of(b, 0, &w.room); s == nil {
			return nil
		}
	}
	w.created = w.created[:0]
	defer w.flush()
	for i := 0; i < len(b.Points); i++ {
		i = w.run(ctx, b, i, s, once)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	b.Points = append(b.Points, w.created...)
	clear(w.created)
	return nil
}

// run runs the scripts of the points from i on and returns the last one that it ran. A script that panics, which
// is a fault of ours, costs its own point, not the batch: the points before it have been changed already.
func (w *pipelineWorker) run(ctx context.Context, b *engine.Batch, i int, s *script, once bool) (last int) {
	defer func() {
		if x := recover(); x != nil {
			b.Fail(last, scriptFailure{fmt.Errorf("panic in the script: %v", x), "panic"})
			if s != nil {
				w.tally(s, b.Points[last].Category).failed++
				w.runners[s.index] = nil // nobody knows what state it is in
			}
		}
	}()
	for last = i; last < len(b.Points); last++ {
		if !once {
			s = w.choice.of(b, last, &w.room)
		}
		if s == nil {
			continue
		}
		slow := w.point(b, last, s)
		const look = 64 // points between two looks at ctx
		if (slow || last%look == look-1) && ctx.Err() != nil {
			break
		}
	}
	return last
}

// point runs a script on point i. It reports whether that used up the budget.
func (w *pipelineWorker) point(b *engine.Batch, i int, s *script) (slow bool) {
	r := w.runners[s.index]
	if r == nil {
		r = s.compiled.NewRunner()
		w.runners[s.index] = r
	}
	p := &b.Points[i]
	count := w.tally(s, p.Category)
	count.points++
	out := r.Run(p)
	switch {
	case out.Err != nil:
		count.failed++
		if out.Err.OverBudget {
			b.Fail(i, scriptFailure{out.Err, "script_budget"})
			return true
		}
		b.Fail(i, out.Err)
		return false
	case out.Dropped:
		count.dropped++
		b.Drop(i, "script")
	case len(w.ignored) > 0 && p.Category == point.Logging && !out.KeptStatus && w.ignores(p):
		count.dropped++
		b.Drop(i, "ignored_status")
	}
	w.created = append(w.created, out.Created...)
	count.created += len(out.Created)
	return false
}

func (w *pipelineWorker) ignores(p *point.Point) bool {
	v, _ := p.Get("status")
	return v.Kind() == point.KindString && w.ignored[v.Str()]
}

// ignoredStatuses are the statuses of ignore_status as they stand on points: with the mapping, in their usual form.
func ignoredStatuses(c pipelineConfig) map[string]bool {
	m := map[string]bool{}
	for _, s := range c.IgnoreStatus {
		if c.StatusMapping {
			s = pipeline.Status(s)
		}
		m[s] = true
	}
	return m
}

// scriptFailure is a failure of a script with the reason under which it is counted.
type scriptFailure struct {
	error
	reason string
}

// Reason returns the label of the failure.
func (e scriptFailure) Reason() string { return e.reason }

// Unwrap returns the failure itself.
func (e scriptFailure) Unwrap() error { return e.error }

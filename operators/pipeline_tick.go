package operators

import (
	"context"
	"errors"
	"time"

	"dataflow/engine"
)

// Period is how often aggregations are looked at.
func (f *pipelineFactory) Period() time.Duration { return time.Second }

// Tick emits what the scripts have aggregated and is due by the clock of the scripts.
func (f *pipelineFactory) Tick(ctx context.Context, _ time.Time, emit engine.Emit) error {
	return f.emitDue(ctx, emit, false)
}

// Drain emits all that the scripts have aggregated.
func (f *pipelineFactory) Drain(ctx context.Context, emit engine.Emit) error {
	return f.emitDue(ctx, emit, true)
}

func (f *pipelineFactory) emitDue(ctx context.Context, emit engine.Emit, all bool) error {
	now := f.now()
	var errs []error
	for i, s := range f.scripts {
		f.countLost(i)
		due := s.compiled.Due(now, all)
		if len(due) == 0 {
			continue
		}
		b := engine.Reserve(len(due), 0)
		b.Points = append(b.Points, due...)
		b.Read = now.UnixNano()
		for i := range due {
			f.counts.add(s, due[i].Category, scriptTally{created: 1})
		}
		errs = append(errs, emit(ctx, b))
	}
	return errors.Join(errs...)
}

// countLost counts what the state of script i could not hold since the last time.
func (f *pipelineFactory) countLost(i int) {
	now, before := f.scripts[i].compiled.Lost(), &f.lost[i]
	for _, x := range [...]struct {
		of string
		n  int64
	}{
		{"cache", now.Cached - before.Cached}, {"aggregation", now.Measured - before.Measured}, {"window", now.Stored - before.Stored},
	} {
		if x.n > 0 {
			f.counts.counter("script_state_lost", x.of).Add(x.n)
		}
	}
	*before = now
}

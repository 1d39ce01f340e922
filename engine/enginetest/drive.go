// Package enginetest is for tests of components: it drives them as the runtime does and looks at what they did.
package enginetest

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"dataflow/engine"
	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

// Env is the environment of the machine without a log.
func Env() engine.Env { return engine.HostEnv(slog.New(slog.NewTextHandler(io.Discard, nil))) }

// Done gives up a batch, as a sink does.
func Done(b *engine.Batch) { batch.Done(b) }

// Outcome is what a component said about the points of a batch: by their index, the error, the reason, the port.
type Outcome struct {
	Kept    []point.Point // those without a verdict
	Failed  map[int]string
	Dropped map[int]string
	Routed  map[int]string
}

// Verdicts takes the verdicts of a batch.
func Verdicts(b *engine.Batch) Outcome {
	o := Outcome{Failed: map[int]string{}, Dropped: map[int]string{}, Routed: map[int]string{}}
	gone := map[int]bool{}
	for _, v := range batch.Verdicts(b) {
		i := int(v.Index)
		if gone[i] {
			continue
		}
		gone[i] = true
		switch v.Kind {
		case batch.Failed:
			o.Failed[i] = v.Err.Error()
		case batch.Dropped:
			o.Dropped[i] = v.Text
		case batch.Routed:
			o.Routed[i] = v.Text
		}
	}
	for i := range b.Points {
		if !gone[i] {
			o.Kept = append(o.Kept, b.Points[i])
		}
	}
	return o
}

// Process runs a processor on a batch as one worker of the runtime does.
func Process(t testing.TB, op engine.Operator, b *engine.Batch) Outcome {
	t.Helper()
	p, ok := op.(engine.Processor)
	if !ok {
		t.Fatalf("%T is no processor", op)
	}
	if w, ok := op.(engine.Worker); ok {
		p = w.NewWorker()
	}
	if err := p.Process(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	return Verdicts(b)
}

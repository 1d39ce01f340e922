package enginetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dataflow/engine"
	"dataflow/engine/internal/batch"
)

// patience is how long a component may take to do what it must do at once.
const patience = 10 * time.Second

// TestSource holds a source to its contract: what it emits is armed, names its records and goes out of one of its
// ports; a refused emit ends it; so does the end of its context, with nothing left running. Build makes a fresh source
// with something to emit each time it is called.
func TestSource(t *testing.T, build func(t *testing.T) engine.Source) {
	t.Run("emits", func(t *testing.T) {
		s := build(t)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r := &receiver{t: t, source: s, enough: cancel}
		if err := r.run(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("it ended with %v", err)
		}
		if r.points == 0 {
			t.Error("it emitted nothing")
		}
	})
	t.Run("is refused", func(t *testing.T) {
		refusal := errors.New("not accepted")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var once sync.Once
		err := run(t, build(t), ctx, func(context.Context, *engine.Batch) error {
			once.Do(func() { time.AfterFunc(time.Second, cancel) }) // for those that try again until they are stopped
			return refusal
		})
		if err != nil && !errors.Is(err, refusal) && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Run("is stopped before it begins", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := run(t, build(t), ctx, func(ctx context.Context, b *engine.Batch) error { return ctx.Err() })
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Run("is stopped while it waits", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := run(t, build(t), ctx, func(ctx context.Context, b *engine.Batch) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}

// run runs a source to its end and checks that it leaves nothing behind.
func run(t *testing.T, s engine.Source, ctx context.Context, emit engine.Emit) error {
	t.Helper()
	others := goleak.IgnoreCurrent()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, emit) }()
	var err error
	select {
	case err = <-done:
	case <-time.After(2 * patience):
		t.Fatal("it does not end")
	}
	closeIt(t, s)
	goleak.VerifyNone(t, others)
	return err
}

// closeIt closes a component that has something to close.
func closeIt(t *testing.T, c any) {
	t.Helper()
	if x, ok := c.(engine.Closer); ok {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := x.Close(ctx); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
}

// A receiver takes what a source emits.
type receiver struct {
	t      *testing.T
	source engine.Source
	enough func()

	mu      sync.Mutex
	points  int
	batches int
}

// enoughBatches is where an endless source is stopped.
const enoughBatches = 10

func (r *receiver) run(ctx context.Context) error {
	return run(r.t, r.source, ctx, r.emit)
}

func (r *receiver) emit(ctx context.Context, b *engine.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ports := map[string]bool{"": true}
	if p, ok := r.source.(engine.Ported); ok {
		clear(ports)
		for _, port := range p.Ports() {
			ports[port.Name] = true
		}
	}
	if !ports[b.Port] {
		r.t.Errorf("it emitted on a port that it does not have: %q", b.Port)
	}
	if len(b.Points) > 0 && batch.Bytes(b) <= 0 {
		r.t.Errorf("a batch of %d points was not armed with bytes", len(b.Points))
	}
	for i := range b.Points {
		if n := b.Points[i].Record; n < -1 || int(n) >= len(b.Records) {
			r.t.Errorf("point %d names the record %d of %d", i, n, len(b.Records))
		}
	}
	n := len(b.Points)
	batch.Accept(b, func(int) {})
	if d, ok := r.source.(engine.Decoder); ok {
		if err := d.Decode(ctx, b); err != nil && ctx.Err() == nil {
			r.t.Errorf("decoding: %v", err)
		}
		checkVerdicts(r.t, b)
	}
	batch.Done(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.points += n
	if r.batches++; r.batches >= enoughBatches {
		r.enough()
	}
	return nil
}

// checkVerdicts takes the verdicts of a batch and checks that they are about its points.
func checkVerdicts(t *testing.T, b *engine.Batch) (points int) {
	t.Helper()
	seen := map[int32]bool{}
	for _, v := range batch.Verdicts(b) {
		if v.Index < 0 || int(v.Index) >= len(b.Points) {
			t.Errorf("a verdict on point %d of %d", v.Index, len(b.Points))
		}
		if v.Kind == batch.Dropped && v.Text == "" {
			t.Errorf("point %d was dropped without a reason", v.Index)
		}
		seen[v.Index] = true
	}
	return len(seen)
}

package enginetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

// TestOperator holds an operator to its contract: verdicts are about points of the batch; what the batch was cut from
// stays untouched; an empty batch and an ended context are no trouble; several goroutines may run it; what is emitted
// or held carries the batch's reference, so that each batch is acknowledged once. Build makes a fresh operator, input
// a fresh batch of at least three points.
func TestOperator(t *testing.T, build func(t *testing.T) engine.Operator, input func() *engine.Batch) {
	t.Run("verdicts and references", func(t *testing.T) {
		d := newDriven(t, build(t))
		for range 3 {
			d.feed(t.Context(), input())
		}
		d.end(t.Context())
		d.allAcked(3)
	})
	t.Run("a part of a batch", func(t *testing.T) {
		b := input()
		all := b.Points
		if len(all) < 3 {
			t.Fatal("the input must have at least three points")
		}
		before, rest := clones(all), b.Split(all)
		b.Points = all[1 : len(all)-1 : len(all)-1]
		d := newDriven(t, build(t))
		d.feed(t.Context(), b)
		if last := len(all) - 1; !same(before[:1], all[:1]) || !same(before[last:], all[last:]) {
			t.Error("it wrote to points beside those that it was given")
		}
		batch.Done(rest)
		d.end(t.Context())
		d.allAcked(1)
	})
	t.Run("an empty batch", func(t *testing.T) {
		b := input()
		b.Points = b.Points[:0]
		d := newDriven(t, build(t))
		d.feed(t.Context(), b)
		d.end(t.Context())
		d.allAcked(1)
	})
	t.Run("an ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d := newDriven(t, build(t))
		d.stopped = true
		begin := time.Now()
		d.feed(ctx, input())
		if took := time.Since(begin); took > patience {
			t.Errorf("it took %v to notice the end of its context", took)
		}
	})
	t.Run("several workers", func(t *testing.T) {
		d := newDriven(t, build(t))
		const workers, turns = 4, 5
		var bs []*engine.Batch
		for range workers * turns {
			bs = append(bs, input())
		}
		var wg sync.WaitGroup
		for w := range workers {
			own := d.worker()
			wg.Go(func() {
				for _, b := range bs[w*turns : (w+1)*turns] {
					own.feed(t.Context(), b)
				}
			})
		}
		wg.Wait()
		d.end(t.Context())
		d.allAcked(workers * turns)
	})
}

// driven is an operator that is driven like a step of a stage.
type driven struct {
	t         *testing.T
	processor engine.Processor
	streamer  engine.Streamer
	ticker    engine.Ticker
	any       any
	stopped   bool // errors are expected
	acks      *acks
}

// acks counts acknowledgements.
type acks struct {
	mu     sync.Mutex
	counts []int
}

func (a *acks) arm(b *engine.Batch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := len(a.counts)
	a.counts = append(a.counts, 0)
	b.Arm(1, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.counts[i]++
	})
	batch.Accept(b, func(int) {})
}

func newDriven(t *testing.T, op engine.Operator) *driven {
	t.Helper()
	d := &driven{t: t, any: op, acks: &acks{}}
	d.processor, _ = op.(engine.Processor)
	d.streamer, _ = op.(engine.Streamer)
	d.ticker, _ = op.(engine.Ticker)
	if (d.processor == nil) == (d.streamer == nil) {
		t.Fatalf("%T must be a Processor or a Streamer", op)
	}
	return d
}

// worker returns the operator as another goroutine has it.
func (d *driven) worker() *driven {
	w := *d
	if own, ok := d.any.(engine.Worker); ok {
		w.processor = own.NewWorker()
	}
	return &w
}

// feed takes a batch through the operator and gives up what is left of it.
func (d *driven) feed(ctx context.Context, b *engine.Batch) {
	d.acks.arm(b)
	if d.processor != nil {
		p := d.processor
		if _, ok := d.any.(engine.Worker); ok {
			p = d.worker().processor
		}
		if err := p.Process(ctx, b); err != nil && !d.stopped {
			d.t.Errorf("processing: %v", err)
		}
		checkVerdicts(d.t, b)
		batch.Done(b)
		return
	}
	in, emitted := len(b.Points), 0
	err := d.streamer.Stream(ctx, b, func(_ context.Context, piece *engine.Batch) error {
		emitted += d.take(piece)
		return nil
	})
	if err != nil && !d.stopped {
		d.t.Errorf("streaming: %v", err)
	}
	if judged := checkVerdicts(d.t, b); err == nil && d.ticker == nil && emitted+judged < in {
		d.t.Errorf("of %d points %d were emitted and %d got a verdict", in, emitted, judged)
	}
	batch.Done(b)
}

// take gives up what the operator emitted.
func (d *driven) take(piece *engine.Batch) int {
	n := len(piece.Points)
	for i := range piece.Points {
		// Who gets the piece owns it: it may write.
		piece.Points[i].Fields = append(piece.Points[i].Fields, point.Field{Key: "taken"})
	}
	batch.Done(piece)
	return n
}

// end ticks for the last time and closes the operator.
func (d *driven) end(ctx context.Context) {
	d.t.Helper()
	if d.ticker != nil {
		if p := d.ticker.Period(); p <= 0 {
			d.t.Errorf("a period of %v", p)
		}
		emit := func(_ context.Context, piece *engine.Batch) error {
			d.take(piece)
			return nil
		}
		if err := d.ticker.Tick(ctx, time.Now(), emit); err != nil {
			d.t.Errorf("ticking: %v", err)
		}
		if last, ok := d.any.(engine.Drainer); ok {
			if err := last.Drain(ctx, emit); err != nil {
				d.t.Errorf("draining: %v", err)
			}
		}
	}
	closeIt(d.t, d.any)
}

// allAcked checks that each of so many batches was acknowledged once.
func (d *driven) allAcked(want int) {
	d.t.Helper()
	d.acks.mu.Lock()
	defer d.acks.mu.Unlock()
	if len(d.acks.counts) != want {
		d.t.Errorf("%d batches went in, want %d", len(d.acks.counts), want)
	}
	for i, n := range d.acks.counts {
		if n != 1 {
			d.t.Errorf("batch %d was acknowledged %d times", i, n)
		}
	}
}

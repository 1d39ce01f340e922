package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"dataflow/engine"
	"dataflow/engine/expr"
	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

// maxPoints is where a batch that grew is cut into chunks that share its reference.
const maxPoints = 4096

// A step is one operator of a chain: a node of its own, one of its steps, or the decoding of a source.
type step struct {
	name      string
	processor engine.Processor
	streamer  engine.Streamer // exactly one of the two
	when      *expr.Condition
	onError   string
	stats     *stats
	outputs   *outputs // of the node that the step belongs to: says which ports somebody reads
	panics    panicMeter
}

// A chain is a linear run of steps that one worker takes a batch through, without a hop in between.
type chain struct {
	steps   []*step
	letters *letters
	stop    *stopper
	log     logger
}

// A worker runs a chain in one goroutine, with its own instances of the processors that keep state.
type worker struct {
	*chain
	processors []engine.Processor
	out        func(*engine.Batch)

	marks   []int32
	scratch []point.Point
}

func (c *chain) newWorker(out func(*engine.Batch)) *worker {
	w := &worker{chain: c, processors: make([]engine.Processor, len(c.steps)), out: out}
	for i, st := range c.steps {
		w.processors[i] = st.processor
		if own, ok := st.processor.(engine.Worker); ok {
			w.processors[i] = own.NewWorker()
		}
	}
	return w
}

// run takes a batch through the steps from i on and hands what is left to out. A batch whose work was cut
// short by a hard stop is forgotten without being done.
func (w *worker) run(ctx context.Context, i int, b *engine.Batch) {
	for ; i < len(w.steps); i++ {
		n := len(b.Points)
		if n == 0 {
			break
		}
		if n > maxPoints {
			w.cut(ctx, i, b)
			return
		}
		st := w.steps[i]
		start := time.Now()
		st.stats.in.Add(int64(n))
		if st.streamer != nil {
			if w.stream(ctx, i, b) {
				batch.Done(b)
			}
			return
		}
		ok := w.process(ctx, i, b)
		st.stats.busy.Add(int64(time.Since(start)))
		if !ok {
			return
		}
	}
	switch {
	case len(b.Points) == 0:
		batch.Done(b)
	case len(b.Points) > maxPoints:
		w.cut(ctx, i, b)
	default:
		w.out(b)
	}
}

// cut sends a batch that is too large on in pieces.
func (w *worker) cut(ctx context.Context, i int, b *engine.Batch) {
	for ps := b.Points; len(ps) > 0; {
		n := min(len(ps), maxPoints)
		w.run(ctx, i, b.Split(ps[:n:n]))
		ps = ps[n:]
	}
	batch.Done(b)
}

// oncePerBatch reports whether the step's condition has the same value for all points of b.
func (st *step) oncePerBatch(b *engine.Batch) bool { return st.when.PerBatch() && b.Origin != nil }

// process runs a processor on the points for which the step's condition holds. It reports false when the
// batch must be forgotten.
func (w *worker) process(ctx context.Context, i int, b *engine.Batch) bool {
	st := w.steps[i]
	if st.when == nil {
		return w.apply(ctx, i, b)
	}
	if st.oncePerBatch(b) {
		if st.when.Match(b, 0) {
			return w.apply(ctx, i, b)
		}
		st.stats.out.Add(int64(len(b.Points)))
		return true
	}
	// The points that the step does not see keep their places: it is called once for every run of those it
	// does see, with a slice that it cannot grow into its neighbours.
	all := b.Points
	kept := w.scratch[:0]
	for from := 0; from < len(all); {
		b.Points = all
		match := st.when.Match(b, from)
		to := from + 1
		for to < len(all) && st.when.Match(b, to) == match {
			to++
		}
		if !match {
			st.stats.out.Add(int64(to - from))
			kept = append(kept, all[from:to]...)
			from = to
			continue
		}
		b.Points = all[from:to:to]
		ok := w.apply(ctx, i, b)
		if !ok {
			return false
		}
		kept = append(kept, b.Points...)
		from = to
	}
	if len(kept) <= len(all) {
		b.Points = all[:copy(all, kept)]
	} else {
		b.Points = append([]point.Point(nil), kept...)
	}
	clear(kept)
	w.scratch = kept[:0]
	return true
}

// apply calls the processor and carries its verdicts out.
func (w *worker) apply(ctx context.Context, i int, b *engine.Batch) bool {
	st := w.steps[i]
	before := len(b.Points)
	err := w.guard(st, func() error { return w.processors[i].Process(ctx, b) })
	if err != nil {
		if ctx.Err() != nil {
			return false
		}
		batch.Verdicts(b)
		for j := range b.Points {
			b.Fail(j, err)
		}
	}
	if d := len(b.Points) - before; d > 0 {
		st.stats.created.Add(int64(d))
	} else {
		st.stats.merged.Add(int64(-d))
	}
	if batch.HasVerdicts(b) && !w.settle(ctx, st, b) {
		return false
	}
	st.stats.out.Add(int64(len(b.Points)))
	return true
}

// stream runs a streamer; what it emits goes on through the rest of the chain. It reports false when the
// batch must be forgotten.
func (w *worker) stream(ctx context.Context, i int, b *engine.Batch) bool {
	st := w.steps[i]
	if st.when == nil || st.oncePerBatch(b) && st.when.Match(b, 0) {
		return w.streamRun(ctx, i, b)
	}
	pass := func(ps []point.Point) {
		st.stats.out.Add(int64(len(ps)))
		w.run(ctx, i+1, b.Split(ps))
	}
	all := b.Points
	if st.oncePerBatch(b) {
		pass(all)
		return true
	}
	for from := 0; from < len(all); {
		b.Points = all
		match := st.when.Match(b, from)
		to := from + 1
		for to < len(all) && st.when.Match(b, to) == match {
			to++
		}
		b.Points = all[from:to:to]
		if !match {
			pass(b.Points)
		} else if !w.streamRun(ctx, i, b) {
			return false
		}
		from = to
	}
	return true
}

func (w *worker) streamRun(ctx context.Context, i int, b *engine.Batch) bool {
	st := w.steps[i]
	var emitted int64
	n := int64(len(b.Points))
	err := w.guard(st, func() error { return st.streamer.Stream(ctx, b, w.emitFrom(i, &emitted)) })
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		batch.Verdicts(b)
		for j := range b.Points {
			b.Fail(j, err)
		}
	}
	// Points without a verdict were emitted, or are held; those with one that pass go on from here.
	var keep *engine.Batch
	left := n - emitted
	if batch.HasVerdicts(b) {
		keep = batch.Only(b)
		left -= int64(len(keep.Points))
	}
	if left < 0 {
		st.stats.created.Add(-left)
	} else if tickerOf(st) != nil {
		st.stats.queued.Add(left)
	}
	if keep == nil {
		return true
	}
	if !w.settle(ctx, st, keep) {
		return false
	}
	if len(keep.Points) > 0 {
		st.stats.out.Add(int64(len(keep.Points)))
		w.run(ctx, i+1, b.Split(keep.Points))
	}
	return true
}

// emitFrom returns the emit of step i: what it gets goes through the steps behind it. Its points are added to
// emitted.
func (w *worker) emitFrom(i int, emitted *int64) engine.Emit {
	st := w.steps[i]
	return func(ctx context.Context, piece *engine.Batch) error {
		if w.stop.hard() {
			return context.Canceled
		}
		*emitted += int64(len(piece.Points))
		st.stats.out.Add(int64(len(piece.Points)))
		w.run(ctx, i+1, piece)
		return nil
	}
}

// errPanic is what a panic in a component becomes.
var errPanic = errors.New("panic")

// guard calls f and turns a panic into an error. A step that panics more than ten times a minute stops the
// engine: something is wrong with more than a message.
func (w *worker) guard(st *step, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
			w.log.repeat("panic:"+st.name, "component panicked", "node", st.name, "error", err, "stack", string(debug.Stack()))
			if st.panics.tooMany(time.Now()) {
				w.stop.fail(fmt.Errorf("%s: too many panics: %w", st.name, err))
			}
		}
	}()
	return f()
}

// panicMeter counts the panics of the running minute.
type panicMeter struct{ minute, n atomic.Int64 }

const maxPanicsPerMinute = 10

func (m *panicMeter) tooMany(now time.Time) bool {
	if minute := now.Unix() / 60; m.minute.Swap(minute) != minute {
		m.n.Store(0)
	}
	return m.n.Add(1) > maxPanicsPerMinute
}

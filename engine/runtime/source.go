package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"dataflow/engine"
	"dataflow/engine/internal/batch"
)

// A sourceNode runs a source and takes what it emits into the graph.
type sourceNode struct {
	id      string
	typ     string
	source  engine.Source
	rereads bool
	stats   *stats
	ports   map[string]*sourcePort
	outputs *outputs
	// intake carries out the verdicts of the source itself, on points that it could not read.
	intake *chain
	active *atomic.Int64 // ns since 1970 of the last batch of any source
	now    func() time.Time
}

// A sourcePort is one output of a source with its share of the window.
type sourcePort struct {
	share *share
	// entry leads to the port's own stage; nil where the readers take the batches as they are, or have the
	// port's steps in front of their own.
	entry *edge
}

// run ends when the source has ended; its outputs are then closed. Hard ends at a hard stop.
func (n *sourceNode) run(ctx, hard context.Context) error {
	err := n.guarded(ctx, hard)
	for _, p := range n.ports {
		if p.entry != nil {
			p.entry.inbox.writers.Done()
		}
	}
	n.outputs.close()
	if err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		return fmt.Errorf("source %s: %w", n.id, err)
	}
	return nil
}

// guarded runs the source and turns a panic into an error, which stops the engine: what a source had read and
// not emitted is unknown.
func (n *sourceNode) guarded(ctx, hard context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, r, debug.Stack())
		}
	}()
	return n.source.Run(ctx, func(ctx context.Context, b *engine.Batch) error { return n.emit(ctx, hard, b) })
}

// emit is the source's Emit. Ctx bounds the wait for the window; what was accepted is worked on until hard ends.
func (n *sourceNode) emit(ctx, hard context.Context, b *engine.Batch) error {
	port := n.ports[b.Port]
	if port == nil {
		return engine.Permanent(fmt.Errorf("emitting on %s.%s: there is no such port", n.id, b.Port))
	}
	points := len(b.Points)
	flight, err := port.share.take(ctx, batch.Bytes(b), points, time.Now())
	if err != nil {
		return err
	}
	if b.Read == 0 {
		b.Read = n.now().UnixNano()
	}
	n.active.Store(time.Now().UnixNano())
	batch.Accept(b, func(int) { port.share.land(flight) })
	n.stats.in.Add(int64(points))
	if batch.HasVerdicts(b) {
		// This is rare, so that a worker of its own each time does no harm.
		if !n.intake.newWorker(n.outputs.deliver).settle(hard, n.intake.steps[0], b) {
			return nil // stopping: what is not done is read again
		}
		points = len(b.Points)
	}
	if b.Port == "" {
		n.stats.out.Add(int64(points))
	} else {
		n.stats.ports.add(b.Port, points)
	}
	switch {
	case points == 0:
		batch.Done(b)
	case port.entry != nil:
		port.entry.push(b, &n.stats.blocked)
	default:
		n.outputs.deliver(b)
	}
	return nil
}

// portName puts what leaves a port's stage by its main output on the source's port.
func portName(name string, send func(*engine.Batch)) func(*engine.Batch) {
	return func(b *engine.Batch) {
		if b.Port == "" {
			b.Port = name
		}
		send(b)
	}
}

// decoding is the step of a source that makes points of raw messages. The decoder sees the batch on the port that it
// was emitted on, which the edges in between have taken off.
type decoding struct {
	engine.Decoder
	port string
}

// Process decodes in place.
func (d decoding) Process(ctx context.Context, b *engine.Batch) error {
	b.Port = d.port
	err := d.Decode(ctx, b)
	b.Port = ""
	return err
}

// Package engine is the contract between components and the runtime: the batch that moves through the
// graph, the interfaces of sources, operators and sinks, what they get from outside, and the registry.
// A component's author imports this package and engine/point, and never sees a channel, a file of YAML or a disk.
package engine

import (
	"context"

	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

// Batch is what moves through the graph. See its methods for who owns it when.
type Batch = batch.Batch

// Origin says where the points of a batch were read.
type Origin = batch.Origin

// Record is what a point was read from.
type Record = batch.Record

// KV is a header of a record or a body.
type KV = batch.KV

// Reserve returns an empty batch from a pooled arena. See [batch.Reserve].
func Reserve(points, fieldsPerPoint int) *Batch { return batch.Reserve(points, fieldsPerPoint) }

// Merge returns one batch that carries the references of all. See [batch.Merge].
func Merge(bs ...*Batch) *Batch { return batch.Merge(bs...) }

// Emit hands a batch on. It blocks: this is backpressure, per source port. An error means not accepted: the
// caller still owns the batch, nothing was counted or charged.
type Emit func(ctx context.Context, b *Batch) error

// Source reads points from outside. Run emits until ctx ends or there is nothing more to read, joins the
// goroutines that it started and returns. A point that it cannot read gets a verdict before its batch is emitted. Done is no reason to stop: acks may come after Run has returned,
// until Close. An error other than ctx's is a failure of the node.
type Source interface {
	Run(ctx context.Context, emit Emit) error
}

// Port is an output of a source.
type Port struct {
	Name    string        // "" is the main one
	Workers int           // of the port's own stage, 0 is the default
	Steps   Steps         // operators that run as part of the source
	Tags    []point.Field // added to every point where absent
}

// Ported is implemented by sources that have other outputs than the main one.
type Ported interface{ Ports() []Port }

// Decoder is implemented by sources whose batches need work before they are points. Decode runs on the
// workers of the port's stage, not in the source's goroutines, and works in place: it may replace b.Points.
type Decoder interface {
	Decode(ctx context.Context, b *Batch) error
}

// Operator is a [Processor] or a [Streamer], exactly one of them.
type Operator any

// Processor changes a batch in place. Process is called from several goroutines, for one partition in order.
// It may change, add and reorder points; what leaves other than by the main port gets a verdict (Fail, Drop,
// Route). An error fails every point of the batch by on_error; a cancelled ctx fails none.
type Processor interface {
	Process(ctx context.Context, b *Batch) error
}

// Streamer emits pieces made by [Batch.Split]. B itself stays with the runtime, which applies the verdicts
// and gives up its reference when Stream returns: every point was emitted, got a verdict, or is held in a
// piece that the operator emits later.
type Streamer interface {
	Stream(ctx context.Context, b *Batch, emit Emit) error
}

// Worker is implemented by processors that keep state for each goroutine, scratch memory or a script's
// runner. Each worker of the stage calls NewWorker once and then the processor that it got, alone.
type Worker interface{ NewWorker() Processor }

// Sink is a [Writer] or an [Encoder], exactly one of them.
type Sink any

// Writer delivers the points of a batch itself. It may replace b.Points by what is undelivered, never change
// its elements: they are shared with other sinks. The runtime calls it again with what is left.
type Writer interface {
	Write(ctx context.Context, b *Batch) error
}

// Encoder delivers bodies, which the runtime retries, narrows and, where the sink has a disk buffer, stores.
// All methods are called from several goroutines.
type Encoder interface {
	// Encode packs the points of several batches into bodies, in order, and hands each to add with the runs
	// of points that it holds. Points that cannot be encoded get a verdict on their batch. The data then belongs to the
	// runtime. An error of add ends the encoding.
	Encode(bs []*Batch, add func(Body, []PointRef) error) error
	// Decode returns the points of a body, to narrow a refused one to its guilty points.
	Decode(body Body) ([]point.Point, error)
	// Send delivers a body. An error is a *SendError, or counts as one of class Retry.
	Send(ctx context.Context, body Body) error
	// Concurrency returns how many bodies of one lane may be sent at once.
	Concurrency() int
}

// PointRef names Count points of the batch Batch, from First on.
type PointRef struct{ Batch, First, Count int }

// Ticker is implemented by operators that hold points. Tick is called every Period, and once more when the
// graph drains; locking is the operator's own.
type Ticker interface {
	Period() Duration
	Tick(ctx context.Context, now Time, emit Emit) error
}

// Drainer is implemented by tickers that keep at a tick what they must let go at the end: Drain is called in place of
// the last Tick.
type Drainer interface {
	Drain(ctx context.Context, emit Emit) error
}

// Closer is implemented by components with something to finish: Close is called after everything that they
// emitted is done, or when the deadline has passed. Kafka's last commit is one.
type Closer interface {
	Close(ctx context.Context) error
}

// Body is what an encoder sends at once.
type Body struct {
	Lane        string // category or topic: what is refused on one lane holds up no other
	ContentType string
	Header      []KV
	ID          string // stable over retries and restarts
	Points      int
	PlainBytes  int // before compression
	Data        []byte
}

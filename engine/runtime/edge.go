package runtime

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/reugn/go-streams"

	"dataflow/engine"
	"dataflow/engine/internal/batch"
)

// An inbox is what a stage reads: a queue that several edges write to. It belongs to the runtime and outlives
// its writers one by one: it ends when the last has closed, not when some inlet does, so that a stage can be
// taken out and another put in its place. It is the streams.Source of the stage behind it.
type inbox struct {
	queue   chan delivery
	writers sync.WaitGroup
	// full reports that the stage behind holds as much as it should; only edges that are not required ask.
	full func() bool
}

// A delivery is a batch that came over an edge.
type delivery struct {
	*engine.Batch
	edge *edge
}

// inboxCapacity is in batches. Queues are for scheduling; the window bounds what is in flight.
const inboxCapacity = 8

func newInbox() *inbox {
	return &inbox{queue: make(chan delivery, inboxCapacity), full: func() bool { return false }}
}

// closeAfterWriters ends the queue once all writers have closed.
func (in *inbox) closeAfterWriters() {
	in.writers.Wait()
	close(in.queue)
}

// Out is the inbox as an outlet of go-streams, to be called once: its elements are *engine.Batch. A batch that
// goes through is counted as out of its edge.
func (in *inbox) Out() <-chan any {
	out := make(chan any)
	go func() {
		for d := range in.queue {
			d.edge.out.Add(int64(len(d.Points)))
			out <- d.Batch
		}
		close(out)
	}()
	return out
}

// Via streams the queue to the flow.
func (in *inbox) Via(flow streams.Flow) streams.Flow {
	go transmit(in.Out(), flow)
	return flow
}

// transmit moves the elements of an outlet to an inlet, as every flow of go-streams does.
func transmit(out <-chan any, inlet streams.Inlet) {
	in := inlet.In()
	for element := range out {
		in <- element
	}
	close(in)
}

// An edge leads from an output of one node to the inbox of another.
type edge struct {
	from, to string // node ids
	port     string
	required bool
	toSink   bool
	inbox    *inbox

	in, out, dropped atomic.Int64 // points
}

// push hands a batch, whose ownership passes, to the reader. It blocks while the reader's queue is full; the
// time it waited is added to blocked.
func (e *edge) push(b *engine.Batch, blocked *atomic.Int64) {
	e.in.Add(int64(len(b.Points)))
	b.Port = ""
	if !e.required {
		e.offer(b)
		return
	}
	item := delivery{b, e}
	select {
	case e.inbox.queue <- item:
		return
	default:
	}
	start := time.Now()
	e.inbox.queue <- item
	blocked.Add(int64(time.Since(start)))
}

// offer gives a reader that is not required a copy of the batch, or drops it by policy if it cannot take one at
// once. The copy is detached: what the reader does with it, and when, is nobody's concern upstream. A reference
// would fill the source's window as soon as the reader hangs.
func (e *edge) offer(b *engine.Batch) {
	defer batch.Done(b)
	n := int64(len(b.Points))
	if e.inbox.full() || len(e.inbox.queue) == cap(e.inbox.queue) {
		e.dropped.Add(n)
		return
	}
	c := batch.Detach(b)
	select {
	case e.inbox.queue <- delivery{c, e}:
	default: // somebody else took the place
		e.dropped.Add(n)
		batch.Done(c)
	}
}

// Outputs are where the batches of a node go, by port.
type outputs struct {
	stats   *stats
	ports   map[string][]*edge
	writers atomic.Int32
}

func newOutputs(s *stats) *outputs { return &outputs{stats: s, ports: map[string][]*edge{}} }

// connect adds a reader to a port.
func (o *outputs) connect(e *edge) {
	o.ports[e.port] = append(o.ports[e.port], e)
	e.inbox.writers.Add(1)
}

// connected reports whether somebody reads the port.
func (o *outputs) connected(port string) bool { return len(o.ports[port]) > 0 }

// close is called by each writer when nothing more comes from it; the last one closes the edges.
func (o *outputs) close() {
	if o.writers.Add(-1) > 0 {
		return
	}
	for _, edges := range o.ports {
		for _, e := range edges {
			e.inbox.writers.Done()
		}
	}
}

// An inlet is the outputs of a node as the streams.Sink of one writer: a stage closes it when it ends.
type inlet struct {
	outputs *outputs
	stop    *stopper
	in      chan any // of *engine.Batch
	done    chan struct{}
}

// inlet returns a new writer's inlet.
func (o *outputs) inlet(stop *stopper) *inlet {
	o.writers.Add(1)
	return &inlet{outputs: o, stop: stop, in: make(chan any), done: make(chan struct{})}
}

// In is where batches go in.
func (i *inlet) In() chan<- any { return i.in }

// AwaitCompletion blocks until everything is handed on.
func (i *inlet) AwaitCompletion() { <-i.done }

// run delivers what comes in until the inlet is closed.
func (i *inlet) run() {
	for element := range i.in {
		if !i.stop.hard() {
			i.outputs.deliver(element.(*engine.Batch))
		}
	}
	i.outputs.close()
	close(i.done)
}

// deliver is the tee. Operators get a copy each, because they write in place; the last one gets the batch
// itself, unless sinks read it too: those share it, read only.
func (o *outputs) deliver(b *engine.Batch) {
	readers := o.ports[b.Port]
	switch len(readers) {
	case 0:
		// The plan lets nobody leave a port unread but those whose points were counted as dropped.
		batch.Done(b)
		return
	case 1:
		readers[0].push(b, &o.stats.blocked)
		return
	}
	parts := make([]*engine.Batch, len(readers))
	last, sinks := -1, 0
	for i, e := range readers {
		if e.toSink {
			sinks++
		} else {
			last = i
		}
	}
	for i, e := range readers {
		switch {
		case e.toSink:
			if sinks--; sinks > 0 {
				parts[i] = b.Share()
			} else {
				parts[i], last = b, -1
			}
		case i != last || sinks > 0:
			parts[i] = b.Clone()
		default:
			parts[i] = b
		}
	}
	// Only now, because a reader may finish with its part, and change it, at once.
	for i, e := range readers {
		e.push(parts[i], &o.stats.blocked)
	}
}

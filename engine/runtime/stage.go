package runtime

import (
	"context"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reugn/go-streams"

	"dataflow/engine"
)

// A stage is a chain with a pool of workers, a Flow of go-streams between an inbox and the outputs of a node.
// The batches of a partition stay in order: a partition stays with one worker as long as it has batches in
// the stage, then goes to the least loaded.
type stage struct {
	chain     *chain
	workers   int
	unordered bool
	node      string
	port      string // that what leaves by the main output takes; a source's stages have one

	in  chan any // of *engine.Batch
	out chan any
}

func newStage(node string, c *chain, workers int, unordered bool) *stage {
	return &stage{chain: c, node: node, workers: workers, unordered: unordered, in: make(chan any), out: make(chan any)}
}

// In is the stage's inlet.
func (s *stage) In() chan<- any { return s.in }

// Out is the stage's outlet.
func (s *stage) Out() <-chan any { return s.out }

// Via streams what leaves the stage to the flow.
func (s *stage) Via(flow streams.Flow) streams.Flow {
	go transmit(s.out, flow)
	return flow
}

// To streams what leaves the stage to the sink and waits until it has completed.
func (s *stage) To(sink streams.Sink) {
	transmit(s.out, sink)
	sink.AwaitCompletion()
}

// A desk is a worker with its queue.
type desk struct {
	queue chan task
	load  atomic.Int32
}

type task struct {
	b    *engine.Batch
	seat *seat
}

// A seat is a partition's place at a desk.
type seat struct {
	desk *desk
	open atomic.Int32 // batches in the stage
}

// maxSeats bounds the memory for partitions that have come and gone.
const maxSeats = 1024

// run is the life of the stage: it ends when the inlet is closed and every batch has left. Ctx ends at a hard
// stop only.
func (s *stage) run(ctx context.Context) {
	ctx = pprof.WithLabels(ctx, pprof.Labels("node", s.node))
	pprof.SetGoroutineLabels(ctx)
	send := portName(s.port, func(b *engine.Batch) { s.out <- b })
	desks := make([]*desk, s.workers)
	var wg sync.WaitGroup
	for i := range desks {
		d := &desk{queue: make(chan task, 2)}
		desks[i] = d
		w := s.chain.newWorker(send)
		wg.Go(func() {
			pprof.SetGoroutineLabels(ctx)
			for t := range d.queue {
				if !s.chain.stop.hard() {
					w.run(ctx, 0, t.b)
				}
				t.seat.open.Add(-1)
				d.load.Add(-1)
			}
		})
	}
	// What one ticker lets go at the end may be held by the next: each ends after the one before it.
	drained := make(chan struct{})
	ticked := drained
	for i, st := range s.chain.steps {
		if t := tickerOf(st); t != nil {
			w, before, after := s.chain.newWorker(send), ticked, make(chan struct{})
			go func() {
				w.tick(ctx, i, t, before)
				close(after)
			}()
			ticked = after
		}
	}
	seats := map[*engine.Origin]*seat{}
	for element := range s.in {
		b := element.(*engine.Batch)
		if s.chain.stop.hard() {
			continue
		}
		seat := s.seat(seats, desks, b.Origin)
		seat.open.Add(1)
		seat.desk.load.Add(1)
		seat.desk.queue <- task{b, seat}
	}
	for _, d := range desks {
		close(d.queue)
	}
	wg.Wait()
	close(drained)
	<-ticked
	close(s.out)
}

func (s *stage) seat(seats map[*engine.Origin]*seat, desks []*desk, o *engine.Origin) *seat {
	x := seats[o]
	if x == nil {
		if len(seats) >= maxSeats {
			for k, y := range seats {
				if y.open.Load() == 0 {
					delete(seats, k)
				}
			}
		}
		x = &seat{}
		seats[o] = x
	}
	if x.desk != nil && !s.unordered && x.open.Load() > 0 {
		return x
	}
	if s.unordered {
		x = &seat{}
	}
	x.desk = desks[0]
	for _, d := range desks[1:] {
		if d.load.Load() < x.desk.load.Load() {
			x.desk = d
		}
	}
	return x
}

func tickerOf(st *step) engine.Ticker {
	if t, ok := st.streamer.(engine.Ticker); ok {
		return t
	}
	t, _ := st.processor.(engine.Ticker)
	return t
}

// tick calls a ticker until the stage has drained, and then once more, or its Drain.
func (w *worker) tick(ctx context.Context, i int, t engine.Ticker, drained <-chan struct{}) {
	clock := time.NewTicker(t.Period())
	defer clock.Stop()
	st := w.steps[i]
	last := func(emit engine.Emit) error { return t.Tick(ctx, time.Now(), emit) }
	if d, ok := t.(engine.Drainer); ok {
		last = func(emit engine.Emit) error { return d.Drain(ctx, emit) }
	}
	once := func(call func(engine.Emit) error) {
		if w.stop.hard() {
			return
		}
		var emitted int64
		err := w.guard(st, func() error { return call(w.emitFrom(i, &emitted)) })
		if st.streamer != nil {
			st.stats.queued.Add(-emitted)
		} else {
			st.stats.created.Add(emitted) // what a processor keeps was counted as merged
		}
		if err != nil && ctx.Err() == nil {
			w.log.repeat("tick:"+st.name, "tick failed", "node", st.name, "error", err)
		}
	}
	for {
		select {
		case now := <-clock.C:
			once(func(emit engine.Emit) error { return t.Tick(ctx, now, emit) })
		case <-drained:
			once(last)
			st.stats.settleQueue()
			return
		}
	}
}

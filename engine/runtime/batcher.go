package runtime

import (
	"sync/atomic"
	"time"

	"github.com/reugn/go-streams"

	"dataflow/engine"
	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

// A group is what a sink sends together: batches of one lane.
type group struct {
	lane   point.Category
	bs     []*engine.Batch
	points int
	roots  int
	since  time.Time
	bytes  int
}

func (g *group) add(b *engine.Batch) {
	g.bs = append(g.bs, b)
	g.points += len(b.Points)
	g.roots += batch.Roots(b)
	g.bytes += estimate(b)
}

// estimate is the heap that a batch is taken to hold. Pieces of a batch do not know their part of it.
func estimate(b *engine.Batch) int {
	if n := batch.Bytes(b); n > 0 {
		return n
	}
	return assumedPoint * len(b.Points)
}

const (
	assumedPoint = 512 // of heap, where nobody has measured
	overdraft    = 1   // windows that a sink may hold
	lookAgain    = 10 * time.Millisecond
)

// A batcher collects small batches in front of a sink, by lane, up to points, bytes or a wait. It flushes at
// once when the window's open batches are just those that it holds or its sink is sending: nothing else is
// on its way, so a single line is answered in a round trip. It is the Flow between a sink's inbox and its sender.
type batcher struct {
	limits engine.Batching
	lanes  bool // one lane for each category; else one for all
	window *window
	stop   *stopper
	held   *atomic.Int64 // source batches in the batcher and its sender
	memory *atomic.Int64 // points of them
	stats  *stats

	most int64 // points that the sink holds before it takes no more

	in, out chan any // of *engine.Batch, of *group
	pending map[point.Category]*group
}

func newBatcher(limits engine.Batching, lanes bool, w *window, stop *stopper, held, memory *atomic.Int64, stats *stats) *batcher {
	return &batcher{
		limits: limits, lanes: lanes, window: w, stop: stop, held: held, memory: memory, stats: stats,
		most: max(overdraft*int64(w.total)/assumedPoint, 16*int64(limits.MaxPoints)),
		in:   make(chan any), out: make(chan any), pending: map[point.Category]*group{},
	}
}

// In is the batcher's inlet.
func (t *batcher) In() chan<- any { return t.in }

// Out is the batcher's outlet.
func (t *batcher) Out() <-chan any { return t.out }

// Via streams the groups to the flow.
func (t *batcher) Via(flow streams.Flow) streams.Flow {
	go transmit(t.out, flow)
	return flow
}

// To streams the groups to the sink and waits until it has completed.
func (t *batcher) To(sink streams.Sink) {
	transmit(t.out, sink)
	sink.AwaitCompletion()
}

// run ends when the inlet is closed and everything has been flushed.
func (t *batcher) run() {
	defer close(t.out)
	done := t.window.watch()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	look := time.NewTimer(time.Hour)
	look.Stop()
	defer look.Stop()
	for {
		// What the graph makes larger than the window overdraws it; the batcher passes that on to its inlet
		// before it holds several windows. Nothing tells it when the sender has let go, so it looks.
		in := t.in
		if t.memory.Load() > t.most {
			in = nil
			look.Reset(lookAgain)
		}
		select {
		case <-look.C:
		case element, ok := <-in:
			if !ok {
				t.flush(func(*group) bool { return true })
				return
			}
			b := element.(*engine.Batch)
			if t.stop.hard() {
				continue
			}
			waiting := len(t.pending) > 0
			t.add(b)
			t.flush(t.full)
			if !waiting && len(t.pending) > 0 {
				timer.Reset(t.limits.Wait)
			}
		case <-done:
		case now := <-timer.C:
			t.flush(func(g *group) bool { return now.Sub(g.since) >= t.limits.Wait })
			if len(t.pending) > 0 {
				timer.Reset(t.limits.Wait)
			}
		}
		if len(t.pending) > 0 && t.held.Load() >= t.window.open.Load() {
			t.flush(func(*group) bool { return true })
		}
	}
}

// add puts a batch in the group of its lane. One that holds several categories is split into runs.
func (t *batcher) add(b *engine.Batch) {
	t.stats.in.Add(int64(len(b.Points)))
	t.stats.queued.Add(int64(len(b.Points)))
	t.memory.Add(int64(len(b.Points)))
	if !t.lanes {
		t.append(0, b)
		return
	}
	for ps := b.Points; ; {
		n := 1
		for n < len(ps) && ps[n].Category == ps[0].Category {
			n++
		}
		if n == len(b.Points) {
			t.append(ps[0].Category, b)
			return
		}
		t.append(ps[0].Category, b.Split(ps[:n:n]))
		if ps = ps[n:]; len(ps) == 0 {
			batch.Done(b)
			return
		}
	}
}

func (t *batcher) append(lane point.Category, b *engine.Batch) {
	g := t.pending[lane]
	if g == nil {
		g = &group{lane: lane, since: time.Now()}
		t.pending[lane] = g
	}
	g.add(b)
	t.held.Add(int64(batch.Roots(b)))
}

func (t *batcher) full(g *group) bool {
	return g.points >= t.limits.MaxPoints || t.limits.MaxBytes > 0 && g.bytes >= int(t.limits.MaxBytes)
}

func (t *batcher) flush(ready func(*group) bool) {
	for lane, g := range t.pending {
		if ready(g) {
			delete(t.pending, lane)
			t.out <- g
		}
	}
}

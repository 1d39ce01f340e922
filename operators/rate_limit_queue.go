package operators

import (
	"context"
	"sync"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// queueingLimit sets points over the rate aside and lets them go as their buckets fill. It holds references to their batches, so
// that the source's window bounds what can be set aside.
type queueingLimit struct {
	*rateLimit

	mu     sync.Mutex // not held while something is emitted, which may take long
	queues map[*bucket]*queue
}

// A queue is what is set aside of one bucket.
type queue struct {
	mu     sync.Mutex // held while something of it is emitted, so that the order holds
	rate   engine.Rate
	pieces []*engine.Batch
	users  int // of the queue, under the mutex of queueingLimit: nobody else may drop it
}

// Stream emits what may pass now and sets the rest aside.
func (l *queueingLimit) Stream(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
	for _, r := range gather(l.runs(b)) {
		if r.bucket == nil {
			if err := emit(ctx, b.Split(r.points)); err != nil {
				return err
			}
			continue
		}
		if err := l.enqueue(ctx, b, r, emit); err != nil {
			return err
		}
	}
	return nil
}

// enqueue passes the points of a run behind those of its bucket that wait already.
func (l *queueingLimit) enqueue(ctx context.Context, b *engine.Batch, r run, emit engine.Emit) error {
	q := l.enter(r.bucket, r.rate)
	defer l.leave(r.bucket, q)
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pieces) == 0 {
		n, err := l.burst(ctx, b, r, emit)
		if err != nil {
			return err
		}
		r.points = r.points[n:]
	}
	if len(r.points) > 0 {
		q.pieces = append(q.pieces, b.Split(r.points))
	}
	return nil
}

// burst emits what may pass now.
func (l *queueingLimit) burst(ctx context.Context, b *engine.Batch, r run, emit engine.Emit) (passed int, err error) {
	for len(r.points) > 0 {
		n, _, err := l.send(ctx, b, r, emit)
		if err != nil || n == 0 {
			return passed, err
		}
		passed, r.points = passed+n, r.points[n:]
	}
	return passed, nil
}

func (l *queueingLimit) enter(k *bucket, rate engine.Rate) *queue {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[k]
	if q == nil {
		q = &queue{rate: rate}
		l.queues[k] = q
	}
	q.users++
	return q
}

// leave drops a queue that nobody uses and that holds nothing.
func (l *queueingLimit) leave(k *bucket, q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.users--; q.users == 0 && len(q.pieces) == 0 {
		delete(l.queues, k)
	}
}

// Period is how long points wait together.
func (l *queueingLimit) Period() time.Duration { return slice }

// Tick lets go what may pass now.
func (l *queueingLimit) Tick(ctx context.Context, _ time.Time, emit engine.Emit) error {
	_, err := l.tick(ctx, emit)
	return err
}

// tick returns how long to wait for the next point; it is 0 if nothing is left.
func (l *queueingLimit) tick(ctx context.Context, emit engine.Emit) (wait time.Duration, err error) {
	l.mu.Lock()
	ready := make([]*bucket, 0, len(l.queues))
	for k := range l.queues {
		ready = append(ready, k)
	}
	l.mu.Unlock()
	for _, k := range ready {
		q := l.enter(k, engine.Rate{})
		w, err := l.letGo(ctx, k, q, emit)
		l.leave(k, q)
		if err != nil {
			return 0, err
		}
		if w > 0 && (wait == 0 || w < wait) {
			wait = w
		}
	}
	return wait, nil
}

// letGo emits of a queue what may pass now, and returns how long to wait for the next point if something is left.
func (l *queueingLimit) letGo(ctx context.Context, k *bucket, q *queue, emit engine.Emit) (wait time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pieces) > 0 {
		first := q.pieces[0]
		n, wait := k.take(q.rate, l.room(), first.Points, l.now())
		if n == 0 {
			return wait, nil
		}
		out := first
		if n < len(first.Points) {
			var rest []point.Point
			out, rest = first.Split(first.Points[:n]), first.Points[n:]
			first.Points = rest
		} else {
			q.pieces[0] = nil
			q.pieces = q.pieces[1:]
		}
		if err := emit(ctx, out); err != nil {
			return 0, err
		}
	}
	q.pieces = nil
	return 0, nil
}

// Drain lets everything go, at the rate, until ctx ends: what is left then is not done.
func (l *queueingLimit) Drain(ctx context.Context, emit engine.Emit) error {
	for {
		wait, err := l.tick(ctx, emit)
		if err != nil || wait == 0 {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

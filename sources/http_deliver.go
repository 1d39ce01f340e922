package sources

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// deliver emits the points of a request and waits until the graph is done with them, at most answer_timeout.
func (s *httpSource) deliver(ctx context.Context, emit engine.Emit, x *request, points []point.Point, body int) *apiError {
	b := engine.Reserve(0, 0)
	b.Points, b.Read = points, s.env.Now().UnixNano()
	// An Origin of its own: requests have no order among them, and a stage keeps what has one Origin at one worker.
	b.Origin = &engine.Origin{Node: s.env.Node, Topic: x.input}
	for i := range points {
		if isEmpty(&points[i]) {
			b.Drop(i, "no_fields")
		}
	}
	size := heapOf(points, body)
	if !x.hold.grow(size - body) {
		return errPressure
	}
	s.counters.inputs.add(x.input, len(points))
	if x.source != "" {
		s.counters.sources.add(x.source, len(points))
	}
	done := make(chan struct{})
	client := x.client.key()
	// What is in flight is the client's until the graph is done with it, also when its request has been answered.
	s.clients.enter(client, size)
	room := x.room
	b.Arm(size, func() {
		s.clients.leave(client, size)
		s.giveBack(room, points)
		close(done)
	})
	// A part of the time is kept: what was not accepted by then will not be, so that what the client repeats is no
	// duplicate. A client that goes away does not end the source, and emit must end with it.
	wait, cancel := context.WithTimeout(x.r.Context(), s.config.AnswerTimeout*7/8)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	late := time.NewTimer(s.config.AnswerTimeout)
	defer late.Stop()
	refused := make(chan error, 1)
	// Emit may stand for long in front of a reader that does not take the batch, with nothing to interrupt it.
	s.running.Go(func() {
		if err := s.emit(wait, emit, b); err != nil {
			s.clients.leave(client, size)
			refused <- err
		}
	})
	select {
	case <-done:
		return nil
	case err := <-refused:
		switch {
		case ctx.Err() != nil:
			return errStopping
		case x.r.Context().Err() != nil:
			return errGone
		case wait.Err() != nil:
			return errPressure
		}
		s.env.Log.Error("the graph does not take points", "error", err)
		return &apiError{status: 500, code: "internal", message: "the engine cannot take points", reason: "emit"}
	case <-late.C:
	case <-x.r.Context().Done():
		return errGone
	}
	return errAnswerLate
}

// emit hands a batch to the graph. A panic there must not end the process from a goroutine of a request.
func (s *httpSource) emit(ctx context.Context, emit engine.Emit, b *engine.Batch) (err error) {
	defer func() {
		if x := recover(); x != nil {
			s.env.Log.Error("panic while points were handed on", "panic", x, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", x)
		}
	}()
	return emit(ctx, b)
}

// isEmpty reports whether there is nothing on p that a destination could show. A metric without a number, of texts only for
// example, is nothing; an object or a log may well consist of tags.
func isEmpty(p *point.Point) bool {
	for i := range p.Fields {
		if f := &p.Fields[i]; !f.Value.IsNil() && (!f.Tag || p.Category != point.Metric) {
			return false
		}
	}
	return true
}

// heapOf estimates the heap that points hold, their body included.
func heapOf(points []point.Point, body int) int {
	const pointSize, fieldSize, overhead = 64, 48, 512 // of a batch and its request
	n := overhead + body + cap(points)*pointSize
	for i := range points {
		n += cap(points[i].Fields) * fieldSize
		if points[i].Extra != nil {
			n += extraSize * (1 + len(points[i].Extra.Warns))
		}
	}
	return n
}

const extraSize = 96

package runtime

import (
	"context"
	"errors"
	"fmt"

	"dataflow/engine"
	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

// What on_error can say.
const (
	onErrorPass       = "pass"
	onErrorDeadLetter = "dead_letter"
	onErrorDrop       = "drop"
	onErrorStop       = "stop"
)

// Names that the engine writes onto points that failed.
const (
	errorField = "dk_error"
	nodeField  = "dk_error_node"
)

// The ports that every operator has.
const (
	failedPort  = "failed"
	droppedPort = "dropped"
	// unmatchedPort of a router may be left unread: its points fail then.
	unmatchedPort = "unmatched"
)

// A piece is points of a batch that leave it by another port than the main one.
type piece struct {
	port   string
	points []point.Point
}

// settle carries out the verdicts on the points of b: those that go on stay in b.Points, in order, the others
// leave. It reports false when the batch must be forgotten: the engine is stopping.
func (w *worker) settle(ctx context.Context, st *step, b *engine.Batch) bool {
	verdicts := batch.Verdicts(b)
	if cap(w.marks) < len(b.Points) {
		w.marks = make([]int32, len(b.Points))
	}
	marks := w.marks[:len(b.Points)]
	clear(marks)
	for v := range verdicts {
		// Of several verdicts the first holds; an index out of range is a component's bug that must not
		// take the batch with it.
		if i := int(verdicts[v].Index); i >= 0 && i < len(marks) && marks[i] == 0 {
			marks[i] = int32(v + 1)
		}
	}
	var (
		pieces  []piece
		letters []deadPoint
		kept    int
		drops   = tally{set: &st.stats.dropped}
		fails   = tally{set: &st.stats.failed}
		routes  = tally{set: &st.stats.ports}
	)
	for i := range b.Points {
		p := &b.Points[i]
		if marks[i] == 0 {
			if kept != i {
				b.Points[kept] = *p
			}
			kept++
			continue
		}
		v := &verdicts[marks[i]-1]
		switch {
		case v.Kind == batch.Dropped:
			drops.add(v.Text)
			if st.outputs.connected(droppedPort) {
				pieces = leave(pieces, droppedPort, p)
			}
			continue
		case v.Kind == batch.Routed && st.outputs.connected(v.Text):
			routes.add(v.Text)
			pieces = leave(pieces, v.Text, p)
			continue
		case v.Kind == batch.Routed:
			v.Err = fmt.Errorf("routing to %s: nobody reads it", v.Text)
		}
		if st.outputs.connected(failedPort) {
			fails.add(reasonOf(v.Err))
			describe(p, st.name, v.Err)
			pieces = leave(pieces, failedPort, p)
			continue
		}
		switch st.onError {
		case onErrorPass:
			st.stats.passed.add(reasonOf(v.Err), 1)
			describe(p, st.name, v.Err)
			if kept != i {
				b.Points[kept] = *p
			}
			kept++
		case onErrorDrop:
			fails.add(reasonOf(v.Err))
		case onErrorStop:
			w.stop.fail(fmt.Errorf("%s: %w", st.name, v.Err))
			return false
		default:
			fails.add(reasonOf(v.Err))
			letters = append(letters, deadPoint{point: *p, err: v.Err})
		}
	}
	drops.flush()
	fails.flush()
	routes.flush()
	b.Points = b.Points[:kept]
	if len(letters) > 0 {
		if err := w.letters.bury(ctx, st.name, b, letters, true); err != nil {
			if ctx.Err() == nil {
				w.stop.fail(fmt.Errorf("%s: writing dead letters: %w", st.name, err))
			}
			return false
		}
	}
	for _, x := range pieces {
		out := b.Split(x.points)
		out.Port = x.port
		w.out(out)
	}
	return true
}

func leave(pieces []piece, port string, p *point.Point) []piece {
	for i := range pieces {
		if pieces[i].port == port {
			pieces[i].points = append(pieces[i].points, *p)
			return pieces
		}
	}
	return append(pieces, piece{port, []point.Point{*p}})
}

// describe writes onto a point what failed and where.
func describe(p *point.Point, node string, err error) {
	p.Set(errorField, point.String(err.Error()))
	p.Set(nodeField, point.String(node))
}

// tally adds up equal labels before it touches the shared counter: a sampler drops most of a batch for one reason.
type tally struct {
	set   *labelled
	label string
	n     int
}

func (t *tally) add(label string) {
	if t.n > 0 && label != t.label {
		t.flush()
	}
	t.label = label
	t.n++
}

func (t *tally) flush() {
	t.set.add(t.label, t.n)
	t.n = 0
}

// reasonOf returns the label of an error: its own if it has one.
func reasonOf(err error) string {
	var r interface{ Reason() string }
	switch {
	case errors.As(err, &r):
		return r.Reason()
	case errors.Is(err, errPanic):
		return "panic"
	}
	return "error"
}

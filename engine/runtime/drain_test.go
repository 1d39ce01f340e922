package runtime

import (
	"context"
	"slices"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// labDrainer emits a point with the number 1 at each tick, and one with the number 2 when it is drained.
type labDrainer struct{ labProcessor }

func (labDrainer) Period() time.Duration { return time.Second }

func (labDrainer) Tick(ctx context.Context, _ time.Time, emit engine.Emit) error {
	return emitNumber(ctx, emit, 1)
}

func (labDrainer) Drain(ctx context.Context, emit engine.Emit) error { return emitNumber(ctx, emit, 2) }

func emitNumber(ctx context.Context, emit engine.Emit, n int64) error {
	b := engine.Reserve(1, 1)
	p := b.Add()
	p.Fields = append(p.Fields, point.Field{Key: "n", Value: point.Int(n)})
	return emit(ctx, b)
}

func init() {
	engine.RegisterOperator(engine.Info{Type: "test_drain", Summary: "says which of its ticks was the last"}, nothing{},
		func(env engine.Env, _ nothing) (engine.Operator, error) {
			return labDrainer{labProcessor{labOf(env), env}}, nil
		})
}

// TestDrainer: a drainer is drained once, after its last tick and in its place.
func TestDrainer(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			time.Sleep(2500 * time.Millisecond)
			return l.emit(ctx, emit, l.points(&engine.Origin{Node: "in"}, 10, 1), pointBytes)
		}
		e := l.finish(`
sources: {in: {type: test_source}}
operators: {d: {type: test_drain, from: in}}
sinks: {out: {type: test_writer, from: d}}
`)
		got := l.delivered("out")
		if last := len(got) - 1; last < 0 || got[last] != 2 {
			t.Errorf("delivered %v: the last is not what was drained", got)
		}
		slices.Sort(got)
		if !slices.Equal(got, []int64{1, 1, 2, 10}) {
			t.Errorf("delivered %v, want two ticks, one drain and the point", got)
		}
		if s := statsOf(e, "d"); s.Created != 3 || s.In != 1 || s.Out != 4 {
			t.Errorf("counted %+v", s)
		}
	})
}

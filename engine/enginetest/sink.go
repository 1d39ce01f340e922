package enginetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

// TestSink holds a sink to its contract: it does not change the elements of the points, which other sinks share; its
// verdicts are about points of the batch; bodies account for every point once, in order, and can be decoded; it ends
// soon after its context. Build makes a fresh sink, input a fresh batch of at least two points.
func TestSink(t *testing.T, build func(t *testing.T) engine.Sink, input func() *engine.Batch) {
	t.Run("leaves shared points alone", func(t *testing.T) {
		s := build(t)
		mine, twin := shared(input())
		before := clones(twin.Points)
		switch s := s.(type) {
		case engine.Writer:
			if err := s.Write(t.Context(), mine); err != nil {
				t.Logf("writing: %v", err) // a destination that is not there is no fault of the sink
			}
			checkVerdicts(t, mine)
			if len(mine.Points) > len(before) {
				t.Errorf("it left %d of %d points as undelivered", len(mine.Points), len(before))
			}
		case engine.Encoder:
			for _, body := range encodeAll(t, s, []*engine.Batch{mine}) {
				_, _ = s.Decode(body)
			}
		default:
			t.Fatalf("%T must be a Writer or an Encoder", s)
		}
		if !same(before, twin.Points) {
			t.Error("it changed points that others share")
		}
		for i := range twin.Points {
			// Two sinks that append in place write to the same spare room.
			if fs := twin.Points[i].Fields; len(fs[:cap(fs)]) > len(fs) && fs[:len(fs)+1][len(fs)].Key != "" {
				t.Errorf("it appended to the fields of point %d in place", i)
			}
		}
		batch.Done(mine)
		batch.Done(twin)
		closeIt(t, s)
	})
	t.Run("an ended context", func(t *testing.T) {
		s := build(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		b := input()
		switch s := s.(type) {
		case engine.Writer:
			_ = s.Write(ctx, b) // writing all the same is no fault
		case engine.Encoder:
			for _, body := range encodeAll(t, s, []*engine.Batch{b}) {
				if err := s.Send(ctx, body); err == nil {
					t.Error("it sent a body after its context had ended")
				}
			}
		}
		if took := time.Since(begin); took > patience {
			t.Errorf("it took %v to notice the end of its context", took)
		}
		batch.Done(b)
		closeIt(t, s)
	})
	t.Run("bodies", func(t *testing.T) {
		s, ok := build(t).(engine.Encoder)
		if !ok {
			return
		}
		if n := s.Concurrency(); n < 1 {
			t.Errorf("a concurrency of %d", n)
		}
		a, b := input(), input()
		ids := map[string]bool{}
		for _, body := range encodeAll(t, s, []*engine.Batch{a, b}) {
			if body.ID == "" || ids[body.ID] {
				t.Errorf("the id %q is empty or used twice", body.ID)
			}
			ids[body.ID] = true
			if len(body.Data) == 0 || body.PlainBytes <= 0 {
				t.Errorf("a body of %d bytes, %d plain", len(body.Data), body.PlainBytes)
			}
			if ps, err := s.Decode(body); err != nil || len(ps) != body.Points {
				t.Errorf("decoding a body of %d points gives %d: %v", body.Points, len(ps), err)
			}
		}
		batch.Done(a)
		batch.Done(b)
		closeIt(t, s)
	})
}

// shared returns a batch as two sinks get it.
func shared(b *engine.Batch) (mine, twin *engine.Batch) {
	batch.Accept(b, func(int) {})
	for i := range b.Points {
		b.Points[i].Fields = slices.Grow(b.Points[i].Fields, 4)
	}
	return b.Share(), b
}

func clones(ps []point.Point) []point.Point {
	out := make([]point.Point, len(ps))
	for i := range ps {
		out[i] = ps[i].Clone()
	}
	return out
}

// same reports whether two lists hold equal points.
func same(a, b []point.Point) bool {
	return slices.EqualFunc(a, b, func(p, q point.Point) bool {
		return p.Name == q.Name && p.Category == q.Category && p.Time == q.Time && p.Record == q.Record &&
			slices.EqualFunc(p.Fields, q.Fields, func(f, g point.Field) bool {
				return f.Key == g.Key && f.Tag == g.Tag && f.Value.Equal(g.Value)
			})
	})
}

// encodeAll encodes batches and checks that the bodies name every point without a verdict once, in order.
func encodeAll(t *testing.T, s engine.Encoder, bs []*engine.Batch) []engine.Body {
	t.Helper()
	var bodies []engine.Body
	type place struct{ batch, point int }
	seen := map[place]bool{}
	last := map[string]place{} // by lane
	err := s.Encode(bs, func(body engine.Body, refs []engine.PointRef) error {
		n := 0
		for _, r := range refs {
			n += r.Count
			if r.Batch < 0 || r.Batch >= len(bs) || r.First < 0 || r.Count < 1 || r.First+r.Count > len(bs[r.Batch].Points) {
				t.Fatalf("a body names %+v", r)
			}
			for i := r.First; i < r.First+r.Count; i++ {
				p := place{r.Batch, i}
				if seen[p] {
					t.Errorf("point %d of batch %d is in two bodies", i, r.Batch)
				}
				seen[p] = true
				if l, ok := last[body.Lane]; ok && (p.batch < l.batch || p.batch == l.batch && p.point < l.point) {
					t.Errorf("point %d of batch %d comes after point %d of batch %d", i, r.Batch, l.point, l.batch)
				}
				last[body.Lane] = p
			}
		}
		if n != body.Points {
			t.Errorf("a body of %d points names %d", body.Points, n)
		}
		bodies = append(bodies, body)
		return nil
	})
	if err != nil {
		t.Errorf("encoding: %v", err)
	}
	points, judged := 0, 0
	for _, b := range bs {
		points += len(b.Points)
		judged += checkVerdicts(t, b)
	}
	if len(seen)+judged != points {
		t.Errorf("of %d points %d are in bodies and %d have a verdict", points, len(seen), judged)
	}
	return bodies
}

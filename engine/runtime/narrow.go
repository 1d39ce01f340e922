package runtime

import (
	"context"
	"fmt"

	"dataflow/engine"
	"dataflow/engine/point"
)

// A part is a run of points of one batch.
type part struct {
	from   *engine.Batch
	points []point.Point
}

// pick returns the parts of ps that refs name.
func pick(ps []part, refs []engine.PointRef) []part {
	out := make([]part, len(refs))
	for i, r := range refs {
		out[i] = part{ps[r.Batch].from, ps[r.Batch].points[r.First : r.First+r.Count]}
	}
	return out
}

func count(ps []part) (n int) {
	for _, p := range ps {
		n += len(p.points)
	}
	return n
}

// halve cuts the parts in two after half of the points.
func halve(ps []part) (a, b []part) {
	rest := count(ps) / 2
	for i, p := range ps {
		if rest >= len(p.points) {
			rest -= len(p.points)
			continue
		}
		a = append(a, ps[:i]...)
		if rest > 0 {
			a = append(a, part{p.from, p.points[:rest]})
		}
		b = append(b, part{p.from, p.points[rest:]})
		return a, append(b, ps[i+1:]...)
	}
	return ps, nil
}

// narrow handles a body that was refused for what is in it: it is halved until the guilty points stand alone;
// those go to the dead letters, the others are delivered. The halves derive their ids from the body's.
func (s *sinkNode) narrow(ctx context.Context, l *lane, ticket uint64, id string, ps []part, cause error) bool {
	if count(ps) <= 1 {
		for _, p := range ps {
			if !s.bury(ctx, p.from, p.points, cause) {
				return false
			}
		}
		return true
	}
	a, b := halve(ps)
	for i, half := range [][]part{a, b} {
		if !s.sendHalf(ctx, l, ticket, fmt.Sprintf("%s-%d", id, i), half) {
			return false
		}
	}
	return true
}

// sendHalf encodes parts anew and delivers them.
func (s *sinkNode) sendHalf(ctx context.Context, l *lane, ticket uint64, id string, ps []part) bool {
	parcels, ok := s.encode(ctx, ps)
	if !ok {
		return false
	}
	for i, p := range parcels {
		p.body.ID = id
		if i > 0 {
			p.body.ID = fmt.Sprintf("%s.%d", id, i)
		}
		if !s.deliver(ctx, l, ticket, p.body, p.parts) {
			return false
		}
	}
	return true
}

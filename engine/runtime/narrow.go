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

// A stretch is a run of the points of a body that was refused.
type stretch struct {
	body  string // the refused body's id
	first int    // position in that body
	parts []part
	leave <-chan struct{} // as that of a load
}

func (p stretch) load() load {
	x := loadOf(p.parts)
	x.leave = p.leave
	return x
}

// id derives the id of what the stretch is sent as from that of the body: the same points have the same one.
func (p stretch) id() string { return fmt.Sprintf("%s-%d-%d", p.body, p.first, count(p.parts)) }

func (p stretch) halve() (a, b stretch) {
	x, y := halve(p.parts)
	return stretch{p.body, p.first, x, p.leave}, stretch{p.body, p.first + count(x), y, p.leave}
}

// A finding is what became of a stretch.
type finding struct {
	refused stretch // for what is in it
	cause   error   // of that, nil if nothing was refused
	rest    stretch // behind what was refused, not sent
	whole   bool    // the destination took all of it, and nothing of it has gone elsewhere
}

// probe encodes a stretch anew and sends its bodies in order, up to the first that is refused for what is in it. It
// reports false when the stretch must be forgotten.
func (s *sinkNode) probe(ctx context.Context, l *lane, ticket uint64, p stretch) (f finding, ok bool) {
	parcels, ok := s.encode(ctx, p.parts)
	if !ok {
		return f, false
	}
	first := p.first
	sent := 0
	for i, x := range parcels {
		this := stretch{p.body, first, x.parts, p.leave}
		first += count(x.parts)
		x.body.ID = this.id()
		result, err := s.post(ctx, l, ticket, x.body, this.load())
		switch {
		case result == forgotten, result == moved:
			return f, false
		case result == abandoned:
			if !s.buryParts(ctx, x.parts, err) {
				return f, false
			}
		case result == taken:
			sent += count(x.parts)
		case result == refused && asSendError(err).Class == engine.BadData:
			f.refused, f.cause, f.rest = this, err, stretch{body: p.body, first: first, leave: p.leave}
			for _, x := range parcels[i+1:] {
				f.rest.parts = append(f.rest.parts, x.parts...)
			}
			return f, true
		case result == refused:
			if !s.narrow(ctx, l, ticket, this, err) {
				return f, false
			}
		}
	}
	f.whole = sent == count(p.parts)
	return f, true
}

// bring delivers a stretch, or buries what is guilty in it.
func (s *sinkNode) bring(ctx context.Context, l *lane, ticket uint64, p stretch) bool {
	f, ok := s.probe(ctx, l, ticket, p)
	return ok && s.follow(ctx, l, ticket, f)
}

// follow deals with what a probe has left over.
func (s *sinkNode) follow(ctx context.Context, l *lane, ticket uint64, f finding) bool {
	if f.cause == nil {
		return true
	}
	return s.narrow(ctx, l, ticket, f.refused, f.cause) && (len(f.rest.parts) == 0 || s.bring(ctx, l, ticket, f.rest))
}

// narrow handles a stretch that was refused. What is too large is halved; what is bad is searched for its guilty points, which go to the
// dead letters, and the others are delivered.
func (s *sinkNode) narrow(ctx context.Context, l *lane, ticket uint64, p stretch, cause error) bool {
	if count(p.parts) <= 1 {
		return s.buryParts(ctx, p.parts, cause)
	}
	if asSendError(cause).Class == engine.TooLarge {
		a, b := p.halve()
		return s.bring(ctx, l, ticket, a) && s.bring(ctx, l, ticket, b)
	}
	return s.search(ctx, l, ticket, p, cause)
}

// search finds the first guilty point of a stretch and delivers the others.
//
// Only first halves are sent: if one is taken, what is bad is in the second. So one guilty point among n costs at most
// log2(n) requests, rounded up, and one more that brings what was set aside on the way. No method needs fewer: with k
// requests left it can settle F(k) suspects with nothing set aside, and G(k) with something; F(k) = F(k-1) + G(k-1) = G(k) for k > 1,
// F(0) = F(1) = G(1) = 1 and G(0) = 0, which makes F(k+1) = 2^k.
//
// A point is buried when it was refused alone, or when two bodies with it were refused and all else in the smaller
// one was taken. A single stray refusal, as proxies give, so costs nothing: its last suspect is sent alone.
func (s *sinkNode) search(ctx context.Context, l *lane, ticket uint64, suspects stretch, cause error) bool {
	var aside []stretch // in the order of their points
	for count(suspects.parts) > 1 {
		a, b := suspects.halve()
		f, ok := s.probe(ctx, l, ticket, a)
		switch {
		case !ok:
			return false
		case f.cause != nil:
			aside = append([]stretch{b}, aside...)
			if len(f.rest.parts) > 0 {
				aside = append([]stretch{f.rest}, aside...)
			}
			suspects, cause = f.refused, f.cause
		case f.whole:
			suspects = b
		default: // the first half says nothing of the second
			return s.bring(ctx, l, ticket, b) && s.bringAll(ctx, l, ticket, aside)
		}
	}
	if len(aside) == 0 {
		return s.bring(ctx, l, ticket, suspects)
	}
	return s.buryParts(ctx, suspects.parts, cause) && s.bringAll(ctx, l, ticket, aside)
}

// bringAll delivers the stretches that a search has set aside: in one body, and, if that is refused as well, one by one.
func (s *sinkNode) bringAll(ctx context.Context, l *lane, ticket uint64, stretches []stretch) bool {
	switch len(stretches) {
	case 0:
		return true
	case 1:
		return s.bring(ctx, l, ticket, stretches[0])
	}
	all := stretch{body: stretches[0].body, first: stretches[0].first}
	for _, p := range stretches {
		all.parts = append(all.parts, p.parts...)
	}
	f, ok := s.probe(ctx, l, ticket, all)
	if !ok {
		return false
	}
	if f.cause == nil || count(f.refused.parts) < count(all.parts) {
		return s.follow(ctx, l, ticket, f)
	}
	last := len(stretches) - 1
	known := true // that there is a guilty point in those that are left
	for _, p := range stretches[:last] {
		x, ok := s.probe(ctx, l, ticket, p)
		if !ok || !s.follow(ctx, l, ticket, x) {
			return false
		}
		known = known && x.whole
	}
	if known {
		return s.narrow(ctx, l, ticket, stretches[last], f.cause)
	}
	return s.bring(ctx, l, ticket, stretches[last])
}

func (s *sinkNode) buryParts(ctx context.Context, ps []part, cause error) bool {
	for _, p := range ps {
		if !s.bury(ctx, p.from, p.points, cause) {
			return false
		}
	}
	return true
}

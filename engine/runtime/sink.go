package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

// retry is how a sink repeats what failed for a while.
type retry struct {
	Initial, Max time.Duration
	GiveUp       time.Duration // 0 is never
}

// A sinkNode delivers what reaches it. It is the streams.Sink behind its batcher.
type sinkNode struct {
	id       string
	typ      string
	encoder  engine.Encoder
	writer   engine.Writer // exactly one of the two
	batching engine.Batching
	retry    retry
	timeout  time.Duration // of one attempt, 0 is the component's own
	ordered  bool
	keeps    graph.Buffer // what it keeps on the disk
	// spare says that nothing that is required leads here: what is left when everything else is done is dropped.
	spare bool

	stats   *stats
	latency latency
	inbox   *inbox
	outputs *outputs // only failed
	letters *letters
	stop    *stopper
	log     logger
	health  func(error)
	now     func() time.Time
	panics  panicMeter

	failingMu sync.Mutex
	failing   map[*lane]error

	held    atomic.Int64 // source batches in the batcher and here
	memory  atomic.Int64 // points of them
	crowded func() bool  // more than half of the window is in use
	shelf   *shelf       // nil without a disk buffer
	in      chan any     // of *group
	done    chan struct{}

	lanesMu sync.Mutex // for those who look from outside: only run adds lanes
	lanes   map[string]*lane
}

// In is the sink's inlet; its elements are *group.
func (s *sinkNode) In() chan<- any { return s.in }

// AwaitCompletion blocks until everything is delivered.
func (s *sinkNode) AwaitCompletion() { <-s.done }

// run ends when the inlet is closed and every group is done, or forgotten at a hard stop: ctx ends then.
func (s *sinkNode) run(ctx context.Context) {
	if s.shelf != nil {
		s.shelf.start(ctx)
	}
	var wg sync.WaitGroup
	for element := range s.in {
		g := element.(*group)
		if s.stop.hard() {
			continue
		}
		s.lane(g.lane.String()).enqueue(ctx, g, &wg)
	}
	wg.Wait()
	if s.shelf != nil {
		s.shelf.finish(ctx)
	}
	s.outputs.close()
	close(s.done)
}

// lane returns the lane of that name, and makes it if it is not there.
func (s *sinkNode) lane(name string) *lane {
	s.lanesMu.Lock()
	defer s.lanesMu.Unlock()
	l := s.lanes[name]
	if l == nil {
		concurrency := 1
		if s.encoder != nil && !s.ordered {
			concurrency = s.encoder.Concurrency()
		}
		l = newLane(s, name, concurrency)
		if s.shelf != nil {
			s.shelf.resume(l)
		}
		s.lanes[name] = l
	}
	return l
}

// send delivers a group, whatever it takes, or puts it on the disk, and says done. It returns without that only at a hard stop.
func (s *sinkNode) send(ctx context.Context, l *lane, g *group, shelve bool) {
	start := time.Now()
	defer func() { s.stats.busy.Add(int64(time.Since(start))) }()
	if s.shelf != nil {
		s.sendOrStore(ctx, l, g, shelve)
		return
	}
	var ok bool
	if s.writer != nil {
		ok = s.writeAll(ctx, l, g)
	} else {
		ok = s.sendAll(ctx, l, g)
	}
	s.sent(g, ok)
}

// sent ends a group that was delivered; ok is false for one that a hard stop has cut off.
func (s *sinkNode) sent(g *group, ok bool) {
	s.stats.queued.Add(int64(-g.points))
	if ok {
		now := s.now().UnixNano()
		for _, b := range g.bs {
			s.latency.observe(time.Duration(now-b.Read), len(b.Points))
		}
	}
	if ok || s.spare { // that has detached copies: they stand for nothing that could be read again
		s.finish(g)
		return
	}
	s.release(g)
}

// finish says that somebody else is responsible for the batches of a group now.
func (s *sinkNode) finish(g *group) {
	for _, b := range g.bs {
		batch.Done(b)
	}
	s.release(g)
}

func (s *sinkNode) release(g *group) {
	s.memory.Add(int64(-g.points))
	s.held.Add(int64(-g.roots))
}

// writeAll hands the batches of a group to a writer, one after the other.
func (s *sinkNode) writeAll(ctx context.Context, l *lane, g *group) bool {
	for _, b := range g.bs {
		all := b.Points
		ticket := l.ticket()
		ok := s.write(ctx, l, ticket, b)
		l.leave(ticket)
		b.Points = all
		if !ok {
			return false
		}
	}
	return true
}

func (s *sinkNode) write(ctx context.Context, l *lane, ticket uint64, b *engine.Batch) bool {
	for {
		round, err := l.await(ctx, ticket, load{})
		if err != nil {
			return false
		}
		before := len(b.Points)
		err = s.attempt(ctx, func(ctx context.Context) error { return s.writer.Write(ctx, b) })
		if err != nil && ctx.Err() != nil {
			return false
		}
		rest := batch.Rest(b)
		judged := len(b.Points) - len(rest)
		if err == nil {
			rest = nil
		}
		s.stats.out.Add(int64(before - judged - len(rest)))
		if !s.settle(ctx, b, b) {
			return false
		}
		b.Points = rest
		if err == nil {
			l.recovered()
			return true
		}
		failure := asSendError(err)
		switch {
		case engine.IsPermanent(err) || failure.Class == engine.BadData || failure.Class == engine.TooLarge:
			l.recovered()
			return s.bury(ctx, b, rest, err)
		case s.gaveUp(l, round, failure):
			return s.bury(ctx, b, rest, fmt.Errorf("giving up: %w", err))
		case len(rest) == 0:
			return true
		}
	}
}

// A parcel is a body with the points that it holds.
type parcel struct {
	body  engine.Body
	parts []part
}

// encode packs the parts into bodies and carries out the verdicts of the encoding. What fails as a whole is
// halved until the guilty points stand alone: encoding touches nobody but us. It reports false when the group must be
// forgotten.
func (s *sinkNode) encode(ctx context.Context, ps []part) ([]parcel, bool) {
	views := make([]*engine.Batch, len(ps))
	for i, p := range ps {
		views[i] = &engine.Batch{Points: p.points, Origin: p.from.Origin, Records: p.from.Records, Read: p.from.Read}
	}
	var parcels []parcel
	err := s.attempt(ctx, func(context.Context) error {
		return s.encoder.Encode(views, func(body engine.Body, refs []engine.PointRef) error {
			parcels = append(parcels, parcel{body, pick(ps, refs)})
			return nil
		})
	})
	if err == nil {
		for i, p := range ps {
			if !s.settle(ctx, views[i], p.from) {
				return nil, false
			}
		}
		return parcels, true
	}
	if count(ps) > 1 {
		a, b := halve(ps)
		first, ok := s.encode(ctx, a)
		if !ok {
			return nil, false
		}
		second, ok := s.encode(ctx, b)
		return append(first, second...), ok
	}
	return nil, s.buryParts(ctx, ps, fmt.Errorf("encoding: %w", err))
}

// sendAll encodes a group and sends its bodies in order.
func (s *sinkNode) sendAll(ctx context.Context, l *lane, g *group) bool {
	parcels, ok := s.encode(ctx, partsOf(g))
	if !ok {
		return false
	}
	for _, p := range parcels {
		ticket := l.ticket()
		ok := s.deliver(ctx, l, ticket, p.body, loadOf(p.parts))
		l.leave(ticket)
		if !ok {
			return false
		}
	}
	return true
}

func partsOf(g *group) []part {
	ps := make([]part, len(g.bs))
	for i, b := range g.bs {
		ps[i] = part{b, b.Points}
	}
	return ps
}

// deliver sends one body until the destination has it, or its guilty points are in the dead letters.
func (s *sinkNode) deliver(ctx context.Context, l *lane, ticket uint64, body engine.Body, p load) bool {
	result, err := s.post(ctx, l, ticket, body, p)
	return s.conclude(ctx, l, ticket, body, p, result, err)
}

// conclude deals with what the destination has not taken. It reports false if the body must be forgotten.
func (s *sinkNode) conclude(ctx context.Context, l *lane, ticket uint64, body engine.Body, p load, result result, cause error) bool {
	switch result {
	case forgotten, moved:
		return false
	case taken:
		return true
	}
	ps, err := p.parts()
	if err != nil {
		return s.buryBody(ctx, body, fmt.Errorf("%w; its points cannot be told: %w", cause, err))
	}
	if result == abandoned {
		return s.buryParts(ctx, ps, cause)
	}
	return s.narrow(ctx, l, ticket, stretch{body: body.ID, parts: ps, leave: p.leave}, cause)
}

// result is what became of a body.
type result uint8

const (
	forgotten result = iota // a hard stop came in between
	taken                   // the destination has it
	abandoned               // it failed for longer than the user wants
	refused                 // for what is in it, or for its size: the error says which
	moved                   // to the disk
)

// A load is what a body holds, as far as its sender must know it.
type load struct {
	points int
	parts  func() ([]part, error)
	leave  <-chan struct{} // closed when the body may stay on the disk; nil for one in memory
	// spill takes the body to the disk, where its lane is failing. It reports false if it cannot. Nil is never.
	spill func() bool
}

func loadOf(ps []part) load {
	return load{points: count(ps), parts: func() ([]part, error) { return ps, nil }}
}

// post sends one body until it is known what becomes of it.
func (s *sinkNode) post(ctx context.Context, l *lane, ticket uint64, body engine.Body, p load) (result, error) {
	for {
		round, err := l.await(ctx, ticket, p)
		if errors.Is(err, errMoved) {
			return moved, err
		}
		if err != nil {
			return forgotten, err
		}
		err = s.attempt(ctx, func(ctx context.Context) error { return s.encoder.Send(ctx, body) })
		if err == nil {
			s.stats.out.Add(int64(p.points))
			l.recovered()
			return taken, nil
		}
		if ctx.Err() != nil {
			return forgotten, err
		}
		failure := asSendError(err)
		if failure.Class == engine.BadData || failure.Class == engine.TooLarge {
			l.recovered()
			return refused, err
		}
		s.stats.custom.family("send_failures").add(failure.Class.String(), 1)
		if s.gaveUp(l, round, failure) {
			return abandoned, fmt.Errorf("giving up: %w", err)
		}
	}
}

// attempt runs f with the node's timeout and turns a panic into an error.
func (s *sinkNode) attempt(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &engine.SendError{Class: engine.BadData, Err: fmt.Errorf("%w: %v", errPanic, r)}
			s.log.repeat("panic:"+s.id, "component panicked", "node", s.id, "error", err)
		}
	}()
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	return f(ctx)
}

func asSendError(err error) *engine.SendError {
	var e *engine.SendError
	if errors.As(err, &e) {
		return e
	}
	return &engine.SendError{Class: engine.Retry, Err: err}
}

// gaveUp notes a failed attempt on the lane and reports whether it has failed for longer than the user wants.
func (s *sinkNode) gaveUp(l *lane, round int, failure *engine.SendError) bool {
	failing := l.failed(round, failure)
	s.log.repeat("send:"+s.id+l.name, "sink is failing, will try again", "lane", l.name, "class", failure.Class.String(), "error", failure)
	return s.retry.GiveUp > 0 && failing >= s.retry.GiveUp
}

// note sets the state of a lane, nil is healthy, and with it the node's, which fails as long as a lane does.
func (s *sinkNode) note(l *lane, err error) {
	s.failingMu.Lock()
	defer s.failingMu.Unlock()
	if err == nil {
		delete(s.failing, l)
		for other, e := range s.failing {
			err = fmt.Errorf("%s: %w", other.name, e)
			break
		}
	} else {
		if s.failing == nil {
			s.failing = map[*lane]error{}
		}
		s.failing[l] = err
		err = fmt.Errorf("%s: %w", l.name, err)
	}
	s.health(err)
}

// settle carries out the verdicts that encoding or writing left on the view of a batch's points.
func (s *sinkNode) settle(ctx context.Context, view, from *engine.Batch) bool {
	if !batch.HasVerdicts(view) {
		return true
	}
	only := batch.Only(view)
	var dead []deadPoint
	for _, v := range batch.Verdicts(only) {
		err := v.Err
		switch v.Kind {
		case batch.Dropped:
			s.stats.dropped.add(v.Text, 1)
			continue
		case batch.Routed:
			err = fmt.Errorf("routing to %s: a sink has no ports", v.Text)
		}
		dead = append(dead, deadPoint{only.Points[v.Index], err})
	}
	return s.buryEach(ctx, from, dead)
}

// bury is buryEach for points with one cause.
func (s *sinkNode) bury(ctx context.Context, b *engine.Batch, points []point.Point, cause error) bool {
	dead := make([]deadPoint, len(points))
	for i := range points {
		dead[i] = deadPoint{point: points[i], err: cause}
	}
	return s.buryEach(ctx, b, dead)
}

// buryEach sends points of b that cannot be delivered to .failed or to the dead letters. It reports false when
// the batch must be forgotten.
func (s *sinkNode) buryEach(ctx context.Context, b *engine.Batch, dead []deadPoint) bool {
	if len(dead) == 0 {
		return true
	}
	// Narrowing a panic makes more of them; what counts is how many points or batches are at fault.
	if err := dead[0].err; errors.Is(err, errPanic) && s.panics.tooMany(time.Now()) {
		s.stop.fail(fmt.Errorf("%s: too many panics: %w", s.id, err))
		return false
	}
	if s.outputs.connected(failedPort) {
		s.deliverFailed(b, dead)
	} else {
		if err := s.letters.bury(ctx, s.id, b, dead, false); err != nil {
			if ctx.Err() == nil {
				s.stop.fail(fmt.Errorf("%s: writing dead letters: %w", s.id, err))
			}
			return false
		}
		s.log.repeat("bury:"+s.id, "points refused by the destination went to the dead letters", "node", s.id, "points", len(dead), "error", dead[0].err)
	}
	fails := tally{set: &s.stats.failed}
	for i := range dead {
		fails.add(reasonOf(dead[i].err))
	}
	fails.flush()
	return true
}

// deliverFailed hands points to those who read .failed. They may be shared with other sinks: what is written onto
// them goes to copies.
func (s *sinkNode) deliverFailed(b *engine.Batch, dead []deadPoint) {
	points := make([]point.Point, len(dead))
	for i := range dead {
		points[i] = dead[i].point
	}
	shared := b.Split(points)
	own := shared.Clone()
	batch.Done(shared)
	for i := range own.Points {
		describe(&own.Points[i], s.id, dead[i].err)
	}
	own.Port = failedPort
	s.outputs.deliver(own)
}

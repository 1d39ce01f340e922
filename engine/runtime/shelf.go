package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/buffer"
	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

// A shelf is the part of a sink that is on the disk: bodies that are encoded and stored, and done for their sources. A
// reader for each of the buffer's lanes takes them from there and sends them.
type shelf struct {
	sink   *sinkNode
	buffer *buffer.Buffer
	spills bool // bodies come here only while the sink does not keep up

	// leave is closed when the engine stops for good: what is stored may stay where it is. It is nil for bodies in memory.
	leave chan struct{}
	grace time.Duration // that bodies on their way get then

	stored  sync.WaitGroup // of groups that are on their way to the disk
	readers sync.WaitGroup
	read    context.Context // of the readers
	stop    context.CancelFunc
	send    context.Context // of what they have taken
	cut     context.CancelFunc

	patience  context.Context // of what is sent from memory: it ends some time after the engine has begun to stop
	impatient context.CancelFunc
	watch     sync.WaitGroup

	mu      sync.Mutex
	known   map[string]bool // lanes with a reader
	counted map[string]int64
}

// bufferOptions translates what a graph says.
func bufferOptions(o graph.Buffer) buffer.BufferOptions {
	out := buffer.BufferOptions{
		MaxBytes: int64(o.MaxBytes), MaxAge: o.MaxAge, Interval: o.Interval, Detach: o.OnIOError == "detach",
	}
	switch o.WhenFull {
	case "drop_oldest":
		out.WhenFull = buffer.DropOldest
	case "drop_newest":
		out.WhenFull = buffer.DropNewest
	}
	switch o.Sync {
	case "interval":
		out.Sync = buffer.Interval
	case "never":
		out.Sync = buffer.Never
	}
	return out
}

// newShelf takes over what the buffer holds from before: those points count as made here.
func newShelf(s *sinkNode, b *buffer.Buffer, leave chan struct{}, grace time.Duration) *shelf {
	d := &shelf{sink: s, buffer: b, spills: s.keeps.Type == "spill", leave: leave, grace: grace, known: map[string]bool{}, counted: map[string]int64{}}
	if n := b.Stats().LivePoints; n > 0 {
		s.stats.created.Add(n)
		s.stats.queued.Add(n)
		s.log.Info("sending what the disk buffer holds", "points", n)
	}
	return d
}

// start runs the readers of the lanes that there are.
func (d *shelf) start(ctx context.Context) {
	d.read, d.stop = context.WithCancel(ctx)
	d.send, d.cut = context.WithCancel(ctx)
	d.patience, d.impatient = context.WithCancel(ctx)
	d.watch.Go(d.losePatience)
	for _, name := range d.buffer.Lanes() {
		d.reader(name)
	}
}

// losePatience ends what is sent from memory and is not answered when the engine stops: the disk keeps it.
func (d *shelf) losePatience() {
	select {
	case <-d.leave:
	case <-d.patience.Done():
		return
	}
	grace := time.NewTimer(d.grace)
	defer grace.Stop()
	select {
	case <-grace.C:
		d.impatient()
	case <-d.patience.Done():
	}
}

// resume turns a new lane to the disk if the last run has left bodies of it there.
func (d *shelf) resume(l *lane) {
	if !slices.Contains(d.buffer.Lanes(), l.name) {
		return
	}
	if b := d.buffer.Lane(l.name); b.Holds() {
		l.behind(b)
		l.spills.on = true
	}
}

// reader sees to it that the lane has a reader, and returns the lane.
func (d *shelf) reader(name string) *buffer.Lane {
	l := d.buffer.Lane(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.known[name] {
		d.known[name] = true
		d.readers.Go(func() { d.take(l) })
	}
	return l
}

// take sends what is on a lane of the buffer, in order, as many bodies at once as the sink sends. It ends with the first that stays
// on the disk: those behind it would overtake it, or all come into memory to be left as well.
func (d *shelf) take(from *buffer.Lane) {
	l := d.sink.lane(from.Name())
	read, end := context.WithCancel(d.read)
	defer end()
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		body, err := from.Next(read)
		if err != nil {
			if read.Err() == nil {
				d.sink.health(fmt.Errorf("reading the disk buffer: %w", err))
			}
			return
		}
		select {
		case l.slots <- struct{}{}:
		case <-read.Done():
			return
		}
		if read.Err() != nil {
			<-l.slots
			return
		}
		ticket := l.ticket()
		sending.Go(func() {
			defer func() { <-l.slots }()
			defer l.leave(ticket)
			if !d.deliver(l, ticket, body) {
				end()
			}
		})
	}
}

// deliver sends a body from the disk. Where it returns false, the body is not done, and the next start begins with it.
func (d *shelf) deliver(l *lane, ticket uint64, taken *buffer.Delivery) bool {
	s := d.sink
	start := time.Now()
	done := taken.Done
	p := load{points: taken.Body.Points, leave: d.leave, parts: func() ([]part, error) {
		ps, err := d.open(taken)
		if err == nil {
			done = func() { batch.Done(ps[0].from) }
		}
		return ps, err
	}}
	ok := s.deliver(d.send, l, ticket, taken.Body, p)
	s.stats.busy.Add(int64(time.Since(start)))
	if !ok {
		return false
	}
	s.latency.observe(time.Duration(s.now().UnixNano()-taken.Read), taken.Body.Points)
	s.stats.queued.Add(-int64(max(taken.Body.Points, 1)))
	done()
	return true
}

// open returns the points of a stored body: to find those that are refused, and to bury them. Those may go to readers of .failed, so
// that the body is done with the last reference to its batch.
func (d *shelf) open(taken *buffer.Delivery) ([]part, error) {
	var points []point.Point
	err := d.sink.attempt(d.send, func(context.Context) (err error) {
		points, err = d.sink.encoder.Decode(taken.Body)
		return err
	})
	if err != nil {
		return nil, err
	}
	b := engine.Reserve(0, 0)
	b.Arm(0, taken.Done)
	b.Points, b.Read = points, taken.Read
	if len(taken.Origins) == 1 {
		b.Origin = &taken.Origins[0].Origin
	}
	return []part{{b, points}}, nil
}

// put stores the parcels of a group. When all are, or were dropped because the buffer is full, the group is done. It returns
// before that, and false if the group must be forgotten.
func (d *shelf) put(ctx context.Context, l *lane, g *group, parcels []parcel) bool {
	s := d.sink
	points := 0
	for _, p := range parcels {
		points += count(p.parts)
	}
	s.stats.queued.Add(int64(points - g.points)) // the others have gone already: sent, failed or dropped
	if len(parcels) == 0 {
		s.finish(g)
		return true
	}
	d.stored.Add(1)
	left := new(atomic.Int32)
	left.Store(int32(len(parcels)))
	failed := new(atomic.Bool)
	done := func(err error) {
		if err != nil && !errors.Is(err, buffer.ErrDropped) {
			failed.Store(true)
		}
		if left.Add(-1) > 0 {
			return
		}
		if !failed.Load() || s.spare { // see sent
			s.finish(g)
		}
		d.stored.Done()
	}
	for i, p := range parcels {
		l.behind(d.reader(p.body.Lane))
		err := d.buffer.AppendFunc(ctx, entryOf(p), done)
		switch {
		case err == nil:
			continue
		case errors.Is(err, buffer.ErrTooLarge):
			if s.buryParts(ctx, p.parts, err) {
				s.stats.queued.Add(-int64(count(p.parts)))
				done(nil)
				continue
			}
		case errors.Is(err, buffer.ErrFailed):
			s.health(err)
			if s.keeps.OnIOError == "detach" {
				<-ctx.Done() // without this sink its sources wait
			}
		}
		for _, p := range parcels[i:] {
			s.stats.queued.Add(-int64(count(p.parts)))
			done(err)
		}
		return false
	}
	return true
}

// entryOf is what is stored of a parcel.
func entryOf(p parcel) buffer.Entry {
	e := buffer.Entry{Body: p.body}
	for _, x := range p.parts {
		if e.Read == 0 || x.from.Read > 0 && x.from.Read < e.Read {
			e.Read = x.from.Read
		}
		e.Origins = appendOrigins(e.Origins, x)
	}
	return e
}

// appendOrigins adds where the points of a part were read. What follows on the last range prolongs it.
func appendOrigins(out []buffer.Range, p part) []buffer.Range {
	var last *batch.Origin // the same address is the same origin, which is nearly always so
	add := func(o *batch.Origin, offset int64) {
		if n := len(out); n > 0 && (o == last || out[n-1].Origin == *o) && offset >= out[n-1].First {
			out[n-1].Last = max(out[n-1].Last, offset)
		} else {
			out = append(out, buffer.Range{Origin: *o, First: offset, Last: offset})
		}
		last = o
	}
	for i := range p.points {
		r := p.points[i].Record
		switch {
		case r < 0 || int(r) >= len(p.from.Records):
			if p.from.Origin != nil {
				add(p.from.Origin, 0)
			}
		case p.from.Records[r].Origin != nil:
			add(p.from.Records[r].Origin, p.from.Records[r].Offset)
		case p.from.Origin != nil:
			add(p.from.Origin, p.from.Records[r].Offset)
		}
	}
	return out
}

// tally counts what the buffer has dropped or lost by itself.
func (d *shelf) tally() buffer.Stats {
	st := d.buffer.Stats()
	d.mu.Lock()
	defer d.mu.Unlock()
	count := func(prefix string, m map[string]int64) {
		for reason, n := range m {
			if more := n - d.counted[prefix+reason]; more > 0 {
				d.counted[prefix+reason] = n
				d.sink.stats.dropped.add(prefix+reason, int(more))
				d.sink.stats.queued.Add(-more)
			}
		}
	}
	count("buffer_", st.Dropped)
	count("buffer_lost_", st.Lost)
	return st
}

const lookAtShelf = 50 * time.Millisecond

// finish waits until everything is stored and, unless the engine stops, sent. Then the readers end.
func (d *shelf) finish(ctx context.Context) {
	d.wait(ctx)
	d.impatient()
	d.watch.Wait()
	d.stop()
	cut := time.AfterFunc(d.grace, d.cut)
	d.readers.Wait()
	cut.Stop()
	d.cut()
}

func (d *shelf) wait(ctx context.Context) {
	stored := make(chan struct{})
	go func() { d.stored.Wait(); close(stored) }()
	select {
	case <-stored:
	case <-ctx.Done():
		return
	}
	look := time.NewTicker(lookAtShelf)
	defer look.Stop()
	for d.holds() > 0 {
		select {
		case <-look.C:
		case <-d.leave:
			return
		case <-ctx.Done():
			return
		}
	}
}

// holds returns how many points are not done.
func (d *shelf) holds() int64 {
	d.tally()
	return d.sink.stats.queued.Load()
}

package runtime

import (
	"slices"
	"strings"
	"time"

	"dataflow/engine/buffer"
)

// Snapshot is a reading of a running graph.
type Snapshot struct {
	Graph   string
	Nodes   []NodeStats
	Edges   []EdgeStats
	Sources []PortStats
	Sinks   []SinkStats
	Lags    []Lag
	Behind  []Behind
	Failing []NodeHealth
	Buffers []BufferStats
	// InFlight and InFlightLimit are in bytes of estimated heap.
	InFlight, InFlightLimit int64
	// Store is that of all disk buffers, zero without any.
	Store buffer.StoreStats
}

// BufferStats is a sink's disk buffer.
type BufferStats struct {
	Node, Type string
	buffer.Stats
}

// EdgeStats is one edge, in points. Queued points have left From and have not reached To.
type EdgeStats struct {
	From, Port, To           string
	In, Out, Dropped, Queued int64
}

// PortStats is what one output of a source has in flight.
type PortStats struct {
	Node, Type, Port string
	Unacked          int           // points
	Oldest           time.Duration // age of the oldest of them, 0 if there is none
	Blocked          time.Duration // that the source waited for the window
}

// SinkStats is a sink's end-to-end latency, from reading to the destination's answer.
type SinkStats struct {
	Node, Type string
	Buckets    []Bucket // cumulative
	Count      int64
	Sum        time.Duration
	Held       int64 // points in the batcher and on their way
}

// Bucket counts the points that took at most Limit.
type Bucket struct {
	Limit time.Duration
	N     int64
}

// Lag is how far a consumer is behind.
type Lag struct {
	Node, Topic string
	Partition   int32
	Records     int64
}

// Behind is the age of the oldest record that a consumer is not done with.
type Behind struct {
	Node, Type string
	Age        time.Duration
}

// lagging is implemented by sources that know how far they are behind.
type lagging interface {
	Lag(func(topic string, partition int32, records int64))
	Behind() time.Duration
}

// Snapshot reads the counters. Each is exact; together they are of nearly the same moment.
func (e *Engine) Snapshot() Snapshot {
	s := Snapshot{
		Graph: e.graph.Name, InFlight: e.window.used.Load(), InFlightLimit: int64(e.window.total),
		Failing: e.health.failing(),
	}
	slices.SortFunc(s.Failing, func(a, b NodeHealth) int { return strings.Compare(a.Node, b.Node) })
	for _, x := range e.stats {
		s.Nodes = append(s.Nodes, x.read())
	}
	for _, x := range e.edges {
		in, out, dropped := x.in.Load(), x.out.Load(), x.dropped.Load()
		s.Edges = append(s.Edges, EdgeStats{x.from, x.port, x.to, in, out, dropped, max(in-out-dropped, 0)})
	}
	now := time.Now()
	for _, n := range e.sources {
		for name, p := range n.ports {
			points, oldest, blocked := p.share.unacked()
			ps := PortStats{Node: n.id, Type: n.typ, Port: name, Unacked: points, Blocked: blocked}
			if !oldest.IsZero() {
				ps.Oldest = now.Sub(oldest)
			}
			s.Sources = append(s.Sources, ps)
		}
		if l, ok := n.source.(lagging); ok {
			l.Lag(func(topic string, partition int32, records int64) {
				s.Lags = append(s.Lags, Lag{n.id, topic, partition, records})
			})
			s.Behind = append(s.Behind, Behind{n.id, n.typ, l.Behind()})
		}
	}
	opened := e.opened.Load()
	for _, n := range e.sinks {
		if opened && n.shelf != nil {
			s.Buffers = append(s.Buffers, BufferStats{n.id, n.typ, n.shelf.tally()})
		}
		s.Sinks = append(s.Sinks, n.snapshot())
	}
	if opened {
		s.Store = e.store.Stats()
		s.Failing = append(s.Failing, e.storeHealth()...)
	}
	return s
}

func (s *sinkNode) snapshot() SinkStats {
	out := SinkStats{Node: s.id, Type: s.typ, Held: s.stats.queued.Load(), Sum: time.Duration(s.latency.sum.Load()) * time.Microsecond}
	limit := time.Millisecond
	for i := range s.latency.buckets {
		out.Count += s.latency.buckets[i].Load()
		if i < latencyBuckets-1 {
			out.Buckets = append(out.Buckets, Bucket{limit, out.Count})
		}
		limit *= 2
	}
	return out
}

// Ready reports why the graph is not ready to take data, nil if it is: no node is failing and it is not stopping.
func (e *Engine) Ready() []NodeHealth { return append(e.health.failing(), e.storeHealth()...) }

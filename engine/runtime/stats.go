package runtime

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stats are the counters of one node, or of one step of a node with several.
type stats struct {
	node, typ string

	in, out, created, merged, queued atomic.Int64 // out is that of the main port
	busy, blocked                    atomic.Int64 // ns

	ports   labelled // points out by port other than the main one
	dropped labelled // by reason
	failed  labelled // by reason
	passed  labelled // points that went on with an error, by reason
	custom  families // the component's own counters
}

// labelled is a set of counters that are found by a label. Labels come from code, never from data; a bound
// on their number holds whatever a component does.
type labelled struct {
	m     sync.Map
	n     atomic.Int32
	total atomic.Int64
}

const maxLabels = 64

func (l *labelled) counter(label string) *atomic.Int64 {
	if c, ok := l.m.Load(label); ok {
		return c.(*atomic.Int64)
	}
	if l.n.Load() >= maxLabels {
		label = "other"
	}
	c, loaded := l.m.LoadOrStore(label, new(atomic.Int64))
	if !loaded {
		l.n.Add(1)
	}
	return c.(*atomic.Int64)
}

func (l *labelled) add(label string, n int) {
	if n != 0 {
		l.counter(label).Add(int64(n))
		l.total.Add(int64(n))
	}
}

// Count is a counter with its label.
type Count struct {
	Label string
	N     int64
}

func (l *labelled) list() []Count {
	var out []Count
	l.m.Range(func(k, v any) bool {
		out = append(out, Count{k.(string), v.(*atomic.Int64).Load()})
		return true
	})
	slices.SortFunc(out, func(a, b Count) int { return strings.Compare(a.Label, b.Label) })
	return out
}

// families are counters that are found by a name and a label. Each name has its own bound on labels: where the labels of one come from
// data after all, as those of the http source do, they push out no other name's.
type families struct {
	m sync.Map // of *labelled by name
	n atomic.Int32
}

const maxFamilies = 64

func (f *families) family(name string) *labelled {
	if l, ok := f.m.Load(name); ok {
		return l.(*labelled)
	}
	if f.n.Load() >= maxFamilies {
		name = "other"
	}
	l, loaded := f.m.LoadOrStore(name, new(labelled))
	if !loaded {
		f.n.Add(1)
	}
	return l.(*labelled)
}

// list returns the counters by name, or name{label}.
func (f *families) list() []Count {
	var out []Count
	f.m.Range(func(name, l any) bool {
		for _, c := range l.(*labelled).list() {
			if c.Label != "" {
				c.Label = "{" + c.Label + "}"
			}
			out = append(out, Count{name.(string) + c.Label, c.N})
		}
		return true
	})
	slices.SortFunc(out, func(a, b Count) int { return strings.Compare(a.Label, b.Label) })
	return out
}

// imbalance is the ledger of the node: 0 when every point that came in or was made is accounted for.
func (s *stats) imbalance() int64 {
	return s.in.Load() + s.created.Load() - s.out.Load() - s.ports.total.Load() - s.dropped.total.Load() -
		s.failed.total.Load() - s.merged.Load() - s.queued.Load()
}

// settleQueue clears the queue of a node that holds nothing any more: what went in and did not come out was
// merged into its state, what came out and had not gone in was made of it. A batch that is still held shows as open.
func (s *stats) settleQueue() {
	if n := s.queued.Swap(0); n > 0 {
		s.merged.Add(n)
	} else {
		s.created.Add(-n)
	}
}

// latency is a histogram of seconds with powers of two from 1 ms up.
type latency struct {
	buckets [latencyBuckets]atomic.Int64
	sum     atomic.Int64 // µs
}

const latencyBuckets = 18

func (l *latency) observe(d time.Duration, n int) {
	i, limit := 0, time.Millisecond
	for i < latencyBuckets-1 && d > limit {
		i++
		limit *= 2
	}
	l.buckets[i].Add(int64(n))
	l.sum.Add(d.Microseconds() * int64(n))
}

// NodeStats is a reading of one node's counters, in points where nothing else is said.
type NodeStats struct {
	Node, Type                       string
	In, Out, Created, Merged, Queued int64
	Ports, Dropped, Failed           []Count
	Passed, Custom                   []Count
	Busy, Blocked                    time.Duration
	Imbalance                        int64
}

func (s *stats) read() NodeStats {
	return NodeStats{
		Node: s.node, Type: s.typ,
		In: s.in.Load(), Out: s.out.Load(), Created: s.created.Load(), Merged: s.merged.Load(), Queued: s.queued.Load(),
		Ports: s.ports.list(), Dropped: s.dropped.list(), Failed: s.failed.list(), Passed: s.passed.list(),
		Custom: s.custom.list(),
		Busy:   time.Duration(s.busy.Load()), Blocked: time.Duration(s.blocked.Load()), Imbalance: s.imbalance(),
	}
}

// componentCounter is what a component gets from Env.Counter.
type componentCounter struct {
	set   *labelled
	label string
}

// Add adds n.
func (c componentCounter) Add(n int64) { c.set.add(c.label, int(n)) }

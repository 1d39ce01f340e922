package sources

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine/watermark"
)

// The library waits without a word where it cannot go on: a damaged header, records that do not decode, an error that it takes for one that will pass.
// And it steps over markers of transactions without saying where it stands. So a lookout asks, for partitions that have been still for a
// while, where they end, and looks at what stands in front of those that are not at their end.
const (
	lookoutPause = time.Second
	// stillLooks is how many looks in a row a partition has to be still, at least, before it is examined, rareLooks how many looks are
	// from one question for its end to the next, later.
	stillLooks = 2
	rareLooks  = 16
	// hurriedLooks is how often an alarm about a partition that does not move is answered at once.
	hurriedLooks = 3
	// oversizeMemory is how long the client's word that an answer was too large is remembered.
	oversizeMemory = time.Minute
	// corruptLooks is how often a broker has to say that its log is damaged before it is believed.
	corruptLooks = 2
)

// alarms are what polls met and the lookout has to look at.
type alarms struct {
	ring chan struct{}
	mu   *sync.Mutex
	heap *alarmed
}

type alarmed struct {
	partitions map[topicPartition]bool // whose records the client cannot read
	bombs      map[topicPartition]*kgo.ErrDecompressTooLarge
	topics     map[string]bool // whose fetches the brokers refuse
	oversized  time.Time
	renewed    bool // some topic may have been made anew
}

func newAlarms() alarms {
	h := &alarmed{}
	h.empty()
	return alarms{ring: make(chan struct{}, 1), mu: &sync.Mutex{}, heap: h}
}

func (h *alarmed) empty() {
	h.renewed = false
	h.partitions, h.bombs, h.topics = map[topicPartition]bool{}, map[topicPartition]*kgo.ErrDecompressTooLarge{}, map[string]bool{}
}

// note wakes the lookout, too.
func (a *alarms) note(f func(*alarmed)) {
	a.mu.Lock()
	f(a.heap)
	a.mu.Unlock()
	select {
	case a.ring <- struct{}{}:
	default:
	}
}

func (a *alarms) partition(tp topicPartition) {
	a.note(func(h *alarmed) { h.partitions[tp] = true })
}

func (a *alarms) bomb(tp topicPartition, err *kgo.ErrDecompressTooLarge) {
	a.note(func(h *alarmed) { h.bombs[tp] = err })
}

func (a *alarms) topic(name string) { a.note(func(h *alarmed) { h.topics[name] = true }) }

func (a *alarms) renewal() { a.note(func(h *alarmed) { h.renewed = true }) }

func (a *alarms) oversize(now time.Time) { a.note(func(h *alarmed) { h.oversized = now }) }

// take returns what has been noted since the last call. The time of oversized stays.
func (a *alarms) take() alarmed {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := *a.heap
	a.heap.empty()
	return out
}

// lookout looks at partitions that stand still.
type lookout struct {
	source *kafka
	seen   map[*partition]*sight
	// ids of topics, and how often fetches of them have been refused.
	ids      map[string][16]byte
	refusals map[string]int
	absent   map[string]int // looks at which a topic has been missing, since the start
}

// sight is what a lookout remembers of a partition.
type sight struct {
	head    int64
	still   int // looks in a row, a pause apart, in which it has not moved
	hurried int // looks that an alarm has brought about
	corrupt int // looks at which the broker could not read its log
}

// watchPartitions looks until ctx ends.
func (k *kafka) watchPartitions(ctx context.Context) {
	l := &lookout{source: k, seen: map[*partition]*sight{}, ids: map[string][16]byte{}, refusals: map[string]int{}, absent: map[string]int{}}
	l.identify(ctx, false) // as soon as a broker answers: what is made anew from now on is known by its id
	tick := time.NewTicker(lookoutPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.look(ctx, true)
		case <-k.health.alarms.ring:
			l.look(ctx, false)
		}
	}
}

// look asks and examines once. Without a tick it does so for what an alarm is about only.
func (l *lookout) look(ctx context.Context, tick bool) {
	noted := l.source.health.alarms.take()
	l.identify(ctx, noted.renewed)
	for _, topic := range slices.Sorted(maps.Keys(noted.topics)) {
		l.refused(ctx, topic)
	}
	behind := l.behind(ctx, l.survey(tick, noted.partitions))
	if len(behind) == 0 && len(noted.bombs) == 0 {
		return
	}
	pr, err := newProber(l.source)
	if err != nil {
		l.source.health.note("looking at a partition that stands still fails", "error", err)
		return
	}
	defer pr.close()
	for tp, bomb := range noted.bombs {
		l.defuse(ctx, pr, tp, bomb)
	}
	large := !noted.oversized.IsZero() && l.source.env.Now().Sub(noted.oversized) < oversizeMemory
	for _, p := range behind {
		if ctx.Err() != nil {
			return
		}
		l.examine(ctx, pr, p, large)
	}
}

// survey returns the partitions whose ends are to be asked for. One with something in flight moves, or waits for a sink.
func (l *lookout) survey(tick bool, alarmed map[topicPartition]bool) map[topicPartition]*partition {
	k := l.source
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[topicPartition]*partition{}
	seen := make(map[*partition]*sight, len(k.partitions))
	for tp, p := range k.partitions {
		s := l.seen[p]
		head, busy := p.tracker.Head().Offset, p.inFlight.Load() > 0 || p.port.full.Load()
		if s == nil || s.head != head || busy {
			s = &sight{head: head}
		} else if tick {
			s.still++
		}
		seen[p] = s
		switch {
		case busy:
		case alarmed[tp] && s.hurried < hurriedLooks:
			s.hurried++
			out[tp] = p
		case tick && (s.still > 0 && s.still <= 2*stillLooks || s.still%rareLooks == rareLooks-1):
			out[tp] = p
		}
	}
	l.seen = seen
	return out
}

// behind asks for the ends of partitions, notes them for the lag, and returns those whose end has not been reached.
func (l *lookout) behind(ctx context.Context, ps map[topicPartition]*partition) []*partition {
	if len(ps) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	k := l.source
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if k.config.Isolation != "read_uncommitted" {
		req.IsolationLevel = 1
	}
	topics := map[string]*kmsg.ListOffsetsRequestTopic{}
	for tp := range ps {
		rt := topics[tp.topic]
		if rt == nil {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic, rt = tp.topic, &t
			topics[tp.topic] = rt
		}
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = tp.partition, -1
		rt.Partitions = append(rt.Partitions, rp)
	}
	for _, t := range topics {
		req.Topics = append(req.Topics, *t)
	}
	var out []*partition
	for _, shard := range k.client.RequestSharded(ctx, req) {
		resp, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if shard.Err != nil || !ok {
			continue // the client says so, too
		}
		for _, t := range resp.Topics {
			for _, rp := range t.Partitions {
				p := ps[topicPartition{t.Topic, rp.Partition}]
				if p == nil || rp.ErrorCode != 0 || rp.Offset < 0 {
					continue
				}
				if rp.Offset > p.high.Load() {
					p.high.Store(rp.Offset)
				}
				if s := l.seen[p]; rp.Offset > s.head && (s.hurried > 0 || s.still >= stillLooks) {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// examine looks at what stands in front of a partition, and gets it going again.
func (l *lookout) examine(ctx context.Context, pr *prober, p *partition, large bool) {
	k, s := l.source, l.seen[p]
	found, err := pr.examine(ctx, p.id, s.head, large, s.corrupt >= corruptLooks)
	if errors.Is(err, kerr.CorruptMessage) {
		s.corrupt++
	}
	if err != nil {
		if ctx.Err() == nil {
			k.health.note("looking at a partition that stands still fails", "topic", p.id.topic, "partition", p.id.partition, "offset", s.head, "error", err)
		}
		return
	}
	switch {
	case found.bad != nil:
		l.step(p, s.head, found)
	case found.past.Offset > s.head:
		l.pass(p, s.head, found.past)
	}
}

// unmoved runs f, between two polls, if the partition is still there and stands at head with nothing in flight.
func (l *lookout) unmoved(p *partition, head int64, f func()) {
	k := l.source
	k.betweenPolls(func() {
		k.mu.Lock()
		same := k.partitions[p.id] == p && !k.closing
		k.mu.Unlock()
		if same && !p.gone.Load() && p.next == head && p.inFlight.Load() == 0 {
			f()
		}
	})
}

// step puts a point that fails in place of what cannot be read.
func (l *lookout) step(p *partition, head int64, found finding) {
	k := l.source
	l.unmoved(p, head, func() {
		k.stepOver(p, *found.bad, found.records)
		k.health.note("records cannot be read and are stepped over", "topic", p.id.topic, "partition", p.id.partition,
			"from", found.bad.start, "to", found.bad.end.Offset-1, "records", found.records, "error", found.bad.bad)
	})
	k.attention()
}

// pass moves a partition over what a reader gets nothing of, as the client has done.
func (l *lookout) pass(p *partition, head int64, to watermark.Position) {
	l.unmoved(p, head, func() {
		p.next = to.Offset
		p.tracker.Add(to, 0, l.source.env.Now().UnixNano()).Done()
	})
}

// defuse steps over a batch of records that unpacks to more than the bound. The client has stopped in front of it.
func (l *lookout) defuse(ctx context.Context, pr *prober, tp topicPartition, bomb *kgo.ErrDecompressTooLarge) {
	k := l.source
	k.mu.Lock()
	p := k.partitions[tp]
	k.mu.Unlock()
	if p == nil {
		return
	}
	var raw []byte
	records := bomb.NextOffset - bomb.Offset
	if got, err := pr.fetch(ctx, tp, bomb.Offset); err == nil {
		if h, err := readFront(got.data); err == nil && h.first == bomb.Offset {
			raw = got.data[:min(h.length, int64(len(got.data)))]
		}
	}
	found := unreadable(tp, bomb.Offset, bomb.NextOffset, bomb.Epoch, raw, bomb, records)
	k.betweenPolls(func() {
		k.mu.Lock()
		same := k.partitions[tp] == p && !k.closing
		k.mu.Unlock()
		if !same || p.gone.Load() || p.next >= bomb.NextOffset {
			return
		}
		k.stepOver(p, *found.bad, found.records)
		k.health.note("records cannot be read and are stepped over", "topic", tp.topic, "partition", tp.partition,
			"from", bomb.Offset, "to", bomb.NextOffset-1, "records", found.records, "error", bomb)
	})
	k.attention()
}

package sources

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine/watermark"
)

const (
	// hopeless is for how long every sink of a partition must have been backing off before nobody waits for it any
	// more: a single attempt that failed is often mended by the next.
	hopeless = time.Second
	// hopeLook is how often that is looked at.
	hopeLook = 100 * time.Millisecond
)

// revoked is called by the client when partitions go to others, and when the group is left. What is in flight
// gets a while to finish; what is then not done the new owner reads again. What is done after that is late:
// it is counted and moves nothing. If it were committed, it would set the group back behind the commits of
// the new owner.
func (k *kafka) revoked(ctx context.Context, _ *kgo.Client, lost map[string][]int32) {
	ps, closing := k.detach(lost)
	if len(ps) == 0 {
		return
	}
	if !closing {
		k.commits.rebalance.begin()
		k.drain(ctx, ps)
	}
	k.commits.mu.Lock()
	defer k.commits.mu.Unlock()
	last := map[*partition]watermark.Position{}
	for _, p := range ps {
		last[p] = p.tracker.Revoke()
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if err := k.commitPositions(ctx, last); err != nil {
		k.health.note("committing the offsets of revoked partitions fails: their messages will be read again", "error", err)
	}
}

// drain waits until what is in flight of ps is done, at most min(10 s, a third of the rebalance timeout). It gives up the partitions
// of a port whose sinks all back off: the others of the group would wait for nothing.
func (k *kafka) drain(ctx context.Context, ps []*partition) {
	ctx, cancel := context.WithTimeout(ctx, min(10*time.Second, k.config.RebalanceWait/3))
	defer cancel()
	hope := map[*kafkaPort]context.Context{}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, p := range ps {
		if hope[p.port] == nil {
			of, lose := context.WithCancel(ctx)
			defer lose() // before the wait: deferred later
			hope[p.port] = of
			wg.Go(func() { k.watchHope(of, lose, p.port) })
		}
	}
	for _, p := range ps {
		if p.tracker.Wait(hope[p.port]) != nil && ctx.Err() != nil {
			return
		}
	}
}

// watchHope calls lose when all sinks behind a port have been backing off for a while. It ends with ctx.
func (k *kafka) watchHope(ctx context.Context, lose context.CancelFunc, o *kafkaPort) {
	look := time.NewTicker(hopeLook)
	defer look.Stop()
	var since time.Time
	for {
		switch {
		case !k.env.Stalled(o.stream.name):
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= hopeless:
			lose()
			k.health.note("partitions go to another member with messages that are not delivered, because no sink takes any: it reads them again")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// lost is called by the client when the group has expelled the member: others may have committed already.
func (k *kafka) lost(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	ps, closing := k.detach(lost)
	if len(ps) > 0 && !closing {
		k.commits.rebalance.begin()
	}
	k.commits.mu.Lock()
	defer k.commits.mu.Unlock()
	for _, p := range ps {
		p.tracker.Revoke()
	}
}

// settled is called by the client once the group has shared out its partitions, before it asks for the offsets of those that were added.
func (k *kafka) settled(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	k.counter.rebalances.Add(1)
	if len(added) == 0 {
		k.rebalanced()
	}
}

// rebalanced counts the time from giving partitions up to having those that the group then gave.
func (k *kafka) rebalanced() {
	if took := k.commits.rebalance.end(); took > 0 {
		k.env.Counter("kafka_rebalance_milliseconds", "").Add(max(1, took.Milliseconds()))
	}
}

// stopwatch measures from the first begin to the next end. An end without a begin is 0.
type stopwatch struct {
	mu    sync.Mutex
	began time.Time
}

func (w *stopwatch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began.IsZero() {
		w.began = time.Now()
	}
}

func (w *stopwatch) end() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began.IsZero() {
		return 0
	}
	took := time.Since(w.began)
	w.began = time.Time{}
	return took
}

// detach takes partitions away from the poll loop, the ports and the committer.
func (k *kafka) detach(lost map[string][]int32) (ps []*partition, closing bool) {
	if len(lost) == 0 {
		return nil, false
	}
	k.betweenPolls(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		closing = k.closing
		for topic, ids := range lost {
			for _, id := range ids {
				tp := topicPartition{topic, id}
				p := k.partitions[tp]
				if p == nil {
					continue
				}
				delete(k.partitions, tp)
				p.gone.Store(true)
				p.stop()
				if p.paused {
					k.resume([]*partition{p}, time.Now()) // a pause would outlive the assignment
				}
				ps = append(ps, p)
			}
		}
	})
	k.attention()
	return ps, closing
}

package sources

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// pair is a member A that has two partitions with messages in flight, and B, which joins.
type pair struct {
	*testing.T
	a, b  *reader
	moved int32         // the partition that B gets
	took  time.Duration // from its start until B reads it
	gap   time.Duration // the longest that A had nothing from the other one while that went on
}

// share lets B join A, which has emitted messages of both partitions that are not done, and produces to both until B reads one.
func share(t *testing.T, prepare func(a *reader)) *pair {
	k := startKafka(t, map[string]int32{"logs": 2})
	change := func(c *kafkaConfig) {
		oneStream("logs", "logging")(c)
		c.SessionTimeout, c.RebalanceWait = 3*time.Second, 9*time.Second // 3 s to finish what is in flight
	}
	p := &pair{T: t, a: newReader(t, k, change), b: newReader(t, k, change)}
	p.a.hold = true
	prepare(p.a)
	p.a.start()
	for n := range int32(2) {
		produce(t, k, "logs", n, "first")
	}
	eventually(t, "a member with two partitions", func() bool {
		info := k.Cluster().GroupInfo("g")
		return info != nil && info.State == "Stable" && len(info.Members) == 1 && info.Members[0].NumAssigned() == 2
	})
	if len(p.a.blocked) == 0 {
		p.a.await("logs/0", 1)
		p.a.await("logs/1", 1)
	}
	began := time.Now()
	p.b.start()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	counts, last, gaps := [2]int{}, [2]time.Time{began, began}, [2]time.Duration{}
	for p.b.count("logs/0")+p.b.count("logs/1") == 0 {
		if <-tick.C; time.Since(began) > 20*time.Second {
			t.Fatal("B gets nothing")
		}
		for n := range 2 {
			produce(t, k, "logs", int32(n), "more")
			if c := p.a.count(fmt.Sprintf("logs/%d", n)); c > counts[n] {
				counts[n], last[n] = c, time.Now()
			}
			gaps[n] = max(gaps[n], time.Since(last[n]))
		}
	}
	p.took = time.Since(began)
	if p.b.count("logs/1") > 0 {
		p.moved = 1
	}
	p.gap = gaps[1-p.moved]
	return p
}

func (p *pair) stop() {
	p.a.finishHeld()
	p.a.stop()
	p.b.stop()
}

// TestKafkaUntouched: while A waits for what is in flight of the partition that it gives up, the other one is read as ever. The time that the rebalance took is counted.
func TestKafkaUntouched(t *testing.T) {
	t.Parallel()
	p := share(t, func(*reader) {})
	if p.took < 3*time.Second {
		t.Errorf("B reads after %v: A has not waited for what is in flight", p.took)
	}
	if p.gap > time.Second {
		t.Errorf("A got nothing of the other partition for %v", p.gap)
	}
	if ms := p.a.counts.get("kafka_rebalance_milliseconds"); ms < 3000 || ms > p.took.Milliseconds()+1000 {
		t.Errorf("%d ms of rebalances are counted, B joined and read within %v", ms, p.took)
	}
	if n := p.a.counts.get("kafka_rebalances"); n < 2 {
		t.Errorf("%d rebalances are counted", n)
	}
	p.stop()
}

// TestKafkaHopeless: where all sinks back off nobody waits for them.
func TestKafkaHopeless(t *testing.T) {
	t.Parallel()
	asked := atomic.Pointer[string]{}
	p := share(t, func(a *reader) {
		a.source.env.Stalled = func(port string) bool {
			asked.Store(&port)
			return true
		}
	})
	if p.took > 3*time.Second {
		t.Errorf("B reads after %v, though A had nothing to hope for", p.took)
	}
	if port := asked.Load(); port == nil || *port != "" {
		t.Errorf("asked about port %v", port)
	}
	p.stop()
	if n := p.a.counts.get("kafka_late_acks"); n == 0 {
		t.Error("what was given up and is done after all is not counted as late")
	}
}

// TestKafkaGlitch: sinks that back off for a moment are waited for.
func TestKafkaGlitch(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	p := share(t, func(a *reader) { a.source.env.Stalled = func(string) bool { return n.Add(1)%5 != 0 } })
	if p.took < 3*time.Second {
		t.Errorf("B reads after %v: A has not waited for what is in flight", p.took)
	}
	p.stop()
}

// TestKafkaRevokeBlocked: what is not accepted when its partition goes away is nobody's to wait for.
func TestKafkaRevokeBlocked(t *testing.T) {
	t.Parallel()
	p := share(t, func(a *reader) { a.blocked[""] = true })
	if p.took > 3*time.Second {
		t.Errorf("B reads after %v, though nothing was in flight", p.took)
	}
	close(p.a.unblock)
	p.stop()
	if n := p.a.counts.get("kafka_late_acks"); n != 0 {
		t.Errorf("%d messages are late", n)
	}
}

// TestKafkaDrainTime: the time for what is in flight is a third of the rebalance timeout, at most 10 s, for all partitions together; those of a port that has no hope do
// not take it from the others.
func TestKafkaDrainTime(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"a": 2, "b": 1})
	r := newReader(t, k, func(c *kafkaConfig) {
		c.RebalanceWait = 6 * time.Second
		c.Streams = map[string]kafkaStream{"a": {Topics: []string{"a"}, Category: "logging"}, "b": {Topics: []string{"b"}, Category: "logging"}}
	})
	r.source.env.Stalled = func(port string) bool { return port == "a" }
	r.hold = true
	r.start()
	for p := range int32(2) {
		produce(t, k, "a", p, "x")
	}
	produce(t, k, "b", 0, "x")
	for _, key := range []string{"a/0", "a/1", "b/0"} {
		r.await(key, 1)
	}
	var ps []*partition
	r.source.mu.Lock()
	for _, p := range r.source.partitions {
		ps = append(ps, p)
	}
	r.source.mu.Unlock()
	began := time.Now()
	r.source.drain(t.Context(), ps)
	if took := time.Since(began); took < 2*time.Second || took > 3*time.Second {
		t.Errorf("waited %v for three partitions, want 2 s", took)
	}
	began = time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.source.drain(ctx, ps)
	if took := time.Since(began); took > time.Second {
		t.Errorf("waited %v though the client ends", took)
	}
	r.finishHeld()
	began = time.Now()
	r.source.drain(t.Context(), ps)
	if took := time.Since(began); took > time.Second {
		t.Errorf("waited %v though nothing is in flight", took)
	}
	r.stop()
}

// TestKafkaBehind: the age of the oldest message that is not done is told by its own time.
func TestKafkaBehind(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	produce(t, k, "logs", 0, "x")
	r := newReader(t, k, oneStream("logs", "logging"))
	r.hold = true
	now := atomic.Int64{}
	now.Store(time.Now().UnixNano())
	r.source.env.Now = func() time.Time { return time.Unix(0, now.Load()) }
	r.start()
	r.await("logs/0", 1)
	now.Add(int64(time.Hour))
	if got := r.source.Behind(); got < time.Hour-time.Minute || got > time.Hour+time.Minute {
		t.Errorf("behind by %v, want an hour", got)
	}
	lag := int64(0)
	r.source.Lag(func(_ string, _ int32, n int64) { lag += n })
	if lag != 1 {
		t.Errorf("%d messages behind", lag)
	}
	r.finishHeld()
	eventually(t, "nothing behind", func() bool { return r.source.Behind() == 0 })
	r.stop()
}

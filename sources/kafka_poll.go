package sources

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// patience is how long polling waits for partitions that are full before it pauses them and goes on for
	// the others. Pausing throws away what the client has buffered of them, which is then fetched again: where
	// all compete for the processor that would only cost more of it.
	patience = 250 * time.Millisecond
	// errorPause paces a poll loop that gets nothing but errors.
	errorPause = 250 * time.Millisecond
)

// pollLoop polls until ctx ends. It never waits for a port while partitions of another have room.
func (k *kafka) pollLoop(ctx context.Context) {
	var stalled time.Time // since when polling has been waiting for full partitions
	for ctx.Err() == nil {
		switch wait := k.survey(&stalled); {
		case wait < 0:
			k.sleep(ctx, 0)
		case wait > 0:
			k.sleep(ctx, wait)
		default:
			if failed := k.poll(ctx); failed {
				k.sleep(ctx, errorPause)
			}
		}
	}
}

// sleep waits until there is room again, for ever if d is 0.
func (k *kafka) sleep(ctx context.Context, d time.Duration) {
	var timeout <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-k.wake:
	case <-timeout:
	case <-ctx.Done():
	}
}

// survey looks at what is full, pauses and resumes, and returns 0 to poll now, a duration to look again after,
// and -1 to wait for room.
func (k *kafka) survey(stalled *time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	full, impatient := 0, 0
	var wait, resume []*partition
	for _, p := range k.partitions {
		switch blocked := p.blocked(); {
		case blocked:
			full++
			if !p.paused {
				wait = append(wait, p)
				if p.slow {
					impatient++
				}
			}
		case p.paused:
			resume = append(resume, p)
		}
	}
	if full > 0 && full == len(k.partitions) {
		*stalled = time.Time{}
		return -1
	}
	now := time.Now()
	if len(wait) == 0 {
		*stalled = time.Time{}
		k.resume(resume, now)
		return 0
	}
	if impatient < len(wait) {
		if stalled.IsZero() {
			*stalled = now
		}
		if left := patience - now.Sub(*stalled); left > 0 {
			return left
		}
	}
	*stalled = time.Time{}
	k.resume(resume, now)
	k.pause(wait, now)
	return 0
}

func (k *kafka) pause(ps []*partition, now time.Time) {
	if len(ps) == 0 {
		return
	}
	for _, p := range ps {
		p.paused, p.slow, p.since = true, true, now.UnixNano()
	}
	k.client.PauseFetchPartitions(named(ps))
	k.pausing.Store(true)
}

func (k *kafka) resume(ps []*partition, now time.Time) {
	if len(ps) == 0 {
		return
	}
	for _, p := range ps {
		p.paused = false
		p.slow = now.UnixNano()-p.since > int64(patience)
	}
	k.client.ResumeFetchPartitions(named(ps))
	left := false
	for _, p := range k.partitions {
		left = left || p.paused
	}
	k.pausing.Store(left)
}

func named(ps []*partition) map[string][]int32 {
	out := map[string][]int32{}
	for _, p := range ps {
		out[p.id.topic] = append(out[p.id.topic], p.id.partition)
	}
	return out
}

// poll waits for records and hands them to the ports. It reports whether there were only errors.
func (k *kafka) poll(run context.Context) (failed bool) {
	k.gate <- struct{}{}
	defer func() { <-k.gate }()
	ctx, cancel := context.WithCancel(run)
	defer cancel()
	k.mu.Lock()
	k.cancelPoll = cancel
	if k.claims > 0 {
		cancel()
	}
	k.mu.Unlock()
	fetches := k.client.PollFetches(ctx)
	records, errs := 0, 0
	for i := range fetches {
		for j := range fetches[i].Topics {
			t := &fetches[i].Topics[j]
			for n := range t.Partitions {
				fp := &t.Partitions[n]
				records += len(fp.Records)
				if len(fp.Records) > 0 || fp.Err == nil {
					k.dispatch(t.Topic, fp)
				}
				if fp.Err != nil && !errors.Is(fp.Err, context.Canceled) {
					errs++
					k.fetchError(run, t.Topic, fp.Partition, fp.Err) // of what follows the records
				}
			}
		}
	}
	return records == 0 && errs > 0
}

// dispatch hands the records of a partition to its port.
func (k *kafka) dispatch(topic string, fp *kgo.FetchPartition) {
	k.mu.Lock()
	p := k.partitions[topicPartition{topic, fp.Partition}]
	k.mu.Unlock()
	if p == nil {
		return // taken away in between: its new owner reads them
	}
	p.high.Store(fp.HighWatermark)
	if len(fp.Records) == 0 {
		return
	}
	first, last := fp.Records[0].Offset, fp.Records[len(fp.Records)-1].Offset
	switch {
	case first > p.next && fp.LogStartOffset > p.next:
		lost := min(first, fp.LogStartOffset) - p.next
		k.counter.retention.Add(lost)
		k.counter.resetStart.Add(1)
		k.health.note("messages were deleted before they were read", "topic", topic, "partition", fp.Partition, "lost", lost)
	case first < p.next:
		k.counter.resetStart.Add(1)
		k.health.note("reading goes on further back", "topic", topic, "partition", fp.Partition, "from", first, "expected", p.next)
	}
	p.next = last + 1
	p.port.push(chunk{partition: p, records: fp.Records})
}

// betweenPolls runs f while no poll is in progress and no polled records are on their way to the ports. A poll
// that waits is interrupted. Otherwise this could happen: a poll takes records 100 to 200, the partition is
// taken away, given back at the committed 50, the records 100 to 200 enter the new watermark first, are done
// and committed, and a crash before 50 to 99 are done loses those.
func (k *kafka) betweenPolls(f func()) {
	k.mu.Lock()
	k.claims++
	if k.cancelPoll != nil {
		k.cancelPoll()
	}
	k.mu.Unlock()
	k.gate <- struct{}{}
	f()
	<-k.gate
	k.mu.Lock()
	k.claims--
	k.mu.Unlock()
}

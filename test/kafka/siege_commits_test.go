package kafka

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commits watches the offsets of a group, ten times a second.
type commits struct {
	end  context.CancelFunc
	done chan struct{}

	mu            sync.Mutex
	polls, failed int
	stale         int // answers of less than what was answered before
	last          map[int32]int64
}

func watchCommits(t *testing.T, c *Cluster, group, topic string) *commits {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &commits{end: cancel, done: make(chan struct{}), last: map[int32]int64{}}
	t.Cleanup(cancel)
	go func() {
		defer close(w.done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.poll(ctx, c, group, topic)
			case <-ctx.Done():
				return
			}
		}
	}()
	return w
}

func (w *commits) poll(ctx context.Context, c *Cluster, group, topic string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	resp, err := c.Committed(ctx, group)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.polls++
	if err != nil {
		w.failed++
		return
	}
	for partition, offset := range resp[topic] {
		switch before, known := w.last[partition]; {
		case known && offset < before:
			w.stale++ // the log of the commits says whether one went back: a broker that was held may tell what it knew before
		case !known || offset > before:
			w.last[partition] = offset
		}
	}
}

// some reports whether a commit behind the start was seen.
func (w *commits) some() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, offset := range w.last {
		if offset > 0 {
			return true
		}
	}
	return false
}

// stop ends the watch.
func (w *commits) stop() {
	w.end()
	<-w.done
}

// String says what was seen.
func (w *commits) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("committed offsets asked for %d times, %d without an answer, %d answers went back", w.polls, w.failed, w.stale)
}

// commitLog is what the brokers keep of the commits of a group.
type commitLog struct {
	commits, back   int
	paused, longest time.Duration // in which nothing was committed, where it was more than a second: all of it, and the longest
}

// readCommits reads every commit of a group from the topic in which the brokers keep them.
func readCommits(t *testing.T, c *Cluster, group string) (log commitLog) {
	t.Helper()
	const topic = "__consumer_offsets"
	client := clientOf(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	left, err := endsOf(t.Context(), client, topic)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last := map[string]int64{}
	var moved int64 // when the last commit was made, in milliseconds
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("reading the commits: %v, partitions %v are not read to the end", err, left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			var key kmsg.OffsetCommitKey
			var value kmsg.OffsetCommitValue
			if len(r.Key) < 2 || r.Key[0] != 0 || r.Key[1] > 1 || key.ReadFrom(r.Key) != nil || key.Group != group || r.Value == nil {
				return // of the members of a group, or an offset that is given up
			}
			if err := value.ReadFrom(r.Value); err != nil {
				t.Errorf("reading a commit: %v", err)
				return
			}
			at := fmt.Sprintf("%s %d", key.Topic, key.Partition)
			if before, ok := last[at]; ok && value.Offset < before {
				log.back++
				t.Logf("the offset of %s went from %d back to %d", at, before, value.Offset)
			}
			last[at] = value.Offset
			log.commits++
			if gap := time.Duration(value.CommitTimestamp-moved) * time.Millisecond; moved > 0 {
				log.longest = max(log.longest, gap)
				if gap > time.Second {
					log.paused += gap
				}
			}
			moved = max(moved, value.CommitTimestamp)
		})
	}
	return log
}

// endsOf returns the ends of the partitions of a topic that are not empty.
func endsOf(ctx context.Context, client *kgo.Client, topic string) (map[int32]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	const offsetsPartitions = 10 // as the configuration says
	for i := range int32(offsetsPartitions) {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = i, -1 // the end
		rt.Partitions = append(rt.Partitions, p)
	}
	req.Topics = append(req.Topics, rt)
	out := map[int32]int64{}
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, fmt.Errorf("asking for the ends of %s: %w", topic, shard.Err)
		}
		resp, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if !ok {
			return nil, fmt.Errorf("asking for the ends of %s: the answer is %T", topic, shard.Resp)
		}
		for _, rt := range resp.Topics {
			for _, p := range rt.Partitions {
				if p.Offset > 0 {
					out[p.Partition] = p.Offset
				}
			}
		}
	}
	return out, nil
}

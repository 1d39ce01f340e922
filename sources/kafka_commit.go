package sources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine/watermark"
)

const (
	commitMessages = 50_000 // that are done bring the next commit forward
	commitTimeout  = 5 * time.Second
)

// committer commits positions on a timer, and earlier when much is done.
type committer struct {
	// mu is held from reading the positions until they are committed, so that a revoke, which takes it too,
	// comes either before or after.
	mu sync.Mutex

	rebalance stopwatch

	done atomic.Int64 // messages since the last commit
	many chan struct{}
	end  context.CancelFunc
	wg   sync.WaitGroup
}

func (c *committer) init() { c.many = make(chan struct{}, 1) }

// count notes messages that are done.
func (c *committer) count(messages int) {
	n := c.done.Add(int64(messages))
	if n >= commitMessages && n-int64(messages) < commitMessages {
		select {
		case c.many <- struct{}{}:
		default:
		}
	}
}

// start commits until ctx ends or stop is called.
func (c *committer) start(k *kafka, ctx context.Context) {
	ctx, c.end = context.WithCancel(ctx)
	c.wg.Go(func() {
		for {
			// A tenth of jitter keeps the members of a group from committing in step.
			interval := k.config.CommitInterval
			if tenth := uint64(interval / 10); tenth > 0 && k.env.Rand != nil {
				interval += time.Duration(k.env.Rand()%(2*tenth)) - time.Duration(tenth)
			}
			timer := time.NewTimer(interval)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			case <-c.many:
				timer.Stop()
			}
			c.done.Store(0)
			commit, cancel := context.WithTimeout(ctx, commitTimeout)
			if err := k.commitAll(commit); err != nil && ctx.Err() == nil {
				k.health.note("committing offsets fails", "error", err)
			}
			cancel()
		}
	})
}

// stop ends the goroutine.
func (c *committer) stop() {
	c.end()
	c.wg.Wait()
}

// commitAll commits the position of every partition whose position has changed.
func (k *kafka) commitAll(ctx context.Context) error {
	k.commits.mu.Lock()
	defer k.commits.mu.Unlock()
	at := map[*partition]watermark.Position{}
	k.mu.Lock()
	for _, p := range k.partitions {
		at[p] = p.tracker.Head()
	}
	k.mu.Unlock()
	return k.commitPositions(ctx, at)
}

// commitPositions commits those positions that are not. The committer's mutex is held.
func (k *kafka) commitPositions(ctx context.Context, at map[*partition]watermark.Position) error {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for p, pos := range at {
		if pos == p.committed {
			delete(at, p)
			continue
		}
		if offsets[p.id.topic] == nil {
			offsets[p.id.topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.id.topic][p.id.partition] = kgo.EpochOffset{Offset: pos.Offset, Epoch: pos.Epoch}
	}
	if len(offsets) == 0 {
		return nil
	}
	if err := k.commit(ctx, offsets); err != nil {
		return err
	}
	for p, pos := range at {
		p.committed = pos
	}
	return nil
}

// joinPatience is how long a source that closes waits for the client, which does nothing else while it joins the group anew. That takes as
// long as the slowest member, or a dead one: at most the rebalance timeout, which is more than there is.
const joinPatience = 300 * time.Millisecond

// What has become of a commit that was handed to the client.
const (
	commitWaits int32 = iota
	commitSent
	commitTakenBack
)

// commit commits offsets and waits for the answer. An error means that not all of them are committed.
func (k *kafka) commit(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset) error {
	byClient, cancel := context.WithCancel(ctx)
	defer cancel()
	var state atomic.Int32
	if k.closes() {
		patience := time.AfterFunc(joinPatience, func() {
			// Only one that is not on its way: else the broker could deal with it after the next.
			if state.CompareAndSwap(commitWaits, commitTakenBack) {
				cancel()
			}
		})
		defer patience.Stop()
	}
	noted := kgo.PreCommitFnContext(byClient, func(req *kmsg.OffsetCommitRequest) error {
		if !state.CompareAndSwap(commitWaits, commitSent) {
			return context.Canceled
		}
		k.note(req)
		return nil
	})
	var failed error
	k.client.CommitOffsetsSync(noted, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		failed = refusedCommit(resp, err)
	})
	switch {
	case state.Load() == commitTakenBack && ctx.Err() == nil:
		return k.commitJoining(ctx, offsets)
	case state.Load() == commitWaits && failed != nil:
		return fmt.Errorf("the group is still rebalancing: %w", failed)
	}
	return failed
}

func (k *kafka) closes() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closing
}

// commitJoining commits past the client, which waits for the other members. Until all of them have joined, the broker takes
// commits of the generation that was; afterwards it refuses them. A partition whose offset is committed here is still ours: those
// that go to others are taken away before the client joins, or are nobody's in the generation that it joins. It is for the last
// commit of a source that closes: not every broker keeps a member that commits while it waits to join.
func (k *kafka) commitJoining(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset) error {
	ids := k.topicIDs(ctx, slices.Sorted(maps.Keys(offsets))) // newer commits have no names
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = k.config.Group
	req.MemberID, req.Generation = k.client.GroupMetadata()
	if k.config.InstanceID != "" {
		req.InstanceID = &k.config.InstanceID
	}
	for topic, ps := range offsets {
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID = topic, ids[topic]
		for id, at := range ps {
			rp := kmsg.NewOffsetCommitRequestTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch = id, at.Offset, at.Epoch
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
	}
	k.note(req)
	return refusedCommit(req.RequestWith(ctx, k.client))
}

// note writes into a commit how many partitions the topics had.
func (k *kafka) note(req *kmsg.OffsetCommitRequest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range req.Topics {
		t := &req.Topics[i]
		note := noteOf(k.counts[t.Topic])
		for j := range t.Partitions {
			t.Partitions[j].Metadata = &note
		}
	}
}

// refusedCommit returns why a commit was refused, in whole or in part.
func refusedCommit(resp *kmsg.OffsetCommitResponse, err error) error {
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				errs = append(errs, fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err))
			}
		}
	}
	return errors.Join(errs...)
}

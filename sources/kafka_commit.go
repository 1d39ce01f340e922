package sources

import (
	"context"
	"errors"
	"fmt"
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

// commit commits offsets and waits for the answer. An error means that not all of them are committed.
func (k *kafka) commit(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset) error {
	noted := kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		for i := range req.Topics {
			t := &req.Topics[i]
			note := noteOf(k.counts[t.Topic])
			for j := range t.Partitions {
				t.Partitions[j].Metadata = &note
			}
		}
		return nil
	})
	var failed error
	k.client.CommitOffsetsSync(noted, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			failed = err
			return
		}
		var errs []error
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					errs = append(errs, fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err))
				}
			}
		}
		failed = errors.Join(errs...)
	})
	return failed
}

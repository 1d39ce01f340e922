package sources

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
	"dataflow/engine/watermark"
)

// fetchError deals with an error of a poll. None ends the source.
func (k *kafka) fetchError(topic string, partition int32, err error) {
	var (
		loss     *kgo.ErrDataLoss
		tooLarge *kgo.ErrDecompressTooLarge
	)
	switch {
	case errors.Is(err, kgo.ErrClientClosed), errors.Is(err, context.Canceled):
	case errors.As(err, &loss):
		k.counter.truncated.Add(max(0, loss.ConsumedTo-loss.ResetTo))
		k.health.note("the broker has lost messages", "topic", topic, "partition", partition, "error", err)
	case errors.As(err, &tooLarge):
		k.stepOver(topic, partition, tooLarge, err)
	default:
		k.health.bad("fetching from Kafka fails", fmt.Errorf("%s/%d: %w", topic, partition, err))
	}
}

// stepOver puts a point that fails in place of a batch of records that cannot be unpacked, and goes on behind
// it. It is called by the poll loop, under the gate.
func (k *kafka) stepOver(topic string, partition int32, at *kgo.ErrDecompressTooLarge, err error) {
	k.counter.skipped.Add(1)
	k.mu.Lock()
	p := k.partitions[topicPartition{topic, partition}]
	k.mu.Unlock()
	if p == nil {
		return
	}
	k.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {partition: {Offset: at.NextOffset, Epoch: at.Epoch}}})
	p.next = at.NextOffset
	p.port.push(chunk{partition: p, bad: err, start: at.Offset, end: watermark.Position{Offset: at.NextOffset, Epoch: at.Epoch}})
}

// emitBad emits the point that stands for records that cannot be read. Its verdict goes with it.
func (o *kafkaPort) emitBad(ctx context.Context, c *chunk, emit engine.Emit) error {
	p := c.partition
	defer o.leave(1)
	if p.gone.Load() || ctx.Err() != nil {
		return nil
	}
	now := o.source.env.Now().UnixNano()
	b := engine.Reserve(1, fieldsPerPoint)
	b.Origin, b.Port, b.Read = p.origin, o.stream.name, now
	b.Records = append(b.Records, engine.Record{Origin: p.origin, Offset: c.start})
	p.shape.build(b, now)
	b.Fail(0, c.bad)
	err := o.offer(p, b, messageBytes, 1, c.end, emit)
	if err != nil && !p.gone.Load() && ctx.Err() == nil {
		return fmt.Errorf("emitting messages of %s/%d: %w", p.id.topic, p.id.partition, err)
	}
	return nil
}

package sources

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine"
	"dataflow/engine/point"
	"dataflow/engine/watermark"
)

// damagedPolls is how often a partition fails at one place before its record batches are looked at one by one.
const damagedPolls = 3

// fetchError deals with an error of a poll. None ends the source.
func (k *kafka) fetchError(ctx context.Context, topic string, partition int32, err error) {
	var (
		loss     *kgo.ErrDataLoss
		tooLarge *kgo.ErrDecompressTooLarge
		answer   *kerr.Error
		session  *kgo.ErrGroupSession
	)
	switch {
	case errors.Is(err, kgo.ErrClientClosed), errors.Is(err, context.Canceled):
		return
	case errors.As(err, &loss):
		k.counter.truncated.Add(max(0, loss.ConsumedTo-loss.ResetTo))
		k.health.note("the broker has lost messages", "topic", topic, "partition", partition, "error", err)
		return
	}
	k.mu.Lock()
	p := k.partitions[topicPartition{topic, partition}]
	k.mu.Unlock()
	if errors.As(err, &tooLarge) && p != nil {
		k.stepOver(p, chunk{bad: err, start: tooLarge.Offset, end: watermark.Position{Offset: tooLarge.NextOffset, Epoch: tooLarge.Epoch}})
		return
	}
	if !errors.As(err, &session) { // what keeps the member out is said by the hooks
		k.health.bad("fetching from Kafka fails", fmt.Errorf("%s/%d: %w", topic, partition, err))
	}
	if p == nil || errors.As(err, &answer) || errors.As(err, &session) {
		return
	}
	// What is left is a batch of records that cannot be read, a wrong checksum for one. It never goes away by
	// itself: the client fetches it again and again.
	if p.damagedAt != p.next {
		p.damagedAt, p.damaged = p.next, 0
	}
	if p.damaged++; p.damaged < damagedPolls {
		return
	}
	p.damaged = 0
	bad, lookErr := k.findDamage(ctx, p)
	if lookErr != nil {
		k.health.note("looking for a damaged batch of records fails", "topic", topic, "partition", partition, "error", lookErr)
		return
	}
	bad.bad = fmt.Errorf("reading %s/%d from offset %d to %d: %w", topic, partition, bad.start, bad.end.Offset-1, err)
	k.stepOver(p, bad)
}

// stepOver puts a point that fails in place of a batch of records that cannot be read, and goes on behind it.
// It is called by the poll loop, under the gate.
func (k *kafka) stepOver(p *partition, c chunk) {
	k.counter.skipped.Add(1)
	k.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.id.topic: {p.id.partition: {Offset: c.end.Offset, Epoch: c.end.Epoch}}})
	p.next = c.end.Offset
	c.partition = p
	p.port.push(c)
}

// emitBad emits the point that stands for records that cannot be read. Its verdict goes with it.
func (o *kafkaPort) emitBad(ctx context.Context, c *chunk, emit engine.Emit) error {
	p := c.partition
	defer o.leave(1)
	if p.gone.Load() || ctx.Err() != nil {
		return nil
	}
	b := engine.Reserve(1, fieldsPerPoint)
	b.Origin, b.Port, b.Read = p.origin, o.stream.name, o.source.env.Now().UnixNano()
	b.Records = append(b.Records, engine.Record{Origin: p.origin, Offset: c.start, Value: c.raw})
	p.shape.build(b, b.Read)
	b.Points[0].Fields[p.shape.message].Value = point.Bytes(c.raw)
	b.Fail(0, c.bad)
	err := o.offer(p, b, messageBytes+len(c.raw), 1, c.end, emit)
	if err != nil && !p.gone.Load() && ctx.Err() == nil {
		return fmt.Errorf("emitting messages of %s/%d: %w", p.id.topic, p.id.partition, err)
	}
	return nil
}

// findDamage fetches where the partition stands and returns the first batch of records whose checksum is wrong.
func (k *kafka) findDamage(ctx context.Context, p *partition) (chunk, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	broker, topicID, err := k.leader(ctx, p.id)
	if err != nil {
		return chunk{}, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.MaxWaitMillis, req.SessionEpoch = fetchBytes, 1, 500, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = p.id.topic, topicID
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = p.id.partition, p.next, fetchPartitionBytes
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	answer, err := k.client.Broker(int(broker)).RetriableRequest(ctx, req)
	if err != nil {
		return chunk{}, err
	}
	resp, ok := answer.(*kmsg.FetchResponse)
	if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return chunk{}, errors.New("the answer is not about the partition")
	}
	got := &resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return chunk{}, err
	}
	return firstDamaged(got.RecordBatches, p.next)
}

func (k *kafka) leader(ctx context.Context, id topicPartition) (broker int32, topicID [16]byte, err error) {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(id.topic)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, k.client)
	if err != nil {
		return 0, topicID, err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if t.Topic != nil && *t.Topic == id.topic && p.Partition == id.partition && p.Leader >= 0 {
				return p.Leader, t.TopicID, nil
			}
		}
	}
	return 0, topicID, errors.New("the partition has no leader")
}

// Layout of a batch of records, big endian:
//
//	0 first offset (8)  8 length of what follows (4)  12 leader epoch (4)  16 version (1)  17 CRC-32C of what follows (4)
//	21 attributes (2)  23 last offset - first offset (4)  ...  57 number of records (4)  61 records
const (
	recordBatchHeader = 61
	recordBatchV2     = 2
)

// firstDamaged returns the first batch of records, from offset next on, whose checksum is wrong, as the chunk that stands for it.
func firstDamaged(data []byte, next int64) (chunk, error) {
	table := crc32.MakeTable(crc32.Castagnoli)
	for len(data) >= recordBatchHeader {
		first := int64(binary.BigEndian.Uint64(data))
		length := int64(binary.BigEndian.Uint32(data[8:])) + 12
		delta := int64(int32(binary.BigEndian.Uint32(data[23:])))
		if data[16] != recordBatchV2 || length < recordBatchHeader || length > int64(len(data)) || first < 0 || delta < 0 {
			return chunk{}, errors.New("the batch of records has a damaged header")
		}
		end := first + delta + 1
		if crc32.Checksum(data[21:length], table) != binary.BigEndian.Uint32(data[17:]) && end > next {
			epoch := int32(binary.BigEndian.Uint32(data[12:]))
			return chunk{start: max(first, next), end: watermark.Position{Offset: end, Epoch: epoch}, raw: data[:length:length]}, nil
		}
		data = data[length:]
	}
	return chunk{}, errors.New("every batch of records has the right checksum")
}

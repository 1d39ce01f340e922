package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
	"dataflow/engine/point"
	"dataflow/engine/watermark"
)

// tooLargeAnswer is what the library says of an answer above readBytes. It has no value to compare with, and does not say which partition it
// is about.
const tooLargeAnswer = "response exceeds BrokerMaxReadBytes"

// fetchError deals with an error of a poll. None ends the source. What it is about is looked at by the lookout.
func (k *kafka) fetchError(_ context.Context, topic string, partition int32, err error) {
	var (
		loss    *kgo.ErrDataLoss
		bomb    *kgo.ErrDecompressTooLarge
		answer  *kerr.Error
		session *kgo.ErrGroupSession
	)
	switch {
	case errors.Is(err, kgo.ErrClientClosed), errors.Is(err, context.Canceled):
	case errors.As(err, &loss):
		k.counter.truncated.Add(max(0, loss.ConsumedTo-loss.ResetTo))
		k.health.note("the broker has lost messages", "topic", topic, "partition", partition, "lost", max(0, loss.ConsumedTo-loss.ResetTo), "error", err)
	case errors.As(err, &bomb):
		k.health.alarms.bomb(topicPartition{topic, partition}, bomb)
	case strings.Contains(err.Error(), tooLargeAnswer):
		k.health.bad("an answer of Kafka is larger than what is read at once; the batch of records behind it is looked for", err)
		k.health.alarms.oversize(k.env.Now())
	case errors.As(err, &session): // what keeps the member out is said by the hooks
	default:
		k.health.bad("fetching from Kafka fails", fmt.Errorf("%s/%d: %w", topic, partition, err))
		switch {
		case errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition):
			k.health.alarms.topic(topic)
		case !errors.As(err, &answer):
			k.health.alarms.partition(topicPartition{topic, partition})
		}
	}
}

// stepOver puts a point that fails in place of a batch of records that cannot be read, and goes on behind it.
// It is called under the gate.
func (k *kafka) stepOver(p *partition, c chunk, records int64) {
	k.counter.skipped.Add(1)
	k.env.Counter("kafka_unreadable_records", "").Add(records)
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

// finding is what a look at a partition that stands still has shown: a chunk that stands for records that cannot be read, or a position up
// to which there is nothing to read. Neither: all is well.
type finding struct {
	bad     *chunk
	records int64 // that it stands for, as far as one knows
	past    watermark.Position
}

// examine looks at what stands at offset head of a partition. Large says that the client has met an answer that is too large, corrupt that the
// broker is believed if it cannot read its log.
func (pr *prober) examine(ctx context.Context, id topicPartition, head int64, large, corrupt bool) (finding, error) {
	got, err := pr.fetch(ctx, id, head)
	if corrupt && errors.Is(err, kerr.CorruptMessage) {
		return pr.damaged(ctx, id, head, nil, err)
	}
	if err != nil {
		return finding{}, err
	}
	if got.whole > 0 {
		if !large {
			return finding{}, nil // the client has got it, or is about to say so
		}
		cause := fmt.Errorf("a batch of records of %s is more than what is read at once, %s", engine.Size(int(got.whole)), engine.Size(readBytes))
		h, err := readFront(got.data)
		switch {
		case err == nil && h.length <= readBytes-fetchBytes:
			return finding{}, nil // the large one is behind it
		case err == nil && !h.old && h.last >= head:
			return unreadable(id, max(h.first, head), h.last+1, h.epoch, got.data, cause, int64(h.records)), nil
		}
		return pr.damaged(ctx, id, head, got.data, cause)
	}
	past := watermark.Position{Offset: head}
	for data := got.data; len(data) > 0; {
		h, err := readFront(data)
		switch {
		case err == nil && h.length <= int64(len(data)):
			err = h.check(data[:h.length])
		case past.Offset > head:
			return finding{past: past}, nil // a part of the next one, as brokers send it, or what the next look is about
		case err == nil:
			err = errDamagedHeader // the first one comes whole
		}
		if err != nil {
			if past.Offset > head {
				return finding{past: past}, nil
			}
			return pr.damaged(ctx, id, head, data, err)
		}
		batch := data[:h.length]
		data = data[h.length:]
		if h.last < past.Offset && !h.old {
			if len(data) == 0 && past.Offset == head {
				return pr.damaged(ctx, id, head, batch, errDamagedHeader) // nothing behind it: its offset is wrong
			}
			continue
		}
		if got.aborted.void(&h, batch) && (pr.source.config.Isolation != "read_uncommitted" || h.attributes&recordBatchControl != 0 || h.records == 0) {
			past = watermark.Position{Offset: h.last + 1, Epoch: h.epoch}
			continue
		}
		if past.Offset > head {
			return finding{past: past}, nil
		}
		if large {
			return finding{}, nil // it waits for another one
		}
		what, err := pr.try(ctx, id, head, h)
		switch what {
		case broken:
			if h.old {
				return pr.damaged(ctx, id, head, batch, err)
			}
			return unreadable(id, max(h.first, head), h.last+1, h.epoch, batch, err, int64(h.records)), nil
		case empty:
			return finding{past: watermark.Position{Offset: h.last + 1, Epoch: h.epoch}}, nil
		}
		return finding{}, nil
	}
	if past.Offset > head {
		return finding{past: past}, nil
	}
	return finding{}, nil
}

// unreadable returns what stands for the records from start to end. Of their bytes the first are kept.
func unreadable(id topicPartition, start, end int64, epoch int32, raw []byte, cause error, records int64) finding {
	text := fmt.Errorf("reading %s/%d from offset %d to %d: %w", id.topic, id.partition, start, end-1, cause)
	if len(raw) > probeFront {
		raw = raw[:probeFront]
	}
	bad := &chunk{bad: text, raw: bytes.Clone(raw), start: start, end: watermark.Position{Offset: end, Epoch: epoch}}
	return finding{bad: bad, records: max(1, min(records, end-start))}
}

// probesForEnd bounds the search for the end of what is damaged.
const probesForEnd = 80

// damaged finds where reading can go on behind a batch that cannot be read: where its header says, if the next one stands there, else at the
// first offset behind it for which the broker has a batch that is right.
func (pr *prober) damaged(ctx context.Context, id topicPartition, head int64, data []byte, cause error) (finding, error) {
	end, err := pr.end(ctx, id, head)
	if err != nil {
		return finding{}, err
	}
	done := func(at int64, epoch int32) (finding, error) {
		if next, err := pr.fetch(ctx, id, at); err == nil && len(next.data) >= recordBatchHeader {
			if n := bytes.Index(data, next.data[:recordBatchHeader]); n > 0 {
				data = data[:n]
			}
		}
		return unreadable(id, head, at, epoch, data, cause, at-head), nil
	}
	if h, err := readFront(data); err == nil && !h.old && h.first <= head && h.last >= head && h.last < end {
		if next, ok := pr.right(ctx, id, h.last+1, end); ok && next > h.last {
			if h.length <= int64(len(data)) {
				data = data[:h.length]
			}
			return done(h.last+1, h.epoch)
		}
	}
	low, high := head, end // low cannot be read, high can, or is the end
	for step := int64(1); head+step < end; step *= 2 {
		next, ok := pr.right(ctx, id, head+step, end)
		if ok && next > low {
			high = next
			break
		}
		low = head + step
	}
	for n := 0; high-low > 1 && n < probesForEnd; n++ {
		middle := low + (high-low)/2
		next, ok := pr.right(ctx, id, middle, end)
		switch {
		case ok && next > low && next < high:
			high = next
		case ok && next > low:
			high = middle // there is nothing between it and high
		default:
			low = middle
		}
	}
	if err := ctx.Err(); err != nil {
		return finding{}, err
	}
	return done(high, -1)
}

// end returns where a reader of a partition stands that has read all. A fetch there returns no records, whatever is damaged.
func (pr *prober) end(ctx context.Context, id topicPartition, head int64) (int64, error) {
	out := map[string]map[int32]kgo.EpochOffset{}
	if err := pr.source.listOffsets(ctx, map[string][]int32{id.topic: {id.partition}}, -1, out); err != nil {
		return 0, err
	}
	if at := out[id.topic][id.partition].Offset; at > head {
		return at, nil
	}
	return 0, errors.New("there are no records")
}

// right reports whether the broker has a batch for an offset whose header and checksum are right, or nothing more, and where that begins.
func (pr *prober) right(ctx context.Context, id topicPartition, offset, end int64) (first int64, ok bool) {
	if offset >= end {
		return end, true
	}
	got, err := pr.fetch(ctx, id, offset)
	if err != nil {
		return 0, false
	}
	if len(got.data) == 0 {
		return end, true
	}
	for data := got.data; len(data) > 0; {
		h, err := readFront(data)
		if err != nil {
			return 0, false
		}
		if h.length <= int64(len(data)) && h.check(data[:h.length]) != nil {
			return 0, false
		}
		if h.old && h.last >= offset {
			return offset, true
		}
		if h.last >= offset {
			return h.first, got.whole > 0 || h.length <= int64(len(data))
		}
		if h.length > int64(len(data)) {
			return 0, false
		}
		data = data[h.length:]
	}
	return 0, false
}

package sources

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
	"dataflow/engine/watermark"
)

// portQueue is how many messages may wait for a port before its partitions are full.
const portQueue = 8192

// kafkaPort is the queue of an output and the goroutine that empties it. What is polled is always taken; the
// poll loop looks at blocked before it polls.
type kafkaPort struct {
	source *kafka
	stream *stream

	queued atomic.Int64 // messages
	full   atomic.Bool

	mu     sync.Mutex
	chunks []chunk
	more   chan struct{}
}

// chunk is what one poll brought of one partition.
type chunk struct {
	partition *partition
	records   []*kgo.Record
	bad       error  // instead of records: why those from start to end cannot be read
	raw       []byte // their bytes, if they are known
	start     int64
	end       watermark.Position
}

func (c *chunk) messages() int {
	if c.bad != nil {
		return 1
	}
	return len(c.records)
}

func newKafkaPort(k *kafka, st *stream) *kafkaPort {
	return &kafkaPort{source: k, stream: st, more: make(chan struct{}, 1)}
}

// blocked reports whether the queue is full. Once full it is so until half of it has left.
func (o *kafkaPort) blocked() bool {
	full := o.queued.Load() >= portQueue || o.full.Load()
	o.full.Store(full)
	if full && o.queued.Load() <= portQueue/2 {
		full = false
		o.full.Store(false)
	}
	return full
}

func (o *kafkaPort) leave(messages int) {
	if n := o.queued.Add(-int64(messages)); n <= portQueue/2 && o.full.Load() {
		o.source.attention()
	}
}

// push adds a chunk. It does not block.
func (o *kafkaPort) push(c chunk) {
	n := int64(c.messages())
	c.partition.inFlight.Add(n)
	o.queued.Add(n)
	o.mu.Lock()
	o.chunks = append(o.chunks, c)
	o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// pop waits for chunks and returns all there are, in room's memory; nil when ctx has ended.
func (o *kafkaPort) pop(ctx context.Context, room []chunk) []chunk {
	for {
		o.mu.Lock()
		got := o.chunks
		o.chunks = room[:0]
		o.mu.Unlock()
		if len(got) > 0 {
			return got
		}
		room = got
		select {
		case <-o.more:
		case <-ctx.Done():
			return nil
		}
	}
}

// run emits what comes until ctx ends. Any other error is one of emit's.
func (o *kafkaPort) run(ctx context.Context, emit engine.Emit) error {
	var room []chunk
	for ctx.Err() == nil {
		chunks := o.pop(ctx, room)
		for i := range chunks {
			if err := o.emit(ctx, &chunks[i], emit); err != nil {
				return err
			}
		}
		clear(chunks)
		room = chunks
	}
	return nil
}

// emit makes batches of a chunk. What is left of a partition that was taken away is dropped: its new owner
// reads it again.
func (o *kafkaPort) emit(ctx context.Context, c *chunk, emit engine.Emit) error {
	p := c.partition
	if c.bad != nil {
		return o.emitBad(ctx, c, emit)
	}
	for records := c.records; len(records) > 0; {
		if p.gone.Load() || ctx.Err() != nil {
			o.leave(len(records))
			return nil
		}
		now := o.source.env.Now().UnixNano()
		b, n, size, end := p.take(records, now)
		err := o.offer(p, b, size, n, end, emit)
		o.leave(n)
		if err != nil {
			o.leave(len(records) - n)
			if p.gone.Load() || ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("emitting messages of %s/%d: %w", p.id.topic, p.id.partition, err)
		}
		records = records[n:]
	}
	return nil
}

// offer enters the batch in the partition's watermark and emits it. If it is not accepted the entry is taken
// back, so that nobody waits for it.
func (o *kafkaPort) offer(p *partition, b *engine.Batch, size, messages int, end watermark.Position, emit engine.Emit) error {
	entry := p.tracker.Add(end, messages, p.dated(b))
	b.Arm(size, entry.Ack())
	if err := emit(p.ctx, b); err != nil {
		entry.Withdraw()
		return err
	}
	return nil
}

package sources

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
	"dataflow/engine/point"
	"dataflow/engine/watermark"
)

// partition is a partition from its assignment until it is taken away.
type partition struct {
	id      topicPartition
	origin  *engine.Origin
	port    *kafkaPort
	tracker *watermark.Tracker
	source  *kafka
	limit   int64
	shape   shape

	inFlight atomic.Int64 // messages that wait for their port or are on their way
	high     atomic.Int64 // offset behind the last record on the broker
	newest   atomic.Int64 // time of the first record of the last batch
	full     atomic.Bool  // inFlight reached the limit and has not fallen to half of it
	gone     atomic.Bool  // taken away: nothing more is emitted

	// ctx ends when the partition is taken away, so that a batch of it that nobody accepts gives up. It is
	// derived from that of Run.
	ctx  context.Context
	stop context.CancelFunc

	// Of the poll loop, under the gate.
	next   int64 // offset behind the last record that was polled
	paused bool
	slow   bool // was paused for long: is paused at once the next time
	since  int64

	committed watermark.Position // under the committer's mutex
}

func newPartition(k *kafka, id topicPartition, epoch int32, start watermark.Position) *partition {
	topic := k.byTopic[id.topic]
	p := &partition{
		id: id, port: topic.port, source: k, limit: int64(k.config.PartitionWindow),
		origin: &engine.Origin{Node: k.env.Node, Topic: id.topic, Partition: id.partition, Epoch: epoch},
		next:   start.Offset, committed: start,
	}
	p.shape = topic.shape(id.partition)
	p.ctx, p.stop = context.WithCancel(k.offers)
	p.tracker = watermark.New(start, p.done)
	return p
}

// done is called by the tracker for every batch that is done.
func (p *partition) done(points int, late bool) {
	if late {
		p.source.late(points)
		return
	}
	p.source.commits.count(points)
	p.leave(points)
}

// leave takes messages out of the partition's window.
func (p *partition) leave(messages int) {
	if n := p.inFlight.Add(-int64(messages)); n <= p.limit/2 && p.full.Load() {
		p.source.attention()
	}
}

// blocked reports whether the partition, or its port, is full. Once full it is so until half of it has left.
func (p *partition) blocked() bool {
	full := p.inFlight.Load() >= p.limit || p.full.Load()
	p.full.Store(full)
	// Looked at again after the flag is set: what left in between saw no flag and woke nobody.
	if full && p.inFlight.Load() <= p.limit/2 {
		full = false
		p.full.Store(false)
	}
	return full || p.port.blocked()
}

// take makes a batch of the n records in front, which are not to be used any more. End is the position behind
// them, bytes what the batch holds, estimated.
func (p *partition) take(records []*kgo.Record, now int64) (b *engine.Batch, n, bytes int, end watermark.Position) {
	for values := 0; n < len(records) && n < batchMessages && values < batchBytes; n++ {
		values += len(records[n].Value)
	}
	b = engine.Reserve(n, fieldsPerPoint)
	b.Origin, b.Port, b.Read = p.origin, p.port.stream.name, now
	last := records[n-1]
	end = watermark.Position{Offset: last.Offset + 1, Epoch: last.LeaderEpoch}
	limit := p.source.env.Limits.Message
	for i, r := range records[:n] { // once over the memory: it is not in the cache a second time
		b.Records = append(b.Records, engine.Record{
			Origin: p.origin, Offset: r.Offset, Time: r.Timestamp.UnixNano(), Key: r.Key, Value: r.Value, Headers: headers(r.Headers),
		})
		size := len(r.Value)
		bytes += messageBytes + size + len(r.Key)
		r.Recycle() // back to recordPool: the batch has what it needs
		p.shape.add(b, i, now)
		if size > limit {
			b.Fail(i, fmt.Errorf("reading %s/%d: the message at offset %d has %s, limits.message is %s", p.id.topic, p.id.partition, b.Records[i].Offset, engine.Size(size), engine.Size(limit)))
		}
	}
	return b, n, bytes, end
}

func headers(hs []kgo.RecordHeader) []engine.KV {
	if len(hs) == 0 {
		return nil
	}
	out := make([]engine.KV, len(hs))
	for i, h := range hs {
		out[i] = engine.KV{Key: h.Key, Value: h.Value}
	}
	return out
}

const (
	batchMessages  = 1024    // of a batch: they fit the cache
	batchBytes     = 4 << 20 // of values, after which a batch of few large messages is cut
	fieldsPerPoint = 10      // those of a message, and room for what scripts add
	messageBytes   = 640     // heap of a point (64), its fields (48 each) and its record (96), apart from the value
)

// topicShape is what the points of a topic have in common.
type topicShape struct {
	stream *stream
	topic  string
	port   *kafkaPort
}

func newTopicShape(st *stream, topic string, port *kafkaPort) *topicShape {
	return &topicShape{stream: st, topic: topic, port: port}
}

// shape makes points of the messages of one partition. All of a point but the message, its length and its
// offset is the same for all and copied from a template.
type shape struct {
	name     string
	category point.Category
	extra    *point.Extra
	record   bool // time of the record
	raw      bool // bytes as they are
	template []point.Field
	message  int // index of the field message; message_len and offset follow
}

// shape returns the shape of partition. The order is DataKit's: tags, then fields (contract 5.7).
func (t *topicShape) shape(partition int32) shape {
	st := t.stream
	s := shape{name: t.topic, category: st.category, extra: st.extra, record: st.recordTime, raw: st.decode == decodeRaw}
	s.template = append(s.template, point.Field{Key: "type", Value: point.String("kafka"), Tag: true})
	if st.category == point.RUM {
		s.template = append(s.template, point.Field{Key: "app_id", Value: point.String(t.topic), Tag: true})
	}
	s.message = len(s.template)
	s.template = append(s.template,
		point.Field{Key: "message"}, point.Field{Key: "message_len"}, point.Field{Key: "offset"},
		point.Field{Key: "partition", Value: point.Int(int64(partition))})
	if st.category == point.RUM || st.category == point.Logging {
		s.template = append(s.template, point.Field{Key: "status", Value: point.String("info")})
	}
	return s
}

// build adds a point for each record of b.
func (s *shape) build(b *engine.Batch, now int64) {
	for i := range b.Records {
		s.add(b, i, now)
	}
}

// add adds the point of record i.
func (s *shape) add(b *engine.Batch, i int, now int64) {
	r := &b.Records[i]
	p := b.Add()
	p.Name, p.Category, p.Extra, p.Record, p.Time = s.name, s.category, s.extra, int32(i), now
	if s.record && r.Time > 0 {
		p.Time = r.Time
	}
	p.Fields = append(p.Fields, s.template...)
	f := p.Fields[s.message : s.message+3]
	if s.raw {
		f[0].Value = point.Bytes(r.Value)
	} else {
		f[0].Value = oneLine(r.Value)
	}
	f[1].Value = point.Int(int64(len(r.Value)))
	f[2].Value = point.Int(r.Offset)
}

// oneLine returns value as a string whose newlines are spaces. It is copied only if it has any.
func oneLine(value []byte) point.Value {
	if bytes.IndexByte(value, '\n') >= 0 {
		value = bytes.ReplaceAll(value, []byte{'\n'}, []byte{' '})
	}
	return point.StringOf(value)
}

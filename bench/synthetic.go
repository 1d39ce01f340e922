package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine/embedded"
)

// synthetic answers fetches of topics that are not stored: a few batches of records, as a producer has made them, come again and again under
// other offsets. So ten million messages, or ten gigabytes, cost the broker no memory and hardly any time.
type synthetic struct {
	kafka *embedded.Kafka

	mu   sync.Mutex
	made map[[16]byte]*madeTopic
	ends map[string][]int64
}

// madeTopic is a topic whose messages are made up.
type madeTopic struct {
	unit    []byte  // batches of records, one behind the other, from offset 0 on
	bases   []int   // where in unit each batch begins
	records int64   // in unit
	ends    []int64 // messages of each partition
}

func newSynthetic(kafka *embedded.Kafka) *synthetic {
	s := &synthetic{kafka: kafka, made: map[[16]byte]*madeTopic{}, ends: map[string][]int64{}}
	kafka.Cluster().ControlKey(int16(kmsg.Fetch), s.fetch)
	return s
}

// unitBytes is about how much text a unit holds: what one fetch brings of a partition.
const unitBytes = 128 << 10

// fill makes up about count messages of a topic that is empty, spread over its partitions, and returns how many. Texts come in turn.
func (s *synthetic) fill(ctx context.Context, topic string, partitions int32, texts [][]byte, count int) (made int, err error) {
	for p := range partitions {
		if s.end(topic, p) != 0 {
			return 0, fmt.Errorf("making up messages: topic %s holds some", topic)
		}
	}
	var records []*kgo.Record
	for size, n := 0, 0; size < unitBytes; n++ {
		text := texts[n%len(texts)]
		size += len(text)
		records = append(records, &kgo.Record{Topic: topic, Partition: 0, Value: text})
	}
	if err := s.kafka.Produce(ctx, records...); err != nil {
		return 0, err
	}
	info := s.kafka.Cluster().TopicInfo(topic)
	t, err := s.read(ctx, topic, info.TopicID, int64(len(records)))
	if err != nil {
		return 0, err
	}
	each := max(1, int64(count)/int64(partitions)/t.records) * t.records // whole units
	for range partitions {
		t.ends = append(t.ends, each)
		made += int(each)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[info.TopicID], s.ends[topic] = t, t.ends
	return made, nil
}

// read fetches the batches that were produced to partition 0, as they are.
func (s *synthetic) read(ctx context.Context, topic string, id [16]byte, records int64) (*madeTopic, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addr()), kgo.DisableClientMetrics())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	t := &madeTopic{}
	for t.records < records {
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.MinBytes, req.SessionEpoch = 16<<20, 1, -1
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic, rt.TopicID = topic, id
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.FetchOffset, rp.PartitionMaxBytes = t.records, 16<<20
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		answer, err := client.Broker(0).RetriableRequest(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("reading what was produced: %w", err)
		}
		resp, ok := answer.(*kmsg.FetchResponse)
		if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 || len(resp.Topics[0].Partitions[0].RecordBatches) == 0 {
			return nil, fmt.Errorf("reading what was produced: the answer holds no batches from offset %d on", t.records)
		}
		t.add(resp.Topics[0].Partitions[0].RecordBatches)
	}
	return t, nil
}

// add adds batches, those that follow.
func (t *madeTopic) add(data []byte) {
	const header = 61
	for len(data) >= header {
		length := int(binary.BigEndian.Uint32(data[8:])) + 12
		if length > len(data) {
			return
		}
		t.bases = append(t.bases, len(t.unit))
		t.unit = append(t.unit, data[:length]...)
		t.records = int64(binary.BigEndian.Uint64(data)) + int64(binary.BigEndian.Uint32(data[23:])) + 1
		data = data[length:]
	}
}

// append appends the units that begin at offset on, to about limit bytes. The checksum of a batch does not cover its first offset.
func (t *madeTopic) append(dst []byte, offset, end int64, limit int) []byte {
	for at := offset - offset%t.records; at+t.records <= end && (len(dst) == 0 || len(dst)+len(t.unit) <= limit); at += t.records {
		start := len(dst)
		dst = append(dst, t.unit...)
		for _, base := range t.bases {
			first := dst[start+base:]
			binary.BigEndian.PutUint64(first, binary.BigEndian.Uint64(first)+uint64(at))
		}
	}
	return dst
}

// end returns the offset behind the last message of a partition. It is negative if there is no such partition.
func (s *synthetic) end(topic string, partition int32) int64 {
	s.mu.Lock()
	ends := s.ends[topic]
	s.mu.Unlock()
	switch {
	case len(ends) == 0:
		return s.kafka.End(topic, partition)
	case int(partition) >= len(ends):
		return -1
	}
	return ends[partition]
}

// fetch answers a request for topics that are all made up.
func (s *synthetic) fetch(r kmsg.Request) (kmsg.Response, error, bool) {
	cluster := s.kafka.Cluster()
	cluster.KeepControl()
	req, ok := r.(*kmsg.FetchRequest)
	if !ok || len(req.Topics) == 0 {
		return nil, nil, false
	}
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	total := 0
	s.mu.Lock()
	for _, rt := range req.Topics {
		t := s.made[rt.TopicID]
		if t == nil {
			s.mu.Unlock()
			return nil, nil, false
		}
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = rt.Topic, rt.TopicID
		for _, rp := range rt.Partitions {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition = rp.Partition
			p.HighWatermark = t.ends[rp.Partition]
			p.LastStableOffset, p.LogStartOffset = p.HighWatermark, 0
			if total < int(req.MaxBytes) {
				p.RecordBatches = t.append(nil, rp.FetchOffset, p.HighWatermark, int(rp.PartitionMaxBytes))
			}
			total += len(p.RecordBatches)
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	s.mu.Unlock()
	if total == 0 {
		wait := time.After(time.Duration(req.MaxWaitMillis) * time.Millisecond)
		cluster.SleepControl(func() { <-wait }) // as long as the client lets a broker wait for more
	}
	return resp, nil, true
}

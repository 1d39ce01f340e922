package sources

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine"
	"dataflow/engine/embedded"
)

// written is a batch of records as a broker has it: where it stands, whatever its bytes say.
type written struct {
	first, last int64
	bytes       []byte
	code        int16 // of an error, when it is read
}

// script is the log of a topic, byte by byte. It answers fetches and the questions for ends of a broker.
type script struct {
	mu      sync.Mutex
	logs    [][]written // by partition
	single  bool        // a batch at a time, not as many as fit
	stable  int64       // where the first open transaction begins, 0: there is none
	aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction

	busy   atomic.Int32  // fetches
	closed chan struct{} // nobody waits any more
}

func (s *script) end(partition int32) int64 {
	log := s.logs[partition]
	if len(log) == 0 {
		return 0
	}
	return log[len(log)-1].last + 1
}

// play makes a broker answer by the script.
func (s *script) play(k *embedded.Kafka) {
	c := k.Cluster()
	c.ControlKey(int16(kmsg.ListOffsets), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := kreq.(*kmsg.ListOffsetsRequest)
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, t := range req.Topics {
			rt := kmsg.NewListOffsetsResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewListOffsetsResponseTopicPartition()
				rp.Partition, rp.Timestamp = p.Partition, -1
				if p.Timestamp == -1 {
					rp.Offset = s.end(p.Partition)
					if s.stable > 0 && req.IsolationLevel == 1 {
						rp.Offset = min(rp.Offset, s.stable)
					}
				} else if log := s.logs[p.Partition]; len(log) > 0 {
					rp.Offset = log[0].first
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	c.ControlKey(int16(kmsg.Fetch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		s.busy.Add(1)
		defer s.busy.Add(-1)
		c.KeepControl()
		resp, some := s.fetch(kreq.(*kmsg.FetchRequest))
		if !some {
			c.SleepControl(func() {
				select {
				case <-time.After(20 * time.Millisecond):
				case <-s.closed:
				}
			})
		}
		return resp, nil, true
	})
}

func (s *script) fetch(req *kmsg.FetchRequest) (resp *kmsg.FetchResponse, some bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resp = req.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.RecordBatches, rp.PreferredReadReplica = p.Partition, []byte{}, -1
			rp.HighWatermark = s.end(p.Partition)
			rp.LastStableOffset = rp.HighWatermark
			if s.stable > 0 {
				rp.LastStableOffset = s.stable
			}
			rp.AbortedTransactions = s.aborted
			for _, w := range s.logs[p.Partition] {
				if w.last < p.FetchOffset || len(rp.RecordBatches) > 0 && s.single {
					continue
				}
				if w.first >= rp.LastStableOffset || len(rp.RecordBatches) > 0 && len(rp.RecordBatches)+len(w.bytes) > int(p.PartitionMaxBytes) {
					break
				}
				if w.code != 0 {
					if len(rp.RecordBatches) == 0 {
						rp.ErrorCode = w.code
					}
					break
				}
				rp.RecordBatches = append(rp.RecordBatches, w.bytes...)
				some = true
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, some
}

// line is a record of a batch.
type scriptRecord struct {
	delta int64
	value []byte
}

func appendRecord(dst []byte, r scriptRecord) []byte {
	body := []byte{0}
	body = binary.AppendVarint(body, 0)
	body = binary.AppendVarint(body, r.delta)
	body = binary.AppendVarint(body, -1)
	if r.value == nil {
		body = binary.AppendVarint(body, -1)
	} else {
		body = binary.AppendVarint(body, int64(len(r.value)))
	}
	body = append(append(body, r.value...), 0)
	dst = binary.AppendVarint(dst, int64(len(body)))
	return append(dst, body...)
}

// batchOf is a batch of messages from an offset on.
func batchOf(first int64, values ...string) written {
	var body []byte
	for i, v := range values {
		body = appendRecord(body, scriptRecord{int64(i), []byte(v)})
	}
	n := int32(len(values))
	return written{first: first, last: first + int64(n) - 1, bytes: recordBatch(first, n, string(body))}
}

// changed returns a batch whose bytes were changed, with the right checksum if resealed.
func (w written) changed(reseal bool, change func(b []byte)) written {
	w.bytes = slices.Clone(w.bytes)
	change(w.bytes)
	if reseal {
		seal(w.bytes)
	}
	return w
}

// marker is the end of a transaction.
func marker(at, producer int64, commit bool) written {
	kind := byte(0)
	if commit {
		kind = 1
	}
	key := []byte{0, 0, 0, kind}
	body := []byte{0, 0, 0}
	body = append(binary.AppendVarint(body, int64(len(key))), key...)
	body = append(binary.AppendVarint(body, 6), 0, 0, 0, 0, 0, 0)
	body = append(body, 0)
	b := recordBatch(at, 1, string(append(binary.AppendVarint(nil, int64(len(body))), body...)))
	binary.BigEndian.PutUint16(b[21:], recordBatchInTxn|recordBatchControl)
	binary.BigEndian.PutUint64(b[43:], uint64(producer))
	seal(b)
	return written{first: at, last: at, bytes: b}
}

// in puts a batch into a transaction of a producer.
func (w written) in(producer int64) written {
	return w.changed(true, func(b []byte) {
		binary.BigEndian.PutUint16(b[21:], recordBatchInTxn)
		binary.BigEndian.PutUint64(b[43:], uint64(producer))
	})
}

// startScript runs a broker with one topic, logs, that is scripted.
func startScript(t *testing.T, s *script) *embedded.Kafka {
	t.Helper()
	k := startKafka(t, map[string]int32{"logs": int32(len(s.logs))})
	s.closed = make(chan struct{})
	t.Cleanup(func() { // a broker that closes while a fetch waits leaves it behind
		close(s.closed)
		eventually(t, "no fetch", func() bool { return s.busy.Load() == 0 })
	})
	s.play(k)
	return k
}

// failures keeps what the batches of a reader have failed: values of records, as far as they are known.
type failures struct {
	mu   sync.Mutex
	raws [][]byte
	keys []string // topic/partition/offset
}

// startKeeping starts a reader and keeps what fails.
func startKeeping(r *reader) *failures {
	f := &failures{}
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel = cancel
	go func() {
		r.ran <- r.source.Run(ctx, func(ctx context.Context, b *engine.Batch) error {
			bad, _ := verdicts(b)
			f.mu.Lock()
			for _, i := range slices.Sorted(maps.Keys(bad)) {
				b.Fail(i, errors.New(bad[i])) // verdicts took it away
				rec := b.Records[b.Points[i].Record]
				f.raws = append(f.raws, bytes.Clone(rec.Value))
				f.keys = append(f.keys, fmt.Sprintf("%s/%d/%d", rec.Origin.Topic, rec.Origin.Partition, rec.Offset))
			}
			f.mu.Unlock()
			return r.emit(ctx, b)
		})
	}()
	return f
}

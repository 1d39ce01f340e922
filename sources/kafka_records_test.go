package sources

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
	"dataflow/engine/embedded"
)

// producerOf makes a client that produces to the partitions that records say.
func producerOf(t *testing.T, k *embedded.Kafka, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func send(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func text(topic string, messages ...string) []*kgo.Record {
	var out []*kgo.Record
	for _, m := range messages {
		out = append(out, &kgo.Record{Topic: topic, Value: []byte(m)})
	}
	return out
}

// noLag waits until a reader is done with all that it may read.
func noLag(t *testing.T, r *reader) {
	t.Helper()
	eventually(t, "no lag", func() bool {
		lag, assigned := int64(0), false
		r.source.Lag(func(_ string, _ int32, n int64) { lag, assigned = lag+n, true })
		return assigned && lag == 0
	})
}

// TestKafkaCompression reads what was written with every compression there is, in one topic.
func TestKafkaCompression(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	var want []string
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		messages := numbered(200, strings.Repeat(name, 20))
		send(t, producerOf(t, k, kgo.ProducerBatchCompression(codec)), text("logs", messages...)...)
		want = append(want, messages...)
	}
	r := newReader(t, k, oneStream("logs", "logging")).start()
	r.await("logs/0", len(want))
	noLag(t, r)
	r.stop()
	if !slices.Equal(r.got["logs/0"], want) {
		t.Error("the messages are not those that were written")
	}
}

// TestKafkaTransactions reads a topic with transactions, committed and not: what was not committed is read with read_uncommitted only, what is not
// decided yet waits, and the position moves over the markers, so that the lag ends at 0.
func TestKafkaTransactions(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"read_committed", "read_uncommitted"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, map[string]int32{"logs": 1})
			client := producerOf(t, k, kgo.TransactionalID("tx"))
			transact := func(commit bool, messages ...string) {
				if err := client.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				send(t, client, text("logs", messages...)...)
				if err := client.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
					t.Fatal(err)
				}
			}
			produce(t, k, "logs", 0, "a")
			transact(true, "b", "c")
			transact(false, "x", "y")
			transact(true, "d")
			transact(false, "z")
			want := []string{"a", "b", "c", "d"}
			if isolation == "read_uncommitted" {
				want = []string{"a", "b", "c", "x", "y", "d", "z"}
			}
			r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Isolation = isolation }).start()
			r.await("logs/0", len(want))
			noLag(t, r)
			end := k.End("logs", 0)
			eventually(t, "the end is committed, behind the last marker", func() bool { return k.Committed("g", "logs", 0) == end })
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			send(t, client, text("logs", "open")...)
			produce(t, k, "logs", 0, "behind")
			if isolation == "read_uncommitted" {
				want = append(want, "open", "behind")
				r.await("logs/0", len(want))
			}
			if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
			if isolation == "read_committed" {
				want = append(want, "open", "behind")
				r.await("logs/0", len(want))
			}
			noLag(t, r)
			r.stop()
			if !slices.Equal(r.got["logs/0"], want) || end != 11 {
				t.Errorf("read %q, want %q; the end was %d", r.got["logs/0"], want, end)
			}
		})
	}
}

// TestKafkaCompacted reads a topic of which compaction has left a few records, with holes between and behind them.
func TestKafkaCompacted(t *testing.T) {
	t.Parallel()
	k := startKafka(t, nil)
	if err := k.Cluster().CreateTopic("state", 1, map[string]string{"cleanup.policy": "compact", "segment.bytes": "300", "min.cleanable.dirty.ratio": "0", "delete.retention.ms": "0"}); err != nil {
		t.Fatal(err)
	}
	client := producerOf(t, k)
	for i := range 200 {
		send(t, client, &kgo.Record{Topic: "state", Key: fmt.Append(nil, i%4), Value: fmt.Appendf(nil, "v%d", i)})
	}
	k.Cluster().Compact()
	r := newReader(t, k, oneStream("state", "logging")).start()
	eventually(t, "the end is committed", func() bool { return k.Committed("g", "state", 0) == 200 })
	noLag(t, r)
	r.stop()
	got := r.got["state/0"]
	if n := len(got); n < 4 || n > 150 || got[n-1] != "v199" {
		t.Errorf("read %d messages: %q", n, got)
	}
	for i := range 4 { // the last one of each key stays
		if want := fmt.Sprintf("v%d", 196+i); !slices.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if n := r.counts.get("kafka_lost_records/retention"); n != 0 {
		t.Errorf("%d messages counted as lost", n)
	}
}

// TestKafkaKeysAndHeaders: keys, null keys, headers and null headers come with the record.
func TestKafkaKeysAndHeaders(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	send(t, producerOf(t, k),
		&kgo.Record{Topic: "logs", Value: []byte("a")},
		&kgo.Record{Topic: "logs", Value: []byte("b"), Key: []byte{}},
		&kgo.Record{Topic: "logs", Value: []byte("c"), Key: []byte("k"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}, {Key: "", Value: []byte{0, 255}}}},
	)
	r := newReader(t, k, oneStream("logs", "logging"))
	r.hold = true
	r.start()
	r.await("logs/0", 3)
	r.mu.Lock()
	var records []engine.Record
	for _, b := range r.held {
		records = append(records, b.Records...)
	}
	r.mu.Unlock()
	if records[0].Key != nil || records[1].Key == nil || len(records[1].Key) != 0 || string(records[2].Key) != "k" {
		t.Errorf("keys %q %q %q", records[0].Key, records[1].Key, records[2].Key)
	}
	want := []engine.KV{{Key: "h", Value: []byte("1")}, {Key: "h"}, {Key: "", Value: []byte{0, 255}}}
	if !slices.EqualFunc(records[2].Headers, want, func(a, b engine.KV) bool {
		return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
	}) || records[0].Headers != nil {
		t.Errorf("headers %q", records[2].Headers)
	}
	r.finishHeld()
	r.stop()
}

// TestKafkaLargeRecords reads records of exactly limits.message, and one byte more, up to the 16 MiB that are read at once: the larger ones fail,
// whole, and those between them arrive.
func TestKafkaLargeRecords(t *testing.T) {
	t.Parallel()
	k, err := embedded.StartKafka(map[string]int32{"logs": 1}, embedded.KafkaOptions{
		More: []kfake.Opt{kfake.BrokerConfigs(map[string]string{"message.max.bytes": "33554432"})},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	const limit = 4 << 20
	client := producerOf(t, k, kgo.ProducerBatchMaxBytes(32<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for _, size := range []int{1, limit, 2, limit + 1, 3, 12 << 20, 4, 20 << 20, 5} {
		send(t, client, text("logs", strings.Repeat("x", size))...)
	}
	r := newReader(t, k, oneStream("logs", "logging"))
	kept := startKeeping(r)
	r.await("logs/0", 6)
	noLag(t, r)
	r.stop()
	var sizes []int
	for _, m := range r.got["logs/0"] {
		sizes = append(sizes, len(m))
	}
	if !slices.Equal(sizes, []int{1, limit, 2, 3, 4, 5}) {
		t.Errorf("read messages of %d bytes", sizes)
	}
	if !slices.Equal(kept.keys, []string{"logs/0/3", "logs/0/5", "logs/0/7"}) {
		t.Fatalf("failed %q: %q", kept.keys, r.failed)
	}
	if len(kept.raws[0]) != limit+1 || len(kept.raws[1]) != 12<<20 || len(kept.raws[2]) > probeFront || !bytes.HasSuffix(kept.raws[2], []byte("xxxx")) {
		t.Errorf("of what failed %d, %d and %d bytes are kept", len(kept.raws[0]), len(kept.raws[1]), len(kept.raws[2]))
	}
	for i, want := range []string{
		"reading logs/0: the message at offset 3 has 4194305B, limits.message is 4MiB", "reading logs/0: the message at offset 5 has 12MiB, limits.message is 4MiB",
		"reading logs/0 from offset 7 to 7: a batch of records of ",
	} {
		if !strings.HasPrefix(r.failed[i], want) {
			t.Errorf("failed %q, want %q", r.failed[i], want)
		}
	}
	if n := r.counts.get("kafka_unreadable_records"); n != 1 {
		t.Errorf("%d records could not be read", n)
	}
}

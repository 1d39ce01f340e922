package sources

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine"
	"dataflow/engine/embedded"
)

// damagingConn changes a byte of every message that says so.
type damagingConn struct{ net.Conn }

const damageMark = "damage me"

func (c damagingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if i := bytes.Index(p[:n], []byte(damageMark)); i >= 0 {
		p[i] ^= 1
	}
	return n, err
}

// TestKafkaDamagedBatch reads over a batch of records whose checksum is wrong: its bytes fail as one point, the rest arrives.
func TestKafkaDamagedBatch(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	for _, m := range []string{"one", damageMark, "three"} {
		produce(t, k, "logs", 0, m) // a batch of records each
	}
	r := newReader(t, k, oneStream("logs", "logging"))
	dial := r.source.env.Dial
	r.source.env.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return damagingConn{c}, nil
	}
	r.start()
	r.await("logs/0", 2)
	eventually(t, "commit", func() bool { return k.Committed("g", "logs", 0) == 3 })
	r.stop()
	if got := r.got["logs/0"]; !slices.Equal(got, []string{"one", "three"}) {
		t.Errorf("read %q", got)
	}
	if len(r.failed) != 1 || !strings.Contains(r.failed[0], "from offset 1 to 1") || !strings.Contains(r.failed[0], "wrong checksum") {
		t.Errorf("failed %q", r.failed)
	}
	if n := r.counts.get("kafka_unreadable_batches"); n != 1 {
		t.Errorf("counted %d", n)
	}
}

// TestKafkaBomb reads over a batch of records that unpacks to more than the bound.
func TestKafkaBomb(t *testing.T) {
	t.Parallel()
	k, err := embedded.StartKafka(map[string]int32{"logs": 1}, embedded.KafkaOptions{
		More: []kfake.Opt{kfake.BrokerConfigs(map[string]string{"message.max.bytes": "200000000"})},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	produce(t, k, "logs", 0, "one")
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(100<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "logs", Value: make([]byte, decompressBytes+1000)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	produce(t, k, "logs", 0, "three")
	r := newReader(t, k, oneStream("logs", "logging"))
	kept := startKeeping(r)
	r.await("logs/0", 2)
	eventually(t, "commit", func() bool { return k.Committed("g", "logs", 0) == 3 })
	r.stop()
	if len(r.failed) != 1 || !strings.Contains(r.failed[0], "reading logs/0 from offset 1 to 1: ") || !strings.Contains(r.failed[0], "decompresses to more") {
		t.Errorf("failed %q", r.failed)
	}
	if raw := kept.raws[0]; len(raw) < recordBatchHeader || len(raw) > probeFront || raw[16] != recordBatchV2 {
		t.Errorf("%d bytes of the batch are kept", len(raw))
	}
}

// TestKafkaRetention deletes messages that were not read.
func TestKafkaRetention(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	produce(t, k, "logs", 0, numbered(10, "m")...)
	r := newReader(t, k, oneStream("logs", "logging")).start()
	r.await("logs/0", 10)
	r.stop()
	produce(t, k, "logs", 0, numbered(30, "n")...)
	if err := k.Cluster().DeleteRecords("logs", 0, 25); err != nil {
		t.Fatal(err)
	}
	r = newReader(t, k, oneStream("logs", "logging")).start()
	r.await("logs/0", 15)
	r.stop()
	if n := r.counts.get("kafka_lost_records/retention"); n != 15 {
		t.Errorf("%d messages counted as lost, want 15", n)
	}
	if got := k.Committed("g", "logs", 0); got != 40 {
		t.Errorf("committed %d", got)
	}
}

// TestKafkaTopicLater starts before its topic exists.
func TestKafkaTopicLater(t *testing.T) {
	t.Parallel()
	k := startKafka(t, nil)
	asked := k.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Observe: true, Count: -1})
	r := newReader(t, k, oneStream("logs", "logging")).start()
	eventually(t, "the source asked for the topic", func() bool { return asked.Hits() > 0 })
	if err := k.Cluster().CreateTopic("logs", 1, nil); err != nil {
		t.Fatal(err)
	}
	produce(t, k, "logs", 0, "hello")
	r.await("logs/0", 1)
	r.stop()
}

func recordBatch(first int64, records int32, body string) []byte {
	b := make([]byte, recordBatchHeader, recordBatchHeader+len(body))
	b = append(b, body...)
	binary.BigEndian.PutUint64(b, uint64(first))
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[12:], 7)
	b[16] = recordBatchV2
	binary.BigEndian.PutUint32(b[23:], uint32(records-1))
	binary.BigEndian.PutUint64(b[43:], 1<<64-1) // no producer
	binary.BigEndian.PutUint32(b[57:], uint32(records))
	seal(b)
	return b
}

// seal gives a batch the right checksum.
func seal(b []byte) {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
}

// TestBatchForTests checks the batch that tests of graphs are fed with.
func TestBatchForTests(t *testing.T) {
	k, _ := testSource(t, "t", "metric", "json")
	k.env.Now = func() time.Time { return time.Unix(0, testNow) }
	b, err := k.Batch("", []engine.Record{{Value: []byte(`{"a":1}`)}, {Value: []byte(`{"b":2}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Decode(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got, want := lines(b), []string{"t,type=kafka a=1i", "t,type=kafka b=2i"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if _, err := k.Batch("x", nil); err == nil {
		t.Error("a batch of an output that is not there")
	}
}

// TestTakeAllocations: a batch of text costs the same few allocations whatever its size.
func TestTakeAllocations(t *testing.T) {
	_, p := testSource(t, "t", "logging", "text")
	for _, size := range []int{16, batchMessages} {
		records := make([]*kgo.Record, size)
		for i := range records {
			records[i] = &kgo.Record{Topic: "t", Offset: int64(i), Value: fmt.Appendf(nil, "message %d", i)}
		}
		n := testing.AllocsPerRun(50, func() {
			b, _, bytes, _ := p.take(records, testNow)
			entry := p.tracker.Add(p.tracker.Head(), size, testNow)
			b.Arm(bytes, entry.Ack())
			p.inFlight.Add(int64(size))
			done(b)
		})
		if n > 6 { // 3 without -tags invariants, which keeps arenas from being used again
			t.Errorf("%v allocations for a batch of %d", n, size)
		}
	}
}

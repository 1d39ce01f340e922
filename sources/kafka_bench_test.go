//go:build unix

package sources

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
	"dataflow/engine/embedded"
)

// benchMessage is the size of the KafkaMQ manual's metric message.
const benchMessage = 132

func benchKafka(b *testing.B) *embedded.Kafka {
	b.Helper()
	k, err := embedded.StartKafka(map[string]int32{"t": 4}, embedded.KafkaOptions{
		More: []kfake.Opt{kfake.SyntheticFetch(kfake.SyntheticBatch{RecordBytes: benchMessage})},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(k.Close)
	return k
}

// processor returns the processor time of the process. It includes that of the broker, which serves one canned
// batch and is the same for all.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPollBare is what franz-go costs alone, with the settings of the source; an operation is a message.
func BenchmarkPollBare(b *testing.B) {
	k := benchKafka(b)
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.ConsumeTopics("t"), kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes), kgo.MaxConcurrentFetches(fetches), kgo.DisableClientMetrics())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	n := 0
	client.PollFetches(b.Context())
	b.ReportAllocs()
	b.ResetTimer()
	start := processor(b)
	for n < b.N {
		n += client.PollFetches(b.Context()).NumRecords()
	}
	b.ReportMetric(float64(processor(b)-start)/float64(n), "cpu-ns/msg")
}

// BenchmarkSource is the source from the poll to the emitted batch.
func BenchmarkSource(b *testing.B) {
	k := benchKafka(b)
	c := *engine.Lookup(engine.SourceNode, "kafka").NewConfig().(*kafkaConfig)
	c.Brokers, c.Group, c.Topics, c.Category, c.Start = []string{k.Addr()}, "g", []string{"t"}, "metric", "earliest"
	s, err := newKafka(engine.HostEnv(nil), c)
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	var start, end time.Duration
	ctx, cancel := context.WithCancel(b.Context())
	b.ReportAllocs()
	if err := s.Run(ctx, func(_ context.Context, x *engine.Batch) error {
		if start == 0 {
			start = processor(b)
			b.ResetTimer()
		}
		got := n.Add(int64(len(x.Points)))
		done(x)
		if got >= int64(b.N) && end == 0 {
			end = processor(b)
			b.StopTimer()
			cancel()
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(end-start)/float64(n.Load()), "cpu-ns/msg")
	if err := s.(engine.Closer).Close(context.Background()); err != nil {
		b.Error(err)
	}
}

// BenchmarkTake is the making of a batch from fetched records.
func BenchmarkTake(b *testing.B) {
	_, p := testSource(b, "t", "metric", "text")
	records := make([]*kgo.Record, batchMessages)
	slab := make([]kgo.Record, batchMessages)
	for i := range records {
		slab[i] = kgo.Record{Topic: "t", Offset: int64(i), Value: make([]byte, benchMessage), Timestamp: time.Now()}
		records[i] = &slab[i]
	}
	for b.Loop() {
		x, _, _, _ := p.take(records, testNow)
		done(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batchMessages), "ns/msg")
}

func BenchmarkDecodeJSON(b *testing.B) {
	k, p := testSource(b, "t", "metric", "json")
	records := make([]*kgo.Record, batchMessages)
	value := []byte(`{"time": 1666492218, "dimensions": {"bk_biz_id": 225,"ip": "10.200.64.45" },  "metrics": { "cpu_usage_pct": 0.01}, "exemplar": null}`)
	for i := range records {
		records[i] = &kgo.Record{Topic: "t", Offset: int64(i), Value: value}
	}
	for b.Loop() {
		x, _, _, _ := p.take(records, testNow)
		if err := k.Decode(b.Context(), x); err != nil {
			b.Fatal(err)
		}
		done(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batchMessages), "ns/msg")
}

package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine/embedded"
)

// TestSynthetic: made up messages are read like any others, each offset once and in order, from wherever reading begins.
func TestSynthetic(t *testing.T) {
	kafka, err := embedded.StartKafka(map[string]int32{"made": 3, "real": 1}, embedded.KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	s := newSynthetic(kafka)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	texts := [][]byte{[]byte("first text of the two"), []byte("the other one")}
	made, err := s.fill(ctx, "made", 3, texts, 100_000)
	if err != nil || made < 30_000 || made > 100_000 {
		t.Fatal(made, err)
	}
	if err := kafka.ProduceText(ctx, "real", 0, "x"); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"made", "real"} {
		if _, err := s.fill(ctx, topic, 1, texts, 1000); err == nil {
			t.Errorf("messages are made up for %s, which holds some", topic)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Addr()), kgo.ConsumeTopics("made"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	next, seen := map[int32]int64{}, 0
	for seen < made {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d: %v", seen, made, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != next[r.Partition] || string(r.Value) != string(texts[0]) && string(r.Value) != string(texts[1]) {
				t.Fatalf("offset %d of partition %d is %q, want offset %d", r.Offset, r.Partition, r.Value, next[r.Partition])
			}
			next[r.Partition]++
			seen++
		})
	}
	for p := range int32(3) {
		if next[p] != s.end("made", p) {
			t.Errorf("partition %d ends at %d, want %d", p, next[p], s.end("made", p))
		}
	}
	if fmt.Sprint(s.end("real", 0), s.end("made", 3), s.end("none", 0)) != "1 -1 -1" {
		t.Error("the ends of other topics are wrong", s.end("real", 0), s.end("made", 3), s.end("none", 0))
	}
}

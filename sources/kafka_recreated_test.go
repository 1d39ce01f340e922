package sources

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKafkaRecreated deletes a topic that is being read and makes it anew, shorter and longer than it was: all of the new one is read, whatever start
// says, and committed; another topic goes on.
func TestKafkaRecreated(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		start, protocol, assignor string
		partitions                int32
		messages                  int
	}{
		"shorter, latest":               {"latest", "classic", "cooperative_sticky", 1, 3},
		"longer, latest":                {"latest", "classic", "cooperative_sticky", 1, 25},
		"shorter, earliest, eager":      {"earliest", "classic", "roundrobin", 1, 3},
		"more partitions, latest":       {"latest", "classic", "cooperative_sticky", 3, 5},
		"longer, latest, next protocol": {"latest", "consumer", "sticky", 2, 25},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, map[string]int32{"logs": 1, "other": 1})
			r := newReader(t, k, func(c *kafkaConfig) {
				c.Topics, c.Category = []string{"logs", "other"}, "logging"
				c.Start, c.Protocol, c.Assignor = test.start, test.protocol, test.assignor
			}).start()
			eventually(t, "an assignment", func() bool { return k.Committed("g", "logs", 0) == 0 && k.Committed("g", "other", 0) == 0 })
			produce(t, k, "logs", 0, numbered(10, "old")...)
			r.await("logs/0", 10)
			eventually(t, "commit of 10", func() bool { return k.Committed("g", "logs", 0) == 10 })
			if err := k.Cluster().DeleteTopic("logs"); err != nil {
				t.Fatal(err)
			}
			if err := k.Cluster().CreateTopic("logs", test.partitions, nil); err != nil {
				t.Fatal(err)
			}
			for id := range test.partitions {
				produceAnew(t, k.Addr(), "logs", id, numbered(test.messages, "new")...)
			}
			r.await("logs/0", 10+test.messages)
			produce(t, k, "other", 0, "hello")
			r.await("other/0", 1)
			eventually(t, "commits", func() bool {
				for id := range test.partitions {
					if k.Committed("g", "logs", id) != int64(test.messages) {
						return false
					}
				}
				return true
			})
			r.stop()
			if got := r.got["logs/0"][10:]; !slices.Equal(got, numbered(test.messages, "new")) {
				t.Errorf("read %q", got)
			}
			if n := r.counts.get("kafka_recreated_topics"); n != 1 {
				t.Errorf("%d topics were made anew", n)
			}
		})
	}
}

// TestKafkaDeletedTopic deletes one of two topics: it is said, and the other goes on.
func TestKafkaDeletedTopic(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1, "other": 1})
	log := &logLines{}
	r := newReader(t, k, func(c *kafkaConfig) { c.Topics, c.Category = []string{"logs", "other"}, "logging" })
	r.source.health.env.Log = log.logger()
	r.start()
	produce(t, k, "logs", 0, "a")
	eventually(t, "commit", func() bool { return k.Committed("g", "logs", 0) == 1 })
	if err := k.Cluster().DeleteTopic("logs"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a line of the log", func() bool { return strings.Contains(log.String(), `msg="topics do not exist" topics=[logs]`) })
	produce(t, k, "other", 0, "b")
	r.await("other/0", 1)
	r.stop()
}

// TestKafkaTruncation: what the broker has lost is counted, and reading goes on where the client says.
func TestKafkaTruncation(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	r := newReader(t, k, oneStream("logs", "logging"))
	log := &logLines{}
	r.source.health.env.Log = log.logger()
	r.source.fetchError(t.Context(), "logs", 0, &kgo.ErrDataLoss{Topic: "logs", ConsumedTo: 100, ResetTo: 60})
	if n := r.counts.get("kafka_lost_records/truncated"); n != 40 {
		t.Errorf("%d messages counted as lost, want 40", n)
	}
	if !strings.Contains(log.String(), `msg="the broker has lost messages" topic=logs partition=0 lost=40`) {
		t.Errorf("the log says %s", log)
	}
}

// TestKafkaBehindTheEnd starts a group that stands behind the end of a topic, as after a topic was made anew while nobody was reading: reading goes on
// at the beginning.
func TestKafkaBehindTheEnd(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	produce(t, k, "logs", 0, numbered(50, "old")...)
	latest := func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Start = "latest" }
	r := newReader(t, k, latest).start()
	eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 0) == 50 })
	r.stop()
	if err := k.Cluster().DeleteTopic("logs"); err != nil {
		t.Fatal(err)
	}
	if err := k.Cluster().CreateTopic("logs", 1, nil); err != nil {
		t.Fatal(err)
	}
	produceAnew(t, k.Addr(), "logs", 0, "a", "b")
	if err := commitRaw(t, k.Addr(), "g", "logs", 0, 50); err != nil {
		t.Fatal(err)
	}
	r = newReader(t, k, latest).start()
	r.await("logs/0", 2)
	r.stop()
	if n := r.counts.get("kafka_start_earliest/out_of_range"); n != 1 {
		t.Errorf("%d positions out of range were counted", n)
	}
	if got := k.Committed("g", "logs", 0); got != 2 {
		t.Errorf("committed %d", got)
	}
}

// produceAnew writes messages by a client of its own, which knows nothing of a topic of before.
func produceAnew(t *testing.T, addr, topic string, partition int32, messages ...string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for _, m := range messages {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(m)})
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

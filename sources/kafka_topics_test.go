package sources

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestKafkaMissingTopics: a topic that does not exist is named; one that does is not.
func TestKafkaMissingTopics(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	r := newReader(t, k, func(c *kafkaConfig) {
		c.Streams = map[string]kafkaStream{"logs": {Topics: []string{"logs", "lgos", "logz"}, Category: "logging"}}
	})
	r.start()
	produce(t, k, "logs", 0, "m")
	r.await("logs/0", 1)
	if got := r.source.missingTopics(t.Context()); !slices.Equal(got, []string{"lgos", "logz"}) {
		t.Errorf("missing %q", got)
	}
	r.stop()
}

// TestKafkaTopicAppears starts before its topics exist, with start: latest, alone and beside one that is there: what is written from the first
// message on is read.
func TestKafkaTopicAppears(t *testing.T) {
	t.Parallel()
	for name, topics := range map[string][]string{"alone": {"late"}, "beside": {"late", "logs"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, map[string]int32{"logs": 1})
			log := &logLines{}
			r := newReader(t, k, func(c *kafkaConfig) { c.Topics, c.Category, c.Start = topics, "logging", "latest" })
			r.source.health.env.Log = log.logger()
			r.start()
			eventually(t, "the log says what is missing", func() bool { return strings.Contains(log.String(), `msg="topics do not exist" topics=[late]`) })
			if err := k.Cluster().CreateTopic("late", 2, nil); err != nil {
				t.Fatal(err)
			}
			for id := range int32(2) {
				produceAnew(t, k.Addr(), "late", id, "a", "b", "c")
			}
			r.await("late/0", 3)
			r.await("late/1", 3)
			eventually(t, "commits", func() bool { return k.Committed("g", "late", 0) == 3 && k.Committed("g", "late", 1) == 3 })
			r.stop()
			if !strings.Contains(log.String(), `msg="a topic has appeared; it is read from its beginning" topic=late`) {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

// TestKafkaPartitionsAdded adds partitions to a topic while it is read from the latest message on: all that is in them is read.
func TestKafkaPartitionsAdded(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Start = "latest" }).start()
	eventually(t, "the start", func() bool { return k.Committed("g", "logs", 0) == 0 })
	if err := addPartitions(t, k, "logs", 3); err != nil {
		t.Fatal(err)
	}
	for id := range int32(3) {
		produceAnew(t, k.Addr(), "logs", id, "a", "b")
	}
	r.source.client.ForceMetadataRefresh() // as the client does by itself within a minute
	for id := range 3 {
		r.await(fmt.Sprintf("logs/%d", id), 2)
	}
	r.stop()
	if n := r.counts.get("kafka_start_earliest/new_partition"); n != 2 {
		t.Errorf("counted %d new partitions", n)
	}
}

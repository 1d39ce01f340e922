package sources

import (
	"slices"
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

package sources

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"dataflow/engine/embedded"
)

// TestKafkaCommitTimes runs source and broker under a clock of their own: what is done is committed within the
// interval, much of it at once.
func TestKafkaCommitTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &kfake.VirtualNetwork{}
		k, err := embedded.StartKafka(map[string]int32{"logs": 1}, embedded.KafkaOptions{Listen: "127.0.0.1:9092", Network: network})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.CommitInterval = time.Hour })
		r.source.env.Dial = network.DialContext
		r.start()
		// Behind the last commit of many there may be a batch that was not done then: slack.
		committedAfter := func(n, slack int) time.Duration {
			produce(t, k, "logs", 0, numbered(n, "m")...)
			end := k.End("logs", 0)
			r.await("logs/0", int(end))
			start := time.Now()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for k.Committed("g", "logs", 0) < end-int64(slack) {
				<-tick.C
			}
			return time.Since(start)
		}
		if took := committedAfter(10, 0); took < 30*time.Minute || took > 70*time.Minute {
			t.Errorf("10 messages were committed after %v, want about an hour", took)
		}
		if took := committedAfter(commitMessages+2*batchMessages, 2*batchMessages); took > time.Second {
			t.Errorf("%d messages were committed after %v", commitMessages, took)
		}
		r.stop()
	})
}

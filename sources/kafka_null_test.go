package sources

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKafkaNull reads records without a value, and with an empty one. To text and raw both are an empty message, as they are to DataKit. Where a value is
// decoded a null one fails, by name; the partition goes on.
func TestKafkaNull(t *testing.T) {
	t.Parallel()
	for decode, test := range map[string]struct {
		good         string
		read, failed []string
	}{
		"text":   {"a", []string{"", "", "a"}, nil},
		"raw":    {"a", []string{"", "", ""}, nil}, // bytes, which are no text
		"json":   {`{"message":"a"}`, []string{"a"}, []string{"decoding JSON: the message is null", "decoding JSON: the message is neither an object nor an array"}},
		"points": {`log message="a"`, []string{"a"}, []string{"decoding points: the message is null"}}, // an empty one holds no points
	} {
		t.Run(decode, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, map[string]int32{"logs": 1})
			send(t, producerOf(t, k), &kgo.Record{Topic: "logs", Key: []byte("k")}, &kgo.Record{Topic: "logs", Value: []byte{}}, &kgo.Record{Topic: "logs", Value: []byte(test.good)})
			r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Decode = decode }).start()
			eventually(t, "all committed", func() bool { return k.Committed("g", "logs", 0) == 3 })
			r.stop()
			got := r.got["logs/0"]
			if decode == "points" && len(got) == 2 { // the point of the empty message is dropped behind the source
				got = got[1:]
			}
			if !slices.Equal(got, test.read) || !slices.Equal(r.failed, test.failed) {
				t.Errorf("read %q, failed %q", got, r.failed)
			}
		})
	}
}

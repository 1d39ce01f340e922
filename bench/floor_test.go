package bench

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine/embedded"
)

// TestFloorFails: a loop that cannot read its topic, or whose bodies are refused, says so.
func TestFloorFails(t *testing.T) {
	kafka, err := embedded.StartKafka(map[string]int32{"metric_topic": 2}, embedded.KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	dataway, err := embedded.StartDataWay(embedded.DataWayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer dataway.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := kafka.ProduceText(ctx, "metric_topic", 0, MetricMessage); err != nil {
		t.Fatal(err)
	}
	o := FloorOptions{Kafka: kafka.Addr(), Topic: "metric_topic", Group: "refused", DataWay: dataway.URL(), Count: 1}
	dataway.SetFault(&embedded.Fault{Status: 403})
	if err := Floor(ctx, o); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("refused bodies: %v", err)
	}
	dataway.SetFault(nil)
	o.Group = "good"
	if err := Floor(ctx, o); err != nil || dataway.Stats().Points["metric"] != 1 {
		t.Error(err, dataway.Stats())
	}
	kafka.Cluster().ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		kafka.Cluster().KeepControl()
		req, ok := r.(*kmsg.FetchRequest)
		if !ok {
			return nil, nil, false
		}
		resp, ok := req.ResponseKind().(*kmsg.FetchResponse)
		if !ok {
			return nil, nil, false
		}
		for _, rt := range req.Topics {
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic, topic.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				p := kmsg.NewFetchResponseTopicPartition()
				p.Partition, p.ErrorCode = rp.Partition, kerr.TopicAuthorizationFailed.Code
				topic.Partitions = append(topic.Partitions, p)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	o.Group = "forbidden"
	ctx, cancel = context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := Floor(ctx, o); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("a topic that may not be read: %v", err)
	}
}

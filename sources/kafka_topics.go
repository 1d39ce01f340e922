package sources

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// How long after the start, and then how often, the source looks whether its topics exist. The client itself waits for
// them without a word, and a misspelt one would look like a broker that is away.
const (
	firstTopicLook = 3 * time.Second
	topicLook      = time.Minute
)

// watchTopics names the topics that do not exist, once a minute, until ctx ends. They are read as soon as they do. Meanwhile it has partitions
// that stand still looked at.
func (k *kafka) watchTopics(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { k.watchPartitions(ctx) })
	defer wg.Wait()
	timer := time.NewTimer(firstTopicLook)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if missing := k.missingTopics(ctx); len(missing) > 0 {
			k.health.note("topics do not exist", "topics", missing)
		}
		timer.Reset(topicLook)
	}
}

// missingTopics asks a broker which topics it does not know. Nothing is missing while no broker answers.
func (k *kafka) missingTopics(ctx context.Context) []string {
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range k.topics() {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, topic)
	}
	resp, err := req.RequestWith(ctx, k.client)
	if err != nil {
		return nil
	}
	var missing []string
	for _, t := range resp.Topics {
		if t.ErrorCode == kerr.UnknownTopicOrPartition.Code && t.Topic != nil {
			missing = append(missing, *t.Topic)
		}
	}
	slices.Sort(missing)
	return missing
}

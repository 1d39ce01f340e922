package sources

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A topic that was deleted and made anew has another id. The client stays with the old one for ever; so it is made to forget the topic and
// to subscribe to it again. In between the start of every partition is committed, so that the new topic is read from its beginning,
// whatever start says and wherever the group stood in the old one: nobody has read what is in it.

// How often, and after which pause, the start of a new topic is committed while the group is rebalancing.
const (
	renewTries = 20
	renewPause = 500 * time.Millisecond
)

// refusals is how often fetches of a topic are refused, though it is there and as it was, before it is subscribed to anew nevertheless: it may
// have been made anew before the lookout knew its id.
const refusals = 20

// identify notes the ids of topics that have none yet. With all it looks at the others as well, for those that were made anew.
func (l *lookout) identify(ctx context.Context, all bool) {
	k := l.source
	var ask []string
	for _, topic := range k.topics() {
		if _, known := l.ids[topic]; all || !known {
			ask = append(ask, topic)
		}
	}
	if len(ask) == 0 {
		return
	}
	ids, missing := k.lookUp(ctx, ask)
	for topic, id := range ids {
		if known, ok := l.ids[topic]; ok && known != id {
			l.renew(ctx, topic, true)
		}
		l.ids[topic] = id
		l.appeared(ctx, topic)
	}
	for _, topic := range missing {
		if l.absent[topic]++; l.absent[topic] == absences && k.config.Start == "latest" {
			k.client.PurgeTopicsFromConsuming(topic)
		}
	}
}

// absences is how many looks at the start a topic has to be missing, so that it counts as one that appears later. Such a topic is
// taken out of the subscription until then: else the client would find it first, and with start: latest leave out what was written before that.
const absences = 2

// appeared subscribes to a topic that was missing, from its beginning: nobody has read what is in it.
func (l *lookout) appeared(ctx context.Context, topic string) {
	k := l.source
	n := l.absent[topic]
	delete(l.absent, topic)
	if n < absences || k.config.Start != "latest" {
		return
	}
	k.health.note("a topic has appeared; it is read from its beginning", "topic", topic)
	k.counter.newStart.Add(1)
	l.begin(ctx, topic, nil)
}

// refused looks at a topic whose fetches the brokers refuse: it may be gone, or a new one may have its name.
func (l *lookout) refused(ctx context.Context, topic string) {
	k := l.source
	if missing := k.missingTopics(ctx); len(missing) > 0 {
		k.health.note("topics do not exist", "topics", missing)
	}
	id, ok := k.topicIDs(ctx, []string{topic})[topic]
	if !ok {
		return
	}
	l.refusals[topic]++
	switch known, ok := l.ids[topic]; {
	case ok && known != id:
		l.renew(ctx, topic, true)
		l.refusals[topic] = 0
	case l.refusals[topic] >= refusals:
		l.renew(ctx, topic, false)
		l.refusals[topic] = 0
	}
	l.ids[topic] = id
}

// topicIDs asks for the ids of topics, zero where the brokers know none. Those that do not exist are missing.
func (k *kafka) topicIDs(ctx context.Context, topics []string) map[string][16]byte {
	ids, _ := k.lookUp(ctx, topics)
	return ids
}

// lookUp asks for topics: for the ids of those that exist, and which do not.
func (k *kafka) lookUp(ctx context.Context, topics []string) (ids map[string][16]byte, missing []string) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, k.client)
	if err != nil {
		return nil, nil
	}
	ids = map[string][16]byte{}
	for _, t := range resp.Topics {
		switch t.ErrorCode {
		case 0:
			ids[nameOf(t)] = t.TopicID
		case kerr.UnknownTopicOrPartition.Code:
			missing = append(missing, nameOf(t))
		}
	}
	return ids, missing
}

// renew goes on with the new topic of a name. Without fresh it may be the old one.
func (l *lookout) renew(ctx context.Context, topic string, fresh bool) {
	k := l.source
	held := map[string][]int32{}
	k.mu.Lock()
	for tp := range k.partitions {
		if tp.topic == topic {
			held[topic] = append(held[topic], tp.partition)
		}
	}
	k.mu.Unlock()
	k.lost(ctx, k.client, held) // what is in flight belongs to no offset of the new topic
	k.client.PurgeTopicsFromConsuming(topic)
	k.env.Counter("kafka_recreated_topics", "").Add(1)
	if fresh {
		k.health.note("a topic was deleted and made anew; it is read from its beginning", "topic", topic)
	} else {
		k.health.note("the brokers refuse a topic that is there; it is subscribed to anew", "topic", topic)
		held[topic] = nil // Kafka deletes the group's offsets with a topic: where they are still there it is the old one
	}
	l.begin(ctx, topic, held[topic])
}

// begin commits the beginning of a topic and subscribes to it.
func (l *lookout) begin(ctx context.Context, topic string, held []int32) {
	k := l.source
	defer k.client.AddConsumeTopics(topic)
	var err error
	for range renewTries {
		if err = k.commitBeginning(ctx, topic, held); err == nil || ctx.Err() != nil {
			return
		}
		timer := time.NewTimer(renewPause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	k.health.note("committing the beginning of a new topic fails: it is read from where start says", "topic", topic, "error", err)
}

// commitBeginning commits the first offset of the partitions that were held, and of others that the group has no offset for: those of other
// members are theirs.
func (k *kafka) commitBeginning(ctx context.Context, topic string, held []int32) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	counts, err := k.requestPartitions(ctx, []string{topic})
	if err != nil {
		return err
	}
	at, err := k.groupOffsets(ctx, topic)
	if err != nil {
		return err
	}
	for _, id := range held {
		delete(at, id)
	}
	var ids []int32
	for id := range counts[topic] {
		if _, has := at[id]; !has {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	const atEarliest = -2
	first := map[string]map[int32]kgo.EpochOffset{}
	if err := k.listOffsets(ctx, map[string][]int32{topic: ids}, atEarliest, first); err != nil {
		return err
	}
	return k.commit(ctx, first)
}

// groupOffsets returns the offsets that the group has for a topic.
func (k *kafka) groupOffsets(ctx context.Context, topic string) (map[int32]int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = k.config.Group
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, k.client)
	if err != nil {
		return nil, fmt.Errorf("asking for the group's offsets: %w", err)
	}
	id := k.topicIDs(ctx, []string{topic})[topic] // newer answers have no names
	out := map[int32]int64{}
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil && err != kerr.GroupIDNotFound {
			return nil, fmt.Errorf("asking for the group's offsets: %w", err)
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if (t.Topic == topic || t.Topic == "" && t.TopicID == id) && p.Offset >= 0 {
					out[p.Partition] = p.Offset
				}
			}
		}
	}
	return out, nil
}

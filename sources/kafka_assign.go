package sources

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine/watermark"
)

// assigned is called by the client with the partitions that were added and the offsets that the group has for
// them, before it fetches anything. Where there is no offset the start is resolved to a number and committed:
// else a kill before the first commit would make start: latest skip what came in between.
func (k *kafka) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	<-k.ready
	counts, err := k.requestPartitions(ctx, slices.Sorted(maps.Keys(offsets)))
	if err != nil {
		return nil, err
	}
	missing := map[string][]int32{}
	for topic, ps := range offsets {
		for id, o := range ps {
			if o.EpochOffset().Offset < 0 {
				missing[topic] = append(missing[topic], id)
			}
		}
	}
	if len(missing) > 0 {
		start, err := k.resolveStart(ctx, missing, counts)
		if err != nil {
			return nil, err
		}
		if err := k.commit(ctx, start); err != nil {
			return nil, fmt.Errorf("committing where reading begins: %w", err)
		}
		for topic, ps := range start {
			for id, at := range ps {
				offsets[topic][id] = kgo.NewOffset().At(at.Offset).WithEpoch(at.Epoch)
			}
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	for topic, ps := range offsets {
		for id, o := range ps {
			tp := topicPartition{topic, id}
			if k.partitions[tp] == nil && k.byTopic[topic] != nil {
				at := o.EpochOffset()
				k.partitions[tp] = newPartition(k, tp, k.epoch, watermark.Position{Offset: at.Offset, Epoch: at.Epoch})
			}
		}
	}
	k.rebalanced()
	k.health.good()
	return offsets, nil
}

// resolveStart returns where reading begins in partitions for which the group has no offset: at start, but
// partitions that appeared later are read from their beginning, since nobody has read what is in them.
func (k *kafka) resolveStart(ctx context.Context, missing map[string][]int32, counts map[string]int32) (map[string]map[int32]kgo.EpochOffset, error) {
	latest, earliest := missing, map[string][]int32{}
	if k.config.Start == "earliest" {
		latest, earliest = nil, missing
	} else {
		known, err := k.knownPartitions(ctx, slices.Sorted(maps.Keys(missing)))
		if err != nil {
			return nil, err
		}
		latest = map[string][]int32{}
		for topic, ids := range missing {
			for _, id := range ids {
				if n, ok := known[topic]; ok && id >= n {
					earliest[topic] = append(earliest[topic], id)
					k.counter.newStart.Add(1)
				} else {
					latest[topic] = append(latest[topic], id)
				}
			}
		}
	}
	out := map[string]map[int32]kgo.EpochOffset{}
	const atEarliest, atLatest = -2, -1
	if err := k.listOffsets(ctx, earliest, atEarliest, out); err != nil {
		return nil, err
	}
	return out, k.listOffsets(ctx, latest, atLatest, out)
}

// listOffsets asks for the offsets at a time, -1 latest or -2 earliest, and puts them into out.
func (k *kafka) listOffsets(ctx context.Context, partitions map[string][]int32, at int64, out map[string]map[int32]kgo.EpochOffset) error {
	if len(partitions) == 0 {
		return nil
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if k.config.Isolation != "read_uncommitted" {
		req.IsolationLevel = 1
	}
	want := 0
	for topic, ids := range partitions {
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = topic
		for _, id := range ids {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp = id, at
			rt.Partitions = append(rt.Partitions, rp)
			want++
		}
		req.Topics = append(req.Topics, rt)
	}
	for _, shard := range k.client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return fmt.Errorf("asking for offsets: %w", shard.Err)
		}
		resp, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if !ok {
			return fmt.Errorf("asking for offsets: the answer is a %T", shard.Resp)
		}
		for _, rt := range resp.Topics {
			for _, rp := range rt.Partitions {
				if err := kerr.ErrorForCode(rp.ErrorCode); err != nil {
					return fmt.Errorf("asking for the offset of %s/%d: %w", rt.Topic, rp.Partition, err)
				}
				if out[rt.Topic] == nil {
					out[rt.Topic] = map[int32]kgo.EpochOffset{}
				}
				out[rt.Topic][rp.Partition] = kgo.EpochOffset{Offset: max(0, rp.Offset), Epoch: rp.LeaderEpoch}
				want--
			}
		}
	}
	if want != 0 {
		return fmt.Errorf("asking for offsets: %d partitions are missing in the answer", want)
	}
	return nil
}

// The metadata of every commit notes how many partitions the topic had, so that a member can tell a partition
// that appeared later from one whose start another member is about to commit.
const partitionsNote = "partitions="

func noteOf(partitions int32) string { return partitionsNote + strconv.Itoa(int(partitions)) }

func readNote(metadata string) (partitions int32, ok bool) {
	text, ok := strings.CutPrefix(metadata, partitionsNote)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil && n > 0
}

// knownPartitions returns the largest partition count that the group's commits note for each of topics.
func (k *kafka) knownPartitions(ctx context.Context, topics []string) (map[string]int32, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = k.config.Group
	group.Topics = nil // all: a member is told its own partitions only
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, k.client)
	if err != nil {
		return nil, fmt.Errorf("asking for the group's offsets: %w", err)
	}
	known := map[string]int32{}
	note := func(topic string, partition int32, offset int64, metadata *string) {
		if offset < 0 || metadata == nil || !slices.Contains(topics, topic) {
			return
		}
		if n, ok := readNote(*metadata); ok {
			known[topic] = max(known[topic], n, partition+1)
		}
	}
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return nil, fmt.Errorf("asking for the group's offsets: %w", err)
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				note(t.Topic, p.Partition, p.Offset, p.Metadata)
			}
		}
	}
	return known, nil
}

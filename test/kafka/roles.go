package kafka

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// admin returns a client that asks the cluster about itself. It gives a node that does not answer up within seconds: some are killed or held. Offsets
// are asked for in the last version that names topics; later ones have ids only.
func (c *Cluster) admin() (*kgo.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		versions := kversion.Stable()
		versions.SetMaxKeyVersion(int16(kmsg.OffsetFetch), 9)
		client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers("PLAINTEXT")...), kgo.DialTimeout(time.Second), kgo.RequestTimeoutOverhead(2*time.Second),
			kgo.RetryTimeout(4*time.Second), kgo.MetadataMinAge(100*time.Millisecond), kgo.MaxVersions(versions))
		if err != nil {
			return nil, fmt.Errorf("asking the cluster: %w", err)
		}
		c.client = client
	}
	return c.client, nil
}

// topicState asks for the leaders and replicas of a topic.
func (c *Cluster) topicState(ctx context.Context, topic string) ([]kmsg.MetadataResponseTopicPartition, error) {
	client, err := c.admin()
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("asking for topic %s: %w", topic, err)
	}
	if len(resp.Topics) != 1 {
		return nil, fmt.Errorf("asking for topic %s: %d answers", topic, len(resp.Topics))
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		return nil, fmt.Errorf("asking for topic %s: %w", topic, err)
	}
	return resp.Topics[0].Partitions, nil
}

// Leader returns the node that leads a partition.
func (c *Cluster) Leader(ctx context.Context, topic string, partition int32) (int, error) {
	list, err := c.topicState(ctx, topic)
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		if p.Partition == partition && p.Leader > 0 {
			return int(p.Leader), nil
		}
	}
	return 0, fmt.Errorf("partition %d of %s has no leader", partition, topic)
}

// Coordinator returns the node that keeps the offsets of a group.
func (c *Cluster) Coordinator(ctx context.Context, group string) (int, error) {
	client, err := c.admin()
	if err != nil {
		return 0, err
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey, req.CoordinatorKeys = group, []string{group} // of old and of new versions
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return 0, fmt.Errorf("asking for the coordinator of %s: %w", group, err)
	}
	node, code := resp.NodeID, resp.ErrorCode
	if len(resp.Coordinators) > 0 {
		node, code = resp.Coordinators[0].NodeID, resp.Coordinators[0].ErrorCode
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return 0, fmt.Errorf("asking for the coordinator of %s: %w", group, err)
	}
	return int(node), nil
}

// Committed returns the offsets of a group by topic and partition. It asks for the coordinator each time: the library would stay with one that is held.
func (c *Cluster) Committed(ctx context.Context, group string) (map[string]map[int32]int64, error) {
	node, err := c.Coordinator(ctx, group)
	if err != nil {
		return nil, err
	}
	client, err := c.admin()
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	req.Groups, req.Group = append(req.Groups, g), group // of new and of old versions
	answer, err := client.Broker(node).Request(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of %s: %w", group, err)
	}
	resp, ok := answer.(*kmsg.OffsetFetchResponse)
	if !ok || len(resp.Groups) != 1 {
		return nil, fmt.Errorf("asking for the offsets of %s: the answer is %T", group, answer)
	}
	if err := kerr.ErrorForCode(resp.Groups[0].ErrorCode); err != nil {
		return nil, fmt.Errorf("asking for the offsets of %s: %w", group, err)
	}
	out := map[string]map[int32]int64{}
	for _, rt := range resp.Groups[0].Topics {
		out[rt.Topic] = map[int32]int64{}
		for _, p := range rt.Partitions {
			if p.ErrorCode == 0 && p.Offset >= 0 {
				out[rt.Topic][p.Partition] = p.Offset
			}
		}
	}
	return out, nil
}

// Controller returns the node that is the active controller. What brokers say in their metadata is any broker: that of the quorum counts.
func (c *Cluster) Controller(ctx context.Context) (int, error) {
	client, err := c.admin()
	if err != nil {
		return 0, err
	}
	req := kmsg.NewPtrDescribeQuorumRequest()
	rt := kmsg.NewDescribeQuorumRequestTopic()
	rt.Topic = "__cluster_metadata"
	rt.Partitions = append(rt.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return 0, fmt.Errorf("asking for the controller: %w", err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 || resp.Topics[0].Partitions[0].LeaderID <= 0 {
		return 0, fmt.Errorf("asking for the controller: %w", kerr.ErrorForCode(resp.ErrorCode))
	}
	return int(resp.Topics[0].Partitions[0].LeaderID), nil
}

// AwaitLed waits until every partition of a topic is led by another node than the given one, 0 if any will do.
func (c *Cluster) AwaitLed(ctx context.Context, topic string, not int) error {
	return c.await(ctx, topic, func(p *kmsg.MetadataResponseTopicPartition) bool { return p.Leader > 0 && int(p.Leader) != not })
}

// AwaitInSync waits until all replicas of a topic are in sync.
func (c *Cluster) AwaitInSync(ctx context.Context, topic string) error {
	return c.await(ctx, topic, func(p *kmsg.MetadataResponseTopicPartition) bool {
		return p.Leader > 0 && len(p.ISR) == len(p.Replicas) && len(p.OfflineReplicas) == 0
	})
}

const healTimeout = 90 * time.Second

func (c *Cluster) await(ctx context.Context, topic string, holds func(*kmsg.MetadataResponseTopicPartition) bool) error {
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := c.topicState(ctx, topic)
		left := 0
		for i := range list {
			if !holds(&list[i]) {
				left++
			}
		}
		if err == nil && len(list) > 0 && left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d partitions of %s are not as they should be: %w", left, len(list), topic, context.Cause(ctx))
		}
	}
}

// SetMinInSync says how many replicas of topics must have a write before it is acknowledged, and before a commit is where a topic is that of the
// offsets.
func (c *Cluster) SetMinInSync(ctx context.Context, n int, topics ...string) error {
	client, err := c.admin()
	if err != nil {
		return err
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for _, topic := range topics {
		resource := kmsg.NewIncrementalAlterConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = "min.insync.replicas", kmsg.StringPtr(strconv.Itoa(n))
		resource.Configs = append(resource.Configs, config)
		req.Resources = append(req.Resources, resource)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("setting min.insync.replicas: %w", err)
	}
	for _, r := range resp.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("setting min.insync.replicas of %s: %w", r.ResourceName, err)
		}
	}
	return nil
}

// Hold stops a node without ending it: its connections stay and nobody answers.
func (c *Cluster) Hold(node int) error { return c.Signal(node, syscall.SIGSTOP) }

// Release lets a node that is held go on.
func (c *Cluster) Release(node int) error { return c.Signal(node, syscall.SIGCONT) }

// Roll restarts all nodes in order, one after the other, each when the replicas of the topics are in sync again.
func (c *Cluster) Roll(ctx context.Context, topics ...string) error {
	for node := 1; node <= c.options.Nodes; node++ {
		if err := c.Stop(node); err != nil {
			return err
		}
		if err := c.Restart(ctx, node); err != nil {
			return err
		}
		for _, topic := range topics {
			if err := c.AwaitInSync(ctx, topic); err != nil {
				return err
			}
		}
	}
	return nil
}

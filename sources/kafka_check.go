package sources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"dataflow/engine"
)

// kafkaCheck looks at brokers, topics and the group without joining it.
type kafkaCheck struct {
	source *kafka
	found  func(engine.Finding)
	faulty map[string]bool    // troubles that were said
	old    *kversion.Versions // what brokers that cannot be asked are spoken to with
	// partitions of the topics, by name
	partitions map[string]int32
}

func (c *kafkaCheck) fact(format string, a ...any) {
	c.found(engine.Finding{Grade: engine.Fact, Text: fmt.Sprintf(format, a...)})
}

func (c *kafkaCheck) advise(format string, a ...any) {
	c.found(engine.Finding{Grade: engine.Advice, Text: fmt.Sprintf(format, a...)})
}

func (c *kafkaCheck) fault(format string, a ...any) {
	c.found(engine.Finding{Grade: engine.Fault, Text: fmt.Sprintf(format, a...)})
}

// Check looks at every broker, the topics and the group.
func (k *kafka) Check(ctx context.Context, found func(engine.Finding)) {
	c := &kafkaCheck{source: k, found: found, faulty: map[string]bool{}, partitions: map[string]int32{}}
	probe, cancel := context.WithTimeout(ctx, 2*pingTimeout)
	defer cancel()
	c.old, _ = k.probeOld(probe) // an error comes again
	var good []string
	for _, b := range k.config.Brokers {
		if c.seed(ctx, b) {
			good = append(good, b)
		}
	}
	if len(good) == 0 {
		return
	}
	client, watch, err := c.client(good...)
	if err != nil {
		c.fault("%v", err)
		return
	}
	defer client.Close()
	c.brokers(ctx, client, watch)
	c.topics(ctx, client)
	c.group(ctx, client)
	if t := &k.config; k.security.tls == nil && (t.SASL.Mechanism == "plain" || t.SASL.Mechanism == "oauthbearer") {
		c.advise("sasl.mechanism: %s without tls shows the secret to whoever listens on the way", t.SASL.Mechanism)
	}
	if k.security.tls != nil && k.security.tls.InsecureSkipVerify {
		c.advise("tls.insecure_skip_verify believes whoever answers, and gives away the password")
	}
}

// client makes one that asks only these brokers at first.
func (c *kafkaCheck) client(seeds ...string) (*kgo.Client, *health, error) {
	k := c.source
	watch := newHealth(k.env).watching(k.security, nil)
	watch.env.Log, watch.env.Health = nil, func(error) {}
	opts, err := k.commonOptions()
	if err != nil {
		return nil, nil, err
	}
	if c.old != nil {
		opts = append(opts, kgo.MaxVersions(c.old))
	}
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(seeds...), kgo.WithHooks(watch))...)
	return client, watch, err
}

// seed looks at one of the brokers that the graph names, and reports whether it can be used.
func (c *kafkaCheck) seed(ctx context.Context, addr string) bool {
	client, watch, err := c.client(addr)
	if err != nil {
		c.fault("%v", err)
		return false
	}
	defer client.Close()
	if err := pingWithin(ctx, client); err != nil {
		c.trouble(watch, fmt.Errorf("broker %s (%s): %w", addr, c.source.security.listener(), err))
		return false
	}
	return true
}

// trouble says what a client's hooks have met, or err.
func (c *kafkaCheck) trouble(watch *health, err error) {
	watch.mu.Lock()
	t := watch.broker
	watch.broker = nil
	watch.mu.Unlock()
	if t == nil {
		t = c.source.endedAtFirst(err)
	}
	if t != nil {
		err = t
	}
	if !c.faulty[err.Error()] {
		c.faulty[err.Error()] = true
		c.fault("%v", err)
	}
}

// brokers looks at every broker of the cluster by the address that it advertises.
func (c *kafkaCheck) brokers(ctx context.Context, client *kgo.Client, watch *health) {
	if err := pingWithin(ctx, client); err != nil {
		c.trouble(watch, err)
		return
	}
	known := client.DiscoveredBrokers()
	metas := map[int32]kgo.BrokerMetadata{}
	answer := kmsg.NewPtrMetadataRequest()
	answer.Topics = []kmsg.MetadataRequestTopic{}
	if resp, err := answer.RequestWith(ctx, client); err == nil {
		for _, b := range resp.Brokers {
			metas[b.NodeID] = kgo.BrokerMetadata{NodeID: b.NodeID, Host: b.Host, Port: b.Port}
		}
	}
	if len(metas) == 0 {
		c.advise("the brokers say nothing of each other (%d known)", len(known))
		return
	}
	for _, id := range slices.Sorted(maps.Keys(metas)) {
		c.broker(ctx, client, watch, metas[id])
	}
}

func (c *kafkaCheck) broker(ctx context.Context, client *kgo.Client, watch *health, meta kgo.BrokerMetadata) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	k := c.source
	addr := net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "engine", "1"
	resp, err := client.Broker(int(meta.NodeID)).Request(ctx, req)
	if err != nil {
		c.trouble(watch, fmt.Errorf("broker %d at %s (%s): %w", meta.NodeID, addr, k.security.listener(), err))
		return
	}
	answer, ok := resp.(*kmsg.ApiVersionsResponse)
	if !ok {
		return
	}
	c.fact("broker %d at %s (%s): %s", meta.NodeID, addr, k.security.listener(), versionOf(answer))
	if hint, _ := parseVersion(k.config.Version); forgotten(hint, answer) {
		c.advise("broker %d no longer speaks what kafka_version: %s says; versions are negotiated, take the option out", meta.NodeID, k.config.Version)
	}
	if k.config.Protocol == "consumer" && !serverSide(answer) {
		c.advise("broker %d does not know group_protocol: consumer, which came with Kafka 4.0; classic will be used", meta.NodeID)
	}
}

// topics looks at what is to be read.
func (c *kafkaCheck) topics(ctx context.Context, client *kgo.Client) {
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range c.source.topics() {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		c.fault("asking for topics: %v", err)
		return
	}
	slices.SortFunc(resp.Topics, func(a, b kmsg.MetadataResponseTopic) int { return strings.Compare(nameOf(a), nameOf(b)) })
	for _, t := range resp.Topics {
		c.partitions[nameOf(t)] = int32(len(t.Partitions))
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case err == kerr.UnknownTopicOrPartition:
			c.advise("topic %s does not exist; it will be read as soon as it does. Is the name right, with namespace", nameOf(t))
		case err == kerr.TopicAuthorizationFailed:
			c.fault("topic %s: the user may not read it; the broker's ACLs must allow READ and DESCRIBE", nameOf(t))
		case err != nil:
			c.fault("topic %s: %v", nameOf(t), err)
		case len(t.Partitions) == 1:
			c.advise("topic %s has one partition: only one member of the group can read it; more partitions share the work among several engines", nameOf(t))
		default:
			c.fact("topic %s has %d partitions", nameOf(t), len(t.Partitions))
		}
		for _, p := range t.Partitions {
			if p.Leader < 0 {
				c.fault("partition %s/%d has no leader", nameOf(t), p.Partition)
			}
		}
	}
}

func nameOf(t kmsg.MetadataResponseTopic) string {
	if t.Topic == nil {
		return ""
	}
	return *t.Topic
}

// member is another member of the group.
type member struct {
	id, host string
	topics   []string
}

// How often, and after which pause, a group is looked at again whose coordinator is not there yet.
const (
	lookAgain = 10
	lookPause = 500 * time.Millisecond
)

// group looks at who else is in the consumer group and what they read: members of one group should read the same.
func (c *kafkaCheck) group(ctx context.Context, client *kgo.Client) {
	name := c.source.config.Group
	g, err := describeGroup(ctx, client, name)
	for range lookAgain { // a coordinator is chosen, and its topic made, at the first question
		if !g.moving && !errors.Is(err, kerr.CoordinatorNotAvailable) && !errors.Is(err, kerr.CoordinatorLoadInProgress) && !errors.Is(err, kerr.NotCoordinator) {
			break
		}
		timer := time.NewTimer(lookPause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		g, err = describeGroup(ctx, client, name)
	}
	switch {
	case err == kerr.GroupAuthorizationFailed || err == kerr.ClusterAuthorizationFailed:
		c.advise("group %s cannot be looked at (%v): reading takes READ on the group, looking DESCRIBE", name, err)
		return
	case err != nil:
		c.fault("group %s: %v", name, err)
		return
	case g.kind != "" && g.kind != consumerGroup && len(g.members) > 0:
		c.fault("group %s is in use by members of another kind, %s (%s): this source will not be let in; take another group", name, g.kind, g.who())
		return
	case len(g.members) == 0:
		c.fact("group %s has no members now", name)
		return
	case g.moving:
		c.advise("group %s has %d members now, which have been sharing their partitions anew all the time of this look: %s", name, len(g.members), g.who())
		return
	}
	c.fact("group %s has %d members now, which share partitions by %s: %s", name, len(g.members), g.assignor, g.who())
	ours := assignorNames[c.source.config.Assignor]
	switch {
	case g.serverSide && c.source.config.Protocol != "consumer":
		c.advise("the broker shares the partitions of group %s; say group_protocol: consumer, with assignor: sticky or range, as its members do", name)
	case !g.serverSide && c.source.config.Protocol != "consumer" && g.assignor != "" && g.assignor != ours:
		c.fault("the members of group %s share partitions by %s, this source by %s: it will not be let in; say assignor: %s, or take a group of its own", name, g.assignor, ours, strings.ReplaceAll(g.assignor, "-", "_"))
	}
	topics := slices.Sorted(slices.Values(c.source.topics()))
	for _, m := range g.members {
		slices.Sort(m.topics)
		if !slices.Equal(m.topics, topics) {
			c.advise("member %s at %s subscribes to %s, this source to %s: members of one group should read the same topics; take another group for other topics",
				m.id, m.host, strings.Join(m.topics, ", "), strings.Join(topics, ", "))
		}
	}
	if most := slices.Max(append(slices.Collect(maps.Values(c.partitions)), 0)); most > 0 && len(g.members) >= int(most) {
		c.advise("group %s has %d members and no topic more than %d partitions: with this source %d members would have nothing to read; give the topics more partitions", name, len(g.members), most, len(g.members)+1-int(most))
	}
}

// consumerGroup is the kind of a group whose members read topics.
const consumerGroup = "consumer"

// described is what a broker says of a group. One that does not exist has no members.
type described struct {
	kind       string // "consumer", or who knows what else uses groups: "connect"
	assignor   string
	serverSide bool // the broker shares the partitions
	moving     bool // partitions are being shared: what the members read and by which assignor is not known
	members    []member
}

// who names the first members.
func (g *described) who() string {
	const most = 5
	var names []string
	for i, m := range g.members {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(g.members)-most))
			break
		}
		names = append(names, m.id+" at "+m.host)
	}
	return strings.Join(names, ", ")
}

// assignorNames are the assignors as they stand in the protocol.
var assignorNames = map[string]string{"cooperative_sticky": "cooperative-sticky", "sticky": "sticky", "roundrobin": "roundrobin", "range": "range"}

// describeGroup asks who the members of a group are and how they share.
func describeGroup(ctx context.Context, client *kgo.Client, name string) (described, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{name}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return described{}, err
	}
	var out described
	for _, g := range resp.Groups {
		switch err := kerr.ErrorForCode(g.ErrorCode); err {
		case nil:
		case kerr.GroupIDNotFound:
			return describeServerSide(ctx, client, name), nil
		default:
			return described{}, err
		}
		if g.State == "Dead" {
			return describeServerSide(ctx, client, name), nil
		}
		for _, m := range g.Members {
			var meta kmsg.ConsumerMemberMetadata
			if g.ProtocolType == consumerGroup {
				_ = meta.ReadFrom(m.ProtocolMetadata) // empty while partitions are being shared
			}
			out.members = append(out.members, member{m.ClientID, strings.TrimPrefix(m.ClientHost, "/"), meta.Topics})
		}
		out.kind, out.assignor = g.ProtocolType, g.Protocol
		out.moving = strings.HasSuffix(g.State, "Rebalance") // PreparingRebalance, CompletingRebalance
	}
	if len(out.members) == 0 {
		if other := describeServerSide(ctx, client, name); len(other.members) > 0 {
			return other, nil
		}
	}
	return out, nil
}

// describeServerSide is for groups whose partitions the broker shares. Brokers that know no such groups have none.
func describeServerSide(ctx context.Context, client *kgo.Client, name string) described {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{name}
	out := described{kind: consumerGroup, serverSide: true}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return out
	}
	for _, g := range resp.Groups {
		if g.ErrorCode != 0 {
			continue
		}
		out.assignor = g.AssignorName
		for _, m := range g.Members {
			out.members = append(out.members, member{m.ClientID, strings.TrimPrefix(m.ClientHost, "/"), m.SubscribedTopics})
		}
	}
	return out
}

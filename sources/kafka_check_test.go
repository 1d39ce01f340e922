package sources

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine"
)

// clientPort is the port of a member, which kfake says and Kafka does not.
var clientPort = regexp.MustCompile(`((?:member|datakit|connect|sticky|range)\S* (?:\S+ )?at [0-9.]+):\d+`)

// look returns what Check finds, a line each.
func look(t *testing.T, r *reader) []string {
	t.Helper()
	var out []string
	r.source.Check(t.Context(), func(f engine.Finding) {
		out = append(out, f.Grade+": "+clientPort.ReplaceAllString(f.Text, "$1"))
	})
	return out
}

// TestKafkaCheck looks at a cluster with topics that miss or have one partition, and a group in use.
func TestKafkaCheck(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 3, "one": 1, "elsewhere": 2})
	subject := func(change func(*kafkaConfig)) *reader {
		return newReader(t, k, func(c *kafkaConfig) {
			c.Streams = map[string]kafkaStream{"logs": {Topics: []string{"logs", "one", "misspelt"}, Category: "logging"}}
			if change != nil {
				change(c)
			}
		})
	}
	addr := k.Addr()
	same := func(got, want []string) {
		t.Helper()
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	first := look(t, subject(nil))
	if len(first) == 0 || !strings.HasPrefix(first[0], "ok: broker 0 at "+addr+" (PLAINTEXT): v") && !strings.HasPrefix(first[0], "ok: broker 0 at "+addr+" (PLAINTEXT): ") {
		t.Fatalf("found %q", first)
	}
	topics := []string{
		"ok: topic logs has 3 partitions",
		"advice: topic misspelt does not exist; it will be read as soon as it does. Is the name right, with namespace",
		"advice: topic one has one partition: only one member of the group can read it; more partitions share the work among several engines",
	}
	same(first[1:], append(topics[:3:3], "ok: group g has no members now"))

	other, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("elsewhere"), kgo.ClientID("datakit"), kgo.Balancers(kgo.RoundRobinBalancer()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	eventually(t, "a stable group with one member", func() bool {
		g := k.Cluster().GroupInfo("g")
		return g != nil && g.State == "Stable"
	})
	got := look(t, subject(func(c *kafkaConfig) { c.SASL = login("plain", "u", "p") }))
	if len(got) == 0 || !strings.HasPrefix(got[0], "fault: broker "+addr+" (SASL_PLAINTEXT): ") {
		t.Errorf("found %q", got)
	}
	same(look(t, subject(nil))[1:], append(topics[:3:3],
		"ok: group g has 1 members now, which share partitions by roundrobin: datakit at 127.0.0.1",
		"fault: the members of group g share partitions by roundrobin, this source by cooperative-sticky: it will not be let in; say assignor: roundrobin, or take a group of its own",
		"advice: member datakit at 127.0.0.1 subscribes to elsewhere, this source to logs, misspelt, one: members of one group should read the same topics; take another group for other topics",
	))
	same(look(t, subject(func(c *kafkaConfig) { c.Brokers = []string{"127.0.0.1:1"} })), []string{
		"fault: broker 127.0.0.1:1 (PLAINTEXT): nobody listens there; is the broker running, and is the port of brokers right: unable to dial: dial tcp 127.0.0.1:1: connect: connection refused",
	})
	same(look(t, subject(func(c *kafkaConfig) { c.Brokers, c.SASL = []string{"127.0.0.1:1"}, login("plain", "u", "") })), []string{
		"fault: sasl.password is empty: the file or variable that it comes from is missing or empty",
	})
}

// TestKafkaCheckGroups looks at groups of other kinds: more members than partitions, one that the broker shares, and one of something else.
func TestKafkaCheckGroups(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 2})
	find := func(group string) []string {
		all := look(t, newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Group = group }))
		return all[2:] // behind the broker and the topic
	}
	same := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	join := func(group string, members int, opts ...kgo.Opt) {
		for range members {
			client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.Addr()), kgo.ConsumerGroup(group), kgo.ConsumeTopics("logs"), kgo.ClientID("datakit"))...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
		}
		eventually(t, "a stable group", func() bool {
			g := k.Cluster().GroupInfo(group)
			return g != nil && g.State == "Stable" && len(g.Members) == members
		})
	}
	join("crowd", 2)
	same(find("crowd"), "ok: group crowd has 2 members now, which share partitions by cooperative-sticky: datakit at 127.0.0.1, datakit at 127.0.0.1",
		"advice: group crowd has 2 members and no topic more than 2 partitions: with this source 1 members would have nothing to read; give the topics more partitions")
	sharing := func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		resp := kreq.ResponseKind().(*kmsg.DescribeGroupsResponse)
		group := kmsg.NewDescribeGroupsResponseGroup()
		group.Group, group.State, group.ProtocolType = "crowd", "PreparingRebalance", "consumer"
		group.Members = []kmsg.DescribeGroupsResponseGroupMember{{ClientID: "datakit", ClientHost: "/127.0.0.1"}, {ClientID: "datakit", ClientHost: "/127.0.0.1"}}
		resp.Groups = append(resp.Groups, group)
		return resp, nil, true
	}
	k.Cluster().ControlKey(int16(kmsg.DescribeGroups), sharing) // once
	same(find("crowd")[:1], "ok: group crowd has 2 members now, which share partitions by cooperative-sticky: datakit at 127.0.0.1, datakit at 127.0.0.1")
	k.Cluster().ControlKey(int16(kmsg.DescribeGroups), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		return sharing(kreq)
	})
	same(find("crowd"), "advice: group crowd has 2 members now, which have been sharing their partitions anew all the time of this look: datakit at 127.0.0.1, datakit at 127.0.0.1")
	k = startKafka(t, map[string]int32{"logs": 2})

	join("next", 1, kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
	same(find("next"), "ok: group next has 1 members now, which share partitions by range: datakit at 127.0.0.1",
		"advice: the broker shares the partitions of group next; say group_protocol: consumer, with assignor: sticky or range, as its members do")

	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.ClientID("connect"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.ProtocolType, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = "workers", "connect", 10_000, 10_000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = "compatible", []byte{1}
	req.Protocols = append(req.Protocols, protocol)
	for range 2 { // the first answer says the id
		resp, err := req.RequestWith(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		req.MemberID = resp.MemberID
	}
	same(find("workers"), "fault: group workers is in use by members of another kind, connect (connect at 127.0.0.1): this source will not be let in; take another group")
}

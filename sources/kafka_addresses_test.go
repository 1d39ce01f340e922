package sources

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine/embedded"
)

// TestKafkaIPv6 reads from a broker that listens on, and advertises, an address of IPv6.
func TestKafkaIPv6(t *testing.T) {
	t.Parallel()
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Logf("this machine has no IPv6, so nothing is tested: %v", err)
		return
	} else {
		l.Close()
	}
	k, err := embedded.StartKafka(map[string]int32{"logs": 2}, embedded.KafkaOptions{Listen: "[::1]:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if !strings.HasPrefix(k.Addr(), "[::1]:") {
		t.Fatalf("the broker listens at %s", k.Addr())
	}
	produce(t, k, "logs", 0, "hello")
	r := newReader(t, k, oneStream("logs", "logging"))
	if got := look(t, r); len(got) == 0 || !strings.HasPrefix(got[0], "ok: broker 0 at "+k.Addr()+" (PLAINTEXT): ") {
		t.Errorf("found %q", got)
	}
	r.start()
	r.await("logs/0", 1)
	r.stop()
}

// TestKafkaDeadSeed reads though the first address of brokers is dead, and the second one does not resolve.
func TestKafkaDeadSeed(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	produce(t, k, "logs", 0, "hello")
	r := newReader(t, k, func(c *kafkaConfig) {
		oneStream("logs", "logging")(c)
		c.Brokers = []string{"127.0.0.1:1", "no-such-host.invalid:9092", k.Addr()}
	}).start()
	r.await("logs/0", 1)
	r.stop()
	if got := k.Committed("g", "logs", 0); got != 1 {
		t.Errorf("committed %d", got)
	}
}

// TestKafkaBrokersMove adds a broker and gives it a partition, takes the first broker away, with the address that the graph names, and brings it back
// at another one: all is read.
func TestKafkaBrokersMove(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 2})
	c := k.Cluster()
	r := newReader(t, k, oneStream("logs", "logging")).start()
	addr := k.Addr()
	n := 0
	both := func() {
		t.Helper()
		n++
		m := fmt.Sprint("m", n)
		for id := range int32(2) {
			produceAnew(t, addr, "logs", id, m)
		}
		eventually(t, m+" of both partitions", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return slices.Contains(r.got["logs/0"], m) && slices.Contains(r.got["logs/1"], m)
		})
	}
	both()
	second, port, err := c.AddNode(-1, 0)
	if err != nil {
		t.Fatal(err)
	}
	for id := range int32(2) {
		if err := c.MoveTopicPartition("logs", id, second); err != nil {
			t.Fatal(err)
		}
	}
	both()
	if err := c.RemoveNode(0); err != nil {
		t.Fatal(err)
	}
	addr = c.ListenAddrs()[0]
	if _, _, err := net.SplitHostPort(addr); err != nil || addr == k.Addr() || port == 0 {
		t.Fatalf("the second broker is at %s (%d): %v", addr, port, err)
	}
	both()
	if _, _, err := c.AddNode(0, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.MoveTopicPartition("logs", 0, 0); err != nil {
		t.Fatal(err)
	}
	both()
	eventually(t, "all committed", func() bool { return k.Committed("g", "logs", 0) == int64(n) && k.Committed("g", "logs", 1) == int64(n) })
	r.stop()
}

// TestKafkaAdvertisedName: brokers that advertise a name that this machine does not know are named, with the line for /etc/hosts, in the log and by a look.
func TestKafkaAdvertisedName(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	c := k.Cluster()
	c.ControlKey(int16(kmsg.Metadata), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := kreq.ResponseKind().(*kmsg.MetadataResponse)
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = 0, "kafka-1.invalid", 9092
		resp.Brokers = append(resp.Brokers, b)
		for _, t := range kreq.(*kmsg.MetadataRequest).Topics {
			rt := kmsg.NewMetadataResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, [16]byte{1}
			rt.Partitions = append(rt.Partitions, kmsg.NewMetadataResponseTopicPartition())
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	c.ControlKey(int16(kmsg.FindCoordinator), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := kreq.ResponseKind().(*kmsg.FindCoordinatorResponse)
		g := kmsg.NewFindCoordinatorResponseCoordinator()
		g.Key, g.NodeID, g.Host, g.Port = "g", 0, "kafka-1.invalid", 9092
		resp.Coordinators = append(resp.Coordinators, g)
		return resp, nil, true
	})
	const want = "broker kafka-1.invalid:9092 (PLAINTEXT): the brokers advertise the name kafka-1.invalid (advertised.listeners of broker 0), " +
		`which does not resolve on this machine; add a line "ADDRESS kafka-1.invalid" to /etc/hosts`
	r := newReader(t, k, oneStream("logs", "logging"))
	if got := look(t, r); !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, "fault: "+want) }) {
		t.Errorf("found %q", got)
	}
	log := &logLines{}
	r.source.health.env.Log = log.logger()
	r.start()
	eventually(t, "the log says so", func() bool { return strings.Contains(strings.ReplaceAll(log.String(), `\"`, `"`), want) })
	r.crash()
}

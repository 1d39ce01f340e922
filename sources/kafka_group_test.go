package sources

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine/embedded"
)

// TestKafkaRebalance lets a second member join, and the first one leave, while messages come in.
func TestKafkaRebalance(t *testing.T) {
	t.Parallel()
	for _, assignor := range []string{"cooperative_sticky", "roundrobin"} {
		t.Run(assignor, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, map[string]int32{"logs": 4})
			change := func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Assignor = assignor }
			first := newReader(t, k, change).start()
			want := numbered(600, "m")
			send := func(from, to int) {
				for p := range int32(4) {
					produce(t, k, "logs", p, want[from:to]...)
				}
			}
			send(0, 200)
			first.await("logs/0", 200)
			second := newReader(t, k, change).start()
			send(200, 300)
			eventually(t, "two members", func() bool {
				info := k.Cluster().GroupInfo("g")
				return info.State == "Stable" && len(info.Members) == 2 && info.Members[0].NumAssigned() == 2 && info.Members[1].NumAssigned() == 2
			})
			send(300, 400)
			eventually(t, "400 messages of every partition", func() bool { return k.Committed("g", "logs", 0) == 400 && k.Committed("g", "logs", 3) == 400 })
			first.stop()
			send(400, 600)
			eventually(t, "all committed", func() bool {
				for p := range int32(4) {
					if k.Committed("g", "logs", p) != 600 {
						return false
					}
				}
				return true
			})
			second.stop()
			for p := range 4 {
				key := fmt.Sprintf("logs/%d", p)
				seen := map[string]int{}
				for _, m := range append(slices.Clone(first.got[key]), second.got[key]...) {
					seen[m]++
				}
				for _, m := range want {
					if seen[m] == 0 {
						t.Fatalf("%s: %s is missing", key, m)
					}
				}
				if n := len(first.got[key]) + len(second.got[key]); n != len(want) {
					t.Errorf("%s: %d messages were read, want %d: nothing was in flight for long", key, n, len(want))
				}
			}
		})
	}
}

// sharings are the ways in which a group shares its partitions.
var sharings = map[string]func(*kafkaConfig){
	"eager":       func(c *kafkaConfig) { c.Assignor = "roundrobin" },
	"cooperative": func(c *kafkaConfig) { c.Assignor = "cooperative_sticky" },
	"consumer":    func(c *kafkaConfig) { c.Assignor, c.Protocol = "sticky", "consumer" },
}

// TestKafkaLateAck is the case of guarantees B3: a partition moves from A to B, B commits 100, A finishes 50 messages late.
// The group must stay at 100, and no commit may be of a partition outside of the epoch in which its member had it.
func TestKafkaLateAck(t *testing.T) {
	t.Parallel()
	for name, sharing := range sharings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, map[string]int32{"logs": 2})
			watch := k.WatchCommits("g")
			change := func(c *kafkaConfig) { oneStream("logs", "logging")(c); sharing(c) }
			a := newReader(t, k, change)
			a.hold = true
			a.start()
			for p := range int32(2) {
				produce(t, k, "logs", p, numbered(50, "m")...)
			}
			a.await("logs/0", 50)
			a.await("logs/1", 50)
			b := newReader(t, k, change).start()
			eventually(t, "a partition at B", func() bool { return b.count("logs/0")+b.count("logs/1") == 50 })
			moved := int32(0)
			if b.count("logs/1") > 0 {
				moved = 1
			}
			produce(t, k, "logs", moved, numbered(50, "n")...)
			eventually(t, "commit of 100 by B", func() bool { return k.Committed("g", "logs", moved) == 100 })
			if name == "eager" {
				a.await(fmt.Sprintf("logs/%d", 1-moved), 100) // it has given both up and reads again what it kept
			}
			a.finishHeld()
			eventually(t, "commit of A's other partition", func() bool { return k.Committed("g", "logs", 1-moved) == 50 })
			if got := k.Committed("g", "logs", moved); got != 100 {
				t.Errorf("a late acknowledgement set the group back to %d", got)
			}
			want := map[bool]int64{true: 100, false: 50}[name == "eager"]
			if n := a.counts.get("kafka_late_acks"); n != want {
				t.Errorf("%d late acknowledgements counted, want %d", n, want)
			}
			a.stop()
			b.stop()
			if got := k.Committed("g", "logs", moved); got != 100 {
				t.Errorf("at the end the group is at %d", got)
			}
			if r := watch.Report(); r.Rewinds > 0 || r.Foreign > 0 || r.Requests == 0 {
				t.Errorf("commits: %+v", r)
			}
		})
	}
}

// TestKafkaZombie cuts a member off until the group has expelled it and its partitions are another's, which commits. Then it comes back with everything done: none
// of what it commits may count, and what it has is abandoned without a commit.
func TestKafkaZombie(t *testing.T) {
	t.Parallel()
	for name, sharing := range sharings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := embedded.StartKafka(map[string]int32{"logs": 2}, embedded.KafkaOptions{More: []kfake.Opt{kfake.BrokerConfigs(map[string]string{
				"group.consumer.session.timeout.ms": "1000", "group.consumer.heartbeat.interval.ms": "200",
			})}})
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			watch := k.WatchCommits("g")
			change := func(c *kafkaConfig) { oneStream("logs", "logging")(c); sharing(c); c.SessionTimeout = time.Second }
			a := newReader(t, k, change)
			a.hold = true
			wire := &wire{dial: a.source.env.Dial}
			a.source.env.Dial = wire.Dial
			a.start()
			for p := range int32(2) {
				produce(t, k, "logs", p, numbered(50, "m")...)
			}
			a.await("logs/0", 50)
			a.await("logs/1", 50)
			wire.cut()
			b := newReader(t, k, change).start()
			b.await("logs/0", 50)
			b.await("logs/1", 50)
			for p := range int32(2) {
				produce(t, k, "logs", p, numbered(50, "n")...)
			}
			all := func(offset int64) func() bool {
				return func() bool {
					return k.Committed("g", "logs", 0) == offset && k.Committed("g", "logs", 1) == offset
				}
			}
			eventually(t, "commit of 100 by B", all(100))
			a.finishHeld()
			wire.mend()
			eventually(t, "both are members", func() bool {
				info := k.Cluster().GroupInfo("g")
				return info.State == "Stable" && len(info.Members) == 2 && info.Members[0].NumAssigned() == 1 && info.Members[1].NumAssigned() == 1
			})
			for p := range int32(2) {
				produce(t, k, "logs", p, numbered(50, "o")...)
			}
			eventually(t, "commit of 150", all(150))
			a.stop()
			b.stop()
			if r := watch.Report(); r.Rewinds > 0 || r.Foreign > 0 {
				t.Errorf("commits: %+v", r)
			}
		})
	}
}

// wire are connections that can be cut: nothing gets through, in either direction, and no new one comes about.
type wire struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu    sync.Mutex
	gone  bool
	conns []net.Conn
}

// Dial fails while the wire is cut.
func (w *wire) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return nil, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}
	}
	c, err := w.dial(ctx, network, addr)
	if err == nil {
		w.conns = append(w.conns, c)
	}
	return c, err
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = false
}

// TestKafkaCloseWhileJoining ends a member while it waits for another that is dead to join the group anew: what is done is committed all the same.
func TestKafkaCloseWhileJoining(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	watch := k.WatchCommits("g")
	r := newReader(t, k, func(c *kafkaConfig) {
		oneStream("logs", "logging")(c)
		c.SessionTimeout, c.RebalanceWait, c.CommitInterval = 2*time.Second, 30*time.Second, time.Hour
	}).start()
	produce(t, k, "logs", 0, numbered(10, "m")...)
	r.await("logs/0", 10)
	state := func(state string, members int) func() bool {
		return func() bool {
			info := k.Cluster().GroupInfo("g")
			return info.State == state && len(info.Members) == members
		}
	}
	joinAndDie(t, k, "g", "logs")
	eventually(t, "a dead member", state("Stable", 2))
	joinAndDie(t, k, "g", "logs")
	eventually(t, "a group that waits for it", func() bool { return state("PreparingRebalance", 2)() || state("PreparingRebalance", 3)() })
	joining := time.Now()
	eventually(t, "the member joins anew", func() bool { return time.Since(joining) > 1500*time.Millisecond }) // within a heartbeat
	produce(t, k, "logs", 0, numbered(10, "n")...)
	r.await("logs/0", 20)
	r.endRun()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // as the runtime gives
	defer cancel()
	if err := r.source.Close(ctx); err != nil {
		t.Errorf("closing: %v", err)
	}
	if got := k.Committed("g", "logs", 0); got != 20 {
		t.Errorf("committed %d, want 20", got)
	}
	if got := watch.Report(); got.Rewinds > 0 || got.Foreign > 0 {
		t.Errorf("commits: %+v", got)
	}
}

// joinAndDie joins a group, once it may as the last but one, and is never heard of again.
func joinAndDie(t *testing.T, k *embedded.Kafka, group, topic string) {
	t.Helper()
	client := adminClient(t, k)
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.ProtocolType = group, "consumer"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 30_000, 30_000
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version, meta.Topics = 1, []string{topic}
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "cooperative-sticky", meta.AppendTo(nil)
	join.Protocols = append(join.Protocols, p)
	resp, err := join.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	join.MemberID = resp.MemberID // the first answer only gives the name
	go func() { _, _ = join.RequestWith(t.Context(), client) }()
}

package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine"
)

// onlyLong reports whether the long tier is wanted, and says so where it is not.
func onlyLong(t *testing.T) bool {
	if !*long {
		t.Log("of the long tier: -long runs it")
	}
	return *long
}

// options of a source in a group on the listener in clear, in front of more.
func member(c *Cluster, group, topic string, more ...string) []string {
	return append([]string{fmt.Sprintf("brokers: [%q]", c.Brokers("PLAINTEXT")[0]), "group: " + group, "topics: [" + topic + "]"}, more...)
}

// await waits for a condition that nothing announces.
func await(t *testing.T, what string, runners []*runner, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(60 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-timeout:
			for _, r := range runners {
				t.Logf("state %v, %d messages\n%s", r.engine.Ready(), r.basket.count(), r.log.String())
			}
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// union is how many different messages several graphs have got.
func union(rs ...*runner) int {
	all := map[string]bool{}
	for _, r := range rs {
		r.basket.mu.Lock()
		for m := range r.basket.got {
			all[m] = true
		}
		r.basket.mu.Unlock()
	}
	return len(all)
}

// clientOf makes a client in clear.
func clientOf(t *testing.T, c *Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(c.Brokers("PLAINTEXT")...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// TestAssignors shares a topic between two graphs, by every assignor and both protocols of groups: one joins, one leaves, nothing is lost.
func TestAssignors(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	for _, v := range []string{Kafka3, Kafka4} {
		t.Run(v, func(t *testing.T) {
			c := startCluster(t, Options{Version: v})
			for i, way := range []struct{ assignor, protocol, shares string }{
				{"cooperative_sticky", "classic", ""}, {"sticky", "classic", ""}, {"roundrobin", "classic", ""}, {"range", "classic", ""},
				{"sticky", "consumer", "uniform"}, {"range", "consumer", "range"},
			} {
				t.Run(way.protocol+" "+way.assignor, func(t *testing.T) {
					name := fmt.Sprintf("shared%d", i)
					topic(t, c, name, 6, 100)
					options := member(c, "g"+name, name, "assignor: "+way.assignor, "group_protocol: "+way.protocol)
					a := build(t, options...).start(t)
					a.basket.await(t, a, 100)
					if way.shares != "" && v == Kafka3 {
						await(t, "the log says that the protocol is not known", []*runner{a}, func() bool {
							return strings.Contains(a.log.String(), "the brokers do not know group_protocol: consumer; classic is used")
						})
					} else if way.shares != "" {
						if got := sharedBy(t, c, "g"+name); got != way.shares {
							t.Errorf("the broker shares by %q, want %q", got, way.shares)
						}
					}
					b := build(t, options...).start(t)
					client := clientOf(t, c)
					n := 100
					await(t, "the second member reads", []*runner{a, b}, func() bool {
						produce(t, client, name, n, 10)
						n += 10
						return b.basket.count() > 0
					})
					await(t, "all is read", []*runner{a, b}, func() bool { return union(a, b) == n })
					b.stop(t)
					produce(t, client, name, n, 100)
					n += 100
					await(t, "the first member has all again", []*runner{a, b}, func() bool { return union(a, b) == n })
					t.Logf("figure: %s: %d messages, %d by the first and %d by the second member", t.Name(), n, a.basket.count(), b.basket.count())
					a.stop(t)
					if got := committed(t, c, "g"+name, name); got != int64(n) {
						t.Errorf("committed %d of %d", got, n)
					}
				})
			}
		})
	}
}

// sharedBy asks how the broker shares the partitions of a group, "" if its members do.
func sharedBy(t *testing.T, c *Cluster, group string) string {
	t.Helper()
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{group}
	resp, err := req.RequestWith(t.Context(), clientOf(t, c))
	if err != nil || len(resp.Groups) != 1 || resp.Groups[0].ErrorCode != 0 {
		return ""
	}
	return resp.Groups[0].AssignorName
}

// committed is the sum of the offsets of a group in a topic.
func committed(t *testing.T, c *Cluster, group, topic string) int64 {
	t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(t.Context(), clientOf(t, c))
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, g := range resp.Groups {
		for _, rt := range g.Topics {
			for _, p := range rt.Partitions {
				if rt.Topic == topic && p.Offset > 0 {
					sum += p.Offset
				}
			}
		}
	}
	return sum
}

// assignments are the members of a group with the partitions of each, as the broker has them.
func assignments(t *testing.T, c *Cluster, group string) (members map[string]int, state string) {
	t.Helper()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	members = map[string]int{}
	resp, err := req.RequestWith(t.Context(), clientOf(t, c))
	if err != nil {
		return members, err.Error() // the coordinator is not there yet
	}
	for i := range resp.Groups {
		g := &resp.Groups[i]
		state = g.State
		for _, m := range g.Members {
			var a kmsg.ConsumerMemberAssignment
			if err := a.ReadFrom(m.MemberAssignment); err != nil {
				continue
			}
			for _, rt := range a.Topics {
				members[m.MemberID] += len(rt.Partitions)
			}
		}
	}
	return members, state
}

// TestStaticMember restarts a member with an instance_id: the other one keeps what it has, and never gets the partitions of the one that is away.
func TestStaticMember(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	c := startCluster(t, Options{Version: Kafka4})
	topic(t, c, "static", 4, 100)
	as := func(id string) []string {
		return member(c, "g", "static", "instance_id: "+id, "session_timeout: 20s", "client_id: "+id)
	}
	a, b := build(t, as("a")...).start(t), build(t, as("b")...).start(t)
	shared := func() bool {
		m, state := assignments(t, c, "g")
		return state == "Stable" && len(m) == 2 && !slices.Contains(values(m), 0) && rebalances(a) > 0 && rebalances(b) > 0
	}
	await(t, "two members share", []*runner{a, b}, shared)
	await(t, "all is read", []*runner{a, b}, func() bool { return union(a, b) == 100 })
	before := rebalances(a)
	b.stop(t)
	client := clientOf(t, c)
	produce(t, client, "static", 100, 100)
	if m, state := assignments(t, c, "g"); state != "Stable" || len(m) != 2 {
		t.Errorf("after the member has gone the group is %s with %v", state, m)
	}
	b2 := build(t, as("b")...).start(t)
	await(t, "all is read", []*runner{a, b, b2}, func() bool { return union(a, b, b2) == 200 })
	if got := rebalances(a); got != before {
		t.Errorf("the other member has seen %d rebalances", got-before)
	}
	if b2.basket.count() == 0 {
		t.Error("the member that came back has read nothing")
	}
	t.Logf("figure: the other member: %d assignments before, %d after the restart", before, rebalances(a))
	a.stop(t)
	b2.stop(t)
}

func values(m map[string]int) []int {
	var out []int
	for _, n := range m {
		out = append(out, n)
	}
	return out
}

// TestBesideRoundRobin shares a group with an eager member, as an older DataKit is one: the group rolls over, in both directions. With another assignor
// the source says why it is not let in, and what to say.
func TestBesideRoundRobin(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	for _, v := range []string{Kafka3, Kafka4} {
		t.Run(v, func(t *testing.T) {
			c := startCluster(t, Options{Version: v})
			topic(t, c, "logs", 6, 60)
			eager, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers("PLAINTEXT")...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("logs"), kgo.ClientID("datakit"),
				kgo.Balancers(kgo.RoundRobinBalancer()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(10*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			seen := make(chan string, 1<<16)
			polled := make(chan struct{})
			go func() {
				defer close(polled)
				for {
					fetches := eager.PollFetches(t.Context())
					if fetches.IsClientClosed() || t.Context().Err() != nil {
						return
					}
					fetches.EachRecord(func(r *kgo.Record) { seen <- string(r.Value) })
				}
			}()
			await(t, "the eager member reads", nil, func() bool { return len(seen) >= 60 })

			stranger := build(t, member(c, "g", "logs")...)
			var faults []string
			stranger.engine.Connect(t.Context(), func(_ string, f engine.Finding) {
				if f.Grade == engine.Fault {
					faults = append(faults, f.Text)
				}
			})
			if len(faults) != 1 || !strings.Contains(faults[0], "say assignor: roundrobin, or take a group of its own") {
				t.Errorf("validate --connect says %q", faults)
			}
			stranger.start(t)
			await(t, "the state says why it is not let in", []*runner{stranger}, func() bool {
				for _, h := range stranger.engine.Ready() {
					if strings.Contains(h.Err.Error(), "the members of group g share partitions in another way than assignor: cooperative_sticky") {
						return true
					}
				}
				return false
			})
			stranger.cancel()
			<-stranger.ended

			e := build(t, member(c, "g", "logs", "assignor: roundrobin")...).start(t)
			client := clientOf(t, c)
			n := 60
			await(t, "both members read", []*runner{e}, func() bool {
				produce(t, client, "logs", n, 12)
				n += 12
				return e.basket.count() > 0
			})
			eager.Close()
			<-polled
			produce(t, client, "logs", n, 60)
			n += 60
			all := map[string]bool{}
			await(t, "all is read", []*runner{e}, func() bool {
				for len(seen) > 0 {
					all[<-seen] = true
				}
				e.basket.mu.Lock()
				defer e.basket.mu.Unlock()
				for m := range e.basket.got {
					all[m] = true
				}
				return len(all) == n
			})
			t.Logf("figure: %s beside an eager member: %d messages, %d by the engine", v, n, e.basket.count())
			e.stop(t)
		})
	}
}

// TestVersionHints reads from both lines whatever kafka_version says, and says what the brokers no longer speak.
func TestVersionHints(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	for _, v := range []string{Kafka3, Kafka4} {
		t.Run(v, func(t *testing.T) {
			c := startCluster(t, Options{Version: v})
			topic(t, c, "logs", 2, 20)
			for i, hint := range []string{"0.8.2.0", "0.9.0.1", "0.10.2", "0.11.0.2", "1.0.0", "2.0.0", "3.3.1", "9.9"} {
				began := time.Now()
				e := build(t, member(c, fmt.Sprintf("g%d", i), "logs", "kafka_version: "+hint)...).start(t)
				e.basket.await(t, e, 20)
				await(t, "the greeting", []*runner{e}, func() bool { return strings.Contains(e.log.String(), "Kafka has answered") })
				forgotten := strings.Contains(e.log.String(), "no longer speak")
				t.Logf("figure: %s kafka_version %-8s reads after %v; no longer spoken: %v", v, hint, time.Since(began).Round(10*time.Millisecond), forgotten)
				if want := v == Kafka4 && strings.HasPrefix(hint, "0.") && !strings.HasPrefix(hint, "0.11"); forgotten != want {
					t.Errorf("kafka_version %s: no longer spoken is %v, want %v\n%s", hint, forgotten, want, e.log.String())
				}
				e.stop(t)
			}
		})
	}
}

// TestBrokerComesBack kills the broker under a graph and starts it again.
func TestBrokerComesBack(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	c := startCluster(t, Options{Version: Kafka4, Security: true})
	topic(t, c, "logs", 2, 20)
	e := build(t, fmt.Sprintf("brokers: [%q]", c.Brokers("SASL_SSL")[0]), "group: g", "topics: [logs]",
		"sasl: {mechanism: scram_sha_256, username: bob, password: bob-secret}", fmt.Sprintf("tls: {enabled: true, ca: %q}", c.Certificate("ca.pem"))).start(t)
	e.basket.await(t, e, 20)
	if err := c.Kill(1); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	await(t, "the state says that nobody listens", []*runner{e}, func() bool {
		for _, h := range e.engine.Ready() {
			if strings.Contains(h.Err.Error(), "nobody listens") {
				return true
			}
		}
		return false
	})
	t.Logf("figure: broker killed: said after %v", time.Since(began).Round(time.Millisecond))
	if err := c.Restart(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	produce(t, clientOf(t, c), "logs", 20, 20)
	e.basket.await(t, e, 40)
	await(t, "healthy", []*runner{e}, func() bool { return len(e.engine.Ready()) == 0 })
	t.Logf("figure: healthy %v after the restart", time.Since(began).Round(time.Millisecond))
	e.stop(t)
}

// rebalances is how often a graph's source has been given partitions.
func rebalances(r *runner) int64 {
	for _, n := range r.engine.Snapshot().Nodes {
		for _, c := range n.Custom {
			if strings.HasPrefix(c.Label, "kafka_rebalances") {
				return c.N
			}
		}
	}
	return 0
}

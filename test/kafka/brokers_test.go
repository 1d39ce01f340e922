package kafka

import (
	"fmt"
	"testing"
	"time"

	"dataflow/test/harness"
)

// trouble is something that happens to three brokers while two engines read.
type trouble struct {
	name   string
	events int // that may take partitions from a member
	do     func(s *siege) error
}

const offsetsTopic = "__consumer_offsets"

// victim chooses a node.
type victim func(s *siege) (int, error)

// leaderOf is the leader of one of the partitions.
func leaderOf(s *siege) (int, error) {
	return s.cluster.Leader(s.t.Context(), s.name, s.random.Int32N(siegePartitions))
}

func coordinatorOf(s *siege) (int, error) { return s.cluster.Coordinator(s.t.Context(), s.name) }

func controllerOf(s *siege) (int, error) { return s.cluster.Controller(s.t.Context()) }

// killed kills a node, and starts it again when the others have taken over and go on.
func killed(choose victim) func(*siege) error {
	return func(s *siege) error {
		node, err := choose(s)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := s.cluster.Kill(node); err != nil {
			return err
		}
		if err := s.cluster.AwaitLed(s.t.Context(), s.name, node); err != nil {
			return err
		}
		s.tell("node %d killed, others lead after %v", node, time.Since(began).Round(100*time.Millisecond))
		s.awaitMore(3 * siegeRate)
		s.tell("delivering again by %v", time.Since(began).Round(100*time.Millisecond))
		return s.cluster.Restart(s.t.Context(), node)
	}
}

// held stops a node for a time without ending it.
func held(choose victim, d time.Duration) func(*siege) error {
	return func(s *siege) error {
		node, err := choose(s)
		if err != nil {
			return err
		}
		if err := s.cluster.Hold(node); err != nil {
			return err
		}
		before := s.ledger.Sum().Seen
		s.wait(d)
		s.tell("node %d held for %v, %d messages meanwhile", node, d, s.ledger.Sum().Seen-before)
		return s.cluster.Release(node)
	}
}

// unheard limits how long nothing may be committed meanwhile: another broker coordinates after broker.session.timeout.ms, 9 s, and is to be asked.
func unheard(limit time.Duration, do func(*siege) error) func(*siege) error {
	return func(s *siege) error {
		s.unheard = limit
		return do(s)
	}
}

// rolled restarts all nodes one after the other.
func rolled(s *siege) error {
	began := time.Now()
	err := s.cluster.Roll(s.t.Context(), s.name, offsetsTopic)
	s.tell("three nodes restarted in %v", time.Since(began).Round(100*time.Millisecond))
	return err
}

// unsafely asks for all three replicas and takes one away: nothing can be written or committed, and everything read.
func unsafely(s *siege) error {
	ctx := s.t.Context()
	if err := s.cluster.SetMinInSync(ctx, 3, s.name, offsetsTopic); err != nil {
		return err
	}
	coordinator, err := coordinatorOf(s)
	if err != nil {
		return err
	}
	node := coordinator%3 + 1 // another one
	if err := s.cluster.Kill(node); err != nil {
		return err
	}
	if err := s.cluster.AwaitLed(ctx, s.name, node); err != nil {
		return err
	}
	before := s.committed()
	s.wait(10 * time.Second)
	s.tell("without min.insync.replicas for 10s, offsets moved by %d", s.committed()-before)
	if err := s.cluster.Restart(ctx, node); err != nil {
		return err
	}
	if err := s.cluster.AwaitInSync(ctx, s.name); err != nil {
		return err
	}
	return s.cluster.SetMinInSync(ctx, 2, s.name, offsetsTopic)
}

// alone kills two of three nodes: the quorum of the controllers is gone, too.
func alone(s *siege) error {
	first := 1 + s.random.IntN(3)
	second := first%3 + 1
	for _, node := range []int{first, second} {
		if err := s.cluster.Kill(node); err != nil {
			return err
		}
	}
	s.wait(10 * time.Second)
	for _, node := range []int{first, second} {
		if err := s.cluster.Restart(s.t.Context(), node); err != nil {
			return err
		}
	}
	s.tell("nodes %d and %d killed, back after 10s", first, second)
	return nil
}

// troubles are named so that their topics can be, too. A broker that is away can cost each of the two engines its session.
var troubles = []trouble{
	{"leader-killed", 2, killed(leaderOf)},
	{"coordinator-killed", 2, killed(coordinatorOf)},
	{"controller-killed", 2, killed(controllerOf)},
	{"rolling-restart", 6, rolled},
	{"held-30s", 2, held(leaderOf, 30*time.Second)},
	{"coordinator-held-50s", 2, unheard(40*time.Second, held(coordinatorOf, 50*time.Second))},
	{"coordinator-held-8s", 2, held(coordinatorOf, 8*time.Second)}, // less than brokers wait for each other: nobody takes over
	{"min-insync-lost", 2, unsafely},
	{"two-of-three-killed", 2, alone},
}

// startThree runs three brokers, which wait for a member of the next generation's protocol no longer than classic members here ask for.
func startThree(t *testing.T, version string) *Cluster {
	o := Options{Version: version, Nodes: 3}
	if version != Kafka3 {
		o.Properties = []string{
			"group.consumer.min.session.timeout.ms=6000", "group.consumer.session.timeout.ms=6000",
			"group.consumer.min.heartbeat.interval.ms=1000", "group.consumer.heartbeat.interval.ms=1000",
		}
	}
	return startCluster(t, o)
}

// TestThreeBrokers writes to three brokers, reads with two engines and makes trouble.
func TestThreeBrokers(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("figure: seed %d, %d messages a second, %d partitions, partition_in_flight %d, two engines", *moments, siegeRate, siegePartitions, siegeInFlight)
	for _, v := range []string{Kafka3, Kafka4} {
		t.Run(v, func(t *testing.T) {
			c := startThree(t, v)
			for _, x := range troubles {
				t.Run(x.name, func(t *testing.T) {
					if err := c.Mend(t.Context()); err != nil {
						t.Fatal(err)
					}
					s := newSiege(t, c, binary, x.name)
					s.events = x.events + 1 // the second engine joins
					s.startEngine(0)
					s.startEngine(1)
					s.awaitMore(3 * siegeRate)
					s.until(time.Minute, "a commit", s.commits.some)
					if err := x.do(s); err != nil {
						t.Fatal(err)
					}
					for _, topic := range []string{s.name, offsetsTopic} {
						if err := c.AwaitInSync(t.Context(), topic); err != nil {
							t.Fatal(err)
						}
					}
					s.awaitMore(3 * siegeRate)
					s.end()
				})
			}
		})
	}
}

// way is one in which members share partitions.
type way struct {
	name    string
	options []string
}

// waysOf returns the ways that a version knows. A session of 6s is the shortest that brokers let members have.
func waysOf(version string) []way {
	out := []way{{"cooperative", []string{"session_timeout: 6s"}}, {"eager", []string{"session_timeout: 6s", "assignor: roundrobin"}}}
	if version != Kafka3 {
		out = append(out, way{"broker-shares", []string{"group_protocol: consumer", "assignor: sticky"}})
	}
	return out
}

// TestEnginesInAGroup shares twelve partitions among one to four engines, which join, leave in order and are killed.
func TestEnginesInAGroup(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{Kafka3, Kafka4} {
		t.Run(v, func(t *testing.T) {
			c := startThree(t, v)
			for _, way := range waysOf(v) {
				t.Run(way.name, func(t *testing.T) {
					s := newSiege(t, c, binary, "group-"+way.name, way.options...)
					s.startEngine(0)
					s.awaitMore(siegeRate)
					step := func(what string, slot int, do func(slot int)) {
						do(slot)
						s.events += 2 // a rebalance takes partitions, and cooperatively comes in two rounds
						if s.engines[slot] != nil {
							what += fmt.Sprintf(" and delivers after %v", s.awaitShare(slot))
						}
						s.tell("%s", what)
						s.awaitMore(2 * siegeRate)
					}
					step("a second joins", 1, s.startEngine)
					step("a third", 2, s.startEngine)
					step("a fourth", 3, s.startEngine)
					step("one leaves by SIGTERM", 1, func(slot int) { s.stopEngine(slot, false) })
					step("one is killed", 2, s.killEngine)
					step("one joins again", 2, s.startEngine)
					s.wait(7 * time.Second) // the killed one's partitions go to others after session_timeout
					s.end()
				})
			}
		})
	}
}

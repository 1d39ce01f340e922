package sources

import (
	"fmt"
	"slices"
	"testing"
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

// TestKafkaLateAck is the case of guarantees B3: a partition moves from A to B, B commits 100, A finishes 50 messages late.
// The group must stay at 100.
func TestKafkaLateAck(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 2})
	change := oneStream("logs", "logging")
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
	a.finishHeld()
	eventually(t, "commit of A's other partition", func() bool { return k.Committed("g", "logs", 1-moved) == 50 })
	if got := k.Committed("g", "logs", moved); got != 100 {
		t.Errorf("a late acknowledgement set the group back to %d", got)
	}
	if n := a.counts.get("kafka_late_acks"); n != 50 {
		t.Errorf("%d late acknowledgements counted, want 50", n)
	}
	a.stop()
	b.stop()
	if got := k.Committed("g", "logs", moved); got != 100 {
		t.Errorf("at the end the group is at %d", got)
	}
}

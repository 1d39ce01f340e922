package sources

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine"
	"dataflow/engine/embedded"
)

// latest is a static member that reads logs from the latest message on.
func latest(c *kafkaConfig) {
	oneStream("logs", "logging")(c)
	c.Start, c.InstanceID = "latest", "one"
}

// TestKafkaStartLatestNotEmitted kills a member of a new group that has committed its start and read messages, before it has emitted any: its
// successor reads all that came since the start.
func TestKafkaStartLatestNotEmitted(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	produce(t, k, "logs", 0, numbered(100, "old")...)
	r := newReader(t, k, latest)
	r.blocked[""] = true // nothing is accepted
	r.start()
	eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 0) == 100 })
	want := numbered(30, "new")
	produce(t, k, "logs", 0, want...)
	eventually(t, "messages that wait for their port", func() bool {
		r.source.mu.Lock()
		defer r.source.mu.Unlock()
		p := r.source.partitions[topicPartition{"logs", 0}]
		return p != nil && p.inFlight.Load() == 30
	})
	r.crash()
	if n := r.count("logs/0"); n != 0 {
		t.Errorf("%d messages were emitted", n)
	}
	r = newReader(t, k, latest).start()
	r.await("logs/0", 30)
	r.stop()
	if !slices.Equal(r.got["logs/0"], want) {
		t.Errorf("read %v", r.got["logs/0"])
	}
}

// TestKafkaStartLatestNotCommitted holds up the commit of the start: nothing is emitted, whatever comes in, until it is answered; then all since the start is
// read. A member that is killed while it waits has read nothing, and its successor begins at what is then the latest message.
func TestKafkaStartLatestNotCommitted(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		t.Run(map[bool]string{false: "goes on", true: "killed"}[kill], func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, map[string]int32{"logs": 1})
			produce(t, k, "logs", 0, numbered(100, "old")...)
			hold, held := make(chan struct{}), make(chan struct{}, 1)
			k.Cluster().ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
				k.Cluster().DropControl()
				held <- struct{}{}
				k.Cluster().SleepControl(func() { <-hold })
				return nil, nil, false
			})
			r := newReader(t, k, latest)
			var early atomic.Int64
			emit := r.emit
			ctx, cancel := context.WithCancel(t.Context())
			r.cancel = cancel
			go func() {
				r.ran <- r.source.Run(ctx, func(ctx context.Context, b *engine.Batch) error {
					if k.Committed("g", "logs", 0) < 0 {
						early.Add(1)
					}
					return emit(ctx, b)
				})
			}()
			<-held
			want := numbered(20, "new")
			produce(t, k, "logs", 0, want...)
			if kill {
				r.crash()
				close(hold)
				// The broker may have taken the commit of the dead member, or not.
				at := max(100, k.Committed("g", "logs", 0))
				r2 := newReader(t, k, latest).start()
				eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 0) >= at })
				produce(t, k, "logs", 0, "after")
				eventually(t, "the message of after the restart", func() bool {
					r2.mu.Lock()
					defer r2.mu.Unlock()
					return slices.Contains(r2.got["logs/0"], "after")
				})
				r2.stop()
				if n := r.count("logs/0"); n > 0 {
					t.Errorf("the member that was killed has emitted %d messages", n)
				}
				return
			}
			close(hold)
			r.await("logs/0", 20)
			r.stop()
			if early.Load() > 0 {
				t.Error("messages were emitted before the start was committed")
			}
			if !slices.Equal(r.got["logs/0"], want) {
				t.Errorf("read %v", r.got["logs/0"])
			}
		})
	}
}

// TestKafkaStartLatestPartitionsAdded adds partitions with messages in them while a member runs, which is killed before it reads them, and again when its
// successor has committed where it begins in them: what is in them is read from the beginning.
func TestKafkaStartLatestPartitionsAdded(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 2})
	r := newReader(t, k, latest).start()
	eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 0) == 0 && k.Committed("g", "logs", 1) == 0 })
	if err := addPartitions(t, k, "logs", 4); err != nil {
		t.Fatal(err)
	}
	want := numbered(10, "new")
	for p := range int32(4) {
		produce(t, k, "logs", p, want...)
	}
	r.await("logs/0", 10)
	r.crash()
	r = newReader(t, k, latest)
	r.hold = true
	r.start()
	for _, key := range []string{"logs/2", "logs/3"} {
		r.await(key, 10)
	}
	if n := r.counts.get("kafka_start_earliest/new_partition"); n != 2 {
		t.Errorf("%d new partitions counted", n)
	}
	r.crash()
	if got := k.Committed("g", "logs", 2); got != 0 {
		t.Errorf("the start that was committed in a new partition is %d", got)
	}
	r = newReader(t, k, latest).start()
	for _, key := range []string{"logs/2", "logs/3"} {
		r.await(key, 10)
	}
	r.stop()
	for _, key := range []string{"logs/2", "logs/3"} {
		if !slices.Equal(r.got[key], want) {
			t.Errorf("%s: read %v", key, r.got[key])
		}
	}
	if n := r.counts.get("kafka_start_earliest/new_partition"); n != 0 {
		t.Errorf("%d new partitions counted a second time", n)
	}
}

// TestKafkaStartLatestSeenLive adds partitions under a member that finds them by itself.
func TestKafkaStartLatestSeenLive(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	r := newReader(t, k, latest).start()
	eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 0) == 0 })
	if err := addPartitions(t, k, "logs", 2); err != nil {
		t.Fatal(err)
	}
	want := numbered(10, "new")
	produce(t, k, "logs", 1, want...)
	r.source.client.ForceMetadataRefresh() // else within a minute
	r.await("logs/1", 10)
	r.stop()
	if !slices.Equal(r.got["logs/1"], want) {
		t.Errorf("read %v", r.got["logs/1"])
	}
}

// TestKafkaStartLatestStartNotCommitted: a partition that the group has known without an offset, because the member that had it was killed before it
// could commit where it begins, is no new one: reading begins at the latest message.
func TestKafkaStartLatestStartNotCommitted(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 2})
	for p := range int32(2) {
		produce(t, k, "logs", p, numbered(10, "old")...)
	}
	r := newReader(t, k, latest).start()
	eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 0) == 10 && k.Committed("g", "logs", 1) == 10 })
	r.stop()
	deleteOffset(t, k, "g", "logs", 1)
	r = newReader(t, k, func(c *kafkaConfig) { latest(c); c.InstanceID = "" }).start()
	eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 1) == 10 })
	produce(t, k, "logs", 1, "new")
	r.await("logs/1", 1)
	r.stop()
	if want := []string{"new"}; !slices.Equal(r.got["logs/1"], want) {
		t.Errorf("read %v", r.got["logs/1"])
	}
}

// deleteOffset takes the offset of a partition away from a group without members.
func deleteOffset(t *testing.T, k *embedded.Kafka, group, topic string, partition int32) {
	t.Helper()
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = group
	member := kmsg.NewLeaveGroupRequestMember()
	one := "one"
	member.InstanceID = &one
	leave.Members = append(leave.Members, member)
	client := adminClient(t, k)
	if _, err := leave.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = group
	rt := kmsg.NewOffsetDeleteRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewOffsetDeleteRequestTopicPartition()
	rp.Partition = partition
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	if resp, err := req.RequestWith(t.Context(), client); err != nil || resp.ErrorCode != 0 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("deleting an offset: %v %+v", err, resp)
	}
}

// TestKafkaStartLatestRetention lets retention pass the position of a group, while no member runs and while one does: reading goes on at the earliest message that is
// left, and what is gone is counted, no more and no less.
func TestKafkaStartLatestRetention(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		produced, delete int64
		lost, left       int64
	}{
		{"some are left", 50, 25, 25, 25},
		{"none is left", 50, 50, 50, 0},
		{"all are left", 50, 0, 0, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, map[string]int32{"logs": 1})
			r := newReader(t, k, latest).start()
			eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 0) == 0 })
			r.crash()
			all := numbered(int(c.produced), "m")
			produce(t, k, "logs", 0, all...)
			if err := k.Cluster().DeleteRecords("logs", 0, c.delete); err != nil {
				t.Fatal(err)
			}
			r = newReader(t, k, latest).start()
			r.await("logs/0", int(c.left))
			produce(t, k, "logs", 0, "after")
			r.await("logs/0", int(c.left)+1)
			eventually(t, "commit of all", func() bool { return k.Committed("g", "logs", 0) == c.produced+1 })
			r.stop()
			if want := append(slices.Clone(all[c.delete:]), "after"); !slices.Equal(r.got["logs/0"], want) {
				t.Errorf("read %v", r.got["logs/0"])
			}
			if n := r.counts.get("kafka_lost_records/retention"); n != c.lost {
				t.Errorf("%d messages are counted as lost, want %d", n, c.lost)
			}
			if n := r.counts.get("kafka_start_earliest/out_of_range"); n != map[bool]int64{true: 1}[c.lost > 0] {
				t.Errorf("%d positions out of range are counted", n)
			}
		})
	}
}

// TestKafkaRetentionPasses lets retention pass the position of a partition that is full, so that it is not read just now.
func TestKafkaRetentionPasses(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1, "other": 1})
	r := newReader(t, k, func(c *kafkaConfig) {
		c.PartitionWindow = 10
		c.Streams = map[string]kafkaStream{
			"logs":  {Topics: []string{"logs"}, Category: "logging"},
			"other": {Topics: []string{"other"}, Category: "logging"},
		}
	})
	r.hold = true
	r.start()
	for i := range 5 {
		produce(t, k, "logs", 0, numbered(10, string(rune('a'+i)))...)
		if i == 0 {
			r.await("logs/0", 10)
		}
	}
	eventually(t, "the partition paused", r.source.pausing.Load)
	read := r.count("logs/0")
	if err := k.Cluster().DeleteRecords("logs", 0, 45); err != nil {
		t.Fatal(err)
	}
	r.finishHeld()
	eventually(t, "commit of all", func() bool { return k.Committed("g", "logs", 0) == 50 })
	r.stop()
	lost := r.counts.get("kafka_lost_records/retention")
	if got := r.count("logs/0"); int64(got)+lost != 50 || lost != int64(45-max(read, got-5)) {
		t.Errorf("%d messages were read before and %d in all, %d are counted as lost", read, got, lost)
	}
}

// adminClient makes a client for requests of tests.
func adminClient(t *testing.T, k *embedded.Kafka) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

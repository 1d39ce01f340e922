package sources

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

func TestKafkaReadsAll(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 2})
	want := numbered(5000, "m")
	produce(t, k, "logs", 0, want...)
	produce(t, k, "logs", 1, want[:10]...)
	r := newReader(t, k, oneStream("logs", "logging")).start()
	r.await("logs/0", 5000)
	r.await("logs/1", 10)
	eventually(t, "no lag", func() bool {
		lag := int64(0)
		r.source.Lag(func(_ string, _ int32, n int64) { lag += n })
		return lag == 0
	})
	r.stop()
	if !slices.Equal(r.got["logs/0"], want) {
		t.Error("the messages of a partition came in another order or more than once")
	}
	if got, end := k.Committed("g", "logs", 0), k.End("logs", 0); got != end || end != 5000 {
		t.Errorf("committed %d of %d", got, end)
	}
	if info := k.Cluster().GroupInfo("g"); len(info.Members) != 0 {
		t.Errorf("%d members are left in the group", len(info.Members))
	}
}

func TestKafkaPoint(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 4, "clicks": 1})
	produce(t, k, "logs", 3, "line1\nline2\r\n")
	produce(t, k, "clicks", 0, `{"a.b":1}`)
	env, _ := testEnv(t)
	env.Now = func() time.Time { return time.Unix(1700000000, 0) }
	r := newReader(t, k, func(c *kafkaConfig) {
		c.Streams = map[string]kafkaStream{
			"logs": {Topics: []string{"logs"}, Category: "logging", StorageIndex: "idx", Tags: map[string]string{"env": "test"}},
			"rum":  {Topics: []string{"clicks"}, Category: "rum"},
		}
	})
	r.source.env.Now = env.Now
	r.hold = true
	r.start()
	r.await("logs/3", 1)
	r.await("clicks/0", 1)
	var lines []string
	for _, b := range r.held {
		for i := range b.Points {
			p := &b.Points[i]
			lines = append(lines, b.Port+": "+string(point.AppendLine(nil, p)))
			if rec := b.Records[p.Record]; rec.Origin != b.Origin || rec.Offset != 0 || rec.Time == 0 {
				t.Errorf("record %+v", rec)
			}
			if b.Port == "logs" && p.Extra.StorageIndex != "idx" {
				t.Errorf("storage index %q", p.Extra.StorageIndex)
			}
			if cap(p.Fields)-len(p.Fields) < 3 {
				t.Errorf("no room for fields: %d of %d", len(p.Fields), cap(p.Fields))
			}
		}
	}
	slices.Sort(lines)
	want := []string{
		`logs: logs,type=kafka message="line1 line2\r ",message_len=13i,offset=0i,partition=3i,status="info" 1700000000000000000`,
		`rum: clicks,app_id=clicks,type=kafka message="{\"a.b\":1}",message_len=9i,offset=0i,partition=0i,status="info" 1700000000000000000`,
	}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], `\r`, "\r")
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if tags := r.source.Ports()[0].Tags; len(tags) != 1 || tags[0].Key != "env" || !tags[0].Tag {
		t.Errorf("tags of the port: %v", tags)
	}
	r.finishHeld()
	r.stop()
}

// TestKafkaCrash ends a source without Close: what was not done is read again, what was done and committed is not.
func TestKafkaCrash(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	want := numbered(3000, "m")
	produce(t, k, "logs", 0, want[:1000]...)
	static := func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.InstanceID = "one" }
	r := newReader(t, k, static).start()
	r.await("logs/0", 1000)
	eventually(t, "commit of 1000", func() bool { return k.Committed("g", "logs", 0) == 1000 })
	r.mu.Lock()
	r.hold = true
	r.mu.Unlock()
	produce(t, k, "logs", 0, want[1000:]...)
	r.await("logs/0", 2000)
	r.crash()
	r = newReader(t, k, static).start()
	r.await("logs/0", 2000)
	r.stop()
	if !slices.Equal(r.got["logs/0"], want[1000:]) {
		t.Errorf("read %d messages again, from %s", len(r.got["logs/0"]), r.got["logs/0"][0])
	}
	if got := k.Committed("g", "logs", 0); got != 3000 {
		t.Errorf("committed %d", got)
	}
}

// TestKafkaStartLatest kills a source that starts at the latest message before it has finished anything: its successor must
// read what came in between.
func TestKafkaStartLatest(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	produce(t, k, "logs", 0, numbered(100, "old")...)
	latest := func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Start = "latest"; c.InstanceID = "one" }
	r := newReader(t, k, latest)
	r.hold = true
	emitted := make(chan int64, 1)
	emit := r.emit
	r.cancel = func() {}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() {
		r.ran <- r.source.Run(ctx, func(ctx context.Context, b *engine.Batch) error {
			select {
			case emitted <- k.Committed("g", "logs", 0):
			default:
			}
			return emit(ctx, b)
		})
	}()
	eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 0) == 100 })
	produce(t, k, "logs", 0, "new1", "new2")
	r.await("logs/0", 2)
	if got := <-emitted; got != 100 {
		t.Errorf("at the first emit %d was committed, want 100", got)
	}
	r.crash()
	r = newReader(t, k, latest).start()
	r.await("logs/0", 2)
	r.stop()
	if want := []string{"new1", "new2"}; !slices.Equal(r.got["logs/0"], want) {
		t.Errorf("read %v", r.got["logs/0"])
	}
}

// TestKafkaNewPartition adds a partition to a topic that is read from the latest message on: nobody has read what is in
// the new partition, so all of it is read.
func TestKafkaNewPartition(t *testing.T) {
	t.Parallel()
	known := map[string]int32{"partitions=3": 3}
	for text, want := range known {
		if n, ok := readNote(text); !ok || n != want || noteOf(n) != text {
			t.Errorf("note %q: %d %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "partitions=", "partitions=x", "partitions=0", "member-1234"} {
		if n, ok := readNote(text); ok {
			t.Errorf("note %q: %d", text, n)
		}
	}
	k := startKafka(t, map[string]int32{"logs": 1})
	latest := func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Start = "latest" }
	r := newReader(t, k, latest).start()
	eventually(t, "commit of the start", func() bool { return k.Committed("g", "logs", 0) == 0 })
	r.stop()
	if err := addPartitions(t, k, "logs", 2); err != nil {
		t.Fatal(err)
	}
	produce(t, k, "logs", 1, "unread")
	r = newReader(t, k, latest).start()
	r.await("logs/1", 1)
	r.stop()
	if n := r.counts.get("kafka_start_earliest/new_partition"); n != 1 {
		t.Errorf("counted %d new partitions", n)
	}
}

// TestKafkaBlockedPort blocks one port: the other goes on, and what was paused is read when the port accepts again.
func TestKafkaBlockedPort(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"a": 1, "b": 1})
	r := newReader(t, k, func(c *kafkaConfig) {
		c.PartitionWindow = 500
		c.Streams = map[string]kafkaStream{
			"a": {Topics: []string{"a"}, Category: "logging"},
			"b": {Topics: []string{"b"}, Category: "metric"},
		}
	})
	r.blocked["a"] = true
	const n = 20000
	want := numbered(n, "m")
	produce(t, k, "a", 0, want...)
	r.start()
	for i := 0; i < n; i += 2000 {
		produce(t, k, "b", 0, want[i:i+2000]...)
		r.await("b/0", i+2000)
	}
	if got := r.count("a/0"); got != 0 {
		t.Errorf("the blocked port got %d messages", got)
	}
	eventually(t, "partition a paused", r.source.pausing.Load)
	close(r.unblock)
	r.await("a/0", n)
	r.stop()
	for _, key := range []string{"a/0", "b/0"} {
		if !slices.Equal(r.got[key], want) {
			t.Errorf("%s: order or number of messages (%d) is wrong", key, len(r.got[key]))
		}
	}
}

// TestKafkaRefusedEmit ends with the error of an emit that is none of the context's, and does not run again: the batch was not
// accepted and nothing behind it may be committed.
func TestKafkaRefusedEmit(t *testing.T) {
	t.Parallel()
	k := startKafka(t, map[string]int32{"logs": 1})
	produce(t, k, "logs", 0, numbered(10, "m")...)
	r := newReader(t, k, oneStream("logs", "logging"))
	refused := errors.New("refused")
	emit := func(context.Context, *engine.Batch) error { return refused }
	if err := r.source.Run(t.Context(), emit); !errors.Is(err, refused) || !engine.IsPermanent(err) {
		t.Errorf("error %v", err)
	}
	if err := r.source.Run(t.Context(), emit); !engine.IsPermanent(err) {
		t.Errorf("the second run: %v", err)
	}
	if err := r.source.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := k.Committed("g", "logs", 0); got != 0 {
		t.Errorf("committed %d", got)
	}
}

package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dataflow/engine"
	"dataflow/engine/embedded"
	"dataflow/engine/point"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tally is a counter for tests.
type tally struct {
	mu sync.Mutex
	n  map[string]int64
}

type tallied struct {
	t   *tally
	key string
}

func (c tallied) Add(n int64) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	c.t.n[c.key] += n
}

func (t *tally) get(key string) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n[key]
}

func testEnv(t *testing.T) (engine.Env, *tally) {
	t.Helper()
	counts := &tally{n: map[string]int64{}}
	env := engine.HostEnv(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if testing.Verbose() {
		env.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	env.Node = "mq"
	env.Counter = func(name, label string) engine.Counter {
		return tallied{counts, strings.TrimSuffix(name+"/"+label, "/")}
	}
	return env, counts
}

func startKafka(t *testing.T, topics map[string]int32) *embedded.Kafka {
	t.Helper()
	k, err := embedded.StartKafka(topics, embedded.KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// reader runs a kafka source and keeps what it emits.
type reader struct {
	t      *testing.T
	source *kafka
	counts *tally

	mu      sync.Mutex
	got     map[string][]string // messages by topic/partition
	failed  []string
	held    []*engine.Batch
	hold    bool            // do not complete
	blocked map[string]bool // ports that accept nothing
	unblock chan struct{}
	more    chan struct{}

	cancel context.CancelFunc
	ran    chan error
}

func newReader(t *testing.T, k *embedded.Kafka, change func(*kafkaConfig)) *reader {
	t.Helper()
	env, counts := testEnv(t)
	c := *engine.Lookup(engine.SourceNode, "kafka").NewConfig().(*kafkaConfig)
	c.Brokers, c.Group, c.Start = []string{k.Addr()}, "g", "earliest"
	c.CommitInterval = 20 * time.Millisecond
	c.SessionTimeout = 3 * time.Second
	c.RebalanceWait = 3 * time.Second
	if change != nil {
		change(&c)
	}
	s, err := newKafka(env, c)
	if err != nil {
		t.Fatal(err)
	}
	return &reader{
		t: t, source: s.(*kafka), counts: counts, got: map[string][]string{}, blocked: map[string]bool{},
		unblock: make(chan struct{}), more: make(chan struct{}, 1), ran: make(chan error, 1),
	}
}

func (r *reader) start() *reader {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel = cancel
	go func() { r.ran <- r.source.Run(ctx, r.emit) }()
	return r
}

func (r *reader) emit(ctx context.Context, b *engine.Batch) error {
	r.mu.Lock()
	wait := r.blocked[b.Port]
	r.mu.Unlock()
	if wait {
		select {
		case <-r.unblock:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := r.source.Decode(ctx, b); err != nil {
		return err
	}
	r.mu.Lock()
	key := fmt.Sprintf("%s/%d", b.Origin.Topic, b.Origin.Partition)
	failed, _ := verdicts(b)
	for i := range b.Points {
		if text, ok := failed[i]; ok {
			r.failed = append(r.failed, text)
			continue
		}
		v, _ := b.Points[i].Get("message")
		r.got[key] = append(r.got[key], strings.Clone(v.Str()))
	}
	hold := r.hold
	if hold {
		r.held = append(r.held, b)
	}
	r.mu.Unlock()
	if !hold {
		done(b)
	}
	select {
	case r.more <- struct{}{}:
	default:
	}
	return nil
}

func (r *reader) count(key string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got[key])
}

// await waits until n messages of a partition were read.
func (r *reader) await(key string, n int) {
	r.t.Helper()
	timeout := time.After(20 * time.Second)
	for r.count(key) < n {
		select {
		case <-r.more:
		case <-timeout:
			r.t.Fatalf("%s: %d messages, want %d", key, r.count(key), n)
		}
	}
}

// finishHeld completes the batches that were held, and those that follow.
func (r *reader) finishHeld() {
	r.mu.Lock()
	held := r.held
	r.held, r.hold = nil, false
	r.mu.Unlock()
	for _, b := range held {
		done(b)
	}
}

// stop ends Run and closes.
func (r *reader) stop() {
	r.t.Helper()
	r.endRun()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.source.Close(ctx); err != nil {
		r.t.Errorf("closing: %v", err)
	}
}

func (r *reader) endRun() {
	r.t.Helper()
	r.cancel()
	if err := <-r.ran; err != nil {
		r.t.Errorf("running: %v", err)
	}
}

// crash ends the source without a commit, as a kill would: its connections are cut first.
func (r *reader) crash() {
	r.t.Helper()
	r.source.commits.stop()
	r.source.kill()
	r.endRun()
	r.source.client.Close()
}

func numbered(n int, prefix string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%05d", prefix, i)
	}
	return out
}

func produce(t *testing.T, k *embedded.Kafka, topic string, partition int32, messages ...string) {
	t.Helper()
	if err := k.ProduceText(t.Context(), topic, partition, messages...); err != nil {
		t.Fatal(err)
	}
}

// eventually polls a condition that nothing announces.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func oneStream(topic, category string) func(*kafkaConfig) {
	return func(c *kafkaConfig) { c.Topics, c.Category = []string{topic}, category }
}

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

// TestKafkaBrokerAway starts before its broker.
func TestKafkaBrokerAway(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	states := make(chan error, 100)
	env, _ := testEnv(t)
	env.Health = func(err error) {
		select {
		case states <- err:
		default:
		}
	}
	k := startKafka(t, nil)
	r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Brokers = []string{addr} })
	r.source.health.env.Health = env.Health
	r.start()
	for err := range states {
		if refused := (*net.OpError)(nil); errors.As(err, &refused) {
			break
		}
	}
	late, err := embedded.StartKafka(map[string]int32{"logs": 1}, embedded.KafkaOptions{Listen: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	produce(t, late, "logs", 0, "hello")
	r.await("logs/0", 1)
	for err := range states {
		if err == nil {
			break
		}
	}
	r.stop()
	if got := late.Committed("g", "logs", 0); got != 1 {
		t.Errorf("committed %d", got)
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

// TestKafkaBrokerRestart stops the broker under a source and starts it again on its data.
func TestKafkaBrokerRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, err := embedded.StartKafka(map[string]int32{"logs": 1}, embedded.KafkaOptions{DataDir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	want := numbered(200, "m")
	produce(t, k, "logs", 0, want[:100]...)
	r := newReader(t, k, oneStream("logs", "logging")).start()
	r.await("logs/0", 50)
	k.Close()
	again, err := embedded.StartKafka(map[string]int32{"logs": 1}, embedded.KafkaOptions{DataDir: dir, Listen: k.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	produce(t, again, "logs", 0, want[100:]...)
	eventually(t, "all messages committed", func() bool { return again.Committed("g", "logs", 0) == 200 })
	r.stop()
	seen := map[string]bool{}
	for _, m := range r.got["logs/0"] {
		seen[m] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d different messages were read, want 200", len(seen))
	}
}

// TestKafkaCloseWithoutBroker closes while the broker is away: it must end with its context.
func TestKafkaCloseWithoutBroker(t *testing.T) {
	t.Parallel()
	k, err := embedded.StartKafka(map[string]int32{"logs": 1}, embedded.KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	produce(t, k, "logs", 0, "hello")
	r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.CommitInterval = time.Hour }).start()
	r.await("logs/0", 1)
	k.Close()
	r.endRun()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := r.source.Close(ctx); err == nil {
		t.Error("no error though the offset could not be committed")
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("closing took %v", took)
	}
}

package sources

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dataflow/engine"
	"dataflow/engine/embedded"
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

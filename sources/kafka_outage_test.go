package sources

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"dataflow/engine/embedded"
)

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

// Package sources holds the sources: one file, or one prefix of files, for each type.
package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
)

// kafka is the source. Its goroutines: the poll loop, which never waits for a port while another has room; one
// goroutine per port, which makes batches and emits them; the committer; and those of the client, which call
// back when partitions come and go.
type kafka struct {
	env      engine.Env
	config   kafkaConfig
	security *kafkaSecurity
	health   *health

	ports    []*kafkaPort
	byTopic  map[string]*topicShape
	byStream map[string]*stream

	ready  chan struct{} // closed when client is set, which calls back before it is returned
	client *kgo.Client
	kill   context.CancelFunc // ends every request of the client
	offers context.Context    // of Run: partitions emit under it

	// gate is held while a poll is in progress and its records are handed to the ports. Callbacks that take
	// partitions away take it, so that no record of before reaches a partition of after; see betweenPolls.
	gate chan struct{}
	wake chan struct{} // something that was full has room again

	pausing atomic.Bool // some partitions are paused

	mu         sync.Mutex
	cancelPoll context.CancelFunc
	claims     int // callbacks that want the gate
	partitions map[topicPartition]*partition
	counts     map[string]int32 // partitions of a topic, for the metadata of commits
	epoch      int32
	closing    bool

	commits committer
	counter counters
}

type topicPartition struct {
	topic     string
	partition int32
}

// counters are what the source counts apart from points.
type counters struct {
	lateAcks   engine.Counter
	rebalances engine.Counter
	retention  engine.Counter // records that were gone before they were read
	truncated  engine.Counter // records that the broker lost
	skipped    engine.Counter // batches of records that cannot be read
	newStart   engine.Counter // partitions that appeared later, read from the earliest
	resetStart engine.Counter // positions out of range, read from the earliest
}

func newKafka(env engine.Env, c kafkaConfig) (engine.Source, error) {
	security, err := newKafkaSecurity(env, c.TLS, c.SASL)
	if err := errors.Join(c.check(), err); err != nil {
		return nil, err
	}
	streams, err := c.streams()
	if err != nil {
		return nil, err
	}
	k := &kafka{
		env: env, config: c, security: security, health: newHealth(env).watching(security, c.explainGroup),
		byTopic: map[string]*topicShape{}, byStream: map[string]*stream{},
		ready: make(chan struct{}), gate: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		partitions: map[topicPartition]*partition{}, counts: map[string]int32{},
		counter: counters{
			lateAcks:   env.Counter("kafka_late_acks", ""),
			rebalances: env.Counter("kafka_rebalances", ""),
			retention:  env.Counter("kafka_lost_records", "retention"),
			truncated:  env.Counter("kafka_lost_records", "truncated"),
			skipped:    env.Counter("kafka_unreadable_batches", ""),
			newStart:   env.Counter("kafka_start_earliest", "new_partition"),
			resetStart: env.Counter("kafka_start_earliest", "out_of_range"),
		},
	}
	k.commits.init()
	for _, st := range streams {
		o := newKafkaPort(k, st)
		k.ports = append(k.ports, o)
		k.byStream[st.name] = st
		for _, t := range st.topics {
			k.byTopic[t] = newTopicShape(st, t, o)
		}
	}
	return k, nil
}

// Ports returns the streams, or the main output.
func (k *kafka) Ports() []engine.Port {
	out := make([]engine.Port, len(k.ports))
	for i, o := range k.ports {
		out[i] = o.stream.port
	}
	return out
}

// Run joins the group and emits until ctx ends. The client stays in the group, and offsets are committed, until
// Close. It runs once: what was polled and not accepted is not kept, so a second run would step over it.
func (k *kafka) Run(ctx context.Context, emit engine.Emit) error {
	run, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	k.mu.Lock()
	k.offers = run
	k.mu.Unlock()
	old, err := k.probeOld(run)
	if err == nil {
		err = k.connect(old)
	}
	if err != nil {
		return engine.Permanent(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { k.greet(run) })
	wg.Go(func() { k.watchTopics(run) })
	for _, o := range k.ports {
		wg.Go(func() {
			if err := o.run(run, emit); err != nil {
				stop(err)
			}
		})
	}
	k.pollLoop(run)
	stop(nil)
	wg.Wait()
	if err := context.Cause(run); ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		return engine.Permanent(err)
	}
	return nil
}

// Close commits what is done, leaves the group (not as a static member) and closes the client. When ctx ends
// first the connections are cut.
func (k *kafka) Close(ctx context.Context) error {
	k.mu.Lock()
	k.closing = true
	client, kill := k.client, k.kill
	k.mu.Unlock()
	if client == nil {
		return nil
	}
	k.commits.stop()
	err := k.commitAll(ctx)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		client.Close()
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
	kill()
	<-closed
	return err
}

// Decodes reports whether the batches of a port need [kafka.Decode]: text and raw messages are points already.
func (k *kafka) Decodes(port string) bool {
	st := k.byStream[port]
	return st != nil && (st.decode == decodeJSON || st.decode == decodePoints)
}

// Lag calls each with the records of every assigned partition that are not done, by the last high watermark
// that a fetch brought.
func (k *kafka) Lag(each func(topic string, partition int32, records int64)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for tp, p := range k.partitions {
		each(tp.topic, tp.partition, max(0, p.high.Load()-p.tracker.Head().Offset))
	}
}

// Batch returns the batch that records of a port would have been read into, not armed: for tests of graphs,
// which have no broker. Records that say no topic are of the port's first one.
func (k *kafka) Batch(port string, records []engine.Record) (*engine.Batch, error) {
	st := k.byStream[port]
	if st == nil {
		return nil, fmt.Errorf("there is no output %q", port)
	}
	b := engine.Reserve(len(records), fieldsPerPoint)
	b.Port, b.Read = port, k.env.Now().UnixNano()
	for i := range records {
		r := records[i]
		if r.Origin == nil {
			r.Origin = &engine.Origin{Node: k.env.Node, Topic: st.topics[0]}
		}
		if i == 0 {
			b.Origin = r.Origin
		} else if b.Origin != r.Origin {
			b.Origin = nil
		}
		shape := (&topicShape{stream: st, topic: r.Origin.Topic}).shape(r.Origin.Partition)
		b.Records = append(b.Records, r)
		shape.add(b, i, b.Read)
	}
	return b, nil
}

// late counts acknowledgements that came after their partition was gone.
func (k *kafka) late(points int) { k.counter.lateAcks.Add(int64(points)) }

// attention tells the poll loop that something that was full has room again.
func (k *kafka) attention() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
	if k.pausing.Load() {
		// The poll in progress fetches for the others only, and they may have nothing to read.
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.cancelPoll != nil {
			k.cancelPoll()
		}
	}
}

// Package embedded holds stand-ins for what the engine talks to, in process and on loopback: a Kafka broker and
// a DataWay. Run --embedded, demo and tests use them. Nothing here is for production.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaOptions say how a [Kafka] is started. The zero value gives one broker on a free port that keeps all in memory.
type KafkaOptions struct {
	// Listen is the address of the one broker; port 0 or "" is a free port of loopback.
	Listen string
	// DataDir keeps topics and offsets over a restart. Sync makes every write durable before it is answered.
	DataDir string
	Sync    bool
	// Network replaces that of the machine, for tests with a clock of their own.
	Network *kfake.VirtualNetwork
	// More options of kfake.
	More []kfake.Opt
}

// Kafka is a Kafka broker in this process. It knows consumer groups and transactions, and loses everything at Close
// unless it has a data directory.
type Kafka struct {
	cluster *kfake.Cluster
	client  *kgo.Client
	addr    string
}

// StartKafka starts a broker with the given topics and their numbers of partitions. Topics that a data
// directory holds already stay as they are. The caller closes it.
func StartKafka(topics map[string]int32, o KafkaOptions) (*Kafka, error) {
	host, port := "127.0.0.1", 0
	if o.Listen != "" {
		h, p, err := net.SplitHostPort(o.Listen)
		if err != nil {
			return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
		}
		if port, err = strconv.Atoi(p); err != nil {
			return nil, fmt.Errorf("starting the embedded Kafka: port of %s: %w", o.Listen, err)
		}
		if h != "" {
			host = h
		}
	}
	opts := []kfake.Opt{kfake.Ports(port), kfake.GroupMinSessionTimeout(0)}
	for _, t := range slices.Sorted(maps.Keys(topics)) {
		opts = append(opts, kfake.SeedTopics(topics[t], t))
	}
	if o.DataDir != "" {
		opts = append(opts, kfake.DataDir(o.DataDir))
	}
	if o.Sync {
		opts = append(opts, kfake.SyncWrites())
	}
	dial := (&net.Dialer{}).DialContext
	listen := func(network, address string) (net.Listener, error) {
		// kfake asks for every address of the machine; a stand-in is for this process and its neighbours.
		_, p, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return net.Listen(network, net.JoinHostPort(host, p))
	}
	if o.Network != nil {
		dial, listen = o.Network.DialContext, o.Network.Listen
	}
	cluster, err := kfake.NewCluster(append(append(opts, kfake.ListenFn(listen)), o.More...)...)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	k := &Kafka{cluster: cluster}
	addrs := cluster.ListenAddrs()
	if len(addrs) == 0 {
		cluster.Close()
		return nil, errors.New("starting the embedded Kafka: it listens nowhere")
	}
	k.addr = addrs[0]
	k.client, err = kgo.NewClient(kgo.SeedBrokers(k.addr), kgo.Dialer(dial), kgo.RecordPartitioner(partitioner()), kgo.DisableClientMetrics())
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	return k, nil
}

// partitioner sends records with a key by its hash, those with a partition of -1 anywhere and others where they say.
func partitioner() kgo.Partitioner {
	return kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
		next := 0
		return func(r *kgo.Record, n int) int {
			switch {
			case r.Partition >= 0 && int(r.Partition) < n:
				return int(r.Partition)
			case len(r.Key) > 0:
				h := uint32(2166136261)
				for _, c := range r.Key {
					h = (h ^ uint32(c)) * 16777619
				}
				return int(h % uint32(n))
			}
			next++
			return next % n
		}
	})
}

// AnyPartition as the partition of a record leaves the choice to its key, or to chance.
const AnyPartition = -1

// Addr returns the broker's address.
func (k *Kafka) Addr() string { return k.addr }

// Cluster returns the broker itself, for faults, topics and offsets.
func (k *Kafka) Cluster() *kfake.Cluster { return k.cluster }

// Close stops the broker. Clients see their connections end.
func (k *Kafka) Close() {
	k.client.Close()
	k.cluster.Close()
}

// Produce writes records and waits until they are there. A record's Partition is a number or [AnyPartition].
func (k *Kafka) Produce(ctx context.Context, records ...*kgo.Record) error {
	if err := k.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("producing: %w", err)
	}
	return nil
}

// ProduceText writes messages to a partition of a topic, in order.
func (k *Kafka) ProduceText(ctx context.Context, topic string, partition int32, messages ...string) error {
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(m)}
	}
	return k.Produce(ctx, records...)
}

// Committed returns the offset that a group has committed for a partition, -1 if there is none.
func (k *Kafka) Committed(group, topic string, partition int32) int64 {
	if info := k.cluster.GroupInfo(group); info != nil {
		if c, ok := info.Commits[topic][partition]; ok {
			return c.Offset
		}
	}
	return -1
}

// End returns the offset behind the last record of a partition.
func (k *Kafka) End(topic string, partition int32) int64 {
	if info := k.cluster.PartitionInfo(topic, partition); info != nil {
		return info.HighWatermark
	}
	return -1
}

package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// What the client may hold. It buffers up to brokers x fetchBytes, compressed, with at most fetches at once;
// the defaults of the library would allow 50 MiB for each broker.
const (
	fetchBytes          = 1 << 20
	fetchPartitionBytes = 128 << 10
	fetches             = 4
	readBytes           = 16 << 20
	decompressBytes     = 64 << 20
	// A partition that is resumed, or assigned beside others, is fetched when the request that waits at its
	// broker has been answered. The library would let that wait 5 s.
	fetchWait = 500 * time.Millisecond
)

var balancers = map[string]func() kgo.GroupBalancer{
	"cooperative_sticky": kgo.CooperativeStickyBalancer,
	"sticky":             kgo.StickyBalancer,
	"roundrobin":         kgo.RoundRobinBalancer,
	"range":              kgo.RangeBalancer,
}

// connect makes the client and starts the committer. It does not wait for a broker: the client goes on trying. Old is set
// where a broker cannot be asked for its versions.
func (k *kafka) connect(old *kversion.Versions) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client != nil {
		return errors.New("connecting to Kafka: the source has run before")
	}
	balancer, ok := balancers[k.config.Assignor]
	if !ok {
		return fmt.Errorf("connecting to Kafka: %q is no assignor", k.config.Assignor)
	}
	isolation := kgo.ReadCommitted()
	if k.config.Isolation == "read_uncommitted" {
		isolation = kgo.ReadUncommitted()
	}
	common, err := k.commonOptions()
	if err != nil {
		return fmt.Errorf("connecting to Kafka: %w", err)
	}
	ctx, kill := context.WithCancel(context.Background())
	opts := append(common,
		kgo.WithContext(ctx),
		kgo.WithHooks(k.health),
		kgo.WithPools(&recordPool{}),
		kgo.ConsumerGroup(k.config.Group),
		kgo.ConsumeTopics(k.topics()...),
		kgo.Balancers(balancer()),
		kgo.SessionTimeout(k.config.SessionTimeout),
		kgo.HeartbeatInterval(min(3*time.Second, k.config.SessionTimeout/3)),
		kgo.RebalanceTimeout(k.config.RebalanceWait),
		kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(isolation),
		kgo.FetchMaxWait(fetchWait),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.MaxConcurrentFetches(fetches),
		kgo.BrokerMaxReadBytes(readBytes),
		kgo.MaxDecompressBatchBytes(decompressBytes),
		kgo.MetadataMaxAge(time.Minute), // how soon new partitions are seen
		kgo.AdjustFetchOffsetsFn(k.assigned),
		kgo.OnPartitionsAssigned(k.settled),
		kgo.OnPartitionsRevoked(k.revoked),
		kgo.OnPartitionsLost(k.lost),
	)
	if k.config.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(k.config.InstanceID))
	}
	if k.config.Protocol == "consumer" {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	if old != nil {
		opts = append(opts, kgo.MaxVersions(old))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		kill()
		return fmt.Errorf("connecting to Kafka: %w", err)
	}
	k.client, k.kill = client, kill
	close(k.ready)
	k.health.waiting()
	k.commits.start(k, ctx)
	return nil
}

// commonOptions are those of every client that the source makes: brokers, security, name.
func (k *kafka) commonOptions() ([]kgo.Opt, error) {
	opts, err := k.security.options(k.env.Dial)
	if err != nil {
		return nil, err
	}
	id := k.config.ClientID
	if id == "" {
		id = "engine-" + k.env.Graph + "-" + k.env.Node
	}
	opts = append(opts, kgo.SeedBrokers(k.config.Brokers...), kgo.ClientID(id), kgo.DisableClientMetrics())
	if k.env.Version != "" {
		opts = append(opts, kgo.SoftwareNameAndVersion("engine", k.env.Version))
	}
	return opts, nil
}

func (k *kafka) topics() []string {
	var out []string
	for _, o := range k.ports {
		out = append(out, o.stream.topics...)
	}
	return out
}

// requestPartitions asks for the partitions of topics and returns their numbers by topic. It remembers them
// for the metadata of commits.
func (k *kafka) requestPartitions(ctx context.Context, topics []string) (map[string]int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, k.client)
	if err != nil {
		return nil, fmt.Errorf("asking for partitions: %w", err)
	}
	counts := map[string]int32{}
	for i := range resp.Topics {
		if t := &resp.Topics[i]; t.Topic != nil && len(t.Partitions) > 0 {
			counts[*t.Topic] = int32(len(t.Partitions))
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for t, n := range counts {
		k.counts[t] = n
	}
	return counts, nil
}

// recordPool lends the client the memory for the records of a fetch. They are copied into batches at once and
// given back. (Without it a message costs a fifth more processor time from the poll to the batch.)
type recordPool struct{ free sync.Pool }

// GetRecords returns a slice to decode n records into; the client grows it if it is too small.
func (p *recordPool) GetRecords(n int) []kgo.Record {
	if r, ok := p.free.Get().(*[]kgo.Record); ok {
		return *r
	}
	return make([]kgo.Record, 0, n)
}

// PutRecords takes back the memory of records that were all recycled.
func (p *recordPool) PutRecords(r []kgo.Record) { p.free.Put(&r) }

package kafka

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/test/harness"
)

// traffic writes numbered messages to a topic at a rate, and tells a ledger which of them the brokers have acknowledged.
type traffic struct {
	client *kgo.Client
	done   chan struct{}
	end    context.CancelFunc
	failed atomic.Pointer[error]
}

func startTraffic(t *testing.T, c *Cluster, topic string, l *harness.Ledger) *traffic {
	t.Helper()
	// Idempotent, acknowledged by all in sync, and sent again until it is: what a ledger knows as written is there once.
	client := clientOf(t, c, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(10*time.Millisecond),
		kgo.MaxBufferedRecords(1_000_000), kgo.ProduceRequestTimeout(5*time.Second), kgo.RequestTimeoutOverhead(3*time.Second), kgo.DialTimeout(time.Second),
		kgo.MetadataMinAge(250*time.Millisecond))
	ctx, cancel := context.WithCancel(context.Background())
	p := &traffic{client: client, done: make(chan struct{}), end: cancel}
	t.Cleanup(cancel)
	go func() {
		defer close(p.done)
		const turn = 20 * time.Millisecond
		tick := time.NewTicker(turn)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			n := siegeRate / int(time.Second/turn)
			first := l.Take(n)
			for id := first; id < first+int64(n); id++ {
				value := fmt.Appendf(nil, `{"id":%d,"host":"web-%d","path":"/v1/orders/%d","ok":true,"took":%d.25}`, id, id%32, id%977, id%1000)
				client.Produce(context.Background(), &kgo.Record{Partition: int32(id % siegePartitions), Value: value}, func(_ *kgo.Record, err error) {
					if err != nil {
						p.failed.Store(&err)
						return
					}
					l.Acknowledge(id, 1)
				})
			}
		}
	}()
	return p
}

// stop ends the writing and waits until all is acknowledged.
func (p *traffic) stop() error {
	p.end()
	<-p.done
	ctx, cancel := context.WithTimeout(context.Background(), healTimeout)
	defer cancel()
	if err := p.client.Flush(ctx); err != nil {
		return fmt.Errorf("writing to Kafka: %w", err)
	}
	if err := p.failed.Load(); err != nil {
		return fmt.Errorf("writing to Kafka: %w", *err)
	}
	return nil
}

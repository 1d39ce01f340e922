package sources

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const (
	// probeFront is how much is kept of an answer that is too large, and of a batch of records that cannot be read.
	probeFront = 64 << 10
	// probeTime bounds a fetch of a prober, trialTime an attempt to read one batch of records.
	probeTime = 5 * time.Second
	trialTime = 2 * time.Second
)

// prober fetches single batches of records beside the client, to see what is wrong with them. It has connections of its own, because
// an answer that is too large ends one, and holds no more than one answer of at most readBytes.
type prober struct {
	source *kafka
	client *kgo.Client
	front  answerFront
}

// answerFront is the beginning of the last answer that was too large.
type answerFront struct {
	mu      sync.Mutex
	bytes   []byte // behind the correlation id
	version int16  // of the request
	size    int64
}

func (f *answerFront) take() (front []byte, version int16, size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	front, version, size = f.bytes, f.version, f.size
	f.bytes = nil
	return front, version, size
}

// newProber makes a prober. The caller closes it. Fetches name topics, not their ids, because the layout of such answers is known.
func newProber(k *kafka) (*prober, error) {
	opts, err := k.commonOptions()
	if err != nil {
		return nil, err
	}
	pr := &prober{source: k}
	dial := k.security.dialer(k.env.Dial)
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Fetch), newestProbe)
	pr.client, err = kgo.NewClient(append(opts, kgo.MaxVersions(versions), kgo.BrokerMaxReadBytes(readBytes), kgo.FetchMaxBytes(fetchBytes), kgo.RequestRetries(0),
		kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &cuttingConn{Conn: conn, front: &pr.front}, nil
		}))...)
	if err != nil {
		return nil, err
	}
	return pr, nil
}

func (pr *prober) close() { pr.client.Close() }

// probed is what stands at an offset of a partition.
type probed struct {
	data                []byte // batches of records; the last one may be cut
	whole               int64  // bytes of an answer that was too large, 0 otherwise: of that data is the beginning
	aborted             abortedTransactions
	high, stable, start int64
}

// fetch returns what a broker has from an offset on: one batch of records at least, if there is any.
func (pr *prober) fetch(ctx context.Context, id topicPartition, offset int64) (probed, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	broker, err := pr.leader(ctx, id)
	if err != nil {
		return probed{}, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.MaxWaitMillis, req.SessionEpoch = fetchPartitionBytes, 1, 100, -1
	if pr.source.config.Isolation != "read_uncommitted" {
		req.IsolationLevel = 1
	}
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = id.topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = id.partition, offset, fetchPartitionBytes
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	answer, err := pr.client.Broker(int(broker)).Request(ctx, req)
	if err != nil {
		front, version, size := pr.front.take()
		if front == nil {
			return probed{}, err
		}
		data, err := recordsOf(front, version)
		return probed{data: data, whole: size}, err
	}
	resp, ok := answer.(*kmsg.FetchResponse)
	if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return probed{}, errors.New("the answer is not about the partition")
	}
	got := &resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return probed{}, err
	}
	out := probed{data: got.RecordBatches, high: got.HighWatermark, stable: got.LastStableOffset, start: got.LogStartOffset, aborted: abortedOf(got)}
	if out.stable < 0 {
		out.stable = out.high
	}
	return out, nil
}

// leader returns the broker that a partition is fetched from.
func (pr *prober) leader(ctx context.Context, id topicPartition) (int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(id.topic)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, pr.client)
	if err != nil {
		return 0, err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if t.Topic != nil && *t.Topic == id.topic && p.Partition == id.partition && p.Leader >= 0 {
				return p.Leader, nil
			}
		}
	}
	return 0, errors.New("the partition has no leader")
}

// outcome is what an attempt to read a batch of records has shown.
type outcome uint8

const (
	unknown  outcome = iota
	readable         // it gives messages
	empty            // it gives none: those that are left in it come before the offset
	broken           // its records cannot be read
)

// firstBatch is a hook that notes how many records the library has found in a batch.
type firstBatch struct {
	mu      sync.Mutex
	bytes   int // that its records take
	records int // -1: not met
}

// OnFetchBatchRead is called by the library for every batch of records.
func (f *firstBatch) OnFetchBatchRead(_ kgo.BrokerMetadata, _ string, _ int32, m kgo.FetchBatchMetrics) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.records < 0 && m.CompressedBytes == f.bytes {
		f.records = m.NumRecords
	}
}

// try reads the batch with the header h from an offset on as the source does, within the same bounds, in a client of its own: the library
// says nothing of records that it cannot read, and waits.
func (pr *prober) try(ctx context.Context, id topicPartition, offset int64, h recordBatchFront) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	opts, err := pr.source.commonOptions()
	if err != nil {
		return unknown, err
	}
	met := &firstBatch{records: -1, bytes: int(h.length) - recordBatchHeader}
	isolation := kgo.ReadCommitted()
	if pr.source.config.Isolation == "read_uncommitted" {
		isolation = kgo.ReadUncommitted()
	}
	client, err := kgo.NewClient(append(opts, kgo.WithHooks(met), kgo.FetchIsolationLevel(isolation),
		kgo.BrokerMaxReadBytes(readBytes), kgo.MaxDecompressBatchBytes(decompressBytes), kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{id.topic: {id.partition: kgo.NewOffset().At(offset)}}))...)
	if err != nil {
		return unknown, err
	}
	defer client.Close()
	fetches := client.PollFetches(ctx)
	met.mu.Lock()
	records := met.records
	met.mu.Unlock()
	for _, e := range fetches.Errors() {
		if answer := (*kerr.Error)(nil); !errors.As(e.Err, &answer) && !errors.Is(e.Err, context.DeadlineExceeded) && !errors.Is(e.Err, context.Canceled) && e.Topic != "" {
			return broken, e.Err
		}
	}
	if !h.old && records >= 0 && records < int(h.records) {
		return broken, fmt.Errorf("%d of its %d records can be read", records, h.records)
	}
	for _, r := range fetches.Records() {
		if r.Offset >= offset && r.Offset <= h.last {
			return readable, nil
		}
	}
	if records >= 0 && records == int(h.records) {
		return empty, nil
	}
	return unknown, nil
}

// cuttingConn is a connection on which an answer of more than readBytes ends with its beginning, which is kept.
type cuttingConn struct {
	net.Conn
	front *answerFront

	mu      sync.Mutex
	version int16

	head []byte // of the answer's size, as far as it is there
	left int64  // of the answer
}

var errAnswerCut = errors.New("the answer is too large")

// Write notes the version of a request: behind its size and its key.
func (c *cuttingConn) Write(p []byte) (int, error) {
	if len(p) >= 8 && int(binary.BigEndian.Uint32(p)) == len(p)-4 && int16(binary.BigEndian.Uint16(p[4:])) == int16(kmsg.Fetch) {
		c.mu.Lock()
		c.version = int16(binary.BigEndian.Uint16(p[6:]))
		c.mu.Unlock()
	}
	return c.Conn.Write(p)
}

// Read passes on answers.
func (c *cuttingConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// begin reads the size of the next answer.
func (c *cuttingConn) begin() error {
	size := make([]byte, 4)
	if _, err := io.ReadFull(c.Conn, size); err != nil {
		return err
	}
	c.head, c.left = size, int64(binary.BigEndian.Uint32(size))
	if c.left <= readBytes {
		return nil
	}
	const correlation = 4
	front := make([]byte, probeFront+correlation)
	n, err := io.ReadFull(c.Conn, front)
	if n < correlation {
		return err
	}
	c.mu.Lock()
	version := c.version
	c.mu.Unlock()
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	c.front.bytes, c.front.version, c.front.size = front[correlation:n], version, c.left
	return errAnswerCut
}

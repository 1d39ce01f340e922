package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"
)

// FloorOptions are what a hand-written consumer needs.
type FloorOptions struct {
	Kafka, Topic, Group string
	DataWay             string // URL; "" only polls
	Count               int    // it ends after so many records
}

// Floor is what somebody would write by hand for the job of a topic: poll, and with a DataWay take three values out of the manual's
// metric, or six out of a log of [LogTopic], write line protocol, compress and post it, in bodies of 4,096 points, then commit. It has no configuration,
// no metrics, no retries and no order of acknowledgements; its fetches are as large as the engine's. The figures of the engine are measured against it.
func Floor(ctx context.Context, o FloorOptions) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(o.Kafka), kgo.ConsumerGroup(o.Group), kgo.ConsumeTopics(o.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.FetchMaxBytes(1<<20), kgo.FetchMaxPartitionBytes(128<<10),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	f := &floor{o: o, bodies: make(chan []*kgo.Record, 2)}
	var wg sync.WaitGroup
	if o.DataWay != "" {
		for range 2 {
			wg.Go(f.post)
		}
	}
	batch := make([]*kgo.Record, 0, floorPoints)
	for seen := 0; seen < o.Count; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			if o.DataWay == "" {
				return
			}
			if batch = append(batch, r); len(batch) == floorPoints {
				f.bodies <- batch
				batch = make([]*kgo.Record, 0, floorPoints)
			}
		})
	}
	if len(batch) > 0 {
		f.bodies <- batch
	}
	close(f.bodies)
	wg.Wait()
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	return f.failed()
}

const floorPoints = 4096

type floor struct {
	o      FloorOptions
	bodies chan []*kgo.Record

	mu  sync.Mutex
	err error
}

func (f *floor) fail(err error) {
	f.mu.Lock()
	f.err = errors.Join(f.err, err)
	f.mu.Unlock()
}

func (f *floor) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *floor) post() {
	var (
		line   []byte
		body   bytes.Buffer
		zip, _ = gzip.NewWriterLevel(&body, gzip.BestSpeed)
		write  = appendMetric
	)
	if f.o.Topic == LogTopic {
		write = appendLog
	}
	for records := range f.bodies {
		body.Reset()
		zip.Reset(&body)
		line = line[:0]
		now := time.Now().UnixNano()
		for _, r := range records {
			line = write(line, r)
			line = append(line, ",offset="...)
			line = strconv.AppendInt(line, r.Offset, 10)
			line = append(line, "i,partition="...)
			line = strconv.AppendInt(line, int64(r.Partition), 10)
			line = append(line, "i "...)
			line = strconv.AppendInt(line, now, 10)
			line = append(line, '\n')
		}
		if _, err := zip.Write(line); err != nil {
			f.fail(err)
		}
		if err := zip.Close(); err != nil {
			f.fail(err)
		}
		if err := f.send(body.Bytes(), len(records)); err != nil {
			f.fail(err)
		}
	}
}

func appendMetric(line []byte, r *kgo.Record) []byte {
	id := gjson.GetBytes(r.Value, "dimensions.bk_biz_id").Raw
	line = append(line, r.Topic...)
	line = append(line, ",bk_biz_id="...)
	line = append(line, id...)
	line = append(line, ",hostip="...)
	line = append(line, gjson.GetBytes(r.Value, "dimensions.ip").Str...)
	line = append(line, `,type=kafka bkzid="`...)
	line = append(line, id...)
	line = append(line, `",cpu_usage_pct=`...)
	return strconv.AppendFloat(line, gjson.GetBytes(r.Value, "metrics.cpu_usage_pct").Num, 'f', -1, 64)
}

func appendLog(line []byte, r *kgo.Record) []byte {
	line = append(line, r.Topic...)
	line = append(line, ",host="...)
	line = append(line, gjson.GetBytes(r.Value, "host").Str...)
	line = append(line, ",service="...)
	line = append(line, gjson.GetBytes(r.Value, "service").Str...)
	line = append(line, ",type=kafka duration_ms="...)
	line = strconv.AppendFloat(line, gjson.GetBytes(r.Value, "http.duration_ms").Num, 'f', -1, 64)
	line = append(line, ",http_status="...)
	line = append(line, gjson.GetBytes(r.Value, "http.status").Raw...)
	line = append(line, ",message="...)
	line = strconv.AppendQuote(line, gjson.GetBytes(r.Value, "message").Str)
	line = append(line, `,status="`...)
	line = append(line, gjson.GetBytes(r.Value, "level").Str...)
	return append(line, '"')
}

func (f *floor) send(body []byte, points int) error {
	req, err := http.NewRequest("POST", f.o.DataWay, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.URL.Path = "/v1/write/metric"
	if f.o.Topic == LogTopic {
		req.URL.Path = "/v1/write/logging"
	}
	req.Header.Set("Content-Type", "application/line-protocol")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("X-Points", strconv.Itoa(points))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("floor: %s", resp.Status)
	}
	return nil
}

// Package sim runs the whole engine, with its broker and its DataWay, in a bubble of testing/synctest: hours of outages
// under a clock of their own pass in a moment.
package sim

import (
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/embedded"
	"dataflow/engine/point"
	"dataflow/engine/runtime"
	_ "dataflow/operators"
	_ "dataflow/sinks"
	_ "dataflow/sources"
	"dataflow/test/harness"
)

// dataway is a DataWay on the virtual network whose behaviour follows a script over time.
type dataway struct {
	start time.Time
	acts  []act

	mu     sync.Mutex
	seen   map[string]int // accepted points by partition and offset
	answer map[int]int    // requests by status
}

// An act is how DataWay behaves from a moment on.
type act struct {
	from   time.Duration
	status int           // 0 accepts
	after  time.Duration // Retry-After
	delay  time.Duration
}

// ServeHTTP accepts, or does what the act of the moment says.
func (d *dataway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := act{}
	for _, a := range d.acts {
		if time.Since(d.start) >= a.from {
			now = a
		}
	}
	body, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	text, err := io.ReadAll(body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if now.delay > 0 {
		timer := time.NewTimer(now.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer[now.status]++
	if now.status != 0 {
		if now.after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(now.after.Seconds())))
		}
		w.WriteHeader(now.status)
		return
	}
	ps, err := point.ParseLines(nil, new(point.Arena), text, point.ReadOptions{Precision: point.Nanoseconds})
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for i := range ps {
		partition, _ := ps[i].Get("partition")
		offset, _ := ps[i].Get("offset")
		d.seen[strconv.FormatInt(partition.Int(), 10)+"/"+strconv.FormatInt(offset.Int(), 10)]++
	}
}

// outcome is what a simulation came to.
type outcome struct {
	lost, twice, ghosts int
	lag                 int64
	answers             map[int]int
}

// simulate runs the metric graph for a time, with messages every few seconds, under a script of acts.
func simulate(t *testing.T, d time.Duration, acts []act) (out outcome) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, burst, every = 3, 6, 5 * time.Second
		network := &kfake.VirtualNetwork{}
		kafka, err := embedded.StartKafka(map[string]int32{"metric_topic": partitions}, embedded.KafkaOptions{Listen: "127.0.0.1:9092", Network: network})
		if err != nil {
			t.Fatal(err)
		}
		defer kafka.Close()
		sink := &dataway{start: time.Now(), acts: acts, seen: map[string]int{}, answer: map[int]int{}}
		l, err := network.Listen("tcp", "127.0.0.1:9528")
		if err != nil {
			t.Fatal(err)
		}
		server := http.Server{Handler: sink}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()

		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "metric.p"), []byte(harness.MetricScript), 0o600); err != nil {
			t.Fatal(err)
		}
		g, err := graph.Parse(filepath.Join(dir, "graph.yaml"), []byte(harness.MetricGraph("start: earliest")), graph.Options{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := runtime.New(g, runtime.Options{
			Log: slog.New(slog.DiscardHandler), Env: engine.Env{Dial: network.DialContext}, DrainTimeout: time.Hour,
			DialFor: func(string) runtime.Dial { return network.DialContext },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan runtime.Result, 1)
		go func() { ended <- e.Run(ctx, nil) }()

		produced := 0
		text := []string{`{"dimensions": {"bk_biz_id": 225,"ip": "10.200.64.45"}, "metrics": {"cpu_usage_pct": 0.01}}`}
		for range int(d / every) {
			for range burst {
				if err := kafka.ProduceText(ctx, "metric_topic", int32(produced%partitions), text...); err != nil {
					t.Fatal(err)
				}
				produced++
			}
			time.Sleep(every) // in the bubble: the clock moves
		}
		time.Sleep(10 * time.Minute)
		cancel()
		if r := <-ended; r.Err != nil {
			t.Errorf("exit %d: %v", r.Code, r.Err)
		}
		for p := range int32(partitions) {
			end := kafka.End("metric_topic", p)
			out.lag += end - kafka.Committed("datakit-group", "metric_topic", p)
			for o := range end {
				id := strconv.Itoa(int(p)) + "/" + strconv.FormatInt(o, 10)
				switch n := sink.seen[id]; {
				case n == 0:
					out.lost++
				case n > 1:
					out.twice++
				}
				delete(sink.seen, id)
			}
		}
		out.ghosts, out.answers = len(sink.seen), sink.answer
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	return out
}

// TestOutages: whatever an outage looks like and however long it takes, everything arrives once, and while
// DataWay fails it gets a probe at a time, not a storm.
func TestOutages(t *testing.T) {
	for name, c := range map[string]struct {
		acts   []act
		status int
		most   int // requests that were answered with the status
	}{
		"healthy":          {},
		"down for an hour": {[]act{{from: 10 * time.Minute, status: 503}, {from: 70 * time.Minute}}, 503, 400},
		"too many":         {[]act{{from: 10 * time.Minute, status: 429, after: time.Minute}, {from: 40 * time.Minute}}, 429, 40},
		"token refused":    {[]act{{from: 10 * time.Minute, status: 403}, {from: 40 * time.Minute}}, 403, 70},
		"slow":             {[]act{{from: 10 * time.Minute, delay: 20 * time.Second}, {from: 30 * time.Minute}}, 0, 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			out := simulate(t, 90*time.Minute, c.acts)
			if out.lost != 0 || out.twice != 0 || out.ghosts != 0 || out.lag != 0 {
				t.Errorf("lost %d, twice %d, ghosts %d, lag %d", out.lost, out.twice, out.ghosts, out.lag)
			}
			if n := out.answers[c.status]; n == 0 || c.status != 0 && n > c.most {
				t.Errorf("answers %v: %d with %d, at most %d are right", out.answers, n, c.status, c.most)
			}
		})
	}
}

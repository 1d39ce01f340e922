package embedded

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"dataflow/engine/point"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func consume(t *testing.T, addr, topic string, n int) []string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out []string
	for len(out) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { out = append(out, string(r.Value)) })
	}
	return out
}

// TestKafkaRestart starts a broker again on its port and data: topics, messages and the address are the same.
func TestKafkaRestart(t *testing.T) {
	dir := t.TempDir()
	k, err := StartKafka(map[string]int32{"a": 2}, KafkaOptions{DataDir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(k.Addr(), "127.0.0.1:") {
		t.Errorf("listens on %s", k.Addr())
	}
	if err := k.ProduceText(t.Context(), "a", 1, "one", "two"); err != nil {
		t.Fatal(err)
	}
	if k.End("a", 1) != 2 || k.End("a", 0) != 0 || k.End("b", 0) != -1 || k.Committed("g", "a", 0) != -1 {
		t.Errorf("ends %d, %d", k.End("a", 1), k.End("a", 0))
	}
	k.Close()
	again, err := StartKafka(map[string]int32{"a": 2}, KafkaOptions{DataDir: dir, Listen: k.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Addr() != k.Addr() {
		t.Errorf("listens on %s, before on %s", again.Addr(), k.Addr())
	}
	if got := consume(t, again.Addr(), "a", 2); strings.Join(got, " ") != "one two" {
		t.Errorf("got %v", got)
	}
	if _, err := StartKafka(nil, KafkaOptions{Listen: k.Addr()}); err == nil {
		t.Error("a second broker on the same port")
	}
	if _, err := StartKafka(nil, KafkaOptions{Listen: "nonsense"}); err == nil {
		t.Error("a broker on a nonsense address")
	}
}

func TestProducers(t *testing.T) {
	k, err := StartKafka(map[string]int32{"m": 3}, KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if n, err := k.Feed(t.Context(), "m", Producers()["metrics"], 0, 1200, 1); n != 1200 || err != nil {
		t.Fatalf("%d messages, %v", n, err)
	}
	if k.End("m", 0) == 0 || k.End("m", 1) == 0 || k.End("m", 0)+k.End("m", 1)+k.End("m", 2) != 1200 {
		t.Errorf("partitions hold %d, %d, %d", k.End("m", 0), k.End("m", 1), k.End("m", 2))
	}
	var m struct {
		Dimensions struct{ IP string }
		Metrics    map[string]float64
	}
	if got := consume(t, k.Addr(), "m", 1)[0]; json.Unmarshal([]byte(got), &m) != nil || m.Dimensions.IP == "" || len(m.Metrics) != 1 {
		t.Errorf("message %s", got)
	}
	for name, p := range Producers() {
		now := time.Unix(1700000000, 0)
		a := p.Message(rand.New(rand.NewPCG(1, 1)), now, 9)
		if b := p.Message(rand.New(rand.NewPCG(1, 1)), now, 9); a != b || a == "" || p.Name != name {
			t.Errorf("%s: %q and %q", name, a, b)
		}
		if name == "rum" && !json.Valid([]byte(a)) {
			t.Errorf("no JSON: %s", a)
		}
		if name == "logs" && strings.Count(a, "\n") != 2 {
			t.Errorf("the tenth log has no stack: %q", a)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if n, err := k.Feed(ctx, "m", Producers()["logs"], 50, 0, 1); err != nil || n < 5 || n > 20 {
		t.Errorf("%d messages in 300ms at 50/s, %v", n, err)
	}
}

func startDataWay(t *testing.T, o DataWayOptions) *DataWay {
	t.Helper()
	d, err := StartDataWay(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func post(t *testing.T, d *DataWay, category string, body []byte, header ...string) (*http.Response, error) {
	t.Helper()
	base, query, _ := strings.Cut(d.URL(), "?")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/v1/write/"+category+"?"+query, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	resp, err := client.Do(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return resp, err
}

func TestDataWay(t *testing.T) {
	var (
		mu      sync.Mutex
		printed bytes.Buffer
		seen    []string
	)
	d := startDataWay(t, DataWayOptions{
		Print: &printed,
		OnPoint: func(p *point.Point) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, p.Category.String()+" "+p.Name)
		},
		MaxBody: 1 << 10,
	})
	proto := point.AppendProtobuf(nil, &point.Point{Name: "pb", Time: 5, Fields: []point.Field{{Key: "a", Value: point.Int(1)}}}, nil)
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = zip.Write(proto)
	zip.Close()
	for _, c := range []struct {
		category string
		body     string
		header   []string
		status   int
	}{
		{"metric", "cpu,host=a usage=1.5 7\nmem free=1i 8\n", []string{"X-Pkg-Id", "dk_1", "X-Points", "2"}, 200},
		{"logging", zipped.String(), []string{"Content-Type", protobufType, "Content-Encoding", "gzip", "X-Pkg-Id", "dk_2", "X-Storage-Index-Name", "idx"}, 200},
		{"logging", zipped.String(), []string{"Content-Type", protobufType, "Content-Encoding", "gzip", "X-Pkg-Id", "dk_2"}, 200},
		{"metric", "cpu usage=1 7", []string{"X-Points", "2"}, 400},
		{"metric", "nonsense", nil, 400},
		{"L", "x a=1i 1", nil, 400},
		{"metric", "cpu a=\"" + strings.Repeat("x", 2000) + "\" 1", nil, 413},
		{"metric", "no gzip", []string{"Content-Encoding", "gzip"}, 413},
	} {
		resp, err := post(t, d, c.category, []byte(c.body), c.header...)
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%.30q: %v %v, want %d", c.body, resp, err, c.status)
		}
	}
	got := d.Stats()
	if got.Points["metric"] != 2 || got.Points["logging"] != 2 || got.Bodies != 3 || got.Refused != 5 || got.Packages["dk_2"] != 2 || got.Index["idx"] != 1 {
		t.Errorf("stats %+v", got)
	}
	if want := "cpu,host=a usage=1.5 7\nmem free=1i 8\npb a=1i 5\npb a=1i 5\n"; printed.String() != want {
		t.Errorf("printed %q", printed.String())
	}
	if strings.Join(seen, ",") != "metric cpu,metric mem,logging pb,logging pb" {
		t.Errorf("seen %v", seen)
	}
	d.Reset()
	if got := d.Stats(); got.Bodies != 0 || len(got.Points) != 0 {
		t.Errorf("after the reset %+v", got)
	}
}

func TestDataWayFaults(t *testing.T) {
	d := startDataWay(t, DataWayOptions{})
	body := []byte("cpu a=1i 1")
	d.SetFault(&Fault{Status: 503, RetryAfter: 1500 * time.Millisecond, Category: "metric", Times: 1})
	if resp, err := post(t, d, "logging", body); err != nil || resp.StatusCode != 200 {
		t.Errorf("another category: %v %v", resp, err)
	}
	if resp, err := post(t, d, "metric", body); err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "2" {
		t.Errorf("the fault: %v %v", resp, err)
	}
	if resp, err := post(t, d, "metric", body); err != nil || resp.StatusCode != 200 {
		t.Errorf("after the fault: %v %v", resp, err)
	}
	d.SetFault(&Fault{Reset: true, Times: 1})
	if _, err := post(t, d, "metric", body); err == nil {
		t.Error("the connection was not cut")
	}
	if got := d.Stats().Points["metric"]; got != 2 {
		t.Errorf("%d points accepted, want those of the connection that was cut too", got)
	}
	d.SetFault(&Fault{Delay: 50 * time.Millisecond})
	start := time.Now()
	if resp, err := post(t, d, "metric", body); err != nil || resp.StatusCode != 200 || time.Since(start) < 50*time.Millisecond {
		t.Errorf("the delay: %v %v after %v", resp, err, time.Since(start))
	}
	d.SetFault(&Fault{Hang: true})
	base, _, _ := strings.Cut(d.URL(), "?")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/write/metric", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		if err == nil {
			resp.Body.Close()
		}
		t.Errorf("hanging: %v", err)
	}
	d.SetFault(nil)
	if resp, err := post(t, d, "metric", body); err != nil || resp.StatusCode != 200 {
		t.Errorf("at the end: %v %v", resp, err)
	}
}

// TestDataWayHangsWithoutAnswer closes a DataWay on requests that hang: none of them may look answered.
func TestDataWayHangsWithoutAnswer(t *testing.T) {
	for range 200 {
		d, err := StartDataWay(DataWayOptions{})
		if err != nil {
			t.Fatal(err)
		}
		d.SetFault(&Fault{Hang: true})
		url := strings.Replace(d.URL(), "?", "/v1/write/metric?", 1)
		answered := make(chan int, 1)
		var client http.Client
		go func() {
			status := 0
			if resp, err := client.Post(url, "", strings.NewReader("m f=1i")); err == nil {
				status = resp.StatusCode
				resp.Body.Close()
			}
			answered <- status
		}()
		for d.waiting.Load() == 0 {
			runtime.Gosched()
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if status := <-answered; status != 0 {
			t.Fatalf("a request that hung was answered with %d", status)
		}
		client.CloseIdleConnections()
	}
}

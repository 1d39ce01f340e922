package sinks

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
	engineruntime "dataflow/engine/runtime"
)

// The vectors of DataKit's requests to DataWay (contract 16.6), recorded from DataKit 1.84. Where ours differs, and why:
//
//	D01, D02  User-Agent names the engine; X-Pkg-Id has the same form
//	D03       json, which DataKit accepts and never sends, is an error of the option
//	D05       attempts are repeated for ever, all with the same X-Pkg-Id, after full jitter; there is no fail cache and no X-Fail-Cache-Retry
//	D06       429 waits and is sent again; nothing is dropped
//	D07       each DataWay is a sink of its own: the healthy one gets a body once

const d01 = "0a4a0a03737263120d0a076d6573736167655a026d30120c0a04686f737440015a026831120c0a0470726f6a40015a027030120e0a067374617475735a04696e666f188080a8b1e39fe7cb17" +
	"0a4a0a03737263120d0a076d6573736167655a026d31120c0a04686f737440015a026831120c0a0470726f6a40015a027031120e0a067374617475735a04696e666f188080a8b1e39fe7cb17"

const d02 = "src,host=h1,proj=p0 message=\"m0\",status=\"info\" 1700000000000000000\nsrc,host=h1,proj=p1 message=\"m1\",status=\"info\" 1700000000000000000\n"

// The vectors D01 and D02 were recorded from a DataKit.
func TestDatawayRequestVectors(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id, encoding, contentType string
		gzip                      int
		plain                     []byte
	}{
		{"D01", encodingProtobuf, typeProtobuf, 1, unhex(t, d01)}, {"D02", encodingLine, typeLine, 1, []byte(d02)}, {"D02 plain", encodingLine, typeLine, 0, []byte(d02)},
	} {
		t.Run(c.id, func(t *testing.T) {
			var got *http.Request
			var body []byte
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
			}))
			defer s.Close()
			d := newTestDataway(t, testEnv(), func(o *datawayConfig) {
				o.URL = engine.NewSecret(s.URL + "/any/path?token=" + testToken + "&x=y")
				o.Encoding, o.Gzip, o.StorageIndex = c.encoding, c.gzip, "idx1"
			})
			bodies := encodeAll(t, d, batchOf(logPoint(0), logPoint(1)))
			if len(bodies) != 1 {
				t.Fatalf("%d bodies", len(bodies))
			}
			b := bodies[0].body
			if b.Lane != "logging" || b.Points != 2 || b.PlainBytes != len(c.plain) || !slices.Equal(bodies[0].refs, []engine.PointRef{{Batch: 0, First: 0, Count: 2}}) {
				t.Errorf("body %+v, refs %v", b, bodies[0].refs)
			}
			for range 2 {
				if err := d.Send(context.Background(), b); err != nil {
					t.Fatal(err)
				}
				if got.Method != "POST" || got.RequestURI != "/v1/write/logging?token="+testToken+"&x=y" {
					t.Errorf("%s %s", got.Method, got.RequestURI)
				}
				want := map[string]string{"Content-Type": c.contentType, "Content-Encoding": "gzip", "X-Points": "2", "X-Storage-Index-Name": "idx1", "Referer": "DataKit",
					"User-Agent": "engine-" + runtime.GOOS + "-" + runtime.GOARCH + "/1.2.3/" + host, "X-Pkg-Id": b.ID, "Content-Length": fmt.Sprint(len(b.Data))}
				if c.gzip == 0 {
					delete(want, "Content-Encoding")
				}
				for k, v := range want {
					if got.Header.Get(k) != v {
						t.Errorf("%s: %q, want %q", k, got.Header.Get(k), v)
					}
				}
				if len(got.Header) != len(want) {
					t.Errorf("headers %v", got.Header)
				}
			}
			if c.gzip > 0 {
				body = gunzip(t, body)
			}
			if !bytes.Equal(body, c.plain) {
				t.Errorf("body\n%x, want\n%x", body, c.plain)
			}
			if !regexp.MustCompile(`^dk_[0-9a-z]{20}$`).MatchString(b.ID) {
				t.Errorf("id %q", b.ID)
			}
			ps, err := d.Decode(b)
			if err != nil || len(ps) != 2 || ps[1].Category != point.Logging || ps[1].Extra == nil || ps[1].Extra.StorageIndex != "idx1" {
				t.Fatalf("decoded %+v, error %v", ps, err)
			}
			again := encodeAll(t, d, batchOf(ps...))
			if len(again) != 1 || !bytes.Equal(again[0].body.Data, b.Data) || again[0].body.ID == b.ID {
				t.Errorf("decoded and encoded again: %+v", again)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDatawayAnswerVectors(t *testing.T) {
	var status int
	var said string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "17")
		}
		w.WriteHeader(status)
		io.WriteString(w, said)
	}))
	defer s.Close()
	d := newTestDataway(t, testEnv(), func(o *datawayConfig) { o.URL = engine.NewSecret(s.URL + "?token=" + testToken) })
	body := encodeAll(t, d, batchOf(logPoint(0)))[0].body
	for _, c := range []struct {
		status int
		said   string
		class  engine.ErrorClass
		after  time.Duration
	}{
		{400, "bad", engine.BadData, 0}, {422, "", engine.BadData, 0}, {413, "", engine.TooLarge, 0}, {401, testToken, engine.Refused, 30 * time.Second}, {404, "", engine.Refused, 30 * time.Second},
		{405, "", engine.Refused, 30 * time.Second}, {302, "", engine.Refused, 30 * time.Second}, {408, "", engine.Retry, 0}, {429, "", engine.Retry, 17 * time.Second}, {500, "", engine.Retry, 0}, {503, "", engine.Retry, 0},
		{403, `{"error_code":"ft.beyondDataUsage"}`, engine.Refused, 30 * time.Second}, {400, `{"error_code":"ft.beyondDataUsage"}`, engine.Refused, 30 * time.Second},
	} {
		status, said = c.status, c.said
		err := d.Send(context.Background(), body)
		var e *engine.SendError
		if !errors.As(err, &e) || e.Class != c.class || e.After != c.after {
			t.Errorf("%d: %#v, want class %v after %v", c.status, e, c.class, c.after)
			continue
		}
		if strings.Contains(err.Error(), testToken) {
			t.Errorf("%d shows the token: %v", c.status, err)
		}
	}
	status, said = 204, ""
	if err := d.Send(context.Background(), body); err != nil {
		t.Errorf("204: %v", err)
	}
	s.Close()
	var e *engine.SendError
	if err := d.Send(context.Background(), body); !errors.As(err, &e) || e.Class != engine.Retry || strings.Contains(err.Error(), testToken) {
		t.Errorf("closed server: %v", err)
	}
}

// D03: what cannot be sent is not accepted.
func TestDatawayVectorD03(t *testing.T) {
	c := *engine.Lookup(engine.SinkNode, "dataway").NewConfig().(*datawayConfig)
	c.URL, c.Encoding = engine.NewSecret("http://h?token="+testToken), "json"
	var e *engine.OptionError
	if _, err := newDataway(testEnv(), c); !errors.As(err, &e) || e.Path != "encoding" {
		t.Errorf("%v", err)
	}
}

// D04: with the sinker, points with equal values of the keys share a request that names them.
func TestDatawayVectorD04(t *testing.T) {
	d := newTestDataway(t, testEnv(), func(o *datawayConfig) {
		o.GlobalTags, o.Sinker.Keys = map[string]string{"host": "h9"}, []string{"proj", "category", "source"}
	})
	b := batchOf(logPoint(0), logPoint(1), logPoint(0))
	bodies := encodeAll(t, d, b)
	checkComplete(t, d, []*engine.Batch{b}, bodies, 0)
	want := map[string]int{"host=h1,proj=p0,category=logging,source=src": 2, "host=h1,proj=p1,category=logging,source=src": 1}
	if len(bodies) != len(want) {
		t.Fatalf("%d bodies", len(bodies))
	}
	for _, x := range bodies {
		if n := want[headerOf(x.body, headerTags)]; n != x.body.Points || x.body.PlainBytes != 76*n {
			t.Errorf("%q has %d points in %d bytes, want %d", headerOf(x.body, headerTags), x.body.Points, x.body.PlainBytes, n)
		}
	}
	if ps, err := d.Decode(bodies[0].body); err != nil || len(ps) != 2 {
		t.Errorf("decoded %v, error %v", ps, err)
	}
}

// A vectorsServer notes the requests that it gets.
type vectorsServer struct {
	*httptest.Server
	mu   sync.Mutex
	seen []vectorRequest
}

type vectorRequest struct {
	id, retried string
	plain       []byte
	at          time.Time
}

// answering starts a server that gives the answers one after the other, and then the last one for ever.
func answering(t *testing.T, statuses ...int) *vectorsServer {
	s := &vectorsServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		status := statuses[min(len(s.seen), len(statuses)-1)]
		s.seen = append(s.seen, vectorRequest{r.Header.Get("X-Pkg-Id"), r.Header.Get("X-Fail-Cache-Retry"), gunzip(t, data), time.Now()})
		s.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s
}

// vectorPoints is a source of the two points of the vectors.
type vectorPoints struct{}

func init() {
	engine.RegisterSource(engine.Info{Type: "test_vector_points"}, struct{}{}, func(engine.Env, struct{}) (engine.Source, error) { return vectorPoints{}, nil })
}

// Run emits the points and ends.
func (vectorPoints) Run(ctx context.Context, emit engine.Emit) error {
	b := engine.Reserve(2, 4)
	*b.Add(), *b.Add() = logPoint(0), logPoint(1)
	b.Arm(1, nil)
	return emit(ctx, b)
}

// deliverVectors runs a graph from the two points to sinks until everything is done. Options are further ones of each sink.
func deliverVectors(t *testing.T, options string, servers ...*vectorsServer) {
	t.Helper()
	text := "version: 1\nname: vectors\nsources: {in: {type: test_vector_points}}\nsinks:\n"
	for i, s := range servers {
		text += fmt.Sprintf("  out%d: {type: dataway, from: in, url: %q, %s}\n", i, s.URL+"?token="+testToken, options)
	}
	g, err := graph.Parse(filepath.Join(t.TempDir(), "graph.yaml"), []byte(text), graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engineruntime.New(g, engineruntime.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if r := e.Run(context.Background(), nil); r.Err != nil {
		t.Fatalf("exit %d: %v", r.Code, r.Err)
	}
}

// D05: attempts have the same id and body; they go on until one succeeds.
func TestDatawayVectorD05(t *testing.T) {
	s := answering(t, 500, 500, 500, 500, 200)
	deliverVectors(t, "retry: {initial: 20ms, max: 40ms}", s)
	if len(s.seen) != 5 {
		t.Fatalf("%d requests", len(s.seen))
	}
	for i, r := range s.seen {
		if r.id != s.seen[0].id || r.retried != "" || !bytes.Equal(r.plain, unhex(t, d01)) {
			t.Errorf("request %d: %+v", i, r)
		}
	}
}

// D06: 429 drops nothing.
func TestDatawayVectorD06(t *testing.T) {
	s := answering(t, 429, 200)
	deliverVectors(t, "retry: {initial: 10ms, max: 10ms}", s)
	if len(s.seen) != 2 || s.seen[0].id != s.seen[1].id || !bytes.Equal(s.seen[1].plain, unhex(t, d01)) {
		t.Errorf("%+v", s.seen)
	}
}

// D07: a DataWay that fails repeats nothing for the other.
func TestDatawayVectorD07(t *testing.T) {
	healthy, ill := answering(t, 200), answering(t, 500, 500, 500, 200)
	deliverVectors(t, "retry: {initial: 10ms, max: 10ms}", healthy, ill)
	if len(healthy.seen) != 1 || len(ill.seen) != 4 {
		t.Errorf("the healthy one got %d requests, the other %d", len(healthy.seen), len(ill.seen))
	}
}

func TestDatawaySinker(t *testing.T) {
	bound := string(bytes.Repeat([]byte("x"), maxHeaderValue))
	for _, c := range []struct {
		name   string
		keys   []string
		global map[string]string
		change func(p *point.Point)
		want   string
	}{
		{"off", nil, map[string]string{"a": "b"}, nil, ""},
		{"nothing found and no global tags", []string{"nosuch"}, nil, nil, ""},
		{"global tags added", []string{"proj"}, map[string]string{"zone": "z", "area": "a"}, nil, "proj=p0,area=a,zone=z"},
		{"the default, sorted", []string{"nosuch"}, map[string]string{"zone": "z", "area": "a"}, func(p *point.Point) { p.Extra = &point.Extra{NoGlobalTags: true} }, "area=a,zone=z"},
		{"text fields, not numbers", []string{"message", "code"}, nil, func(p *point.Point) { p.Fields = append(p.Fields, field("code", point.Int(5))) }, "message=m0"},
		{"the name of a metric", []string{"measurement", "source", "class"}, nil, func(p *point.Point) { p.Category = point.Metric }, "measurement=src"},
		{"the name of an object", []string{"measurement", "source", "class"}, nil, func(p *point.Point) { p.Category = point.Object }, "class=src"},
		{"what no header can hold", []string{"message", "proj"}, nil, func(p *point.Point) { p.Fields[0].Value = point.String("a\nb") }, "proj=p0"},
		{"too much for a header", []string{"message", "proj"}, nil, func(p *point.Point) { p.Fields[0].Value = point.String(bound) }, "proj=p0"},
	} {
		d := newTestDataway(t, testEnv(), func(o *datawayConfig) { o.Sinker.Keys, o.GlobalTags = c.keys, c.global })
		p := logPoint(0)
		if c.change != nil {
			c.change(&p)
		}
		if got := headerOf(encodeAll(t, d, batchOf(p))[0].body, headerTags); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// However many kinds of points the data brings, few bodies are open at once, and each point is in one.
func TestDatawayManyKinds(t *testing.T) {
	d := newTestDataway(t, testEnv(), func(o *datawayConfig) { o.Sinker.Keys = []string{"proj"} })
	b := batchOf()
	for i := range 1000 {
		b.Points = append(b.Points, logPoint(i%100))
	}
	bodies := encodeAll(t, d, b)
	checkComplete(t, d, []*engine.Batch{b}, bodies, 0)
	if k := d.packers.Get().(*datawayPacker); len(k.spare) > maxOpen || len(k.open) != 0 {
		t.Errorf("%d bodies are kept, %d open", len(k.spare), len(k.open))
	}
}

// A storage index of the data that no header can hold would make its requests fail for ever.
func TestDatawayStorageIndexOfTheData(t *testing.T) {
	d := newTestDataway(t, testEnv(), nil)
	p := logPoint(0)
	p.Extra = &point.Extra{StorageIndex: "a\r\nX-Evil: 1"}
	b := batchOf(p, logPoint(1))
	bodies := encodeAll(t, d, b)
	checkComplete(t, d, []*engine.Batch{b}, bodies, 1)
	if !strings.Contains(fmt.Sprint(enginetest.Verdicts(b)), errIndex.Error()) {
		t.Errorf("%v", enginetest.Verdicts(b))
	}
}

// A point that consists of tags says nothing, whatever the encoding.
func TestDatawayTagsOnly(t *testing.T) {
	for _, encoding := range []string{encodingLine, encodingProtobuf} {
		d := newTestDataway(t, testEnv(), func(o *datawayConfig) { o.Encoding = encoding })
		b := batchOf(logPoint(0), point.Point{Name: "t", Category: point.Metric, Time: 1, Fields: []point.Field{tag("a", "b"), field("n", point.Value{})}})
		checkComplete(t, d, []*engine.Batch{b}, encodeAll(t, d, b), 1)
	}
}

func TestDatawaySubCategory(t *testing.T) {
	d := newTestDataway(t, testEnv(), nil)
	p := logPoint(0)
	p.Category = point.DialTesting
	if got := headerOf(encodeAll(t, d, batchOf(p))[0].body, headerSubCategory); got != "dialtesting" {
		t.Errorf("%q", got)
	}
}

type countingSet struct {
	mu sync.Mutex
	n  map[string]int64
}

type countedAs struct {
	set *countingSet
	key string
}

// Add adds n.
func (c countedAs) Add(n int64) {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	c.set.n[c.key] += n
}

// What DataWay answers, and what it was sent, can be seen.
func TestDatawayCounters(t *testing.T) {
	s := answering(t, 503, 200)
	set := &countingSet{n: map[string]int64{}}
	env := testEnv()
	env.Counter = func(name, label string) engine.Counter { return countedAs{set, name + " " + label} }
	d := newTestDataway(t, env, func(o *datawayConfig) { o.URL = engine.NewSecret(s.URL) })
	body := encodeAll(t, d, batchOf(logPoint(0), logPoint(1)))[0].body
	for range 2 {
		_ = d.Send(context.Background(), body)
	}
	s.Close()
	_ = d.Send(context.Background(), body)
	want := map[string]int64{"requests 503": 1, "requests 200": 1, "requests none": 1, "body_bytes plain": 3 * 152, "body_bytes sent": 3 * int64(len(body.Data))}
	if got := fmt.Sprint(set.n); got != fmt.Sprint(want) {
		t.Errorf("%s, want %v", got, want)
	}
}

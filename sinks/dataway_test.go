package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

const testToken = "tkn_0123456789abcdef0123456789abcdef"

func testEnv() engine.Env {
	env := engine.HostEnv(slog.New(slog.DiscardHandler))
	env.Version = "1.2.3"
	env.Now = func() time.Time { return time.Unix(1700000000, 5) }
	return env
}

func newTestDataway(t testing.TB, env engine.Env, change func(*datawayConfig)) *dataway {
	t.Helper()
	c := *engine.Lookup(engine.SinkNode, "dataway").NewConfig().(*datawayConfig)
	c.URL = engine.NewSecret("http://h:80?token=" + testToken)
	if change != nil {
		change(&c)
	}
	s, err := newDataway(env, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.(*dataway).Close(context.Background()) })
	return s.(*dataway)
}

func tag(k, v string) point.Field { return point.Field{Key: k, Value: point.String(v), Tag: true} }
func field(k string, v point.Value) point.Field {
	return point.Field{Key: k, Value: v}
}

func logPoint(i int) point.Point {
	return point.Point{Name: "src", Category: point.Logging, Time: 1700000000000000000, Record: -1, Fields: []point.Field{
		field("message", point.String(fmt.Sprintf("m%d", i))), tag("host", "h1"), tag("proj", fmt.Sprintf("p%d", i)), field("status", point.String("info"))}}
}

// metricPoint is what the script of the KafkaMQ manual makes of a message.
func metricPoint(i int) point.Point {
	return point.Point{Name: "metric_topic", Category: point.Metric, Time: 1700000000000000000 + int64(i)*1000003, Record: -1, Fields: []point.Field{
		tag("type", "kafka"), field("offset", point.Int(int64(i))), field("partition", point.Int(3)), tag("hostip", "10.200.64.45"),
		field("bkzid", point.String("225")), tag("bk_biz_id", "225"), field("cpu_usage_pct", point.Float(float64(i%100)/100))}}
}

func batchOf(ps ...point.Point) *engine.Batch { return &engine.Batch{Points: ps} }

type encoded struct {
	body engine.Body
	refs []engine.PointRef
}

func encodeAll(t testing.TB, d *dataway, bs ...*engine.Batch) []encoded {
	t.Helper()
	var out []encoded
	err := d.Encode(bs, func(b engine.Body, refs []engine.PointRef) error {
		out = append(out, encoded{b, slices.Clone(refs)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func gunzip(t testing.TB, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestDatawayRemembersTooLarge(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) }))
	defer s.Close()
	d := newTestDataway(t, testEnv(), func(o *datawayConfig) { o.URL = engine.NewSecret(s.URL) })
	b := manyMetrics(4096)
	first := encodeAll(t, d, b)
	if len(first) != 1 {
		t.Fatalf("%d bodies", len(first))
	}
	if err := d.Send(context.Background(), first[0].body); err == nil {
		t.Fatal("no error")
	}
	half := first[0].body.PlainBytes / 2
	second := encodeAll(t, d, b)
	for _, e := range second {
		if e.body.PlainBytes > half {
			t.Errorf("%d bytes after a 413 for %d", e.body.PlainBytes, first[0].body.PlainBytes)
		}
	}
	one := encodeAll(t, d, batchOf(logPoint(0)))[0].body
	if err := d.Send(context.Background(), one); err == nil || d.limit.get() != int64(half) {
		t.Errorf("a single point changed the limit to %d", d.limit.get())
	}
	for range 20 {
		d.limit.lower(1)
	}
	if d.limit.get() != int64(minBody) {
		t.Errorf("limit %d", d.limit.get())
	}
}

func manyMetrics(n int) *engine.Batch {
	b := batchOf()
	for i := range n {
		b.Points = append(b.Points, metricPoint(i))
	}
	return b
}

// checkComplete holds bodies against the points that went in: every point once, in order per body, and the
// bytes of each body those of its points alone.
func checkComplete(t *testing.T, d *dataway, bs []*engine.Batch, bodies []encoded, left int) {
	t.Helper()
	seen := map[[2]int]bool{}
	for _, e := range bodies {
		n := 0
		var want []byte
		var enc point.LineEncoder
		for _, r := range e.refs {
			for i := r.First; i < r.First+r.Count; i++ {
				if seen[[2]int{r.Batch, i}] {
					t.Errorf("point %d of batch %d stands twice", i, r.Batch)
				}
				seen[[2]int{r.Batch, i}] = true
				p := bs[r.Batch].Points[i]
				if d.config.Encoding == encodingLine {
					want, _ = enc.Append(want, &p, d.tags)
					want = append(want, '\n')
				} else {
					want = point.AppendProtobuf(want, &p, d.tags)
				}
				n++
			}
		}
		if n != e.body.Points || len(want) != e.body.PlainBytes {
			t.Errorf("body of %d points and %d bytes has references to %d and %d", e.body.Points, e.body.PlainBytes, n, len(want))
		}
		plain := e.body.Data
		if d.config.Gzip > 0 {
			plain = gunzip(t, plain)
		}
		if !bytes.Equal(plain, want) {
			t.Errorf("a body differs from its points")
		}
	}
	total := 0
	for _, b := range bs {
		total += len(b.Points)
	}
	if len(seen) != total-left {
		t.Errorf("%d points in bodies, want %d", len(seen), total-left)
	}
}

func TestDatawaySplits(t *testing.T) {
	for _, encoding := range []string{encodingLine, encodingProtobuf} {
		for _, level := range []int{0, 1, 6} {
			d := newTestDataway(t, testEnv(), func(c *datawayConfig) {
				c.Encoding, c.Gzip, c.MaxBody = encoding, level, 64<<10
				c.GlobalTags = map[string]string{"zone": "z1", "type": "not this one"}
			})
			bs := []*engine.Batch{manyMetrics(1000), manyMetrics(1), batchOf(), manyMetrics(2000)}
			bodies := encodeAll(t, d, bs...)
			if len(bodies) < 4 {
				t.Fatalf("%d bodies", len(bodies))
			}
			for i, e := range bodies {
				if e.body.PlainBytes > 64<<10 || i < len(bodies)-1 && e.body.PlainBytes < 60<<10 {
					t.Errorf("body %d has %d bytes", i, e.body.PlainBytes)
				}
				if n := cap(e.body.Data); n > len(e.body.Data)*5/4+1024 {
					t.Errorf("body of %d bytes holds %d", len(e.body.Data), n)
				}
			}
			checkComplete(t, d, bs, bodies, 0)
		}
	}
}

func TestDatawayOversizePoint(t *testing.T) {
	d := newTestDataway(t, testEnv(), func(c *datawayConfig) { c.MaxBody = minBody })
	big := logPoint(1)
	big.Fields = append(big.Fields, field("big", point.String(strings.Repeat("x", int(minBody)))))
	b := batchOf(logPoint(0), big, logPoint(2), point.Point{Name: "e", Category: point.Metric, Time: 1}, point.Point{Name: "u", Fields: []point.Field{field("f", point.Int(1))}})
	bodies := encodeAll(t, d, b)
	checkComplete(t, d, []*engine.Batch{b}, bodies, 3)
	o := enginetest.Verdicts(b)
	failed, dropped := o.Failed, o.Dropped
	if len(failed) != 2 || !strings.Contains(failed[1], "larger than max_body 16KiB") || failed[4] != errNoCategory.Error() || len(dropped) != 1 || dropped[3] != "no_fields" {
		t.Errorf("failed %v, dropped %v", failed, dropped)
	}
	if len(bodies) != 1 || !slices.Equal(bodies[0].refs, []engine.PointRef{{Batch: 0, First: 0, Count: 1}, {Batch: 0, First: 2, Count: 1}}) {
		t.Errorf("%d bodies, refs %v", len(bodies), bodies[0].refs)
	}
	// After a 413 the limit may be smaller than a point that max_body allows: it travels alone.
	d = newTestDataway(t, testEnv(), nil)
	d.limit.lower(1)
	bodies = encodeAll(t, d, batchOf(logPoint(0), big, logPoint(2)))
	if len(bodies) != 3 || bodies[1].body.Points != 1 {
		t.Errorf("%d bodies", len(bodies))
	}
}

// Whatever the sizes, kinds and limits are, each point stands in one body, in order within its kind.
func TestDatawayPacks(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := newTestDataway(t, testEnv(), func(c *datawayConfig) {
			c.Gzip, c.MaxBody = rapid.IntRange(0, 1).Draw(r, "gzip"), minBody
			c.Encoding = rapid.SampledFrom([]string{encodingLine, encodingProtobuf}).Draw(r, "encoding")
		})
		left := 0
		bs := make([]*engine.Batch, rapid.IntRange(0, 4).Draw(r, "batches"))
		for i := range bs {
			bs[i] = batchOf()
			for range rapid.IntRange(0, 30).Draw(r, "points") {
				size := rapid.IntRange(0, 2000).Draw(r, "size")
				if rapid.IntRange(0, 20).Draw(r, "odd") == 0 {
					size, left = int(minBody), left+1
				}
				p := logPoint(size)
				p.Category = rapid.SampledFrom([]point.Category{point.Logging, point.Metric, point.RUM}).Draw(r, "category")
				p.Extra = &point.Extra{StorageIndex: rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "index")}
				p.Fields = append(p.Fields, field("padding", point.String(strings.Repeat("x", size))))
				bs[i].Points = append(bs[i].Points, p)
			}
		}
		bodies := encodeAll(t, d, bs...)
		checkComplete(t, d, bs, bodies, left)
		last := map[bodyKind]engine.PointRef{}
		for _, e := range bodies {
			for _, ref := range e.refs {
				kind, _ := d.kindOf(&bs[ref.Batch].Points[ref.First])
				if before, ok := last[kind]; ok && (before.Batch > ref.Batch || before.Batch == ref.Batch && before.First+before.Count > ref.First) {
					t.Fatalf("%v comes after %v", ref, before)
				}
				last[kind] = ref
				for i := range ref.Count {
					if other, _ := d.kindOf(&bs[ref.Batch].Points[ref.First+i]); other != kind {
						t.Fatalf("%v mixes kinds", ref)
					}
				}
			}
		}
	})
}

func TestDatawayMixed(t *testing.T) {
	d := newTestDataway(t, testEnv(), func(c *datawayConfig) { c.StorageIndex = "usual" })
	own := logPoint(1)
	own.Extra = &point.Extra{StorageIndex: "own"}
	metric := metricPoint(0)
	metric.Category = point.MetricOld
	metric.Extra = &point.Extra{StorageIndex: "metrics have none"}
	bs := []*engine.Batch{batchOf(logPoint(0), own, metric, logPoint(2)), batchOf(metricPoint(1), own)}
	bodies := encodeAll(t, d, bs...)
	checkComplete(t, d, bs, bodies, 0)
	var got []string
	for _, e := range bodies {
		got = append(got, fmt.Sprint(e.body.Lane, headerOf(e.body, headerIndex), e.refs))
	}
	want := []string{"loggingusual[{0 0 1} {0 3 1}]", "loggingown[{0 1 1} {1 1 1}]", "metric[{0 2 1} {1 0 1}]"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDatawayTimeAndTags(t *testing.T) {
	env := testEnv()
	env.Tags = []point.Field{tag("node", "n")}
	d := newTestDataway(t, env, func(c *datawayConfig) {
		c.Encoding, c.Gzip = encodingLine, 0
		c.GlobalTags = map[string]string{"b": "2", "a": "1", "node": "global", "f": "x"}
	})
	b := batchOf(point.Point{Name: "n", Category: point.Metric, Fields: []point.Field{field("f", point.Int(1))}})
	bodies := encodeAll(t, d, b)
	if got, want := string(bodies[0].body.Data), "n,a=1,b=2,node=n f=1i 1700000000000000005\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if b.Points[0].Time != 0 || len(b.Points[0].Fields) != 1 {
		t.Errorf("the point was changed: %+v", b.Points[0])
	}
}

func TestDatawayAddFails(t *testing.T) {
	d := newTestDataway(t, testEnv(), func(c *datawayConfig) { c.MaxBody = minBody })
	no := errors.New("no")
	calls := 0
	err := d.Encode([]*engine.Batch{manyMetrics(4096)}, func(engine.Body, []engine.PointRef) error { calls++; return no })
	if !errors.Is(err, no) || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
	b := manyMetrics(300)
	checkComplete(t, d, []*engine.Batch{b}, encodeAll(t, d, b), 0)
}

func TestDatawayDecodeBroken(t *testing.T) {
	d := newTestDataway(t, testEnv(), nil)
	good := encodeAll(t, d, batchOf(logPoint(0)))[0].body
	for name, change := range map[string]func(*engine.Body){
		"lane": func(b *engine.Body) { b.Lane = "nothing" }, "cut": func(b *engine.Body) { b.Data = b.Data[:len(b.Data)-1] }, "short": func(b *engine.Body) { b.PlainBytes-- },
		"negative": func(b *engine.Body) { b.PlainBytes = -5 }, "no gzip": func(b *engine.Body) { b.Data = []byte("x") }, "no points": func(b *engine.Body) { b.Header = nil },
	} {
		b := good
		change(&b)
		if _, err := d.Decode(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDatawayOptions(t *testing.T) {
	for path, change := range map[string]func(*datawayConfig){
		"url": func(c *datawayConfig) { c.URL = engine.NewSecret("openway?token=" + testToken) }, "gzip": func(c *datawayConfig) { c.Gzip = 10 },
		"max_body": func(c *datawayConfig) { c.MaxBody = 1 }, "concurrency": func(c *datawayConfig) { c.Concurrency = 0 }, "encoding": func(c *datawayConfig) { c.Encoding = "json" },
		"proxy": func(c *datawayConfig) { c.Proxy = engine.NewSecret("x") }, "storage_index": func(c *datawayConfig) { c.StorageIndex = "a\nb" },
		"global_tags": func(c *datawayConfig) { c.GlobalTags = map[string]string{"": "x"} },
	} {
		c := *engine.Lookup(engine.SinkNode, "dataway").NewConfig().(*datawayConfig)
		c.URL = engine.NewSecret("https://h")
		change(&c)
		var e *engine.OptionError
		if _, err := newDataway(testEnv(), c); !errors.As(err, &e) || e.Path != path || strings.Contains(err.Error(), testToken) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for token, want := range map[string]string{
		testToken: "<nil>", "token_0123456789abcdef0123456789abcdef": "<nil>", "tokn_0123456789abcdef01234567": "<nil>", "": "empty token",
		"abc": "invalid token format", "tkn_a_b": "invalid token format", "tkn_12345": "invalid token format, expect token length 36, but got 9",
	} {
		if got := fmt.Sprint(checkToken(token)); got != want {
			t.Errorf("token %q: %s, want %s", token, got, want)
		}
	}
}

func TestDatawayAllocations(t *testing.T) {
	for _, encoding := range []string{encodingLine, encodingProtobuf} {
		d := newTestDataway(t, testEnv(), func(c *datawayConfig) { c.Encoding, c.GlobalTags = encoding, map[string]string{"a": "b"} })
		bs := []*engine.Batch{manyMetrics(4096)}
		add := func(engine.Body, []engine.PointRef) error { return nil }
		n := testing.AllocsPerRun(20, func() {
			if err := d.Encode(bs, add); err != nil {
				t.Fatal(err)
			}
		})
		// The data, id and header of the body. A pool that the collector emptied, or that forgets by chance as
		// with -race, costs some more.
		if n > 40 {
			t.Errorf("%s: %v allocations for 4096 points", encoding, n)
		}
	}
}

func BenchmarkDatawayEncode(b *testing.B) {
	const n = 4096
	bs := []*engine.Batch{manyMetrics(n)}
	add := func(engine.Body, []engine.PointRef) error { return nil }
	for _, encoding := range []string{encodingLine, encodingProtobuf} {
		for level := range 2 {
			d := newTestDataway(b, testEnv(), func(c *datawayConfig) { c.Encoding, c.Gzip = encoding, level })
			b.Run(fmt.Sprintf("%s/gzip=%d", encoding, level), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := d.Encode(bs, add); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/point")
			})
		}
		// The floor: bytes that are encoded already through the same compressor.
		d := newTestDataway(b, testEnv(), func(c *datawayConfig) { c.Encoding, c.Gzip = encoding, 0 })
		plain := encodeAll(b, d, bs...)[0].body.Data
		b.Run(encoding+"/floor", func(b *testing.B) {
			var out sliceWriter
			w, err := gzip.NewWriterLevel(&out, 1)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				out.data = out.data[:0]
				w.Reset(&out)
				if _, err := w.Write(plain); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/point")
			b.ReportMetric(float64(len(plain))/n, "plainB/point")
			b.ReportMetric(float64(len(out.data))/n, "gzipB/point")
		})
	}
}

package bench_test

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/valyala/fastjson"

	"dataflow/bench"
	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
	"dataflow/engine/runtime"
	_ "dataflow/operators"
	_ "dataflow/sinks"
	"dataflow/test/harness"
)

// The operators in a running graph, all of it included: edges, stages, ledger, panic guard. The floor beside each is a
// loop over the same points that does the operator's work by hand. The figure is ns for a point.

// feed is a source that emits batches of the manual's metric until a number of points is through.
type feed struct{ count int }

func init() {
	engine.RegisterSource(engine.Info{Type: "bench_feed", Summary: "emits the manual's metric", Rereads: true}, feedConfig{},
		func(_ engine.Env, c feedConfig) (engine.Source, error) { return &feed{c.Count}, nil })
}

type feedConfig struct {
	Count int `yaml:"count" doc:"points that are emitted"`
}

const feedBatch = 1000

// fill makes a batch as the kafka source makes it.
func fill(o *engine.Origin) *engine.Batch {
	b := engine.Reserve(feedBatch, 12)
	b.Origin = o
	b.Arm(feedBatch*(520+len(bench.MetricMessage)), func() {})
	for i := range feedBatch {
		p := b.Add()
		p.Name, p.Category, p.Time = "metric_topic", point.Metric, 1700000000000000000
		p.Fields = append(p.Fields,
			point.Field{Key: "type", Value: point.String("kafka"), Tag: true},
			point.Field{Key: "message", Value: point.String(bench.MetricMessage)},
			point.Field{Key: "message_len", Value: point.Int(int64(len(bench.MetricMessage)))},
			point.Field{Key: "offset", Value: point.Int(int64(i))},
			point.Field{Key: "partition", Value: point.Int(3)})
	}
	return b
}

// Run emits.
func (f *feed) Run(ctx context.Context, emit engine.Emit) error {
	o := &engine.Origin{Node: "in", Topic: "metric_topic", Partition: 3}
	for n := 0; n < f.count; n += feedBatch {
		if err := emit(ctx, fill(o)); err != nil {
			return err
		}
	}
	return nil
}

// runGraph runs a graph of one operator between the feed and a sink.
func runGraph(b testing.TB, points int, operator, sink string) {
	b.Helper()
	text := "version: 1\nname: bench\nsources:\n  in: {type: bench_feed, count: " + strconv.Itoa(points) + "}\n"
	from := "in"
	if operator != "" {
		text += "operators:\n  op: {from: in, workers: 1, " + operator + "}\n"
		from = "op"
	}
	text += "sinks:\n  out: {from: " + from + ", " + sink + "}\n"
	g, err := graph.Parse("bench.yaml", []byte(text), graph.Options{ReadFile: readScript})
	if err != nil {
		b.Fatal(err)
	}
	e, err := runtime.New(g, runtime.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	if r := e.Run(context.Background(), nil); r.Err != nil {
		b.Fatal(r.Err)
	}
}

func BenchmarkOperators(b *testing.B) {
	const points = 200_000
	sink := "type: discard"
	cases := []struct {
		name, operator string
		floor          func(*engine.Batch)
	}{
		{"none", "", func(*engine.Batch) {}},
		{"filter", `type: filter, keep: 'fields.partition == 3'`, floorFilter},
		{"sample", "type: sample, rate: 0.5", floorSample},
		{"rate_limit", "type: rate_limit, rate: 1000000000/s", func(x *engine.Batch) { floorTokens -= len(x.Points) }},
		{"fields", "type: fields, rename: {message: text}, drop: [message_len], set: {env: prod}, tag: [env]", floorFields},
		{"pipeline", "type: pipeline, script: metric.p", floorScript()},
	}
	for _, c := range cases {
		b.Run(c.name+"/engine", func(b *testing.B) {
			for b.Loop() {
				runGraph(b, points, c.operator, sink)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/points, "ns/point")
		})
		b.Run(c.name+"/floor", func(b *testing.B) {
			o := &engine.Origin{}
			for b.Loop() {
				for n := 0; n < points; n += feedBatch {
					x := fill(o)
					c.floor(x)
					enginetest.Done(x)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/points, "ns/point")
		})
	}
}

var floorTokens int

func floorFilter(x *engine.Batch) {
	kept := x.Points[:0]
	for i := range x.Points {
		if v, ok := x.Points[i].Get("partition"); ok && v.Int() == 3 {
			kept = append(kept, x.Points[i])
		}
	}
	x.Points = kept
}

func floorSample(x *engine.Batch) {
	kept := x.Points[:0]
	for i := range x.Points {
		if rand.Uint64()>>63 == 0 {
			x.Points[i].Set("dk_sampling_rate", point.Float(0.5))
			kept = append(kept, x.Points[i])
		}
	}
	x.Points = kept
}

func floorFields(x *engine.Batch) {
	for i := range x.Points {
		p := &x.Points[i]
		p.Rename("text", "message")
		p.Delete("message_len")
		p.SetTag("env", "prod")
	}
}

// floorScript does by hand what the manual's script does.
func floorScript() func(*engine.Batch) {
	var parser fastjson.Parser
	return func(x *engine.Batch) {
		for i := range x.Points {
			p := &x.Points[i]
			m, _ := p.Get("message")
			v, err := parser.Parse(m.Str())
			if err != nil {
				panic(err)
			}
			p.Delete("message")
			id := strconv.FormatFloat(v.GetFloat64("dimensions", "bk_biz_id"), 'f', -1, 64)
			p.Set("bkzid", point.String(id))
			p.SetTag("hostip", string(v.GetStringBytes("dimensions", "ip")))
			p.SetTag("bk_biz_id", id)
			p.Set("cpu_usage_pct", point.Float(v.GetFloat64("metrics", "cpu_usage_pct")))
			p.Delete("message_len")
		}
	}
}

// readScript serves the manual's script to the graphs of this file.
func readScript(string) ([]byte, error) { return []byte(harness.MetricScript), nil }

// TestAllocationsPerPoint: from the source's batch through the metric script to the sink, and in the encoder, the
// engine allocates by the batch and the body, not by the point.
func TestAllocationsPerPoint(t *testing.T) {
	const points = 200_000
	run := func() { runGraph(t, points, "type: pipeline, script: metric.p", "type: discard") }
	run()
	if per := testing.AllocsPerRun(3, run) / points; per > 0.05 {
		t.Errorf("%.3f allocations per point up to the sink", per)
	}
	for _, encoding := range []string{"line", "protobuf"} {
		text := "version: 1\nname: bench\nsources:\n  in: {type: bench_feed}\nsinks:\n  out: {type: dataway, from: in, encoding: " + encoding + ", url: \"http://127.0.0.1:1\"}\n"
		g, err := graph.Parse("bench.yaml", []byte(text), graph.Options{})
		if err != nil {
			t.Fatal(err)
		}
		n := g.Node("out")
		sink, err := n.Component.Build(enginetest.Env(), n.Config)
		if err != nil {
			t.Fatal(err)
		}
		bs := []*engine.Batch{fill(nil), fill(nil), fill(nil), fill(nil)}
		encode := func() {
			if err := sink.(engine.Encoder).Encode(bs, func(engine.Body, []engine.PointRef) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		encode()
		if per := testing.AllocsPerRun(20, encode) / (4 * feedBatch); per > 0.02 {
			t.Errorf("%s: %.3f allocations per point", encoding, per)
		}
	}
}

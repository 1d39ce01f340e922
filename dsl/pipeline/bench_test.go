package pipeline_test

import (
	"os"
	"strings"
	"testing"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

// benches are the scripts of testdata/bench with what they make of their message. b2 gives what b does.
var benches = []struct {
	name   string
	metric bool
	want   string
	allocs float64
}{
	{"a", true, "type#=\"kafka\"\noffset=7\npartition=1\nbkzid=\"225\"\nhostip#=\"10.200.64.45\"\nbk_biz_id#=\"225\"\ncpu_usage_pct=0.01", 0},
	{"b", false, accessLog, 1}, // package regexp allocates the groups
	{"b2", false, accessLog, 1},
	{"c", false, "time=1794993247512000000\nhost#=\"web-07\"\nf_level=\"info\"\ntrace=\"7f0c1a92b3d44e5f\"\nspan=\"a1b2c3d4\"\n" +
		"caller=\"order/pay.go:118\"\nmsg=\"payment accepted\"\ncost_ms=18.25\ncode=200\nretry=false\nservice#=\"checkout\"\nenv#=\"prod\"", 0},
	{"d", false, "host#=\"web-07\"\nf_level=\"info\"\ns=726", 0},
	{"e", false, "host#=\"web-07\"\nf_level=\"info\"\nkind=\"http-error\"", 0},
}

const accessLog = "time=1794993247000000000\nhost#=\"web-07\"\nf_level=\"info\"\nclient_ip=\"203.0.113.77\"\nident=\"-\"\nauth=\"alice\"\n" +
	"method=\"GET\"\nurl=\"/api/v2/orders/8841?expand=items\"\nhttp_version=\"1.1\"\nstatus_code=200\nbytes=5120\n" +
	"referrer=\"https://shop.example/cart\"\n" +
	"agent=\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\""

type bench struct {
	runner  *pipeline.Runner
	message string
	fields  []point.Field
	point   point.Point
}

func newBench(t testing.TB, name string, metric bool) *bench {
	t.Helper()
	script, err := os.ReadFile("testdata/bench/" + name + ".p")
	if err != nil {
		t.Fatal(err)
	}
	message, err := os.ReadFile("testdata/bench/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Name = name + ".p"
	s, err := pipeline.Compile(string(script), o)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{runner: s.NewRunner(), message: strings.TrimSuffix(string(message), "\n")}
	b.point = point.Point{Name: "src", Time: startTime, Category: point.Logging, Fields: make([]point.Field, 0, 32)}
	if metric {
		b.point.Category = point.Metric
		b.fields = []point.Field{
			{Key: "type", Value: point.String("kafka"), Tag: true}, {Key: "message", Value: point.String(b.message), Tag: true},
			{Key: "message_len", Value: point.Int(int64(len(b.message)))}, {Key: "offset", Value: point.Int(7)},
			{Key: "partition", Value: point.Int(1)},
		}
		return b
	}
	b.fields = []point.Field{
		{Key: "host", Value: point.String("web-07"), Tag: true}, {Key: "status", Value: point.String("info")},
		{Key: "f_level", Value: point.String("info")}, {Key: "message", Value: point.String(b.message)},
	}
	return b
}

func (b *bench) run() pipeline.Outcome {
	b.point.Fields = append(b.point.Fields[:0], b.fields...)
	return b.runner.Run(&b.point)
}

func TestBenchScripts(t *testing.T) {
	for _, x := range benches {
		b := newBench(t, x.name, x.metric)
		for range 2 {
			b.point.Time = startTime
			o := b.run()
			if got := render(&b.point, b.message, o); got != x.want {
				t.Errorf("%s: got\n%s\nwant\n%s", x.name, got, x.want)
			}
		}
	}
}

func BenchmarkScript(b *testing.B) {
	for _, x := range benches {
		b.Run(x.name, func(b *testing.B) {
			bench := newBench(b, x.name, x.metric)
			b.ReportAllocs()
			for b.Loop() {
				bench.run()
			}
		})
	}
}

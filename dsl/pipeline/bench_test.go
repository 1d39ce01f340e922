package pipeline_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

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
	{"b", false, accessLog, 0},
	{"b2", false, accessLog, 0},
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

func (b *bench) build() { b.point.Fields = append(b.point.Fields[:0], b.fields...) }

func (b *bench) run() pipeline.Outcome {
	b.build()
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

// measure runs what is measured and reports the time of the processor for one run, too: on a machine that others use the
// clock tells little.
func measure(b *testing.B, run func()) {
	run() // memory that is made once
	b.ReportAllocs()
	before := processor(b)
	for b.Loop() {
		run()
	}
	b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
}

// processor returns the processor's time that the process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCalibration measures what the figures of the scripts are held against, in the same process: machines differ, and
// one machine differs from minute to minute.
func BenchmarkCalibration(b *testing.B) {
	message := func(name string) string { return newBench(b, name, false).message }
	b.Run("gjson", func(b *testing.B) { // what script a takes out of its message
		text := message("a")
		measure(b, func() {
			for _, path := range [...]string{"dimensions.ip", "dimensions.bk_biz_id", "metrics.cpu_usage_pct"} {
				if !gjson.Get(text, path).Exists() {
					b.Fatalf("%s is missing", path)
				}
			}
		})
	})
	b.Run("regexp_e", func(b *testing.B) { // what script e has to match
		text := message("e")
		first, second, third := regexp.MustCompile(`(?i)out of memory`), regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T`), regexp.MustCompile(`status=(4|5)\d\d`)
		measure(b, func() {
			if first.MatchString(text) || second.MatchString(text) || !third.MatchString(text) {
				b.Fatal("wrong match")
			}
		})
	})
	b.Run("regexp_b2", func(b *testing.B) { // what the pattern of script b2 expands to
		text := message("b2")
		script, err := os.ReadFile("testdata/bench/b2.p")
		if err != nil {
			b.Fatal(err)
		}
		_, pattern, _ := strings.Cut(string(script), "grok(_, ")
		pattern, _, _ = strings.Cut(pattern, ")\n")
		if pattern, err = strconv.Unquote(pattern); err != nil {
			b.Fatal(err)
		}
		re := regexp.MustCompile(expand(b, pattern))
		measure(b, func() {
			if re.FindStringSubmatchIndex(text) == nil {
				b.Fatal("no match")
			}
		})
	})
	for _, x := range []struct {
		name   string
		metric bool
	}{{"point_metric", true}, {"point_log", false}} { // building the point, which is in the figures of the scripts
		b.Run(x.name, func(b *testing.B) {
			measure(b, newBench(b, "d", x.metric).build)
		})
	}
}

// expand replaces the names in a grok pattern as they are written down: a group each, with a name where there is a key.
func expand(t testing.TB, pattern string) string {
	t.Helper()
	list, err := os.ReadFile("grok/patterns.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defs := map[string]string{}
	for line := range strings.Lines(string(list)) {
		name, def, _ := strings.Cut(strings.TrimSpace(line), "\t")
		defs[name] = def
	}
	name := regexp.MustCompile(`%\{(\w+)(?::(\w+))?(?::\w+)?\}`)
	for strings.Contains(pattern, "%{") {
		pattern = name.ReplaceAllStringFunc(pattern, func(s string) string {
			part := name.FindStringSubmatch(s)
			if part[2] != "" {
				return "(?P<" + part[2] + ">" + defs[part[1]] + ")"
			}
			return "(" + defs[part[1]] + ")"
		})
	}
	return pattern
}

func BenchmarkScript(b *testing.B) {
	for _, x := range benches {
		b.Run(x.name, func(b *testing.B) {
			bench := newBench(b, x.name, x.metric)
			measure(b, func() { bench.run() })
		})
	}
}

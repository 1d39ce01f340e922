package kafka

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine/embedded"
	"dataflow/engine/point"
	"dataflow/test/harness"
)

// codecs are those of Kafka, by the number that stands in a batch.
var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// client is a producer that people use. It writes the lines of a file, key, tab and value, with the headers client and codec.
type client struct {
	name    string
	install func(t *testing.T) (produce func(broker, topic, codec, file string) error)
}

// program runs a command with what it needs in front of broker, topic, codec and file.
func program(t *testing.T, env []string, name string, args ...string) func(broker, topic, codec, file string) error {
	return func(broker, topic, codec, file string) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, slices.Concat(args, []string{broker, topic, codec, file})...)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
}

var clients = []client{
	{"librdkafka", func(t *testing.T) func(broker, topic, codec, file string) error {
		kcat := tool(t, "kcat", "kcat")
		return func(broker, topic, codec, file string) error {
			return run(t, "", kcat, "-P", "-b", broker, "-t", topic, "-z", codec, "-X", "acks=all", "-K", `\t`, "-H", "client=librdkafka", "-H", "codec="+codec, "-l", file)
		}
	}},
	{"kafka-python", func(t *testing.T) func(broker, topic, codec, file string) error {
		return program(t, nil, python(t), filepath.Join("testdata", "producers", "kafka_python.py"))
	}},
	{"kafkajs", func(t *testing.T) func(broker, topic, codec, file string) error {
		modules := nodeModules(t)
		return program(t, []string{"NODE_PATH=" + modules}, tool(t, "node", "nodejs"), filepath.Join("testdata", "producers", "kafkajs.js"))
	}},
	{"sarama", func(t *testing.T) func(broker, topic, codec, file string) error {
		return program(t, nil, saramaProducer(t))
	}},
	{"franz-go", func(t *testing.T) func(broker, topic, codec, file string) error {
		kinds := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
		return func(broker, topic, codec, file string) error {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ProducerBatchCompression(kinds[slices.Index(codecs, codec)]))
			if err != nil {
				return err
			}
			defer client.Close()
			var records []*kgo.Record
			for line := range strings.Lines(string(text)) {
				key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
				records = append(records, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value),
					Headers: []kgo.RecordHeader{{Key: "client", Value: []byte("franz-go")}, {Key: "codec", Value: []byte(codec)}}})
			}
			return client.ProduceSync(t.Context(), records...).FirstErr()
		}
	}},
}

const (
	producedPartitions = 3
	producedMessages   = 1000
	producedKeys       = 8
)

// message is what is compared: of a record as the broker keeps it, and of a point as DataWay gets it.
func message(client, codec, key, value string) string {
	return fmt.Sprintf("%s %s %s %s", client, codec, key, value)
}

// produced returns the lines that a client writes, and what must come of them.
func produced(client, codec string) (text string, want []string) {
	var b strings.Builder
	for i := range producedMessages {
		key := fmt.Sprint("k", i%producedKeys)
		value := fmt.Sprintf(`{"n":%d,"client":"%s","text":"a \"quoted\" 世界 é \\ end %s"}`, i, client, strings.Repeat("z", i%200))
		if i%500 == 499 {
			value = strings.Repeat(value, 200) // about 50 KiB
		}
		fmt.Fprintf(&b, "%s\t%s\n", key, value)
		want = append(want, message(client, codec, key, value))
	}
	return b.String(), want
}

// arrivals are the points that a DataWay has got, by measurement, which is the topic.
type arrivals struct {
	mu  sync.Mutex
	got map[string][]string
	all int
}

func (a *arrivals) see(p *point.Point) {
	text := func(key string) string {
		v, _ := p.Get(key)
		return v.Str()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	topic := strings.Clone(p.Name)
	a.got[topic] = append(a.got[topic], message(text("client"), text("codec"), text("key"), text("message")))
	a.all++
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all
}

// same reports what is missing and what is too much.
func same(got, want []string) error {
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return nil
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("%d messages, want %d; the first difference: %.200q, want %.200q", len(got), len(want), got[i], want[i])
		}
	}
	return fmt.Errorf("%d messages, want %d", len(got), len(want))
}

// TestProducers writes with the clients that people use, with every compression, keys and headers, and compares what the brokers keep and what DataWay gets.
func TestProducers(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{Kafka3, Kafka4} {
		t.Run(v, func(t *testing.T) {
			c := startCluster(t, Options{Version: v})
			a := &arrivals{got: map[string][]string{}}
			dataway, err := embedded.StartDataWay(embedded.DataWayOptions{OnPoint: a.see})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { dataway.Close() })
			var topics []string
			for _, p := range clients {
				for _, codec := range codecs {
					topics = append(topics, p.name+"-"+codec)
					topic(t, c, p.name+"-"+codec, producedPartitions, 0)
				}
			}
			graph, err := harness.Graph(t.TempDir(), "graph.yaml", producersGraph(t.TempDir(), c.Brokers("PLAINTEXT")[0], topics, dataway.URL()))
			if err != nil {
				t.Fatal(err)
			}
			e, err := harness.Run(binary, graph)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(e.Kill)
			all := 0
			for _, p := range clients {
				t.Run(p.name, func(t *testing.T) { all += p.hold(t, c, a, e, all) })
			}
			if code := e.Stop(); code != 0 {
				t.Errorf("the engine ended with %d:\n%s", code, e.Log())
			}
			if got := a.count(); got != all {
				t.Errorf("%d points at DataWay, %d were written", got, all)
			}
		})
	}
}

// hold writes with every codec, and returns how many messages that were; before were written by others.
func (p client) hold(t *testing.T, c *Cluster, a *arrivals, e *harness.Engine, before int) (n int) {
	produce := p.install(t)
	for _, codec := range codecs {
		text, want := produced(p.name, codec)
		file := filepath.Join(t.TempDir(), "lines")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		topic := p.name + "-" + codec
		if err := produce(c.Brokers("PLAINTEXT")[0], topic, codec, file); err != nil {
			t.Errorf("%s: %v", codec, err)
			continue
		}
		n += len(want)
		kept, err := keptBy(t, c, topic, codec, len(want))
		if err != nil {
			t.Errorf("%s: at the broker: %v", codec, err)
			continue
		}
		if err := same(kept, want); err != nil {
			t.Errorf("%s: at the broker: %v", codec, err)
		}
		err = harness.Until(30*time.Second, func() (bool, error) {
			if e.Ended() {
				return false, fmt.Errorf("the engine has ended:\n%s", e.Log())
			}
			return a.count() >= before+n, nil
		})
		if err != nil {
			t.Errorf("%s: at DataWay: %v: %d of %d points\n%s", codec, err, a.count(), before+n, tailOf(e.Log()))
		}
		a.mu.Lock()
		err = same(slices.Clone(a.got[topic]), want)
		a.mu.Unlock()
		if err != nil {
			t.Errorf("%s: at DataWay: %v", codec, err)
			continue
		}
		t.Logf("figure: %s %-13s %-7s %d messages with keys and headers, the same at the broker and at DataWay", c.options.Version, p.name, codec, len(want))
	}
	return n
}

// keptBy reads what the broker keeps of a topic, which must be compressed as it was said: a batch that does not become smaller may stay as it is,
// as librdkafka's first one does, but few do.
func keptBy(t *testing.T, c *Cluster, topic, codec string, n int) (kept []string, err error) {
	client := clientOf(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	by := map[string]int{}
	for len(kept) < n {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%d of %d messages are there", len(kept), n)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			said := map[string]string{}
			for _, h := range r.Headers {
				said[h.Key] = string(h.Value)
			}
			by[codecs[r.Attrs.CompressionType()]]++
			kept = append(kept, message(said["client"], said["codec"], string(r.Key), string(r.Value)))
		})
	}
	if plain := by["none"]; by[codec] < n*9/10 || codec != "none" && by[codec]+plain != n {
		return kept, fmt.Errorf("messages by compression are %v", by)
	}
	return kept, nil
}

// producersGraph reads topics into DataWay and puts onto the points what key and headers say.
func producersGraph(dir, broker string, topics []string, dataway string) string {
	of := func(names []string) string {
		var out []string
		for _, n := range names {
			out = append(out, n+": "+n)
		}
		return "{" + strings.Join(out, ", ") + "}"
	}
	var names, keys []string
	for _, p := range clients {
		names = append(names, p.name)
	}
	for i := range producedKeys {
		keys = append(keys, fmt.Sprint("k", i))
	}
	return fmt.Sprintf(`version: 1
name: producers
data_dir: %q
sources:
  mq: {type: kafka, brokers: [%q], group: producers, start: earliest, category: logging, topics: [%s]}
operators:
  said:
    type: fields
    from: mq
    set:
      client: {by: meta.headers.client, map: %s, default: none}
      codec: {by: meta.headers.codec, map: %s, default: nothing}
      key: {by: meta.key, map: %s, default: none}
sinks:
  out: {type: dataway, from: said, url: %q}
`, dir, broker, strings.Join(topics, ", "), of(names), of(codecs), of(keys), dataway)
}

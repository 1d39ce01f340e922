package sources

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// runFile runs a file source over paths in dir and returns the messages, or the whole points if they have none.
func runFile(t *testing.T, c fileConfig) (out []string, failed []string, err error) {
	t.Helper()
	s, err := newFile(engine.HostEnv(nil), c)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context(), func(ctx context.Context, b *engine.Batch) error {
		if err := s.(engine.Decoder).Decode(ctx, b); err != nil {
			return err
		}
		bad, _ := verdicts(b)
		for i := range b.Points {
			p := &b.Points[i]
			if r := b.Records[p.Record]; r.Origin != b.Origin {
				t.Errorf("record %+v", r)
			}
			if text, ok := bad[i]; ok {
				failed = append(failed, text)
			}
			if v, ok := p.Get("message"); ok {
				out = append(out, strings.Clone(v.Str()))
			} else {
				p.Time = 1
				out = append(out, string(point.AppendLine(nil, p)))
			}
		}
		done(b)
		return nil
	})
	return out, failed, err
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(full)
}

func TestFileLines(t *testing.T) {
	dir := t.TempDir()
	many := numbered(50000, "a line of some length ")
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"a\nb\r\n\nlast", []string{"a", "b", "", "last"}},
		{"a\n", []string{"a"}},
		{strings.Join(many, "\n"), many},
	} {
		p := write(t, dir, "x.log", c.text)
		got, failed, err := runFile(t, fileConfig{Paths: []string{p}, Category: "logging", Decode: "text"})
		if err != nil || len(failed) > 0 || !slices.Equal(got, c.want) {
			t.Errorf("%.40q: %d lines, want %d; failed %v, error %v", c.text, len(got), len(c.want), failed, err)
		}
	}
}

func TestFileGlob(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/1.log", "a/2.log", "b/1.log", "b/1.txt", "top.log"} {
		write(t, dir, name, name)
	}
	base := filepath.ToSlash(dir)
	for _, c := range []struct{ patterns, want string }{
		{"a/*.log", "a/1.log a/2.log"},
		{"*/1.log", "a/1.log b/1.log"},
		{"top.log a/?.log a/1.log", "a/1.log a/2.log top.log"},
		{"[b]/*", "b/1.log b/1.txt"},
		{"*", "top.log"},
	} {
		var paths []string
		for _, p := range strings.Fields(c.patterns) {
			paths = append(paths, base+"/"+p)
		}
		got, _, err := runFile(t, fileConfig{Paths: paths, Category: "logging", Decode: "text"})
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v %v", c.patterns, got, err)
		}
	}
	for _, p := range []string{"nothing*.log", "missing.log"} {
		_, _, err := runFile(t, fileConfig{Paths: []string{base + "/" + p}, Category: "logging", Decode: "text"})
		if !errors.Is(err, fs.ErrNotExist) || !engine.IsPermanent(err) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestFileLongLine(t *testing.T) {
	p := write(t, t.TempDir(), "x.log", "short\n"+strings.Repeat("x", 9<<20)+"\nafter\n"+strings.Repeat("y", 4<<20)+"\nend")
	got, failed, err := runFile(t, fileConfig{Paths: []string{p}, Category: "logging", Decode: "text"})
	if err != nil || len(got) != 5 || len(got[1]) != 4<<20 || got[2] != "after" || len(got[3]) != 4<<20 || got[4] != "end" {
		t.Fatalf("%d lines, error %v", len(got), err)
	}
	if len(failed) != 1 || !strings.Contains(failed[0], "the line at byte 6 is longer than limits.message") {
		t.Errorf("failed: %v", failed)
	}
}

func TestFileDecode(t *testing.T) {
	dir := t.TempDir()
	p := write(t, dir, "x.lp", "cpu,host=a usage=1.5 1\nmem\n[{\"measurement\":\"j\",\"fields\":{\"f\":1}}]\n")
	got, failed, err := runFile(t, fileConfig{Paths: []string{p}, Category: "metric", Decode: "points"})
	if want := []string{"cpu,host=a usage=1.5 1", "mem", "j f=1 1"}; err != nil || len(failed) != 1 || !slices.Equal(got, want) {
		t.Errorf("points: %q %v %v", got, failed, err)
	}
	p = write(t, dir, "x.json", "{\"a\":1}\nno\n[{\"b\":2},{\"c\":3}]")
	got, failed, err = runFile(t, fileConfig{Paths: []string{p}, Category: "metric", Decode: "json", Name: "n"})
	if want := []string{"n a=1i 1", "no", "n b=2i 1", "n c=3i 1"}; err != nil || len(failed) != 1 || !slices.Equal(got, want) {
		t.Errorf("json: %q %v %v", got, failed, err)
	}
}

// TestFileRunAgain refuses a batch: a second Run goes on with it.
func TestFileRunAgain(t *testing.T) {
	want := numbered(3000, "m")
	p := write(t, t.TempDir(), "x.log", strings.Join(want, "\n"))
	s, err := newFile(engine.HostEnv(nil), fileConfig{Paths: []string{p}, Category: "logging", Decode: "text"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	refuse := errors.New("refused")
	emit := func(_ context.Context, b *engine.Batch) error {
		if len(got) == 1024 && refuse != nil {
			return refuse
		}
		for i := range b.Points {
			v, _ := b.Points[i].Get("message")
			got = append(got, v.Str())
		}
		return nil
	}
	if err := s.Run(t.Context(), emit); !errors.Is(err, refuse) {
		t.Fatalf("error %v", err)
	}
	refuse = nil
	if err := s.Run(t.Context(), emit); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d lines after the second run, error %v", len(got), err)
	}
}

func FuzzFileLines(f *testing.F) {
	f.Add("a\nb", 3)
	f.Add("\r\n\n", 1)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		l := lineFile{file: &file{env: engine.HostEnv(nil)}, origin: &engine.Origin{}}
		var got []string
		emit := func(_ context.Context, b *engine.Batch) error {
			for i := range b.Points {
				v, _ := b.Points[i].Get("message")
				got = append(got, v.Str())
			}
			return nil
		}
		cut = max(0, min(cut, len(text)))
		if err := l.emitLines(t.Context(), []byte(text[:cut]), false, emit); err != nil {
			t.Fatal(err)
		}
		if err := l.emitLines(t.Context(), append(slices.Clone(l.rest), text[cut:]...), true, emit); err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(text) {
			want = append(want, strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
		}
		if !slices.Equal(got, want) || l.at != int64(len(text)) {
			t.Fatalf("%q cut at %d: %q up to %d, want %q", text, cut, got, l.at, want)
		}
	})
}

func TestGenerate(t *testing.T) {
	run := func(c generateConfig) (got []string, batches int) {
		s, err := newGenerate(engine.HostEnv(nil), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context(), func(_ context.Context, b *engine.Batch) error {
			batches++
			for i := range b.Points {
				v, _ := b.Points[i].Get("message")
				got = append(got, fmt.Sprintf("%s %s %s", b.Points[i].Name, b.Points[i].Category, v.Str()))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return got, batches
	}
	got, batches := run(generateConfig{Count: 2500, Template: "a ${n} b", Name: "x", Category: "metric"})
	if len(got) != 2500 || batches != 3 || got[2499] != "x metric a 2499 b" {
		t.Errorf("%d points in %d batches, the last %q", len(got), batches, got[len(got)-1])
	}
	c := generateConfig{Count: 20, Template: "${rand}", Name: "x", Category: "metric", Seed: 7}
	one, _ := run(c)
	two, _ := run(c)
	c.Seed = 8
	three, _ := run(c)
	if !slices.Equal(one, two) || slices.Equal(one, three) {
		t.Error("the numbers do not follow from the seed")
	}
}

func TestGenerateRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := engine.HostEnv(nil)
		env.Now = time.Now
		s, err := newGenerate(env, generateConfig{Rate: engine.Rate{Amount: 100}, Count: 501, Template: "${time} ${unix_ms}", Name: "x", Category: "logging"})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := s.Run(t.Context(), func(context.Context, *engine.Batch) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 4900*time.Millisecond || took > 5100*time.Millisecond {
			t.Errorf("500 points at 100/s took %v", took)
		}
		s, _ = newGenerate(env, generateConfig{Rate: engine.Rate{Amount: 0.1}, Template: "x", Name: "x", Category: "logging"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Run(ctx, func(context.Context, *engine.Batch) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestConfigErrors(t *testing.T) {
	env := engine.HostEnv(nil)
	kafkaWith := func(change func(*kafkaConfig)) error {
		c := *engine.Lookup(engine.SourceNode, "kafka").NewConfig().(*kafkaConfig)
		c.Brokers, c.Group, c.Topics, c.Category = []string{"localhost:1"}, "g", []string{"t"}, "logging"
		change(&c)
		_, err := newKafka(env, c)
		return err
	}
	streams := func(s map[string]kafkaStream) func(*kafkaConfig) {
		return func(c *kafkaConfig) { c.Topics, c.Streams = nil, s }
	}
	if err := kafkaWith(func(*kafkaConfig) {}); err != nil {
		t.Errorf("a right configuration: %v", err)
	}
	fileWith := func(c fileConfig) error { _, err := newFile(env, c); return err }
	generateWith := func(c generateConfig) error { _, err := newGenerate(env, c); return err }
	for _, c := range []struct {
		err  error
		path string
	}{
		{kafkaWith(func(c *kafkaConfig) { c.Brokers = nil }), "brokers"},
		{kafkaWith(func(c *kafkaConfig) { c.Group = "" }), "group"},
		{kafkaWith(func(c *kafkaConfig) { c.SessionTimeout = 0 }), "session_timeout"},
		{kafkaWith(func(c *kafkaConfig) { c.PartitionWindow = 0 }), "partition_in_flight"},
		{kafkaWith(func(c *kafkaConfig) { c.Topics = nil }), "topics"},
		{kafkaWith(func(c *kafkaConfig) { c.Topics = []string{"a", "a"} }), "topics"},
		{kafkaWith(func(c *kafkaConfig) { c.Topics = []string{""} }), "topics"},
		{kafkaWith(func(c *kafkaConfig) { c.Category = "" }), "category"},
		{kafkaWith(func(c *kafkaConfig) { c.Category = "logs" }), "category"},
		{kafkaWith(func(c *kafkaConfig) { c.Decode = "jaeger" }), "decode"},
		{kafkaWith(func(c *kafkaConfig) { c.Workers = -1 }), "workers"},
		{kafkaWith(func(c *kafkaConfig) { c.StorageIndex, c.Category = "x", "metric" }), "storage_index"},
		{kafkaWith(func(c *kafkaConfig) {
			c.Streams = map[string]kafkaStream{"a": {Topics: []string{"x"}, Category: "logging"}}
		}), "topics"},
		{kafkaWith(streams(map[string]kafkaStream{"a": {Category: "logging"}})), "streams.a.topics"},
		{kafkaWith(streams(map[string]kafkaStream{"a": {Topics: []string{"x"}}})), "streams.a.category"},
		{kafkaWith(streams(map[string]kafkaStream{"failed": {Topics: []string{"x"}, Category: "rum"}})), "streams.failed"},
		{kafkaWith(streams(map[string]kafkaStream{"a": {Topics: []string{"x"}, Category: "rum"}, "b": {Topics: []string{"x"}, Category: "rum"}})), "streams.b.topics"},
		{fileWith(fileConfig{Category: "logging", Decode: "text"}), "paths"},
		{fileWith(fileConfig{Paths: []string{"[a"}, Category: "logging", Decode: "text"}), "paths"},
		{fileWith(fileConfig{Paths: []string{"a"}, Category: "x", Decode: "text"}), "category"},
		{fileWith(fileConfig{Paths: []string{"a"}, Category: "logging", Decode: "raw"}), "decode"},
		{generateWith(generateConfig{Category: "logging", Rate: engine.Rate{Bytes: true}}), "rate"},
		{generateWith(generateConfig{Category: "logging", Count: -1}), "count"},
		{generateWith(generateConfig{Category: "logging", Template: "${x}"}), "template"},
		{generateWith(generateConfig{Category: "logging", Template: "${n"}), "template"},
		{generateWith(generateConfig{}), "category"},
	} {
		var option *engine.OptionError
		if !errors.As(c.err, &option) || option.Path != c.path {
			t.Errorf("error %v, want one on %s", c.err, c.path)
		}
	}
}

func TestNamespaceAndInfo(t *testing.T) {
	k, _ := testSource(t, "t", "logging", "text")
	k.config.Namespace = "ns"
	st, err := newStream("", "", kafkaStream{Topics: []string{"a", "b"}, Category: "tracing", Namespace: "ns", Workers: 3}, false)
	if err != nil || !slices.Equal(st.topics, []string{"ns-a", "ns-b"}) || st.port.Workers != 3 {
		t.Errorf("stream %+v, error %v", st, err)
	}
	for _, typ := range []string{"kafka", "file", "generate"} {
		c := engine.Lookup(engine.SourceNode, typ)
		if c == nil || c.Summary == "" || len(c.Examples) == 0 {
			t.Errorf("%s: %+v", typ, c)
		}
	}
	if engine.Lookup(engine.SourceNode, "kafka").Dials != "kafka" {
		t.Error("kafka does not say that it dials kafka")
	}
}

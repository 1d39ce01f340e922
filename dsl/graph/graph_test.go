package graph

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dataflow/engine"
	"dataflow/engine/point"
)

// memory is a file system and an environment for a test.
type memory struct {
	files map[string]string
	env   map[string]string
}

func (m memory) options() Options {
	return Options{
		Getenv: func(name string) (string, bool) { v, ok := m.env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			text, ok := m.files[filepath.ToSlash(path)]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(text), nil
		},
	}
}

func manual(t *testing.T, env map[string]string) (*Graph, memory) {
	t.Helper()
	src, err := os.ReadFile("testdata/manual.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := memory{
		files: map[string]string{"conf/graph.yaml": string(src), "conf/log.p": "a", "conf/rum_apm.p": "b", "conf/rum.p": "c"},
		env:   env,
	}
	g, err := Load("conf/graph.yaml", m.options())
	if err != nil {
		t.Fatal(err)
	}
	return g, m
}

func TestManual(t *testing.T) {
	g, _ := manual(t, map[string]string{"DATAWAY_URL": "https://dw/?token=tkn_1", "KAFKA_TLS": "true"})
	if g.Name != "kafkamq" || g.Dir != "conf" || g.DataDir != "conf/data/kafkamq" || g.DeadLetter.Dir != "conf/data/kafkamq/dead_letters" {
		t.Errorf("name %q, dir %q, data %q, dead letters %q", g.Name, g.Dir, g.DataDir, g.DeadLetter.Dir)
	}
	if g.Admin.Listen != "127.0.0.1:9550" || g.Limits != (Limits{512 << 20, 64 << 20, 4 << 20, 64}) || g.Log != (Log{"info", "text"}) || len(g.Tests) != 1 {
		t.Errorf("%+v %+v %+v, %d tests", g.Admin, g.Limits, g.Log, len(g.Tests))
	}
	var ids []string
	for _, n := range g.Nodes {
		ids = append(ids, n.ID)
		if len(n.Hash) != 64 {
			t.Errorf("hash of %s is %q", n.ID, n.Hash)
		}
	}
	if got, want := len(ids), 6; got != want || ids[0] != "mq" || ids[5] != "out" {
		t.Errorf("nodes %v", ids)
	}
	k := g.Node("mq").Config.(*fakeKafka)
	if k.Brokers[0] != "localhost:9092" || k.SASL.Password.Reveal() != "" || !k.TLS.Enabled || len(k.Streams["otel"].Topics.names) != 4 {
		t.Errorf("kafka: %+v", k)
	}
	lines := g.Node("log_lines")
	if lines.Workers != 8 || lines.Order != "partition" || len(lines.Steps) != 4 || lines.From[0].String() != "mq.logs" || !lines.From[0].Required {
		t.Errorf("log_lines: %+v", lines)
	}
	if s := lines.Steps[0]; s.Name != "log_lines/1:json_split" || s.When != `meta.topic == "log_topic"` || s.OnError != "dead_letter" || s.WhenPos.Line != 29 {
		t.Errorf("first step: %+v", s)
	}
	if s := lines.Steps[2]; s.Config.(*fakeLimit).Rate != (engine.Rate{Amount: 100}) || s.Config.(*fakeLimit).Name != "all" {
		t.Errorf("third step: %+v", s.Config)
	}
	if s := g.Node("metric_points").Steps[0]; s.Name != "metric_points" || s.OnError != "pass" || string(s.Config.(*fakePipeline).Script.files[0].Data) != "b" {
		t.Errorf("metric_points: %+v", s)
	}
	if n := g.Node("handle"); n.Batch.MaxPoints != 100 || n.Batch.Wait == 0 || n.Retry.Initial == 0 {
		t.Errorf("handle: %+v", n)
	}
	out := g.Node("out")
	if out.Order != "none" || out.Config.(*fakeDataway).URL.Reveal() != "https://dw/?token=tkn_1" || out.Batch.MaxPoints != 4096 || len(out.From) != 7 {
		t.Errorf("out: %+v", out)
	}
	ports := map[string][]string{"mq": {"logs", "metrics", "rum", "skywalking", "jaeger", "otel", "handled"}}
	if list := g.CheckPorts(ports); len(list) > 0 {
		t.Error(list)
	}
	ports["mq"] = append(ports["mq"], "more")
	if list := g.CheckPorts(ports); len(list) != 1 || list[0].Message != "nobody reads mq.more" {
		t.Error(list)
	}
	ports["mq"] = []string{"logs", "metric"}
	if list := g.CheckPorts(ports); len(list) != 7 || list[0].Hint != `it has mq.logs, mq.metric` && list[1].Hint != `did you mean "mq.metric"?` {
		t.Error(list)
	}
}

func parse(t *testing.T, src string, m memory) *Graph {
	t.Helper()
	g, err := Parse("graph.yaml", []byte(src), m.options())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestNodeTags(t *testing.T) {
	g := parse(t, `
version: 1
sources: {s: {type: kafka, brokers: a, topics: x, tags: {host: h, n: 1}, steps: [json_split]}}
sinks: {o: {type: stdout, from: s, retry: {give_up: 1h}, doc: prints}}
`, memory{})
	s := g.Node("s")
	if len(s.Tags) != 2 || s.Tags[0].Key != "host" || !s.Tags[1].Value.Equal(point.String("1")) || !s.Tags[0].Tag {
		t.Errorf("tags %+v", s.Tags)
	}
	if len(s.Steps) != 1 || s.Steps[0].Name != "s/1:json_split" {
		t.Errorf("steps %+v", s.Steps)
	}
	if k := s.Config.(*fakeKafka); len(k.Brokers) != 1 || len(k.Topics) != 1 {
		t.Errorf("single texts: %+v", k)
	}
	if o := g.Node("o"); o.Retry.GiveUp.Hours() != 1 || o.Retry.Max == 0 || o.Doc != "prints" || o.Buffer.Type != "memory" {
		t.Errorf("sink %+v", o)
	}
}

func canonical(t *testing.T, g *Graph) string {
	t.Helper()
	var b strings.Builder
	if err := g.Canonical(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCanonicalReadsAsTheSame(t *testing.T) {
	g, m := manual(t, map[string]string{"DATAWAY_URL": "https://dw/?token=tkn_1", "KAFKA_TLS": "true"})
	first := canonical(t, g)
	if strings.Contains(first, "tkn_1") {
		t.Errorf("the token is shown in\n%s", first)
	}
	m.files["conf/graph.yaml"] = first
	again, err := Load("conf/graph.yaml", m.options())
	if err != nil {
		t.Fatal(err)
	}
	if second := canonical(t, again); second != first {
		t.Errorf("first\n%s\nthen\n%s", first, second)
	}
}

// A colon without a blank behind it is part of a text, in every collection.
func TestColonsInFlow(t *testing.T) {
	for _, text := range []string{
		"{x: [localhost:9092, b:c:d]}", "[localhost:9092, b:c:d]", "{y: {x: [localhost:9092, b:c:d]}}",
	} {
		v, list := parseYAML("x.yaml", []byte("a: "+text+"\n"))
		if len(list) > 0 {
			t.Fatalf("%s: %v", text, list)
		}
		for v.kind == mapping {
			v = v.items[0]
		}
		if len(v.items) != 2 || v.items[0].text != "localhost:9092" || v.items[1].text != "b:c:d" || v.items[1].pos.Col == 0 {
			t.Errorf("%s: %+v", text, v.items)
		}
	}
}

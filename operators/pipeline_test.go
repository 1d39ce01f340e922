package operators

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

// fileScalar is a node whose text names a file in a folder.
type fileScalar struct {
	scalar
	dir string
}

func (f fileScalar) File() (engine.File, error) {
	return f.FileBeside(filepath.Join(f.dir, f.text), f.text)
}

func (f fileScalar) FileBeside(beside, name string) (engine.File, error) {
	path := filepath.Join(filepath.Dir(beside), name)
	data, err := os.ReadFile(path)
	return engine.File{Path: path, Data: data}, err
}

func (f fileScalar) Folder(string, string) ([]engine.File, bool, error) { return nil, false, nil }

// mapping is a node with keys.
type mapping struct {
	engine.OptionNode
	keys   []string
	values []engine.OptionNode
}

func (m mapping) Scalar() (string, bool) { return "", false }

func (m mapping) Map() ([]string, []engine.OptionNode, bool) { return m.keys, m.values, true }

// scriptsIn writes scripts to a folder: name, text pairs.
func scriptsIn(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func defaultPipeline() pipelineConfig {
	return *engine.Lookup(engine.OperatorNode, "pipeline").NewConfig().(*pipelineConfig)
}

func newScript(t testing.TB, dir, file string) (engine.Operator, error) {
	t.Helper()
	c := defaultPipeline()
	if err := c.Script.UnmarshalOption(fileScalar{scalar{text: file}, dir}); err != nil {
		return nil, err
	}
	return newPipeline(quietEnv(), c)
}

func TestPipelineRuns(t *testing.T) {
	dir := scriptsIn(t, "x.p", "if message == \"drop\" { drop() }\nif message == \"fail\" {\nadd_key(before, 1)\nx = 1 + nosuch }\nuse(\"y.p\")", "y.p", `set_tag(seen, message)`)
	op, err := newScript(t, dir, "x.p")
	if err != nil {
		t.Fatal(err)
	}
	b := messages("a", "drop", "fail", "b")
	o := enginetest.Process(t, op, b)
	if len(o.Kept) != 2 || o.Dropped[1] != "script" || !strings.HasPrefix(o.Failed[2], "x.p:4:7: ") {
		t.Errorf("%d kept, dropped %v, failed %v", len(o.Kept), o.Dropped, o.Failed)
	}
	if v, _ := b.Points[2].Get("before"); v.Int() != 1 {
		t.Error("what was written before the error is gone")
	}
	if i := o.Kept[1].Index("seen"); i < 0 || !o.Kept[1].Fields[i].Tag || o.Kept[1].Fields[i].Value.Str() != "b" {
		t.Errorf("the used script did not run: %+v", o.Kept[1])
	}
}

func TestPipelineByTopic(t *testing.T) {
	dir := scriptsIn(t, "a.p", `add_key(by, "a")`, "b.p", `add_key(by, "b")`, "d.p", `add_key(by, "default")`)
	file := func(name string) engine.OptionNode { return fileScalar{scalar{text: name}, dir} }
	for by, cases := range map[string]map[string]string{
		"meta.topic": {"t": "a", "u": "", "v": "default"},
		"name":       {"t": "a", "u": "", "v": "default"},
	} {
		c := defaultPipeline()
		err := c.Script.UnmarshalOption(mapping{keys: []string{"by", "map", "default"}, values: []engine.OptionNode{
			scalar{text: by},
			mapping{keys: []string{"t", "u", "w"}, values: []engine.OptionNode{file("a.p"), file("none"), file("b.p")}},
			file("d.p"),
		}})
		if err != nil {
			t.Fatal(err)
		}
		op, err := newPipeline(quietEnv(), c)
		if err != nil {
			t.Fatal(err)
		}
		for topic, want := range cases {
			b := messages("x", "y")
			b.Origin.Topic = topic
			for i := range b.Points {
				b.Points[i].Name = topic
			}
			for _, p := range enginetest.Process(t, op, b).Kept {
				if v, _ := p.Get("by"); v.Str() != want {
					t.Errorf("%s %s: script %q ran, want %q", by, topic, v.Str(), want)
				}
			}
		}
	}
}

// TestPipelineFaults: what is wrong with a script is reported at its place in the script.
func TestPipelineFaults(t *testing.T) {
	dir := scriptsIn(t, "bad.p", "a = 1\ncast(a, \"sttr\")\nuse(\"worse.p\")\n", "worse.p", "x = = 2")
	_, err := newScript(t, dir, "bad.p")
	var list diag.List
	if !errors.As(err, &list) || len(list) == 0 {
		t.Fatalf("no diagnostics: %v", err)
	}
	if d := list[0]; d.Line != 2 || d.Col == 0 || !strings.HasSuffix(d.File, "bad.p") {
		t.Errorf("%+v", d)
	}
	if _, err := newScript(t, dir, "missing.p"); err == nil {
		t.Error("a missing script is accepted")
	}
}

// TestPipelineAllocates: the metric script of the KafkaMQ manual allocates nothing per point.
func TestPipelineAllocates(t *testing.T) {
	dir := scriptsIn(t, "metric.p", "data = load_json(message)\ndrop_origin_data()\nhostip = data[\"dimensions\"][\"ip\"]\nset_tag(hostip, hostip)\nadd_key(cpu, data[\"metrics\"][\"cpu_usage_pct\"])\ndrop_key(message_len)\n")
	op, err := newScript(t, dir, "metric.p")
	if err != nil {
		t.Fatal(err)
	}
	w := op.(engine.Worker).NewWorker()
	const points = 1000
	text := point.String(`{"dimensions": {"ip": "10.200.64.45"}, "metrics": {"cpu_usage_pct": 0.01}}`)
	cycle := func() {
		b := engine.Reserve(points, 10)
		b.Arm(1, nil)
		for range points {
			p := b.Add()
			p.Name, p.Category = "m", point.Metric
			p.Fields = append(p.Fields, point.Field{Key: "message", Value: text}, point.Field{Key: "message_len", Value: point.Int(1)})
		}
		if err := w.Process(t.Context(), b); err != nil || len(enginetest.Verdicts(b).Failed) > 0 {
			t.Fatal("the script fails")
		}
		enginetest.Done(b)
	}
	cycle()
	if perPoint := testing.AllocsPerRun(50, cycle) / points; perPoint > 0.02 {
		t.Errorf("%.3f allocations per point", perPoint)
	}
}

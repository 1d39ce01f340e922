package operators

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
	"dataflow/engine/runtime"
)

// A bench is a folder with a graph of one pipeline node between a source and a sink of the test's.
type bench struct {
	t     *testing.T
	name  string
	dir   string
	input [][]point.Point // batches
	env   engine.Env      // what is not nil replaces the machine's
	log   strings.Builder

	mu  sync.Mutex
	got []point.Point
}

// benches are found by the names of their graphs.
var (
	benches     sync.Map
	benchNumber atomic.Int64
)

// newBench writes files, name and text in turn, into a folder.
func newBench(t *testing.T, nameAndText ...string) *bench {
	t.Helper()
	x := &bench{t: t, name: fmt.Sprintf("bench%d", benchNumber.Add(1)), dir: t.TempDir()}
	benches.Store(x.name, x)
	t.Cleanup(func() { benches.Delete(x.name) })
	for i := 0; i < len(nameAndText); i += 2 {
		x.write(nameAndText[i], nameAndText[i+1])
	}
	return x
}

func (x *bench) write(name, text string) {
	x.t.Helper()
	path := filepath.Join(x.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		x.t.Fatal(err)
	}
}

// feed adds a batch of points in line protocol of a category.
func (x *bench) feed(c point.Category, lines ...string) {
	x.t.Helper()
	var a point.Arena
	ps, err := point.ParseLines(nil, &a, []byte(strings.Join(lines, "\n")), point.ReadOptions{Category: c})
	if err != nil {
		x.t.Fatal(err)
	}
	x.input = append(x.input, ps)
}

type benchEnd struct {
	*bench
	origin *engine.Origin
}

func (e benchEnd) Run(ctx context.Context, emit engine.Emit) error {
	for _, ps := range e.input {
		b := engine.Reserve(len(ps), 8)
		b.Origin = e.origin
		for i := range ps {
			*b.Add() = ps[i].Clone()
		}
		b.Arm(1, nil)
		if err := emit(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (e benchEnd) Write(_ context.Context, b *engine.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range b.Points {
		e.got = append(e.got, b.Points[i].Clone())
	}
	return nil
}

func init() {
	end := func(env engine.Env) benchEnd {
		x, _ := benches.Load(env.Graph)
		return benchEnd{x.(*bench), &engine.Origin{Node: env.Node, Topic: "t"}}
	}
	engine.RegisterSource(engine.Info{Type: "test_points", Summary: "emits the points of a test"}, struct{}{},
		func(env engine.Env, _ struct{}) (engine.Source, error) { return end(env), nil })
	engine.RegisterSink(engine.Info{Type: "test_sink", Summary: "keeps the points of a test"}, struct{}{},
		func(env engine.Env, _ struct{}) (engine.Sink, error) { return end(env), nil })
}

// load reads the graph with the options of its node.
func (x *bench) load(options string) (*graph.Graph, error) {
	x.t.Helper()
	text := fmt.Sprintf("version: 1\nname: %s\nsources: {in: {type: test_points}}\nsinks: {out: {type: test_sink, from: p}}\noperators:\n  p:\n    type: pipeline\n    from: in\n    %s\n",
		x.name, strings.ReplaceAll(strings.TrimSpace(options), "\n", "\n    "))
	return graph.Parse(filepath.Join(x.dir, "graph.yaml"), []byte(text), graph.Options{})
}

// build reads the graph and builds its components, as validate does.
func (x *bench) build(options string) (*runtime.Engine, error) {
	x.t.Helper()
	g, err := x.load(options)
	if err != nil {
		return nil, err
	}
	return runtime.New(g, runtime.Options{Log: slog.New(slog.NewTextHandler(&x.log, nil)), Env: x.env})
}

// operator builds the operator alone.
func (x *bench) operator(options string) engine.Operator {
	x.t.Helper()
	g, err := x.load(options)
	if err != nil {
		x.t.Fatal(err)
	}
	spec := g.Node("p").Steps[0]
	env := enginetest.Env()
	if x.env.Now != nil {
		env.Now = x.env.Now
	}
	op, err := spec.Component.Build(env, spec.Config)
	if err != nil {
		x.t.Fatal(err)
	}
	return op
}

// run runs the graph to its end, checks its ledger and returns what the sink got and the counters of the node.
func (x *bench) run(options string) ([]point.Point, runtime.NodeStats) {
	x.t.Helper()
	e, err := x.build(options)
	if err != nil {
		x.t.Fatal(err)
	}
	if r := e.Run(context.Background(), nil); r.Code != runtime.ExitDone || r.Err != nil {
		x.t.Fatalf("the run ended with %d: %v\n%s", r.Code, r.Err, x.log.String())
	}
	if err := e.Balanced(); err != nil {
		x.t.Error(err)
	}
	for _, n := range e.Snapshot().Nodes {
		if n.Node == "p" {
			return x.got, n
		}
	}
	x.t.Fatal("the node has no counters")
	return nil, runtime.NodeStats{}
}

// lines returns points in line protocol.
func lines(ps []point.Point) (out []string) {
	for i := range ps {
		out = append(out, ps[i].Category.String()+" "+string(point.AppendLine(nil, &ps[i])))
	}
	return out
}

func countOf(list []runtime.Count, label string) int64 {
	i := slices.IndexFunc(list, func(c runtime.Count) bool { return c.Label == label })
	if i < 0 {
		return 0
	}
	return list[i].N
}

// refuses checks that a graph is refused, with these texts among what is said, and nothing else.
func (x *bench) refuses(options string, says ...string) {
	x.t.Helper()
	_, err := x.build(options)
	if err == nil {
		x.t.Errorf("%s: it is accepted", options)
		return
	}
	said := strings.Split(strings.ReplaceAll(err.Error(), x.dir+string(filepath.Separator), ""), "\n")
	for _, want := range says {
		i := slices.IndexFunc(said, func(s string) bool { return strings.Contains(filepath.ToSlash(s), want) })
		if i < 0 {
			x.t.Errorf("%s: it does not say %q:\n%s", options, want, strings.Join(said, "\n"))
			continue
		}
		said = slices.Delete(said, i, i+1)
	}
	if len(said) > 0 {
		x.t.Errorf("%s: it says as well:\n%s", options, strings.Join(said, "\n"))
	}
}

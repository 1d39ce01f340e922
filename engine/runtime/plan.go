package runtime

import (
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/reugn/go-streams"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/buffer"
	"dataflow/engine/diag"
	"dataflow/engine/expr"
)

// Engine is a graph that is built and can be run once.
type Engine struct {
	graph   *graph.Graph
	options Options
	log     logger
	window  *window
	stop    *stopper
	health  *health
	letters *letters
	store   *buffer.Store // of disk buffers, nil without any, and before Run
	opened  atomic.Bool   // the disk buffers are: those who look from outside see them from then on
	leaving chan struct{} // closed when it stops for good: what is on the disk stays there
	active  *atomic.Int64

	sources   []*sourceNode
	stages    []*stageNode
	sinks     []*sinkNode
	edges     []*edge
	stats     []*stats
	closers   []closer
	commonMu  sync.Mutex
	common    map[string]any
	waitClose []*inbox
	// between makes a flow that stands before every stage and batcher. Tests set it, to hold foreign flows to
	// the acknowledgements.
	between func() streams.Flow
}

func newEngine(g *graph.Graph, o Options) *Engine {
	if o.DrainTimeout == 0 {
		o.DrainTimeout = DefaultDrainTimeout
	}
	e := &Engine{
		graph: g, options: o, log: newLogger(o.Log), stop: newStopper(), health: &health{}, leaving: make(chan struct{}), active: new(atomic.Int64),
		window: newWindow(int(g.Limits.InFlight)),
	}
	e.letters = newLetters(g, e.env("dead_letter", "", e.newStats("dead_letter", "dead_letter")), e.log)
	return e
}

// A stageNode is a stage with what stands before and behind it.
type stageNode struct {
	inbox *inbox
	stage *stage
	inlet *inlet // of the node's outputs
}

type closer struct {
	node string
	engine.Closer
}

// New builds all components of a graph and wires them. Nothing is opened or dialled. The error is a
// diag.List with everything that is wrong.
func New(g *graph.Graph, o Options) (*Engine, error) {
	e := newEngine(g, o)
	b := newBuilder(e)
	b.build()
	if len(b.problems) > 0 {
		return nil, b.problems
	}
	return e, nil
}

// Check builds the components of the sound nodes of a graph that was refused, and returns what else is wrong
// with them, so that a user sees everything at once.
func Check(g *graph.Graph, o Options) diag.List {
	e := newEngine(g, o)
	b := newBuilder(e)
	for _, n := range g.Nodes {
		if !n.Sound {
			continue
		}
		b.outputs[n.ID] = newOutputs(e.newStats(n.ID, nodeType(n)))
		b.construct(n, false)
	}
	return b.problems
}

// A builder turns the nodes of a graph into stages.
type builder struct {
	engine   *Engine
	problems diag.List
	nodes    map[string]*graph.Node
	outputs  map[string]*outputs
	inboxes  map[string]*inbox
	ports    map[string][]engine.Port // of sources
	names    map[string][]string      // output ports of every node, for the check of the edges
	readers  map[string]int           // by node.port
	built    map[*graph.Node]any
	chains   map[*graph.Node][]*step
}

func newBuilder(e *Engine) *builder {
	return &builder{
		engine: e, nodes: map[string]*graph.Node{}, outputs: map[string]*outputs{}, inboxes: map[string]*inbox{},
		ports: map[string][]engine.Port{}, names: map[string][]string{}, readers: map[string]int{},
		built: map[*graph.Node]any{}, chains: map[*graph.Node][]*step{},
	}
}

func (b *builder) build() {
	e := b.engine
	for _, n := range e.graph.Nodes {
		b.nodes[n.ID] = n
		for _, f := range n.From {
			b.readers[f.Node+"."+f.Port]++
		}
		s := e.newStats(n.ID, nodeType(n))
		b.outputs[n.ID] = newOutputs(s)
		if n.Kind != engine.SourceNode {
			b.inboxes[n.ID] = newInbox()
		}
	}
	for _, n := range e.graph.Nodes {
		b.construct(n, true)
	}
	if b.problems = append(b.problems, e.graph.CheckPorts(b.names)...); len(b.problems) > 0 {
		b.problems.Sort()
		return
	}
	b.connect()
	for _, n := range e.graph.Nodes {
		switch n.Kind {
		case engine.SourceNode:
			b.source(n)
		case engine.SinkNode:
			b.sink(n)
		}
	}
	for _, n := range e.graph.Nodes {
		if n.Kind == engine.OperatorNode {
			b.operator(n)
		}
	}
}

func nodeType(n *graph.Node) string {
	switch {
	case n.Component != nil:
		return n.Component.Type
	case len(n.Steps) == 1:
		return n.Steps[0].Component.Type
	}
	return "steps"
}

// construct builds the components of a node and, if the graph as a whole is there, notes its ports.
func (b *builder) construct(n *graph.Node, whole bool) {
	e := b.engine
	if n.Kind == engine.OperatorNode {
		b.chains[n] = b.steps(n.ID, n.Steps, b.outputs[n.ID])
		if whole {
			b.names[n.ID] = b.operatorPorts(n)
		}
		return
	}
	env := e.env(n.ID, n.Component.Dials, b.outputs[n.ID].stats)
	if n.Kind == engine.SinkNode {
		env.Tags = n.Tags
	}
	c, err := n.Component.Build(env, n.Config)
	if err != nil {
		b.problems = append(b.problems, n.Diagnose(err)...)
		b.names[n.ID] = anyPort
		return
	}
	b.built[n] = c
	if x, ok := c.(engine.Closer); ok {
		e.closers = append(e.closers, closer{n.ID, x})
	}
	if n.Kind == engine.SourceNode {
		b.ports[n.ID] = []engine.Port{{}}
		if p, ok := c.(engine.Ported); ok {
			b.ports[n.ID] = p.Ports()
		}
		for _, p := range b.ports[n.ID] {
			b.names[n.ID] = append(b.names[n.ID], p.Name)
		}
	}
}

// steps builds operators that run one after the other.
func (b *builder) steps(node string, specs []*graph.Step, out *outputs) []*step {
	e := b.engine
	var steps []*step
	for _, spec := range specs {
		s := out.stats
		if spec.Name != node {
			s = e.newStats(spec.Name, spec.Component.Type)
		}
		st := &step{name: spec.Name, onError: spec.OnError, stats: s, outputs: out}
		if spec.When != "" {
			cond, err := expr.Compile(spec.When)
			if err != nil {
				b.problems = append(b.problems, spec.Diagnose(engine.FieldError("when", err))...)
			}
			st.when = cond
		}
		c, err := spec.Component.Build(e.env(spec.Name, spec.Component.Dials, s), spec.Config)
		if err != nil {
			b.problems = append(b.problems, spec.Diagnose(err)...)
			continue
		}
		if x, ok := c.(engine.Closer); ok {
			e.closers = append(e.closers, closer{spec.Name, x})
		}
		st.processor, _ = c.(engine.Processor)
		st.streamer, _ = c.(engine.Streamer)
		steps = append(steps, st)
	}
	return steps
}

func anyOf(st *step) any {
	if st.streamer != nil {
		return st.streamer
	}
	return st.processor
}

// connect makes the edges.
func (b *builder) connect() {
	for _, n := range b.engine.graph.Nodes {
		for _, f := range n.From {
			x := &edge{
				from: f.Node, port: f.Port, to: n.ID, required: f.Required,
				toSink: n.Kind == engine.SinkNode, inbox: b.inboxes[n.ID],
			}
			b.outputs[f.Node].connect(x)
			b.engine.edges = append(b.engine.edges, x)
		}
	}
}

func (b *builder) operator(n *graph.Node) {
	e := b.engine
	steps := b.chains[n]
	if len(n.Tags) > 0 {
		steps = append(steps, &step{
			name: n.ID + "/tags", processor: tagging(n.Tags), onError: onErrorDeadLetter,
			stats: e.newStats(n.ID+"/tags", "tags"), outputs: b.outputs[n.ID],
		})
	}
	in := b.inboxes[n.ID]
	e.waitClose = append(e.waitClose, in)
	st := newStage(n.ID, e.newChain(steps), workers(n.Workers), n.Order == "none")
	e.stages = append(e.stages, &stageNode{inbox: in, stage: st, inlet: b.outputs[n.ID].inlet(e.stop)})
}

func (b *builder) sink(n *graph.Node) {
	e := b.engine
	out := b.outputs[n.ID]
	s := &sinkNode{
		id: n.ID, typ: n.Component.Type, batching: n.Batch, timeout: n.Timeout, ordered: n.Order == "partition",
		retry: retry{Initial: n.Retry.Initial, Max: n.Retry.Max, GiveUp: n.Retry.GiveUp},
		stats: out.stats, inbox: b.inboxes[n.ID], outputs: out, letters: e.letters, stop: e.stop,
		log: logger{e.log.With("node", n.ID), e.log.seen}, health: func(err error) { e.health.set(n.ID, err) },
		now: e.options.Env.Now, in: make(chan any), done: make(chan struct{}), lanes: map[string]*lane{}, keeps: n.Buffer,
	}
	if s.now == nil {
		s.now = engine.HostEnv(nil).Now
	}
	s.spare = !b.required(n)
	s.encoder, _ = b.built[n].(engine.Encoder)
	s.writer, _ = b.built[n].(engine.Writer)
	if s.batching.MaxPoints == 0 {
		s.batching.MaxPoints = 1
	}
	s.crowded = func() bool { return e.window.used.Load() > int64(e.window.total/2) }
	if n.Buffer.OnDisk() && s.encoder == nil {
		b.problems = append(b.problems, n.Diagnose(engine.FieldError("buffer", fmt.Errorf("a sink of type %s writes at once and has nothing to keep on the disk", n.Component.Type)))...)
	}
	bound := int64(4 * s.batching.MaxPoints)
	s.inbox.full = func() bool { return s.memory.Load() > bound }
	e.waitClose = append(e.waitClose, s.inbox)
	out.writers.Add(1)
	e.sinks = append(e.sinks, s)
}

// required reports whether a path of required edges leads from a source to the node.
func (b *builder) required(n *graph.Node) bool {
	return n.Kind == engine.SourceNode || slices.ContainsFunc(n.From, func(f graph.Edge) bool {
		return f.Required && b.required(b.nodes[f.Node])
	})
}

func workers(n int) int {
	if n > 0 {
		return n
	}
	return goruntime.GOMAXPROCS(0)
}

func (e *Engine) newChain(steps []*step) *chain {
	return &chain{steps: steps, letters: e.letters, stop: e.stop, log: e.log}
}

func (e *Engine) newStats(node, typ string) *stats {
	s := &stats{node: node, typ: typ}
	e.stats = append(e.stats, s)
	return s
}

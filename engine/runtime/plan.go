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
	"dataflow/engine/diag"
	"dataflow/engine/expr"
	"dataflow/engine/point"
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
		graph: g, options: o, log: newLogger(o.Log), stop: newStopper(), health: &health{}, active: new(atomic.Int64),
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

// anyPort stands for the outputs of a node that could not be built.
var anyPort = []string{"", "*"}

// operatorPorts returns the outputs of an operator: the main one and those of its steps. One whose last step
// names its own ports, a router, has no main one; each of its routes is there to be read.
func (b *builder) operatorPorts(n *graph.Node) []string {
	if len(b.chains[n]) != len(n.Steps) {
		return anyPort // one of them could not be built, which is reported
	}
	names := []string{""}
	for i, st := range b.chains[n] {
		p, ok := anyOf(st).(engine.Ported)
		if !ok {
			names = append(names, n.Steps[i].Component.Ports...)
			continue
		}
		if i == len(n.Steps)-1 {
			names = names[1:]
		}
		for _, port := range p.Ports() {
			names = append(names, port.Name)
			if port.Name != unmatchedPort && b.readers[n.ID+"."+port.Name] == 0 {
				b.problems = append(b.problems, n.Steps[i].Diagnose(fmt.Errorf("nobody reads %s.%s", n.ID, port.Name))...)
			}
		}
	}
	return names
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

// source makes the node of a source, with a stage for each port that needs one.
func (b *builder) source(n *graph.Node) {
	e := b.engine
	out := b.outputs[n.ID]
	c := b.built[n]
	node := &sourceNode{
		id: n.ID, typ: n.Component.Type, source: c.(engine.Source), rereads: n.Component.Rereads,
		stats: out.stats, ports: map[string]*sourcePort{}, outputs: out, active: e.active, now: e.options.Env.Now,
	}
	node.intake = e.newChain([]*step{{name: n.ID, onError: onErrorDeadLetter, stats: out.stats, outputs: out}})
	if node.now == nil {
		node.now = engine.HostEnv(nil).Now
	}
	for _, p := range b.ports[n.ID] {
		port := &sourcePort{share: e.window.addShare()}
		node.ports[p.Name] = port
		steps := b.portSteps(n, p, c)
		if len(steps) == 0 {
			continue
		}
		if reader := b.onlyReader(n, p, out); reader != nil && !routes(steps) {
			b.chains[reader] = append(steps, b.chains[reader]...)
			if reader.Workers == 0 {
				reader.Workers = p.Workers
			}
			continue
		}
		in := newInbox()
		port.entry = &edge{from: n.ID, port: p.Name, to: n.ID + "." + p.Name, required: true, inbox: in}
		in.writers.Add(1)
		e.edges = append(e.edges, port.entry)
		e.waitClose = append(e.waitClose, in)
		ch := e.newChain(steps)
		st := newStage(n.ID, ch, workers(p.Workers), n.Order == "none")
		st.port = p.Name
		e.stages = append(e.stages, &stageNode{inbox: in, stage: st, inlet: out.inlet(e.stop)})
	}
	out.writers.Add(1)
	e.sources = append(e.sources, node)
}

// routes reports whether one of the steps sends points to ports, which are then the source's: its steps cannot
// stand in another node's stage.
func routes(steps []*step) bool {
	return slices.ContainsFunc(steps, func(st *step) bool { _, ok := anyOf(st).(engine.Ported); return ok })
}

// portSteps are what the batches of a source's port go through before somebody reads them.
func (b *builder) portSteps(n *graph.Node, p engine.Port, c any) []*step {
	e := b.engine
	out := b.outputs[n.ID]
	name := n.ID
	if p.Name != "" {
		name += "." + p.Name
	}
	var steps []*step
	if d, ok := c.(engine.Decoder); ok && needsDecoding(c, p.Name) {
		steps = append(steps, &step{
			name: name, processor: decoding{d, p.Name}, onError: onErrorDeadLetter,
			stats: e.newStats(name+"/decode", "decode"), outputs: out,
		})
	}
	if tags := append(slices.Clone(p.Tags), n.Tags...); len(tags) > 0 {
		steps = append(steps, &step{
			name: name + "/tags", processor: tagging(tags), onError: onErrorDeadLetter,
			stats: e.newStats(name+"/tags", "tags"), outputs: out,
		})
	}
	var specs []*graph.Step
	if p.Name == "" {
		specs = append(specs, n.Steps...)
	}
	for _, s := range p.Steps.Specs {
		specs = append(specs, s.(*graph.Step))
	}
	return append(steps, b.steps(name, specs, out)...)
}

// needsDecoding asks a source with several ways of decoding whether a port uses one.
func needsDecoding(c any, port string) bool {
	d, ok := c.(interface{ Decodes(port string) bool })
	return !ok || d.Decodes(port)
}

// onlyReader returns the operator that is the only reader of a source's port and reads nothing else, so that
// the port's steps can stand in front of its own and save a hop; nil if there is none. Where somebody reads
// the source's failed or dropped points there is none: they leave from the source's own stage.
func (b *builder) onlyReader(n *graph.Node, p engine.Port, out *outputs) *graph.Node {
	if out.connected(failedPort) || out.connected(droppedPort) || len(out.ports[p.Name]) != 1 {
		return nil
	}
	x := out.ports[p.Name][0]
	reader := b.nodes[x.to]
	if reader.Kind != engine.OperatorNode || !x.required || len(reader.From) != 1 {
		return nil
	}
	return reader
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
		now: e.options.Env.Now, in: make(chan any), done: make(chan struct{}), lanes: map[point.Category]*lane{},
	}
	if s.now == nil {
		s.now = engine.HostEnv(nil).Now
	}
	s.encoder, _ = b.built[n].(engine.Encoder)
	s.writer, _ = b.built[n].(engine.Writer)
	if s.batching.MaxPoints == 0 {
		s.batching.MaxPoints = 1
	}
	bound := int64(4 * s.batching.MaxPoints)
	s.inbox.full = func() bool { return s.stats.queued.Load() > bound }
	e.waitClose = append(e.waitClose, s.inbox)
	out.writers.Add(1)
	e.sinks = append(e.sinks, s)
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

// shared is Env.Shared.
func (e *Engine) shared(key string, make func() any) any {
	e.commonMu.Lock()
	defer e.commonMu.Unlock()
	if e.common == nil {
		e.common = map[string]any{}
	}
	if e.common[key] == nil {
		e.common[key] = make()
	}
	return e.common[key]
}

// env returns what the component of a node gets from outside.
func (e *Engine) env(node, role string, s *stats) engine.Env {
	base := engine.HostEnv(e.options.Log)
	o := e.options.Env
	if o.Now != nil {
		base.Now = o.Now
	}
	if o.Dial != nil {
		base.Dial = o.Dial
	}
	if o.Listen != nil {
		base.Listen = o.Listen
	}
	if o.FS != nil {
		base.FS = o.FS
	}
	if o.Rand != nil {
		base.Rand = o.Rand
	}
	base.Limits = engine.Limits{Message: int(e.graph.Limits.Message), Depth: e.graph.Limits.Depth}
	base.Graph, base.Node, base.Version = e.graph.Name, node, e.options.Version
	base.Log = e.options.Log.With("node", node)
	base.DataDir = fmt.Sprintf("%s/%s", e.graph.DataDir, node)
	base.Pressure = e.window.pressure
	base.Shared = e.shared
	base.Health = func(err error) { e.health.set(node, err) }
	if s != nil {
		base.Counter = func(name, label string) engine.Counter {
			key := name
			if label != "" {
				key += "{" + label + "}"
			}
			return componentCounter{&s.custom, key}
		}
	}
	if role != "" && e.options.DialFor != nil {
		if dial := e.options.DialFor(role); dial != nil {
			base.Dial, base.Plain = dial, true
		}
	}
	return base
}

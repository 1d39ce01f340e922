package runtime

import (
	"fmt"
	"slices"

	"dataflow/dsl/graph"
	"dataflow/engine"
)

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

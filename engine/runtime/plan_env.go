package runtime

import (
	"fmt"

	"dataflow/engine"
)

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
	base.Stalled = func(port string) bool { return e.stalled(node, port) }
	base.Shared = e.shared
	base.Health = func(err error) { e.health.set(node, err) }
	if s != nil {
		base.Counter = func(name, label string) engine.Counter {
			return componentCounter{s.custom.family(name), label}
		}
	}
	if role != "" && e.options.DialFor != nil {
		if dial := e.options.DialFor(role); dial != nil {
			base.Dial, base.Plain = dial, true
		}
	}
	return base
}

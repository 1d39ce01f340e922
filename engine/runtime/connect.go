package runtime

import (
	"context"

	"dataflow/engine"
)

// Connect asks every node that can look at what it connects to, sources and sinks in the order of the graph, and calls
// found with what they find. It is called in place of Run.
func (e *Engine) Connect(ctx context.Context, found func(node string, f engine.Finding)) {
	ask := func(node string, component any) {
		if c, ok := component.(engine.Checker); ok {
			c.Check(ctx, func(f engine.Finding) { found(node, f) })
		}
	}
	for _, s := range e.sources {
		ask(s.id, s.source)
	}
	for _, s := range e.sinks {
		if s.encoder != nil {
			ask(s.id, s.encoder)
		} else {
			ask(s.id, s.writer)
		}
	}
}

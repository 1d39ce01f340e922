package sinks

import (
	"context"

	"dataflow/engine"
)

type discardConfig struct{}

func init() {
	engine.RegisterSink(engine.Info{
		Type:     "discard",
		Summary:  "counts points and forgets them",
		Doc:      "It takes what nobody needs, and shows in benchmarks what a graph costs without its destination.",
		Examples: []engine.Example{{Title: "to measure", Graph: "type: discard\nfrom: points\n"}}, Unordered: true,
	}, discardConfig{}, func(env engine.Env, _ discardConfig) (engine.Sink, error) {
		return discard{env.Counter("discarded_points", "")}, nil
	})
}

// discard forgets points.
type discard struct{ points engine.Counter }

// Write counts the points of b.
func (d discard) Write(_ context.Context, b *engine.Batch) error {
	d.points.Add(int64(len(b.Points)))
	return nil
}

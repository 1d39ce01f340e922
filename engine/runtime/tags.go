package runtime

import (
	"context"

	"dataflow/engine"
	"dataflow/engine/point"
)

// tagging is the step that adds a node's tags to every point that lacks them.
type tagging []point.Field

// Process adds the tags; an existing key is never overwritten.
func (t tagging) Process(_ context.Context, b *engine.Batch) error {
	for i := range b.Points {
		p := &b.Points[i]
		for _, tag := range t {
			if p.Index(tag.Key) < 0 {
				p.Fields = append(p.Fields, tag)
			}
		}
	}
	return nil
}

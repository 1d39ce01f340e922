package operators

import (
	"context"
	"errors"

	"dataflow/engine"
	"dataflow/engine/expr"
)

func init() {
	engine.RegisterOperator(engine.Info{
		Type:    "filter",
		Summary: "lets points pass, or drops them, by a condition",
		Doc: `With ` + "`keep`" + ` the points pass for which the condition holds, with ` + "`drop`" + ` the others. What is dropped is counted
with the reason filter and can be read from the port ` + "`dropped`" + `.`,
		Examples: []engine.Example{
			{Title: "without debug lines", Graph: "type: filter\nfrom: mq.logs\ndrop: 'fields.status == \"debug\"'\n"},
			{Title: "one region", Graph: "type: filter\nfrom: mq.logs\nkeep: 'tags.region in [\"eu\", \"us\"]'\n"},
		},
	}, filterConfig{}, newFilter)
}

type filterConfig struct {
	Keep *expr.Condition `yaml:"keep" doc:"the condition for which points pass"`
	Drop *expr.Condition `yaml:"drop" doc:"the condition for which points are dropped; exactly one of the two is given"`
}

type filter struct {
	cond *expr.Condition
	keep bool
}

func newFilter(_ engine.Env, c filterConfig) (engine.Operator, error) {
	if (c.Keep == nil) == (c.Drop == nil) {
		return nil, errors.New("give exactly one of keep and drop")
	}
	if c.Keep != nil {
		return &filter{c.Keep, true}, nil
	}
	return &filter{c.Drop, false}, nil
}

// Process filters.
func (f *filter) Process(_ context.Context, b *engine.Batch) error {
	if f.cond.PerBatch() && b.Origin != nil && len(b.Points) > 0 && f.cond.Match(b, 0) == f.keep {
		return nil
	}
	for i := range b.Points {
		if f.cond.Match(b, i) != f.keep {
			b.Drop(i, "filter")
		}
	}
	return nil
}

package operators

import (
	"testing"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/expr"
)

func TestOperatorsConform(t *testing.T) {
	lines := func() *engine.Batch {
		return messages(`[1,2]`, `[{"a":1}]`, `no array`, `[]`, `[1,2,3,4,5,6,7,8,9]`)
	}
	condition := func(t *testing.T, text string) filterConfig {
		c := engine.Lookup(engine.OperatorNode, "filter").NewConfig().(*filterConfig)
		c.Keep = new(expr.Condition)
		unmarshal(t, c.Keep, text)
		return *c
	}
	for name, build := range map[string]func(t *testing.T) (engine.Operator, error){
		"filter": func(t *testing.T) (engine.Operator, error) {
			return newFilter(quietEnv(), condition(t, `fields.message_len > 5`))
		},
		"json_split": func(t *testing.T) (engine.Operator, error) {
			return newJSONSplit(quietEnv(), jsonSplitConfig{Field: "message", NotArray: "fail"})
		},
		"rate_limit": func(t *testing.T) (engine.Operator, error) {
			c := engine.Lookup(engine.OperatorNode, "rate_limit").NewConfig().(*rateLimitConfig)
			unmarshal(t, &c.Rate, "1000/s")
			return newRateLimit(quietEnv(), *c)
		},
		"rate_limit that drops": func(t *testing.T) (engine.Operator, error) {
			c := engine.Lookup(engine.OperatorNode, "rate_limit").NewConfig().(*rateLimitConfig)
			unmarshal(t, &c.Rate, "10/s")
			c.Over = "drop"
			return newRateLimit(quietEnv(), *c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.TestOperator(t, func(t *testing.T) engine.Operator {
				op, err := build(t)
				if err != nil {
					t.Fatal(err)
				}
				return op
			}, lines)
		})
	}
}

package expr

import (
	"sync/atomic"

	"dataflow/engine"
)

// Condition is a question about a point. It is safe for use by several goroutines. As an option it is a text; the
// zero Condition, which is an option that was not given, holds for every point.
type Condition struct{ c *compiled }

type compiled struct {
	text     string
	match    matcher
	perBatch bool
	errors   atomic.Int64
}

// Compile reads a condition and checks its types. The error is a *diag.TextError.
func Compile(text string) (*Condition, error) {
	c, err := compile(text)
	if err != nil {
		return nil, err
	}
	return &Condition{c}, nil
}

// UnmarshalOption reads a condition from a scalar.
func (c *Condition) UnmarshalOption(n engine.OptionNode) error {
	text, ok := n.Scalar()
	if !ok {
		return n.Errorf("must be a condition, as in category == \"logging\"")
	}
	compiled, err := compile(text)
	c.c = compiled
	return at(n, err)
}

// OptionType says what the option takes.
func (c *Condition) OptionType() string { return "condition" }

// IsSet reports whether there is a condition.
func (c *Condition) IsSet() bool { return c != nil && c.c != nil }

// Match reports whether the condition holds for point i of the batch. What expr-lang cannot evaluate (the length
// of a number, a division by zero) does not hold, and is counted; see [Condition.Errors].
func (c *Condition) Match(b *engine.Batch, i int) bool {
	if c == nil || c.c == nil {
		return true
	}
	return c.c.match.match(b, i)
}

// PerBatch reports whether the answer is the same for all points of a batch that has an Origin: the condition reads
// meta.topic and meta.partition at most. It may then be asked once, with any i. A point's name and category can
// differ within a batch and are asked for each.
func (c *Condition) PerBatch() bool { return c == nil || c.c == nil || c.c.perBatch }

// Errors returns how many evaluations failed so far.
func (c *Condition) Errors() int64 {
	if c == nil || c.c == nil {
		return 0
	}
	return c.c.errors.Load()
}

// String returns the condition as it was written.
func (c *Condition) String() string {
	if c == nil || c.c == nil {
		return ""
	}
	return c.c.text
}

// MarshalText returns [Condition.String].
func (c Condition) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

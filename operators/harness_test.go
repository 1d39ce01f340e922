package operators

import (
	"fmt"
	"testing"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/expr"
	"dataflow/engine/point"
)

// quietEnv is the environment of the machine without a log.
func quietEnv() engine.Env { return enginetest.Env() }

// scalar is a node of the graph file with a text.
type scalar struct {
	engine.OptionNode
	text string
}

func (s scalar) Scalar() (string, bool) { return s.text, true }

// name parses a name, as the options key and by have them.
func name(t testing.TB, text string) *expr.Name {
	t.Helper()
	n, err := expr.ParseName(text)
	if err != nil {
		t.Fatal(err)
	}
	return &n
}

// unmarshal reads a scalar into an option.
func unmarshal(t testing.TB, o engine.OptionUnmarshaler, text string) {
	t.Helper()
	if err := o.UnmarshalOption(scalar{text: text}); err != nil {
		t.Fatal(err)
	}
}

// process runs a processor as a worker of the runtime does.
func process(t testing.TB, op engine.Operator, b *engine.Batch) (kept []point.Point, failed, dropped map[int]string) {
	t.Helper()
	o := enginetest.Process(t, op, b)
	return o.Kept, o.Failed, o.Dropped
}

// messages returns a batch with a logging point for each text.
func messages(texts ...string) *engine.Batch {
	b := engine.Reserve(len(texts), 8)
	b.Origin = &engine.Origin{Node: "mq", Topic: "t", Partition: 3}
	for _, text := range texts {
		p := b.Add()
		p.Name, p.Category, p.Time = "t", point.Logging, 1
		p.Fields = append(p.Fields,
			point.Field{Key: "type", Value: point.String("kafka"), Tag: true},
			point.Field{Key: "message", Value: point.String(text)},
			point.Field{Key: "message_len", Value: point.Int(int64(len(text)))})
	}
	return b
}

// errorScalar is a scalar that can say what is wrong with it.
type errorScalar struct{ scalar }

func (errorScalar) Errorf(format string, a ...any) error { return fmt.Errorf(format, a...) }

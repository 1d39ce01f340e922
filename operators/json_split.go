// Package operators holds the operators, one file each. A component is a registration, a config struct, a
// constructor and a method; what it does with goroutines and channels is the runtime's business.
package operators

import (
	"context"
	"errors"
	"fmt"

	"dataflow/dsl/pipeline/jsontape"
	"dataflow/engine"
	"dataflow/engine/point"
)

func init() {
	engine.RegisterOperator(engine.Info{
		Type:    "json_split",
		Summary: "makes one point of each element of a JSON array",
		Doc: `The field's text must be a JSON array. Each element becomes a point of its own with the element's bytes as
they stand in the array: key order, white space and big integers do not change, strings keep their quotes. The other
fields are copied; ` + "`message_len`" + `, where there is one, becomes the element's length. An empty array, or null, gives
no point and is counted as dropped.

DataKit's ` + "`spilt_json_body`" + ` does this with elements that it encodes anew.`,
		Examples: []engine.Example{
			{Title: "every topic", Graph: "type: json_split\nfrom: mq.logs\n"},
			{Title: "one topic of several", Graph: "type: json_split\nfrom: mq.logs\nwhen: 'meta.topic == \"log_topic\"'\n"},
		},
	}, jsonSplitConfig{Field: "message", NotArray: "fail"}, newJSONSplit)
}

type jsonSplitConfig struct {
	Field    string `yaml:"field" doc:"the field that holds the array, and then the element"`
	NotArray string `yaml:"not_array" enum:"fail,pass" doc:"what becomes of a point whose field is no JSON array: it fails (on_error says what that means), or passes unchanged"`
}

type jsonSplit struct {
	config jsonSplitConfig
	depth  int
	doc    *jsontape.Doc
	points []point.Point // scratch
}

func newJSONSplit(env engine.Env, c jsonSplitConfig) (engine.Operator, error) {
	if c.Field == "" {
		return nil, engine.FieldError("field", errors.New("must not be empty"))
	}
	return &jsonSplit{config: c, depth: env.Limits.Depth}, nil
}

// NewWorker returns an instance with its own scratch memory.
func (s *jsonSplit) NewWorker() engine.Processor {
	return &jsonSplit{config: s.config, doc: &jsontape.Doc{Depth: s.depth}}
}

var errNotArray = errors.New("value is no JSON array")

// Process splits.
func (s *jsonSplit) Process(_ context.Context, b *engine.Batch) error {
	out := s.points[:0]
	for i := range b.Points {
		p := &b.Points[i]
		n, err := s.elements(p)
		switch {
		case err != nil && s.config.NotArray == "pass":
			out = append(out, *p)
		case err != nil:
			b.Fail(len(out), err)
			out = append(out, *p)
		case n == 0:
			b.Drop(len(out), "empty_array")
			out = append(out, *p)
		default:
			out = s.split(out, p, n)
		}
	}
	b.Points = append(b.Points[:0:cap(b.Points)], out...)
	clear(out)
	s.points = out[:0]
	return nil
}

// elements parses the point's field and returns the number of elements.
func (s *jsonSplit) elements(p *point.Point) (int, error) {
	v, ok := p.Get(s.config.Field)
	if !ok || v.Kind() != point.KindString {
		return 0, fmt.Errorf("splitting field %s: %w", s.config.Field, errNotArray)
	}
	if err := s.doc.Parse(v.Str()); err != nil {
		return 0, fmt.Errorf("splitting field %s: %w", s.config.Field, err)
	}
	switch s.doc.Kind(0) {
	case point.KindList:
		return s.doc.Len(0), nil
	case point.KindNil:
		return 0, nil
	}
	return 0, fmt.Errorf("splitting field %s: %w", s.config.Field, errNotArray)
}

// split appends a point for each element. The fields of all stand in one piece of memory.
func (s *jsonSplit) split(out []point.Point, p *point.Point, n int) []point.Point {
	const spare = 4
	width := len(p.Fields) + spare
	fields := make([]point.Field, n*width)
	for i := range n {
		q := *p
		q.Fields = fields[i*width : i*width+copy(fields[i*width:], p.Fields) : (i+1)*width]
		raw := s.doc.Raw(s.doc.At(0, i))
		q.Fields[q.Index(s.config.Field)].Value = point.String(raw)
		if j := q.Index("message_len"); j >= 0 {
			q.Fields[j].Value = point.Int(int64(len(raw)))
		}
		out = append(out, q)
	}
	return out
}

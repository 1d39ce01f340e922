// Package operators holds the operators, one file each. A component is a registration, a config struct, a
// constructor and a method; what it does with goroutines and channels is the runtime's business.
package operators

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
no point and is counted as dropped. An array whose points would take more than 16 times limits.message fails.

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

// jsonSplit is a streamer: what an array expands to is handed on in pieces, so that only one of them is held at a time.
type jsonSplit struct {
	config jsonSplitConfig
	limits engine.Limits
	docs   sync.Pool // of *jsontape.Doc
}

func newJSONSplit(env engine.Env, c jsonSplitConfig) (engine.Operator, error) {
	if c.Field == "" {
		return nil, engine.FieldError("field", errors.New("must not be empty"))
	}
	s := &jsonSplit{config: c, limits: env.Limits}
	s.docs.New = func() any { return &jsontape.Doc{Depth: env.Limits.Depth} }
	return s, nil
}

var errNotArray = errors.New("value is no JSON array")

const (
	piecePoints = 4096 // that are handed on at once
	spareFields = 4    // room for what is added later
	// expansion bounds what one message may become, in limits.message of estimated heap.
	expansion = 16
)

// Stream splits. Points leave in the order of their messages and elements.
func (s *jsonSplit) Stream(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
	doc := s.docs.Get().(*jsontape.Doc)
	defer s.docs.Put(doc)
	out := make([]point.Point, 0, len(b.Points))
	flush := func() error {
		if len(out) == 0 {
			return nil
		}
		piece := b.Split(out)
		out = nil
		return emit(ctx, piece)
	}
	for i := range b.Points {
		p := &b.Points[i]
		n, err := s.elements(doc, p)
		switch {
		case err != nil && s.config.NotArray == "pass" && !errors.Is(err, errTooMany):
			out = append(out, *p)
		case err != nil:
			b.Fail(i, err)
		case n == 0:
			b.Drop(i, "empty_array")
		}
		for from := 0; err == nil && from < n; {
			to := min(n, from+piecePoints-len(out))
			out = s.split(out, doc, p, from, to)
			from = to
			if len(out) >= piecePoints {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		if len(out) >= piecePoints {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

var errTooMany = errors.New("array has too many elements for limits.message")

// elements parses the point's field and returns the number of elements.
func (s *jsonSplit) elements(doc *jsontape.Doc, p *point.Point) (int, error) {
	v, ok := p.Get(s.config.Field)
	if !ok || v.Kind() != point.KindString {
		return 0, fmt.Errorf("splitting field %s: %w", s.config.Field, errNotArray)
	}
	if err := doc.Parse(v.Str()); err != nil {
		return 0, fmt.Errorf("splitting field %s: %w", s.config.Field, err)
	}
	switch doc.Kind(0) {
	case point.KindList:
		const pointSize, fieldSize = 64, 48
		n := doc.Len(0)
		if n*(pointSize+fieldSize*(len(p.Fields)+spareFields)) > expansion*s.limits.Message {
			return 0, fmt.Errorf("splitting field %s: %w: %d", s.config.Field, errTooMany, n)
		}
		return n, nil
	case point.KindNil:
		return 0, nil
	}
	return 0, fmt.Errorf("splitting field %s: %w", s.config.Field, errNotArray)
}

// split appends a point for each of the elements from..to. The fields of all stand in one piece of memory.
func (s *jsonSplit) split(out []point.Point, doc *jsontape.Doc, p *point.Point, from, to int) []point.Point {
	width := len(p.Fields) + spareFields
	fields := make([]point.Field, (to-from)*width)
	for i := range to - from {
		q := *p
		q.Fields = fields[i*width : i*width+copy(fields[i*width:], p.Fields) : (i+1)*width]
		raw := doc.Raw(doc.At(0, from+i))
		q.Fields[q.Index(s.config.Field)].Value = point.String(raw)
		if j := q.Index("message_len"); j >= 0 {
			q.Fields[j].Value = point.Int(int64(len(raw)))
		}
		out = append(out, q)
	}
	return out
}

package pipeline_test

import (
	"errors"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/refer"
)

// exampleHost is what the examples of functions reach outside.
type exampleHost struct{}

func (exampleHost) Do(r pipeline.Request) (pipeline.Reply, error) {
	return pipeline.Reply{}, errors.New("no server is there")
}

func (exampleHost) Table(string) *refer.Table { return nil }

func (exampleHost) Locate(string) (geo.Place, bool) { return geo.Place{}, false }

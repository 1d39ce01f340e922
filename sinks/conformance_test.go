package sinks

import (
	"context"
	"net"
	"testing"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

// conforming returns a batch of log lines and metrics.
func conforming() *engine.Batch {
	b := engine.Reserve(20, 4)
	for i := range 20 {
		p := logPoint(i)
		if i%4 == 1 {
			p = point.Point{Name: "m", Category: point.Metric, Time: 1, Record: -1, Fields: []point.Field{field("v", point.Float(1.5))}}
		}
		*b.Add() = p
	}
	b.Arm(1, nil)
	return b
}

func TestWritersConform(t *testing.T) {
	for _, format := range []string{"line", "json", "pretty"} {
		t.Run(format, func(t *testing.T) {
			enginetest.TestSink(t, func(t *testing.T) engine.Sink {
				env := enginetest.Env()
				env.Tags = []point.Field{tag("added", "by the sink")}
				s, err := newFile(env, fileConfig{Path: t.TempDir() + "/out", Format: format})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}, conforming)
		})
	}
	t.Run("discard", func(t *testing.T) {
		enginetest.TestSink(t, func(*testing.T) engine.Sink { return discard{enginetest.Env().Counter("", "")} }, conforming)
	})
}

func TestDatawayConforms(t *testing.T) {
	for _, encoding := range []string{encodingLine, encodingProtobuf} {
		t.Run(encoding, func(t *testing.T) {
			enginetest.TestSink(t, func(t *testing.T) engine.Sink {
				env := testEnv()
				env.Tags = []point.Field{tag("added", "by the sink")}
				env.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
				return newTestDataway(t, env, func(c *datawayConfig) { c.Encoding = encoding })
			}, conforming)
		})
	}
}

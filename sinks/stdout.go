package sinks

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"dataflow/engine"
)

type stdoutConfig struct {
	Format string `yaml:"format" enum:"line,json,pretty" doc:"line protocol, a JSON object a line, or for people"`
}

func init() {
	engine.RegisterSink(engine.Info{
		Type:    "stdout",
		Summary: "prints points on standard output",
		Doc: `One point a line: as line protocol, where points without fields are dropped (` + "`no_fields`" + `), or as a JSON
object; or some lines for people. A batch is written at once.`,
		Examples: []engine.Example{{Title: "to look at points", Graph: "type: stdout\nfrom: points\nformat: pretty\n"}},
	}, stdoutConfig{Format: formatLine}, func(env engine.Env, c stdoutConfig) (engine.Sink, error) {
		return newPrinter(env, c, os.Stdout), nil
	})
}

// printer writes points to w.
type printer struct {
	mu     sync.Mutex
	w      io.Writer
	format formatter
}

func newPrinter(env engine.Env, c stdoutConfig, w io.Writer) *printer {
	return &printer{w: w, format: formatter{format: c.Format, tags: env.Tags, now: env.Now}}
}

// Write prints the points of b.
func (p *printer) Write(_ context.Context, b *engine.Batch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.format.release()
	text := p.format.batch(b)
	if len(text) == 0 {
		return nil
	}
	if _, err := p.w.Write(text); err != nil {
		return fmt.Errorf("printing points: %w", err)
	}
	return nil
}

package operators

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/expr"
	"dataflow/engine/point"
)

func init() {
	engine.RegisterOperator(engine.Info{
		Type:    "pipeline",
		Summary: "runs a DataKit Pipeline script on each point",
		Doc: `The script is compiled when the graph is loaded; an error in it refuses the start. After a run without an error the status
of a logging point is brought to its usual form, and a key ` + "`time`" + ` is removed and becomes the point's time if it is an int other
than 0. What ` + "`drop()`" + ` marks is dropped and counted.

A script that fails on a point leaves what it wrote before; with ` + "`on_error: pass`" + `, the default, the point goes on with the
fields ` + "`dk_error` and `dk_error_node`" + `.

` + "`script`" + ` may be a lookup value that names a script for each topic, name or tag; ` + "`none` and `-`" + ` stand for no script. A point
that the lookup has nothing for runs none. Scripts find others, for ` + "`use`" + `, beside them.`,
		OnError: "pass",
		Examples: []engine.Example{
			{Title: "one script", Graph: "type: pipeline\nfrom: mq.metrics\nscript: metric.p\n"},
			{Title: "by topic", Graph: "type: pipeline\nfrom: mq.logs\nscript: {by: meta.topic, map: {log_topic: log.p, log: rum_apm.p}, default: none}\n"},
		},
	}, pipelineConfig{}, newPipeline)
}

type pipelineConfig struct {
	Script   scripts `yaml:"script" required:"true" doc:"file of the script, relative to the graph, or a lookup value of files"`
	Timezone string  `yaml:"timezone" doc:"IANA zone of times that name none; the zone of the machine if empty"`
}

// scripts is one script for all points, or a lookup value of scripts.
type scripts struct {
	by       *expr.Name
	byText   map[string]*script
	fallback *script
}

// script is a script file; nil is none. What it uses is read through read.
type script struct {
	file     engine.File
	read     func(path string) (engine.File, error)
	compiled *pipeline.Script
}

// fileNode is what dsl/graph's nodes can do beyond the contract: read the files that options name.
type fileNode interface {
	File() (engine.File, error)
	FileAt(path string) (engine.File, error)
}

// UnmarshalOption reads a file's name, or {by, map, default}.
func (s *scripts) UnmarshalOption(n engine.OptionNode) error {
	var err error
	if _, ok := n.Scalar(); ok {
		s.fallback, err = readScript(n)
		return err
	}
	keys, values, ok := n.Map()
	if !ok {
		return n.Errorf("must be a file, or a mapping of by, map and default")
	}
	for i, key := range keys {
		v := values[i]
		switch key {
		case "by":
			s.by = new(expr.Name)
			err = s.by.UnmarshalOption(v)
		case "map":
			err = s.unmarshalMap(v)
		case "default":
			s.fallback, err = readScript(v)
		default:
			err = v.Errorf("unknown key %q: a lookup value has by, map and default", key)
		}
		if err != nil {
			return err
		}
	}
	if s.by == nil || s.byText == nil {
		return n.Errorf("a lookup value needs by and map")
	}
	return nil
}

func (s *scripts) unmarshalMap(n engine.OptionNode) error {
	keys, values, ok := n.Map()
	if !ok {
		return n.Errorf("must be a mapping from values to scripts")
	}
	s.byText = map[string]*script{}
	for i, key := range keys {
		x, err := readScript(values[i])
		if err != nil {
			return err
		}
		s.byText[key] = x
	}
	return nil
}

// readScript returns the script that a scalar names, nil for none.
func readScript(n engine.OptionNode) (*script, error) {
	if text, ok := n.Scalar(); ok && (text == "none" || text == "-" || text == "") {
		return nil, nil
	}
	f, ok := n.(fileNode)
	if !ok {
		return nil, n.Errorf("must be the name of a file")
	}
	file, err := f.File()
	if err != nil {
		return nil, err
	}
	s := &script{file: file, read: f.FileAt}
	// The files that it uses belong to the node as well: they are read now. What is wrong is said later.
	_ = s.compile(pipeline.Options{})
	return s, nil
}

// compile compiles the script; what is wrong stands in the script's own file.
func (s *script) compile(o pipeline.Options) error {
	o.Name = path.Base(filepath.ToSlash(s.file.Path))
	paths := map[string]string{o.Name: s.file.Path}
	o.Loader = func(name string) (string, error) {
		f, err := s.read(filepath.Join(filepath.Dir(s.file.Path), filepath.FromSlash(name)))
		paths[name] = f.Path
		return string(f.Data), err
	}
	compiled, err := pipeline.Compile(string(s.file.Data), o)
	var faults pipeline.Errors
	if !errors.As(err, &faults) {
		s.compiled = compiled
		return err
	}
	var list diag.List
	for _, f := range faults {
		d := diag.Diagnostic{Pos: diag.Pos{File: paths[f.File], Line: f.Line, Col: f.Col}, Message: f.Msg, Hint: f.Hint}
		if d.File == "" {
			d.File = f.File
		}
		list = append(list, d)
	}
	return list
}

// pipelineFactory holds the compiled scripts; each worker runs them with runners of its own.
type pipelineFactory struct{ scripts scripts }

func newPipeline(env engine.Env, c pipelineConfig) (engine.Operator, error) {
	o := pipeline.Options{Now: env.Now, MaxDepth: env.Limits.Depth}
	if c.Timezone != "" {
		zone, err := time.LoadLocation(c.Timezone)
		if err != nil {
			return nil, engine.FieldError("timezone", fmt.Errorf("%q is no IANA zone", c.Timezone))
		}
		o.Location = zone
	}
	var errs []error
	all := []*script{c.Script.fallback}
	for _, s := range c.Script.byText {
		all = append(all, s)
	}
	for _, s := range all {
		if s != nil {
			errs = append(errs, s.compile(o))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &pipelineFactory{c.Script}, nil
}

// NewWorker returns a processor with runners of its own.
func (f *pipelineFactory) NewWorker() engine.Processor {
	w := &pipelineWorker{by: f.scripts.by, fallback: runner(f.scripts.fallback)}
	if f.scripts.byText != nil {
		w.byText = map[string]*pipeline.Runner{}
		for text, s := range f.scripts.byText {
			w.byText[text] = runner(s)
		}
	}
	return w
}

// Process runs the scripts with fresh runners; the runtime calls the workers instead.
func (f *pipelineFactory) Process(ctx context.Context, b *engine.Batch) error {
	return f.NewWorker().Process(ctx, b)
}

func runner(s *script) *pipeline.Runner {
	if s == nil {
		return nil
	}
	return s.compiled.NewRunner()
}

type pipelineWorker struct {
	by       *expr.Name
	byText   map[string]*pipeline.Runner
	fallback *pipeline.Runner
	text     []byte
	created  []point.Point
}

// Process runs the script of each point.
func (w *pipelineWorker) Process(ctx context.Context, b *engine.Batch) error {
	if len(b.Points) == 0 {
		return nil
	}
	r := w.fallback
	once := w.by == nil || w.by.PerBatch() && b.Origin != nil
	if w.by != nil && once {
		r = w.of(b, 0)
	}
	w.created = w.created[:0]
	for i := 0; i < len(b.Points); i++ {
		i = w.run(ctx, b, i, r, once)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	b.Points = append(b.Points, w.created...)
	return nil
}

// run runs the scripts of the points from i on and returns the last one that it ran. A script that panics, which
// is a fault of ours, costs its own point, not the batch: the points before it have been changed already.
func (w *pipelineWorker) run(ctx context.Context, b *engine.Batch, i int, r *pipeline.Runner, once bool) (last int) {
	defer func() {
		if x := recover(); x != nil {
			b.Fail(last, fmt.Errorf("%w: %v", errScriptPanic, x))
		}
	}()
	for last = i; last < len(b.Points); last++ {
		if !once {
			r = w.of(b, last)
		}
		if r == nil {
			continue
		}
		p := &b.Points[last]
		out := r.Run(p)
		switch {
		case out.Err != nil:
			b.Fail(last, out.Err)
		case out.Dropped:
			b.Drop(last, "script")
		}
		for _, c := range out.Created {
			c.Record = p.Record
			w.created = append(w.created, c)
		}
		const look = 64 // points between two looks at ctx: a script may take as long as it likes
		if last%look == look-1 && ctx.Err() != nil {
			break
		}
	}
	return last
}

var errScriptPanic = errors.New("panic in the script")

// of returns the runner for point i, nil if it has none.
func (w *pipelineWorker) of(b *engine.Batch, i int) *pipeline.Runner {
	text, ok := w.by.AppendText(w.text[:0], b, i)
	w.text = text
	if ok {
		if r, known := w.byText[string(text)]; known {
			return r
		}
	}
	return w.fallback
}

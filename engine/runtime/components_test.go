package runtime

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

type nothing struct{}

func init() {
	for typ, rereads := range map[string]bool{"test_source": true, "test_once": false} {
		engine.RegisterSource(engine.Info{Type: typ, Summary: "runs what the test says", Rereads: rereads}, nothing{},
			func(env engine.Env, _ nothing) (engine.Source, error) { return labSource{labOf(env), env}, nil })
	}
	engine.RegisterSource(engine.Info{Type: "test_raw", Summary: "needs decoding", Rereads: true}, nothing{},
		func(env engine.Env, _ nothing) (engine.Source, error) {
			return labDecoder{labSource{labOf(env), env}}, nil
		})
	engine.RegisterOperator(engine.Info{Type: "test_process", Summary: "works in place", Ports: []string{"*"}}, nothing{},
		func(env engine.Env, _ nothing) (engine.Operator, error) { return labProcessor{labOf(env), env}, nil })
	engine.RegisterOperator(engine.Info{Type: "test_stream", Summary: "emits pieces"}, nothing{},
		func(env engine.Env, _ nothing) (engine.Operator, error) { return labStreamer{labOf(env), env}, nil })
	engine.RegisterOperator(engine.Info{Type: "test_hold", Summary: "holds batches for a second"}, nothing{},
		func(env engine.Env, _ nothing) (engine.Operator, error) { return &labHolder{}, nil })
	engine.RegisterOperator(engine.Info{Type: "test_sum", Summary: "keeps state and emits it when the graph drains"}, nothing{},
		func(env engine.Env, _ nothing) (engine.Operator, error) {
			return labTicker{labProcessor{labOf(env), env}}, nil
		})
	batching := engine.Batching{MaxPoints: 100, Wait: 200 * time.Millisecond}
	engine.RegisterSink(engine.Info{Type: "test_writer", Summary: "records"}, nothing{},
		func(env engine.Env, _ nothing) (engine.Sink, error) { return labWriter{labOf(env), env}, nil })
	engine.RegisterSink(engine.Info{Type: "test_encoder", Summary: "records bodies", Batch: batching, Unordered: true}, nothing{},
		func(env engine.Env, _ nothing) (engine.Sink, error) { return labEncoder{labOf(env), env}, nil })
}

type labSource struct {
	lab *lab
	env engine.Env
}

func (s labSource) Run(ctx context.Context, emit engine.Emit) error {
	s.lab.mu.Lock()
	s.lab.envs[s.env.Node] = s.env
	s.lab.mu.Unlock()
	return s.lab.sources[s.env.Node](ctx, emit)
}

func (s labSource) Ports() []engine.Port {
	if ports := s.lab.ports[s.env.Node]; ports != nil {
		return ports
	}
	return []engine.Port{{}}
}

type labDecoder struct{ labSource }

func (d labDecoder) Decode(ctx context.Context, b *engine.Batch) error {
	return d.lab.process[d.env.Node](ctx, b)
}

type labProcessor struct {
	lab *lab
	env engine.Env
}

func (p labProcessor) Process(ctx context.Context, b *engine.Batch) error {
	if f := p.lab.process[p.env.Node]; f != nil {
		return f(ctx, b)
	}
	return nil
}

type labTicker struct{ labProcessor }

func (labTicker) Period() time.Duration { return time.Hour }

func (t labTicker) Tick(ctx context.Context, _ time.Time, emit engine.Emit) error {
	return t.lab.tick[t.env.Node](ctx, emit)
}

type labStreamer struct {
	lab *lab
	env engine.Env
}

func (s labStreamer) Stream(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
	return s.lab.stream[s.env.Node](ctx, b, emit)
}

// labHolder keeps what it gets and emits it merged, once a second.
type labHolder struct {
	mu   sync.Mutex
	held []*engine.Batch
}

func (h *labHolder) Period() time.Duration { return time.Second }

func (h *labHolder) Stream(_ context.Context, b *engine.Batch, _ engine.Emit) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = append(h.held, b.Split(b.Points))
	return nil
}

func (h *labHolder) Tick(ctx context.Context, _ time.Time, emit engine.Emit) error {
	h.mu.Lock()
	held := h.held
	h.held = nil
	h.mu.Unlock()
	if len(held) == 0 {
		return nil
	}
	return emit(ctx, engine.Merge(held...))
}

// errSkipRecording makes a writer succeed that has said itself what it delivered.
var errSkipRecording = errors.New("recorded already")

type labWriter struct {
	lab *lab
	env engine.Env
}

func (w labWriter) Write(ctx context.Context, b *engine.Batch) error {
	if f := w.lab.write[w.env.Node]; f != nil {
		if err := f(ctx, b); errors.Is(err, errSkipRecording) {
			return nil
		} else if err != nil {
			return err
		}
	}
	w.lab.deliver(w.env.Node, numbers(b.Points)...)
	return nil
}

// labEncoder makes bodies of the points' numbers.
type labEncoder struct {
	lab *lab
	env engine.Env
}

func (e labEncoder) Concurrency() int { return max(e.lab.concurrency[e.env.Node], 1) }

func (e labEncoder) Encode(bs []*engine.Batch, add func(engine.Body, []engine.PointRef) error) error {
	most := e.lab.perBody[e.env.Node]
	if most == 0 {
		most = 1 << 30
	}
	var (
		body engine.Body
		refs []engine.PointRef
	)
	flush := func() error {
		if len(refs) == 0 {
			return nil
		}
		e.lab.mu.Lock()
		e.lab.bodies++
		body.ID = fmt.Sprintf("body%d", e.lab.bodies)
		e.lab.mu.Unlock()
		err := add(body, refs)
		body, refs = engine.Body{}, refs[:0]
		return err
	}
	for i, b := range bs {
		if b.Origin != nil {
			e.lab.mu.Lock()
			e.lab.topics[b.Origin.Topic] = true
			e.lab.mu.Unlock()
		}
		for j := range b.Points {
			p := &b.Points[j]
			if f := e.lab.encode[e.env.Node]; f != nil {
				if err := f(p); err != nil {
					b.Fail(j, err)
					continue
				}
			}
			if n := len(refs); n > 0 && refs[n-1].Batch == i && refs[n-1].First+refs[n-1].Count == j {
				refs[n-1].Count++
			} else {
				refs = append(refs, engine.PointRef{Batch: i, First: j, Count: 1})
			}
			body.Lane = p.Category.String()
			body.Data = append(strconv.AppendInt(body.Data, number(p), 10), ' ')
			if body.Points++; body.Points >= most {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

func (e labEncoder) Decode(body engine.Body) (out []point.Point, err error) {
	if e.lab.undecodable {
		if e.lab.panics {
			panic("no points in it")
		}
		return nil, errors.New("no points in it")
	}
	for _, n := range bodyNumbers(body) {
		out = append(out, point.Point{Name: "p", Category: point.Logging, Record: -1, Fields: []point.Field{{Key: "n", Value: point.Int(n)}}})
	}
	return out, nil
}

func (e labEncoder) Send(ctx context.Context, body engine.Body) (err error) {
	a := attempt{id: body.ID, ns: bodyNumbers(body), at: e.lab.clock()}
	defer func() {
		r := recover()
		a.err = err
		e.lab.mu.Lock()
		e.lab.attempts[e.env.Node] = append(e.lab.attempts[e.env.Node], a)
		e.lab.mu.Unlock()
		if r != nil {
			panic(r)
		}
	}()
	if f := e.lab.send[e.env.Node]; f != nil {
		if err := f(ctx, body); err != nil {
			return err
		}
	}
	e.lab.deliver(e.env.Node, a.ns...)
	return nil
}

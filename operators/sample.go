package operators

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"

	"dataflow/engine"
	"dataflow/engine/expr"
	"dataflow/engine/point"
)

func init() {
	engine.RegisterOperator(engine.Info{
		Type:    "sample",
		Summary: "lets a share of the points pass",
		Doc: `Each point passes with the probability ` + "`rate`" + `. With a ` + "`key`" + ` the verdict depends on the key's value alone: all
points with the same trace id pass or none, on every engine and after every restart; points without the key are drawn one
by one. Points that pass carry the applied rate in the field ` + "`dk_sampling_rate`" + `, multiplied with one that is there
already; with a rate of 1 nothing is written.

DataKit's ` + "`sampling_rate`" + ` knows tenths only: 0.05 keeps nothing there.`,
		Examples: []engine.Example{
			{Title: "a twentieth", Graph: "type: sample\nfrom: mq.logs\nrate: 0.05\n"},
			{Title: "whole traces, by service", Graph: "type: sample\nfrom: mq.spans\nkey: fields.trace_id\nrate: {by: tags.service, map: {checkout: 1.0}, default: 0.1}\n"},
		},
	}, sampleConfig{}, newSample)
}

type sampleConfig struct {
	Rate expr.Lookup[float64] `yaml:"rate" required:"true" doc:"the share of points that pass, 0 to 1; may be a lookup value"`
	Key  *expr.Name           `yaml:"key" doc:"what the verdict depends on: name, tags.K, fields.K or meta.*; nothing is drawing each point by itself"`
}

type sample struct {
	config sampleConfig
	rand   *rand.Rand
}

// samplingField is where the applied rate stands.
const samplingField = "dk_sampling_rate"

func newSample(env engine.Env, c sampleConfig) (engine.Operator, error) {
	for _, r := range c.Rate.Values() {
		if !(r >= 0 && r <= 1) {
			return nil, engine.FieldError("rate", errors.New("must be between 0 and 1"))
		}
	}
	return &sampleFactory{c, env.Rand}, nil
}

// sampleFactory makes one sampler for each worker, so that none shares its random numbers.
type sampleFactory struct {
	config sampleConfig
	seed   func() uint64
}

// NewWorker returns a sampler with random numbers of its own.
func (f *sampleFactory) NewWorker() engine.Processor {
	return &sample{f.config, rand.New(rand.NewPCG(f.seed(), f.seed()))}
}

// Process samples with fresh random numbers; the runtime calls the workers instead.
func (f *sampleFactory) Process(ctx context.Context, b *engine.Batch) error {
	return f.NewWorker().Process(ctx, b)
}

// Process samples.
func (s *sample) Process(_ context.Context, b *engine.Batch) error {
	var rate float64
	hoisted := s.config.Rate.PerBatch() && b.Origin != nil && len(b.Points) > 0
	found := false
	if hoisted {
		rate, found = s.config.Rate.Of(b, 0)
	}
	for i := range b.Points {
		if !hoisted {
			rate, found = s.config.Rate.Of(b, i)
		}
		if !found || rate >= 1 {
			continue // no rate for this point: nobody asked to thin it out
		}
		if s.draw(b, i) >= rate {
			b.Drop(i, "sample")
			continue
		}
		p := &b.Points[i]
		applied := rate
		if v, ok := p.Get(samplingField); ok {
			if before, ok := v.Number(); ok && before > 0 && before <= 1 {
				applied *= before
			}
		}
		p.Set(samplingField, point.Float(applied))
	}
	return nil
}

// draw returns a number in [0, 1): of the key's value, or a random one.
func (s *sample) draw(b *engine.Batch, i int) float64 {
	const bits = 53
	if s.config.Key == nil {
		return float64(s.rand.Uint64()>>(64-bits)) / (1 << bits)
	}
	v, ok := s.config.Key.Value(b, i)
	if !ok {
		return float64(s.rand.Uint64()>>(64-bits)) / (1 << bits)
	}
	return float64(hashValue(v)>>(64-bits)) / (1 << bits)
}

// hashValue is FNV-1a over the value's bytes with the finaliser of MurmurHash3, which spreads the low bits. It
// must never change: engines of different versions have to agree.
func hashValue(v point.Value) uint64 {
	h := uint64(14695981039346656037)
	add := func(c byte) { h = (h ^ uint64(c)) * 1099511628211 }
	switch v.Kind() {
	case point.KindString, point.KindBytes:
		for _, c := range v.Raw() {
			add(c)
		}
	default:
		n, _ := v.Number()
		for x, k := math.Float64bits(n), 0; k < 8; k++ {
			add(byte(x >> (8 * k)))
		}
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

package operators

import (
	"context"
	"errors"
	"math"
	"time"

	"dataflow/engine"
	"dataflow/engine/expr"
	"dataflow/engine/point"
)

func init() {
	engine.RegisterOperator(engine.Info{
		Type:    "rate_limit",
		Summary: "holds points to a rate",
		Doc: `A token bucket that starts empty and has room for a tenth of a second's points. With a ` + "`key`" + ` every value of it has a bucket
of its own, with room for a second's. Over the rate, ` + "`block`" + ` makes the points wait, which is backpressure up to the source;
` + "`queue`" + ` sets them aside, so that what comes behind them under other keys goes on; ` + "`drop`" + ` drops them, counted. What waits or is set aside is
not done: it counts against limits.in_flight, which bounds it, and a kill makes the source read it again. Points stay in order; with keys, in
order within each key.

Nodes that give the same ` + "`name`" + ` share their buckets: together they pass the rate. They must give the same rates and the same key.

A rate in bytes (2MB/s) counts the texts of the points: names, keys and values as they stand, and 8 bytes for each number. A point larger than the
bucket passes when the bucket is full, and the next ones wait for it.`,
		Examples: []engine.Example{
			{Title: "a hundred points a second", Graph: "type: rate_limit\nfrom: mq.logs\nrate: 100/s\n"},
			{Title: "one limit for two nodes", Graph: "type: rate_limit\nfrom: mq.logs\nrate: 5MB/s\nname: uplink\nover: queue\n"},
			{Title: "bytes by tenant", Graph: "type: rate_limit\nfrom: mq.logs\nkey: tags.tenant\nrate: {by: tags.tenant, map: {gold: 50MB/s}, default: 2MB/s}\nover: drop\n"},
		},
	}, rateLimitConfig{Over: "block"}, newRateLimit)
}

type rateLimitConfig struct {
	Rate expr.Lookup[engine.Rate] `yaml:"rate" required:"true" doc:"points or bytes in a time: 100/s, 6000/m, 2MB/s; may be a lookup value; points that it has no value for are not limited"`
	Key  *expr.Name               `yaml:"key" doc:"what has a bucket of its own: name, tags.K, fields.K or meta.*; points without it share one"`
	Over string                   `yaml:"over" enum:"block,drop,queue" doc:"what becomes of points over the rate: they wait, are dropped, or are set aside"`
	Name string                   `yaml:"name" doc:"nodes with the same name share one limit, whatever each does with points over it"`
}

type rateLimit struct {
	config  rateLimitConfig
	buckets *buckets
	now     func() time.Time
}

func newRateLimit(env engine.Env, c rateLimitConfig) (engine.Operator, error) {
	for _, r := range c.Rate.Values() {
		if r.Amount <= 0 {
			return nil, engine.FieldError("rate", errors.New("must be above 0"))
		}
	}
	key := "rate_limit:" + env.Node
	if c.Name != "" {
		key = "rate_limit/" + c.Name
	}
	shared := env.Shared(key, func() any { return newBuckets(c) }).(*buckets)
	if err := shared.agrees(c); err != nil {
		return nil, engine.FieldError("name", err)
	}
	l := &rateLimit{c, shared, env.Now}
	if c.Over == "queue" {
		return &queueingLimit{rateLimit: l, queues: map[*bucket]*queue{}}, nil
	}
	return l, nil
}

// Stream limits. A batch is cut into runs of one bucket, which pass in order; where keys wait, one that is over
// its rate must not hold up the others, so that the runs of a bucket are put together and wait side by side.
func (l *rateLimit) Stream(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
	runs := l.runs(b)
	if l.config.Key != nil && l.config.Over == "block" {
		return l.sideBySide(ctx, b, gather(runs), emit)
	}
	index := 0
	for _, r := range runs {
		n := len(r.points)
		if err := l.pass(ctx, b, r, index, emit); err != nil {
			return err
		}
		index += n
	}
	return nil
}

// A run is points that share a bucket; a nil one does not limit.
type run struct {
	bucket *bucket
	rate   engine.Rate
	points []point.Point
}

// runs cuts a batch.
func (l *rateLimit) runs(b *engine.Batch) []run {
	if l.config.Key == nil && l.config.Rate.PerBatch() && b.Origin != nil && len(b.Points) > 0 {
		bucket, rate := l.bucket(b, 0)
		return []run{{bucket, rate, b.Points}}
	}
	var out []run
	for i := range b.Points {
		bucket, rate := l.bucket(b, i)
		if n := len(out); n > 0 && out[n-1].bucket == bucket {
			first := i - len(out[n-1].points)
			out[n-1].points = b.Points[first : i+1]
			continue
		}
		out = append(out, run{bucket, rate, b.Points[i : i+1]})
	}
	return out
}

// gather puts the runs of each bucket together, in order, in memory of their own.
func gather(runs []run) []run {
	if len(runs) == 1 {
		return runs
	}
	at := map[*bucket]int{}
	var out []run
	for _, r := range runs {
		i, ok := at[r.bucket]
		if !ok {
			i = len(out)
			at[r.bucket] = i
			out = append(out, run{bucket: r.bucket, rate: r.rate})
		}
		out[i].points = append(out[i].points, r.points...)
	}
	return out
}

// pass sends the points of a run, which start at index in the batch, as their bucket allows.
func (l *rateLimit) pass(ctx context.Context, b *engine.Batch, r run, index int, emit engine.Emit) error {
	for len(r.points) > 0 {
		n, wait, err := l.send(ctx, b, r, emit)
		if err != nil {
			return err
		}
		r.points, index = r.points[n:], index+n
		switch {
		case n > 0:
		case l.config.Over == "drop":
			for i := range r.points {
				b.Drop(index+i, "rate_limit")
			}
			return nil
		default:
			if err := sleep(ctx, wait); err != nil {
				return err
			}
		}
	}
	return nil
}

// sideBySide sends the points of all runs, each as its own bucket allows.
func (l *rateLimit) sideBySide(ctx context.Context, b *engine.Batch, runs []run, emit engine.Emit) error {
	for len(runs) > 0 {
		shortest := time.Duration(math.MaxInt64)
		left := runs[:0]
		for _, r := range runs {
			n, wait, err := l.send(ctx, b, r, emit)
			if err != nil {
				return err
			}
			if n > 0 {
				wait = 0
			}
			if r.points = r.points[n:]; len(r.points) > 0 {
				left = append(left, r)
				shortest = min(shortest, wait)
			}
		}
		if runs = left; len(runs) > 0 {
			if err := sleep(ctx, shortest); err != nil {
				return err
			}
		}
	}
	return nil
}

// send emits as many points of the run as may pass now and returns their number, or how long to wait.
func (l *rateLimit) send(ctx context.Context, b *engine.Batch, r run, emit engine.Emit) (n int, wait time.Duration, err error) {
	n = len(r.points)
	if r.bucket != nil {
		n, wait = r.bucket.take(r.rate, l.room(), r.points, l.now())
	}
	if n > 0 {
		err = emit(ctx, b.Split(r.points[:n:n]))
	}
	return n, wait, err
}

// room is how much time's worth of tokens a bucket holds. It is the error of the rate over a short time; with keys, which
// share a batch, it makes up for the time in which a bucket had no points to let pass.
func (l *rateLimit) room() time.Duration {
	if l.config.Key != nil {
		return time.Second
	}
	return 100 * time.Millisecond
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bucket returns the bucket and the rate of point i, nil if it is not limited.
func (l *rateLimit) bucket(b *engine.Batch, i int) (*bucket, engine.Rate) {
	rate, ok := l.config.Rate.Of(b, i)
	if !ok {
		return nil, rate
	}
	key := ""
	if l.config.Key != nil {
		if v, ok := l.config.Key.Value(b, i); ok {
			key = keyText(v)
		}
	}
	return l.buckets.of(bucketKey{key, rate}, l.now), rate
}

func keyText(v point.Value) string {
	if v.Kind() == point.KindString {
		return v.Str()
	}
	return string(point.AppendText(nil, v))
}

package operators

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/expr"
	"dataflow/engine/point"
)

// sharedEnv is an environment whose nodes share what they share in a graph.
func sharedEnv() engine.Env {
	env := quietEnv()
	var mu sync.Mutex
	common := map[string]any{}
	env.Shared = func(key string, make func() any) any {
		mu.Lock()
		defer mu.Unlock()
		if common[key] == nil {
			common[key] = make()
		}
		return common[key]
	}
	return env
}

func limitConfig(t testing.TB, rate, key, over, limit string) rateLimitConfig {
	t.Helper()
	c := rateLimitConfig{Over: over, Name: limit}
	unmarshal(t, &c.Rate, rate)
	if key != "" {
		c.Key = name(t, key)
	}
	return c
}

// ticked runs a limiter as a stage does, its ticks included, until the context ends.
func ticked(ctx context.Context, op engine.Operator, emit engine.Emit) (end func()) {
	t, ok := op.(engine.Ticker)
	if !ok {
		return func() {}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		clock := time.NewTicker(t.Period())
		defer clock.Stop()
		for {
			select {
			case now := <-clock.C:
				_ = t.Tick(ctx, now, emit)
			case <-ctx.Done():
				return
			}
		}
	})
	return wg.Wait
}

// passing counts what a limiter lets pass.
type passing struct {
	mu            sync.Mutex
	points, bytes int
	order         map[string][]int64
}

func (p *passing) emit(_ context.Context, b *engine.Batch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.order == nil {
		p.order = map[string][]int64{}
	}
	for i := range b.Points {
		p.points++
		p.bytes += textSize(&b.Points[i])
		k, _ := b.Points[i].Get("k")
		n, _ := b.Points[i].Get("n")
		p.order[strings.Clone(k.Str())] = append(p.order[strings.Clone(k.Str())], n.Int())
	}
	enginetest.Done(b)
	return nil
}

func (p *passing) seen(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.order[key])
}

// keyed makes a batch of numbered points of a key.
func keyed(key string, first, count int) *engine.Batch {
	b := engine.Reserve(count, 4)
	for i := range count {
		p := b.Add()
		p.SetTag("k", key)
		p.Set("n", point.Int(int64(first+i)))
	}
	return b
}

// TestRateLimitByteRate holds limits in bytes to 2 % over ten seconds, alone and shared by two nodes, whatever is done with what is over.
func TestRateLimitByteRate(t *testing.T) {
	const d = 10 * time.Second
	for _, over := range []string{"block", "drop", "queue"} {
		for _, nodes := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d nodes", over, nodes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					env := sharedEnv()
					ctx, cancel := context.WithTimeout(context.Background(), d)
					defer cancel()
					passed := make([]passing, nodes)
					var wg sync.WaitGroup
					for i := range nodes {
						env.Node = fmt.Sprint("node", i)
						op, err := newRateLimit(env, limitConfig(t, "100kB/s", "", over, "uplink"))
						if err != nil {
							t.Fatal(err)
						}
						end := ticked(ctx, op, passed[i].emit)
						wg.Go(func() {
							defer end()
							for n := 0; ctx.Err() == nil; n++ {
								b := messages(make([]string, 40)...)
								for j := range b.Points {
									b.Points[j].Set("message", point.String(strings.Repeat("x", 1+(j*37+n)%200)))
								}
								if err := op.(engine.Streamer).Stream(ctx, b, passed[i].emit); err != nil && ctx.Err() == nil {
									t.Error(err)
								}
								enginetest.Verdicts(b)
								if over != "block" {
									_ = sleep(ctx, 10*time.Millisecond+time.Duration(i)*time.Millisecond)
								}
							}
						})
					}
					wg.Wait()
					all := 0
					for i := range passed {
						all += passed[i].bytes
					}
					got := float64(all) / d.Seconds()
					t.Logf("figure: rate_limit 100kB/s %s, %d nodes: %.0f bytes/s (%+.2f %%)", over, nodes, got, 100*(got/100_000-1))
					if math.Abs(got/100_000-1) > 0.02 {
						t.Errorf("%.0f bytes/s instead of 100000", got)
					}
				})
			})
		}
	}
}

// TestRateLimitAgrees: nodes that share a limit cannot say different things about it.
func TestRateLimitAgrees(t *testing.T) {
	env := sharedEnv()
	for _, c := range []struct {
		config rateLimitConfig
		want   string
	}{
		{limitConfig(t, "100/s", "tags.k", "block", "all"), ""},
		{limitConfig(t, "100/s", "tags.k", "drop", "all"), ""},
		{limitConfig(t, "6000/m", "tags.k", "queue", "all"), ""},
		{limitConfig(t, "200/s", "tags.k", "block", "all"), "another node named all has the rates [100/s], this one has [200/s]"},
		{limitConfig(t, "100B/s", "tags.k", "block", "all"), "rates"},
		{limitConfig(t, "100/s", "", "block", "all"), `the key "tags.k"`},
		{limitConfig(t, "200/s", "", "block", "other"), ""},
		{limitConfig(t, "300/s", "", "block", ""), ""},
	} {
		_, err := newRateLimit(env, c.config)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: error %v, want %q", c.config, err, c.want)
		}
	}
}

// TestRateLimitQueue: a key over its rate holds up no other, each key stays in order, and the end lets everything go at the rate.
func TestRateLimitQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op, err := newRateLimit(quietEnv(), limitConfig(t, "100/s", "tags.k", "queue", ""))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var p passing
		end := ticked(ctx, op, p.emit)
		stream := func(b *engine.Batch) {
			begin := time.Now()
			if err := op.(engine.Streamer).Stream(ctx, b, p.emit); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 0 {
				t.Errorf("it held its worker up for %v", took)
			}
			enginetest.Done(b)
		}
		stream(keyed("loud", 0, 1000))
		stream(keyed("loud", 1000, 500))
		for i := range 20 {
			stream(keyed("calm", i, 1))
			time.Sleep(50 * time.Millisecond) // of the bubble
		}
		synctest.Wait()
		if n := p.seen("calm"); n < 19 {
			t.Errorf("%d points of the calm key passed", n)
		}
		if n := p.seen("loud"); n < 95 || n > 105 {
			t.Errorf("%d points of the loud key passed in a second", n)
		}
		cancel()
		end()
		begin := time.Now()
		if err := op.(engine.Drainer).Drain(context.Background(), p.emit); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin).Seconds(); math.Abs(took-14) > 0.5 {
			t.Errorf("the rest took %.1f s", took)
		}
		for key, want := range map[string]int{"loud": 1500, "calm": 20} {
			for i, n := range p.order[key] {
				if n != int64(i) {
					t.Fatalf("%s: number %d came as point %d", key, n, i)
				}
			}
			if len(p.order[key]) != want {
				t.Errorf("%s: %d points", key, len(p.order[key]))
			}
		}
		if n := len(op.(*queueingLimit).queues); n != 0 {
			t.Errorf("%d queues are left", n)
		}
	})
}

// TestRateLimitQueueStops: what is set aside when the time is over is not done.
func TestRateLimitQueueStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op, err := newRateLimit(quietEnv(), limitConfig(t, "1/s", "", "queue", ""))
		if err != nil {
			t.Fatal(err)
		}
		b := keyed("k", 0, 100)
		done := false
		b.Arm(1, func() { done = true })
		var p passing
		if err := op.(engine.Streamer).Stream(context.Background(), b, p.emit); err != nil {
			t.Fatal(err)
		}
		enginetest.Done(b)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := op.(engine.Drainer).Drain(ctx, p.emit); err == nil || done || p.points > 7 {
			t.Errorf("error %v, done %v, %d points", err, done, p.points)
		}
	})
}

func TestRateLimitQueueConforms(t *testing.T) {
	for _, key := range []*expr.Name{nil, name(t, "fields.message")} {
		enginetest.TestOperator(t, func(t *testing.T) engine.Operator {
			c := limitConfig(t, "200/s", "", "queue", "")
			c.Key = key
			op, err := newRateLimit(quietEnv(), c)
			if err != nil {
				t.Fatal(err)
			}
			return op
		}, func() *engine.Batch { return messages("a", "b", "c", "a", "d") })
	}
}

package operators

import (
	"context"
	"flag"
	"math"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

// full runs the rates against the clock of the machine; without it the clock is that of a bubble.
var full = flag.Bool("full", false, "measure rates in real time")

func newLimiter(t testing.TB, env engine.Env, rate, key, over string) engine.Streamer {
	t.Helper()
	c := rateLimitConfig{Over: over}
	unmarshal(t, &c.Rate, rate)
	if key != "" {
		c.Key = name(t, key)
	}
	op, err := newRateLimit(env, c)
	if err != nil {
		t.Fatal(err)
	}
	return op.(engine.Streamer)
}

// flow sends points of the given keys through a limiter for d and returns what passed by key.
func flow(t testing.TB, l engine.Streamer, keys int, d time.Duration, gap time.Duration) map[string]int {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	passed := map[string]int{}
	emit := func(_ context.Context, b *engine.Batch) error {
		for i := range b.Points {
			v, _ := b.Points[i].Get("k")
			passed[v.Str()]++
		}
		enginetest.Done(b)
		return nil
	}
	names := make([]string, keys)
	for i := range names {
		names[i] = "key" + strconv.Itoa(i)
	}
	for n := 0; ctx.Err() == nil; n++ {
		b := engine.Reserve(1000, 4)
		for i := range 1000 {
			// Runs of a key, as a batch of one tenant has them.
			b.Add().SetTag("k", names[(n*1000+i)/50%keys])
		}
		if err := l.Stream(ctx, b, emit); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		enginetest.Verdicts(b)
		if gap > 0 {
			timer := time.NewTimer(gap)
			<-timer.C
		}
	}
	return passed
}

// TestRateLimitRate holds rates to 2 % over ten seconds, with and without keys, blocking and dropping.
func TestRateLimitRate(t *testing.T) {
	cases := []struct {
		rate string
		want float64
		keys int
		over string
	}{
		{"100/s", 100, 1, "block"}, {"100000/s", 100_000, 1, "block"}, {"6000/m", 100, 1, "block"},
		{"100/s", 100, 3, "drop"}, {"100000/s", 100_000, 1, "drop"}, {"1000/s", 1000, 4, "drop"}, {"100/s", 100, 3, "block"},
	}
	const d = 10 * time.Second
	for _, c := range cases {
		t.Run(c.rate+" "+c.over+" keys "+strconv.Itoa(c.keys), func(t *testing.T) {
			body := func(t *testing.T) {
				gap := time.Duration(0)
				if c.over == "drop" {
					gap = 2 * time.Millisecond
				}
				key := ""
				if c.keys > 1 {
					key = "tags.k"
				}
				passed := flow(t, newLimiter(t, quietEnv(), c.rate, key, c.over), c.keys, d, gap)
				for k, n := range passed {
					got := float64(n) / d.Seconds()
					t.Logf("figure: rate_limit %s %s, %s of %d: %.1f/s (%+.2f %%)", c.rate, c.over, k, c.keys, got, 100*(got/c.want-1))
					if math.Abs(got/c.want-1) > 0.02 {
						t.Errorf("%s: %.1f/s instead of %.1f/s", k, got, c.want)
					}
				}
				if len(passed) != c.keys {
					t.Errorf("%d keys passed, want %d", len(passed), c.keys)
				}
			}
			if *full {
				t.Parallel()
				body(t)
				return
			}
			synctest.Test(t, body)
		})
	}
}

// TestRateLimitDrops: over the rate everything else is dropped, counted, and the rest passes in order.
func TestRateLimitDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, quietEnv(), "100/s", "", "drop")
		b := engine.Reserve(100, 2)
		for i := range 100 {
			b.Add().Set("n", point.Int(int64(i)))
		}
		passed := 0
		err := l.Stream(context.Background(), b, func(_ context.Context, x *engine.Batch) error {
			for i := range x.Points {
				if v, _ := x.Points[i].Get("n"); v.Int() != int64(passed) {
					t.Errorf("point %d came as number %d", v.Int(), passed)
				}
				passed++
			}
			enginetest.Done(x)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if dropped := len(enginetest.Verdicts(b).Dropped); dropped+passed != 100 || passed < 1 || passed > 10 {
			t.Errorf("%d passed, %d dropped", passed, dropped)
		}
	})
}

// TestRateLimitShared: two nodes with one name have one limit together.
func TestRateLimitShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		common := map[string]any{}
		env := quietEnv()
		env.Shared = func(key string, make func() any) any {
			if common[key] == nil {
				common[key] = make()
			}
			return common[key]
		}
		c := rateLimitConfig{Over: "drop", Name: "all"}
		unmarshal(t, &c.Rate, "100/s")
		passed := 0
		var nodes []engine.Streamer
		for _, id := range []string{"a", "b"} {
			env.Node = id
			op, err := newRateLimit(env, c)
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, op.(engine.Streamer))
		}
		for range 1000 {
			for _, n := range nodes {
				b := messages("a", "b", "c", "d")
				if err := n.Stream(context.Background(), b, func(_ context.Context, x *engine.Batch) error {
					passed += len(x.Points)
					enginetest.Done(x)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Millisecond) // in the bubble: the clock moves
		}
		if passed < 980 || passed > 1020 {
			t.Errorf("%d points in 10 s at 100/s", passed)
		}
	})
}

// TestRateLimitBytes: a rate in bytes counts texts, and a point larger than the bucket passes.
func TestRateLimitBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, quietEnv(), "10kB/s", "", "block")
		start, bytes := time.Now(), 0
		for range 50 {
			b := messages("0123456789012345678901234567890123456789", string(make([]byte, 3000)))
			if err := l.Stream(context.Background(), b, func(_ context.Context, x *engine.Batch) error {
				for i := range x.Points {
					bytes += textSize(&x.Points[i])
				}
				enginetest.Done(x)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if got := float64(bytes) / time.Since(start).Seconds(); math.Abs(got/10_000-1) > 0.05 {
			t.Errorf("%.0f bytes/s instead of 10000", got)
		}
	})
}

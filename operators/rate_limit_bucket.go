package operators

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// bucketKey names a bucket: points of one key that have different rates do not share one.
type bucketKey struct {
	text string
	rate engine.Rate
}

// buckets are the buckets of one limit by key.
type buckets struct {
	rates []engine.Rate // that the limit has
	key   string        // what has a bucket of its own, "" for nothing

	mu sync.Mutex
	m  map[bucketKey]*bucket
}

func newBuckets(c rateLimitConfig) *buckets {
	return &buckets{rates: c.Rate.Values(), key: keyName(c), m: map[bucketKey]*bucket{}}
}

func keyName(c rateLimitConfig) string {
	if c.Key == nil {
		return ""
	}
	return c.Key.String()
}

// agrees says what a node that shares the limit has different from the one that made it: with another rate it would have
// buckets of its own, and the two would pass more than either says.
func (s *buckets) agrees(c rateLimitConfig) error {
	switch {
	case !slices.Equal(s.rates, c.Rate.Values()):
		return fmt.Errorf("another node named %s has the rates %v, this one has %v", c.Name, s.rates, c.Rate.Values())
	case s.key != keyName(c):
		return fmt.Errorf("another node named %s has the key %q, this one has %q", c.Name, s.key, keyName(c))
	}
	return nil
}

// maxBuckets bounds the memory for keys that come from data.
const maxBuckets = 100_000

func (s *buckets) of(key bucketKey, now func() time.Time) *bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.m[key]; x != nil {
		return x
	}
	if len(s.m) >= maxBuckets {
		s.forget(now())
	}
	x := &bucket{}
	// The key may lie in a fetch buffer that must not live as long as the bucket.
	key.text = strings.Clone(key.text)
	s.m[key] = x
	return x
}

// forget makes room for a new bucket. A few at random are looked at: those that are full go, and if none is, the
// fullest, whose key then gets at most a bucket's worth more than its rate.
func (s *buckets) forget(now time.Time) {
	const look = 16
	var victim bucketKey
	most, n := -1.0, 0
	for k, x := range s.m { // in random order
		if full := x.level(k.rate, now); full >= 1 {
			delete(s.m, k)
		} else if full > most {
			victim, most = k, full
		}
		if n++; n == look {
			break
		}
	}
	if len(s.m) >= maxBuckets {
		delete(s.m, victim)
	}
}

// A bucket holds tokens: points or bytes that may pass. It may go below zero by one point, so that a point
// larger than the bucket passes at all; the next ones wait for it.
type bucket struct {
	mu     sync.Mutex
	tokens float64
	last   time.Time
}

// slice is how long points wait together, so that a high rate does not wake up for every point.
const slice = 10 * time.Millisecond

// take returns how many of the points may pass now, or, if none, how long to wait.
func (k *bucket) take(rate engine.Rate, burst time.Duration, ps []point.Point, now time.Time) (n int, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	room := math.Max(rate.Amount*burst.Seconds(), 1)
	if k.last.IsZero() {
		k.last = now
		k.tokens = math.Min(1, room)
	}
	if d := now.Sub(k.last); d > 0 {
		k.tokens = math.Min(k.tokens+d.Seconds()*rate.Amount, room)
		k.last = now
	}
	if rate.Bytes {
		for n < len(ps) && k.tokens > 0 {
			k.tokens -= float64(textSize(&ps[n]))
			n++
		}
	} else {
		n = min(len(ps), int(k.tokens+1e-9))
		k.tokens -= float64(n)
	}
	if n > 0 {
		return n, 0
	}
	// Wait for one point's worth, or for a slice's worth of a high rate.
	need := 1 - k.tokens
	if rate.Bytes {
		need = -k.tokens + 1
	}
	need = math.Max(need, math.Min(rate.Amount*slice.Seconds(), room/2)-k.tokens)
	return 0, max(time.Duration(need/rate.Amount*float64(time.Second)), time.Microsecond)
}

// level returns how full the bucket is at a moment, in seconds' worth of its rate: 1 is all that a bucket can hold.
func (k *bucket) level(rate engine.Rate, now time.Time) float64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tokens/rate.Amount + now.Sub(k.last).Seconds()
}

// textSize is the bytes of a point's name, keys and values.
func textSize(p *point.Point) int {
	const scalar = 8
	n := len(p.Name)
	for i := range p.Fields {
		f := &p.Fields[i]
		n += len(f.Key)
		switch f.Value.Kind() {
		case point.KindString, point.KindBytes:
			n += f.Value.Len()
		default:
			n += scalar
		}
	}
	return n
}

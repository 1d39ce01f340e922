package operators

import (
	"math"
	"strconv"
	"testing"

	"dataflow/engine"
	"dataflow/engine/point"
)

func newSampler(t testing.TB, rate, key string) engine.Operator {
	t.Helper()
	c := sampleConfig{}
	unmarshal(t, &c.Rate, rate)
	if key != "" {
		c.Key = name(t, key)
	}
	op, err := newSample(quietEnv(), c)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// TestSampleRate holds the share to four standard deviations, in full over a million points.
func TestSampleRate(t *testing.T) {
	n, size := 100_000, 1000
	if *full {
		n = 1_000_000
	}
	for _, key := range []string{"", "fields.id"} {
		for _, rate := range []float64{0.05, 0.15, 0.29, 0.5, 0.99} {
			w := newSampler(t, strconv.FormatFloat(rate, 'g', -1, 64), key).(engine.Worker).NewWorker()
			kept := 0
			for from := 0; from < n; from += size {
				b := engine.Reserve(size, 4)
				for i := range size {
					b.Add().Set("id", point.Int(int64(from+i)))
				}
				points, _, dropped := process(t, w, b)
				kept += len(points)
				for _, reason := range dropped {
					if reason != "sample" {
						t.Fatalf("dropped for %q", reason)
					}
				}
				for i := range points {
					if v, _ := points[i].Get(samplingField); v.Float() != rate {
						t.Fatalf("the point carries the rate %v", v.Float())
					}
				}
			}
			sigma := math.Sqrt(float64(n) * rate * (1 - rate))
			off := (float64(kept) - float64(n)*rate) / sigma
			t.Logf("figure: sample rate %v key %q: kept %d of %d, %+.2f sigma", rate, key, kept, n, off)
			if math.Abs(off) > 4 {
				t.Errorf("rate %v key %q: %.1f sigma off", rate, key, off)
			}
		}
	}
}

// TestSampleKeyIsCoherent: the same key has the same verdict in every sampler, and what a small rate keeps a
// larger one keeps too.
func TestSampleKeyIsCoherent(t *testing.T) {
	verdict := func(rate string) map[string]bool {
		out := map[string]bool{}
		for range 2 {
			op := newSampler(t, rate, "fields.trace_id")
			b := engine.Reserve(4000, 4)
			for i := range 4000 {
				b.Add().Set("trace_id", point.String("trace-"+strconv.Itoa(i%1000)))
			}
			all := append([]point.Point(nil), b.Points...)
			points, _, _ := process(t, op, b)
			kept := map[string]int{}
			for i := range points {
				v, _ := points[i].Get("trace_id")
				kept[v.Str()]++
			}
			for i := range all {
				v, _ := all[i].Get("trace_id")
				if n := kept[v.Str()]; n != 0 && n != 4 {
					t.Fatalf("%s: %d of 4 points kept", v.Str(), n)
				}
				keep := kept[v.Str()] > 0
				if before, ok := out[v.Str()]; ok && before != keep {
					t.Fatalf("%s: another verdict in another sampler", v.Str())
				}
				out[v.Str()] = keep
			}
		}
		return out
	}
	small, large := verdict("0.1"), verdict("0.5")
	n := 0
	for k, keep := range small {
		if keep && !large[k] {
			t.Errorf("%s is kept at 0.1 and not at 0.5", k)
		}
		if keep {
			n++
		}
	}
	if n < 60 || n > 140 {
		t.Errorf("%d of 1000 keys kept at 0.1", n)
	}
}

// TestSampleKeyIsStable pins the hash: engines of different versions must agree.
func TestSampleKeyIsStable(t *testing.T) {
	for text, want := range map[string]uint64{"": 0xefd01f60ba992926, "7f0c1a92b3d44e5f": 0xeeab16c93a3a5db0} {
		if got := hashValue(point.String(text)); got != want {
			t.Errorf("hash of %q is %#x, was %#x", text, got, want)
		}
	}
}

// TestSampleMultipliesRates: a point that was sampled before carries the product.
func TestSampleMultipliesRates(t *testing.T) {
	b := engine.Reserve(100, 4)
	for range 100 {
		b.Add().Set(samplingField, point.Float(0.5))
	}
	kept, _, _ := process(t, newSampler(t, "0.5", ""), b)
	if len(kept) == 0 {
		t.Fatal("nothing kept")
	}
	for i := range kept {
		if v, _ := kept[i].Get(samplingField); v.Float() != 0.25 {
			t.Fatalf("rate %v", v.Float())
		}
	}
}

func TestSampleRefusesRates(t *testing.T) {
	for _, rate := range []string{"1.5", "-0.1"} {
		c := sampleConfig{}
		unmarshal(t, &c.Rate, rate)
		if _, err := newSample(quietEnv(), c); err == nil {
			t.Errorf("rate %s is accepted", rate)
		}
	}
}

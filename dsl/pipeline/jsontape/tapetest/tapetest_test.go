package tapetest

import "testing"

func TestCompare(t *testing.T) {
	for seed := range uint64(4) {
		if err := Compare(seed, 10_000); err != nil {
			t.Error(err)
		}
	}
}

func FuzzChain(f *testing.F) {
	f.Add(`["a"]["b"]`, `{"a": {"b": 1, "\u0062": [null]}}`)
	f.Add(`[0][-1]`, `[[1, "x\n"], {}]`)
	f.Add(`["a"]`, `{"a": 1`)
	f.Fuzz(func(t *testing.T, chain, text string) {
		c := newComparison()
		if c.compile("add_key(v, d"+chain+")") != nil {
			return // no script
		}
		if err := c.text(text); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	b.ReportAllocs()
	if err := Compare(1, b.N); err != nil {
		b.Error(err)
	}
}

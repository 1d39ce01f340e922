package point

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestAppendFloat(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{1, "1"}, {1e21, "1000000000000000000000"}, {1e-7, "0.0000001"}, {0.01, "0.01"}, {-2.5, "-2.5"}, {0, "0"}, {math.Copysign(0, -1), "-0"},
		{0.30000000000000004, "0.30000000000000004"}, {math.Inf(1), "+Inf"}, {100, "100"}, {1234.5678, "1234.5678"}, {-0.007, "-0.007"},
	} {
		if got := string(AppendFloat(nil, c.f)); got != c.want {
			t.Errorf("AppendFloat(%g) = %s, want %s", c.f, got, c.want)
		}
	}
	for n := range 2001 {
		if got, want := string(AppendFloat(nil, float64(n-1000))), strconv.Itoa(n-1000); got != want {
			t.Errorf("AppendFloat(%d) = %s", n-1000, got)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200000 {
		f := math.Float64frombits(r.Uint64())
		if r.IntN(4) > 0 {
			f = math.Round(r.Float64()*1e9) / math.Pow10(r.IntN(12)) * float64(1-2*r.IntN(2))
		}
		if got, want := string(AppendFloat(nil, f)), strconv.FormatFloat(f, 'f', -1, 64); got != want {
			t.Fatalf("AppendFloat(%g) = %s, want %s", f, got, want)
		}
	}
}

func FuzzAppendFloat(f *testing.F) {
	f.Add(0.1)
	f.Add(1e15 + 0.5)
	f.Fuzz(func(t *testing.T, x float64) {
		if got, want := string(AppendFloat(nil, x)), strconv.FormatFloat(x, 'f', -1, 64); got != want {
			t.Fatalf("AppendFloat(%g) = %s, want %s", x, got, want)
		}
	})
}

func TestAppendJSON(t *testing.T) {
	self := []Value{Int(1), Nil()}
	self[1] = List(self)
	loop := map[string]Value{}
	loop["m"] = Map(loop)
	for _, c := range []struct {
		v    Value
		want string
	}{
		{Nil(), "null"}, {Bool(true), "true"}, {Int(-3), "-3"}, {Uint(math.MaxUint64), "18446744073709551615"}, {Float(1), "1"}, {Float(1e21), "1e+21"},
		{Float(1e-7), "1e-07"}, {Float(1e20), "100000000000000000000"}, {Float(0.000001), "0.000001"}, {Float(math.NaN()), "null"}, {Float(0), "0"},
		{String("<a>&\"\\\n\x01ä\u2028\xff"), `"\u003ca\u003e\u0026\"\\\n\u0001ä` + "\u2028\uFFFD" + `"`}, {Bytes([]byte("hello")), `"aGVsbG8="`},
		{List(nil), "[]"}, {List([]Value{Int(1), String("x"), Nil()}), `[1,"x",null]`}, {Map(nil), "{}"},
		{Map(map[string]Value{"b": Int(1), "a": List([]Value{Map(nil)}), "B": Nil()}), `{"B":null,"a":[{}],"b":1}`},
		{List(self), "[1,null]"}, {Map(loop), `{"m":null}`},
	} {
		if got := string(AppendJSON(nil, c.v)); got != c.want {
			t.Errorf("AppendJSON = %s, want %s", got, c.want)
		}
	}
}

func TestAppendText(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want string
	}{
		{Nil(), ""}, {Bool(false), "false"}, {Float(1e21), "1000000000000000000000"}, {String("<"), "<"}, {Bytes([]byte("raw")), "raw"}, {List([]Value{String("<")}), `["\u003c"]`},
	} {
		if got := string(AppendText(nil, c.v)); got != c.want {
			t.Errorf("AppendText = %q, want %q", got, c.want)
		}
	}
}

func BenchmarkAppendFloat(b *testing.B) {
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = AppendFloat(buf[:0], 18.25)
	}
}

package point

import (
	"bytes"
	"encoding/hex"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// samePoint reports whether what the protobuf encoding keeps of two points is the same.
func samePoint(p, q *Point) bool {
	sameField := func(f, g Field) bool {
		return f.Key == g.Key && f.Tag == g.Tag && (f.Value.Equal(g.Value) || string(AppendJSON(nil, f.Value)) == string(AppendJSON(nil, g.Value)) && hasNaN(f.Value))
	}
	if p.Name != q.Name || p.Time != q.Time || !slices.EqualFunc(p.Fields, q.Fields, sameField) || (p.Extra == nil) != (q.Extra == nil) {
		return false
	}
	return p.Extra == nil || slices.Equal(p.Extra.Warns, q.Extra.Warns) && sameKeys(p.Extra.Types, q.Extra.Types) && sameKeys(p.Extra.Units, q.Extra.Units)
}

func sameKeys[V comparable](a, b map[string]V) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

func hasNaN(v Value) bool {
	return v.Kind() == KindFloat && math.IsNaN(v.Float()) || slices.ContainsFunc(v.Items(), hasNaN)
}

// flat reports whether p can be written without turning a value into its JSON text.
func flat(p *Point) bool {
	return !slices.ContainsFunc(p.Fields, func(f Field) bool {
		return f.Value.Kind() == KindMap || f.Value.Len() > 0 && f.Value.Kind() == KindList && elementKind(f.Value.Items()) == KindNil
	})
}

func allKinds() Point {
	return Point{Name: "m", Time: 7, Record: -1, Extra: &Extra{
		Types: map[string]MetricType{"i": MetricGauge}, Units: map[string]string{"f": "ms"}, Warns: []Warn{{"nil_field", "why"}},
	}, Fields: []Field{
		{Key: "t", Value: String(""), Tag: true}, {Key: "i", Value: Int(0)}, {Key: "u", Value: Uint(math.MaxUint64)}, {Key: "f", Value: Float(math.Copysign(0, -1))},
		{Key: "b", Value: Bool(false)}, {Key: "s", Value: String("\xffx")}, {Key: "d", Value: Bytes([]byte{0})}, {Key: "n"}, {Key: "e", Value: List([]Value{})},
		{Key: "al", Value: List([]Value{String("a"), String("")})}, {Key: "af", Value: List([]Value{Float(1), Float(math.NaN())})}, {Key: "ab", Value: List([]Value{Bytes([]byte("x"))})},
		{Key: "long", Value: String(strings.Repeat("x", 70000))},
	}}
}

func TestProtobufRoundTrip(t *testing.T) {
	p := allKinds()
	body := AppendProtobuf([]byte("prefix"), &p, []Field{{Key: "i", Value: String("no"), Tag: true}, {Key: "env", Value: String("test"), Tag: true}})[6:]
	points, err := ParseProtobuf(nil, new(Arena), body, nanos)
	if err != nil || len(points) != 1 {
		t.Fatal(err)
	}
	p.Fields = append(p.Fields, Field{Key: "env", Value: String("test"), Tag: true})
	if !samePoint(&p, &points[0]) {
		t.Errorf("%+v became %+v", p, points[0])
	}
	mixed := Point{Fields: []Field{{Key: "l", Value: List([]Value{Int(1), Nil()})}, {Key: "m", Value: Map(map[string]Value{"a": Bool(true)})}}}
	points, err = ParseProtobuf(nil, new(Arena), AppendProtobuf(nil, &mixed, nil), nanos)
	if err != nil || points[0].Fields[0].Value.Str() != "[1,null]" || points[0].Fields[1].Value.Str() != `{"a":true}` || points[0].Time != 42 {
		t.Errorf("%+v %v", points, err)
	}
}

func TestParseProtobufErrors(t *testing.T) {
	for text, want := range map[string]string{
		"0a": io.ErrUnexpectedEOF.Error(), "0a05": io.ErrUnexpectedEOF.Error(), "0a0212ff": io.ErrUnexpectedEOF.Error(), "0b": "protobuf: invalid wire type 3", "0801": "protobuf: wire type 0 of field 1, expecting 2",
		"0200": "protobuf: invalid field number 0", "0a02" + "1a00": "protobuf: wire type 2 of field 3, expecting 0", "0a04" + "1202" + "1200": "protobuf: wire type 2 of field 2, expecting 0",
		"0a0bffffffffffffffffffff7f": "protobuf: number of more than 64 bits", "0a0c18ffffffffffffffffff7f0000": "protobuf: number of more than 64 bits",
	} {
		body, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		points, err := ParseProtobuf(nil, new(Arena), body, nanos)
		if err == nil || err.Error() != want || len(points) != 0 {
			t.Errorf("%s: %v %v, want %s", text, points, err, want)
		}
	}
	// Unknown members at every level are skipped: 15 varint, 14 64 bits, 13 32 bits, 12 bytes.
	body, _ := hex.DecodeString("7801" + "710000000000000000" + "6d00000000" + "620161" + "0a0a" + "7801" + "1206" + "7801" + "0a0161" + "00")
	if _, err := ParseProtobuf(nil, new(Arena), body[:len(body)-1], ReadOptions{}); err != io.ErrUnexpectedEOF {
		t.Errorf("unknown members: %v", err)
	}
	many := bytes.Repeat([]byte{0x0a, 0}, 3)
	if _, err := ParseProtobuf(nil, new(Arena), many, ReadOptions{MaxPoints: 2}); err != ErrTooManyPoints {
		t.Errorf("MaxPoints: %v", err)
	}
	if points, err := ParseProtobuf(nil, new(Arena), many, ReadOptions{MaxPoints: 3}); err != nil || len(points) != 3 {
		t.Errorf("%d points, %v", len(points), err)
	}
}

func TestProtobufAllocations(t *testing.T) {
	var a Arena
	var buf []byte
	points := readLines(t, metricLine+"\n"+logLine+"\nm a=[1i,2i],b=\"aGVsbG8=\"b,c=[\"x\"]\n")
	var again []Point
	if n := testing.AllocsPerRun(100, func() {
		buf = buf[:0]
		for i := range points {
			buf = AppendProtobuf(buf, &points[i], nil)
		}
		a.Reset()
		again, _ = ParseProtobuf(again[:0], &a, buf, nanos)
	}); n != 0 || len(again) != 3 {
		t.Errorf("%v allocations, %d points", n, len(again))
	}
}

func FuzzProtobuf(f *testing.F) {
	for _, text := range []string{pbAllTypes, pbLogs, "0a00"} {
		body, _ := hex.DecodeString(text)
		f.Add(body)
	}
	p := allKinds()
	p.Fields = p.Fields[:len(p.Fields)-1]
	f.Add(AppendProtobuf(nil, &p, nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		points, err := ParseProtobuf(nil, new(Arena), body, ReadOptions{Precision: Nanoseconds})
		if err != nil {
			if len(points) != 0 {
				t.Fatal("points beside an error")
			}
			return
		}
		for i := range points {
			p := &points[i]
			text := AppendProtobuf(nil, p, nil)
			again, err := ParseProtobuf(nil, new(Arena), text, ReadOptions{Precision: Nanoseconds})
			if err != nil || len(again) != 1 {
				t.Fatalf("%x -> %x: %v", body, text, err)
			}
			repeated := len(p.Fields) > 0 && p.Extra != nil && p.mayRepeatAny()
			if flat(p) && !repeated && !samePoint(p, &again[0]) {
				t.Fatalf("%x -> %x: %+v became %+v", body, text, p, again[0])
			}
			if text2 := AppendProtobuf(nil, &again[0], nil); !bytes.Equal(text, text2) {
				t.Fatalf("%x -> %x -> %x", body, text, text2)
			}
		}
	})
}

// mayRepeatAny reports whether two fields share a key, and with it their type and unit.
func (p *Point) mayRepeatAny() bool {
	for i := range p.Fields {
		if p.Index(p.Fields[i].Key) < i {
			return true
		}
	}
	return false
}

func BenchmarkProtobuf(b *testing.B) {
	for _, c := range []struct{ name, line string }{{"metric", metricLine}, {"log", logLine}} {
		p := readLines(b, c.line)[0]
		body := AppendProtobuf(nil, &p, nil)
		b.Run("write/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf = AppendProtobuf(buf[:0], &p, nil)
			}
		})
		b.Run("read/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var a Arena
			var points []Point
			for b.Loop() {
				a.Reset()
				points, _ = ParseProtobuf(points[:0], &a, body, nanos)
			}
		})
	}
}

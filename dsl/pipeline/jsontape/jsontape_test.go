package jsontape

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"dataflow/engine/point"
)

const metric = `{"time": 1666492218, "dimensions": {"bk_biz_id": 225,"ip": "10.200.64.45" },  "metrics": { "cpu_usage_pct": 0.01}, "exemplar": null}`

const record = `{"ts":"2026-11-18 09:14:07.512","service":"checkout","env":"prod","trace":"7f0c1a92b3d44e5f","span":"a1b2c3d4","caller":"order/pay.go:118","msg":"payment accepted","cost_ms":18.25,"code":"200","retry":false,"user":{"id":9912,"vip":true},"items":[1,2,3]}`

func parse(t testing.TB, src string) *Doc {
	t.Helper()
	d := new(Doc)
	if err := d.Parse(src); err != nil {
		t.Fatalf("Parse(%q): %v", src, err)
	}
	return d
}

func TestGet(t *testing.T) {
	d := parse(t, metric)
	dimensions, ok := d.Get(0, "dimensions")
	if !ok || d.Kind(dimensions) != point.KindMap || d.Len(dimensions) != 2 {
		t.Fatalf("dimensions: %v %v", dimensions, ok)
	}
	ip, _ := d.Get(dimensions, "ip")
	if got := d.Value(ip); !got.Equal(point.String("10.200.64.45")) {
		t.Errorf("ip = %q", got.Str())
	}
	id, _ := d.Get(dimensions, "bk_biz_id")
	if got := d.Value(id); !got.Equal(point.Float(225)) || d.Raw(id) != "225" {
		t.Errorf("bk_biz_id = %v, raw %q", got.Float(), d.Raw(id))
	}
	if n, ok := d.Get(0, "exemplar"); !ok || d.Kind(n) != point.KindNil || !d.Value(n).IsNil() {
		t.Errorf("exemplar: %v %v", n, ok)
	}
	if _, ok := d.Get(0, "tim"); ok {
		t.Error("a prefix of a key was found")
	}
	if _, ok := d.Get(ip, "x"); ok {
		t.Error("a string has a member")
	}
	if got := d.Raw(dimensions); got != `{"bk_biz_id": 225,"ip": "10.200.64.45" }` {
		t.Errorf("raw %q", got)
	}
}

func TestDuplicatesAndEscapedKeys(t *testing.T) {
	d := parse(t, `{"a":1,"b":2,"\u0061":3,"\"":4}`)
	n, _ := d.Get(0, "a")
	if d.Value(n).Float() != 3 {
		t.Errorf("a = %s, want the last one", d.Raw(n))
	}
	if n, ok := d.Get(0, `"`); !ok || d.Raw(n) != "4" {
		t.Error("the escaped key was not found")
	}
	if d.Len(0) != 3 {
		t.Errorf("Len = %d, want 3 distinct keys", d.Len(0))
	}
	many := new(strings.Builder)
	many.WriteString(`{"k0":0`)
	for i := range 200 {
		many.WriteString(`,"k` + strconv.Itoa(i%100) + `":` + strconv.Itoa(i))
	}
	many.WriteString(`}`)
	if d = parse(t, many.String()); d.Len(0) != 100 || len(d.Value(0).Map()) != 100 {
		t.Errorf("Len = %d, %d in the map, want 100", d.Len(0), len(d.Value(0).Map()))
	}
}

func TestAt(t *testing.T) {
	d := parse(t, `{"l":[1,[2,3],"x",{"y":4},[]]}`)
	l, _ := d.Get(0, "l")
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 0, 3, 1, 2, 2}} {
		for _, i := range order {
			want := []string{"1", "[2,3]", `"x"`, `{"y":4}`, "[]"}[i]
			if got := d.Raw(d.At(l, i)); got != want {
				t.Errorf("At(%d) = %s, want %s", i, got, want)
			}
		}
	}
	inner := d.At(l, 1)
	if d.Raw(d.At(inner, 1)) != "3" || d.Raw(d.At(l, 2)) != `"x"` || d.Raw(d.At(inner, 0)) != "2" {
		t.Error("walking two arrays at once mixes them up")
	}
	for _, i := range []int{-1, 5} {
		if got := d.At(l, i); !d.Value(got).IsNil() || d.Raw(got) != "" || d.Kind(got) != point.KindNil {
			t.Errorf("At(%d) is not null", i)
		}
	}
	root := parse(t, `[1,2,3]`)
	if root.Raw(root.At(0, 2)) != "3" || root.Raw(root.At(0, 1)) != "2" {
		t.Error("the root array is misread")
	}
}

func TestStrings(t *testing.T) {
	for src, want := range map[string]string{
		`""`: "", `"a"`: "a", `"\n\t\r\b\f\/\\\""`: "\n\t\r\b\f/\\\"", `"\u00e4\ud83d\ude00"`: "ä😀", `"\ud83d"`: "\uFFFD",
		`"\ud83dx\ude00"`: "\uFFFDx\uFFFD", `"\ud83d\ud83d\ude00"`: "\uFFFD😀", "\"raw\nline\"": "raw\nline", "\"\xff\"": "\xff",
		`"0123456789abcdef\"0123456789"`: `0123456789abcdef"0123456789`,
	} {
		d := parse(t, src)
		if got := d.Value(0).Str(); got != want || d.Len(0) != len(want) {
			t.Errorf("%s = %q (Len %d), want %q", src, got, d.Len(0), want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for src, want := range map[string]float64{
		"0": 0, "-0": math.Copysign(0, -1), "007": 7, "0.01": 0.01, "18.25": 18.25, "1e3": 1000, "1E-2": 0.01, "1e+22": 1e22,
		"12345678901234567": 1.2345678901234568e+16, "0.1e1": 1, "9007199254740993": 9007199254740992, "1e308": 1e308, "5e-324": 5e-324,
		"1e-999": 0, "123456789012345678901234567890": 123456789012345678901234567890, "1e0000001": 10, "0e9999": 0,
	} {
		got := parse(t, src).Value(0).Float()
		if got != want || math.Signbit(got) != math.Signbit(want) {
			t.Errorf("%s = %v, want %v", src, got, want)
		}
	}
}

func TestInvalid(t *testing.T) {
	d := new(Doc)
	for _, src := range []string{
		"", " ", "x", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1 "b":2}`, `"`, `"\`, `"\x"`,
		`"\u12"`, `"\u12g4"`, "tru", "truex", "nul", "-", "1.", ".5", "1e", "1e+", "+1", "0x10", "1 2", "[1] x", "1e999", "-1e999", "NaN",
		strings.Repeat("9", 400), strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), "\x00", "[1}", `{"a":1]`, "1e400000000000000000000",
	} {
		if err := d.Parse(src); err == nil {
			t.Errorf("%q was accepted", src)
		}
		if d.Kind(0) != point.KindNil || !d.Value(0).IsNil() || d.Raw(0) != "" {
			t.Errorf("after the error on %q the document is not null", src)
		}
	}
	if err := d.Parse(strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)); err != nil {
		t.Errorf("depth %d: %v", MaxDepth, err)
	}
	if err := d.Parse(`{"a":tru}`); err == nil || err.Error() != "parsing JSON at offset 5: invalid word, expecting true" {
		t.Errorf("error %v", err)
	}
	var zero Doc
	if zero.Kind(0) != point.KindNil || zero.Len(0) != 0 || zero.Raw(0) != "" {
		t.Error("the zero Doc is not null")
	}
}

func TestAllocations(t *testing.T) {
	d := parse(t, record)
	if n := testing.AllocsPerRun(100, func() {
		if d.Parse(record) != nil {
			t.Error("parse failed")
		}
		cost, _ := d.Get(0, "cost_ms")
		items, _ := d.Get(0, "items")
		if d.Value(cost).Float() != 18.25 || d.Value(d.At(items, 2)).Float() != 3 {
			t.Error("wrong value")
		}
	}); n != 0 {
		t.Errorf("%v allocations per document", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = d.Parse(`{"a":`) }); n != 0 {
		t.Errorf("%v allocations per invalid document", n)
	}
}

// plain returns v as encoding/json would decode it.
func plain(v point.Value) any {
	switch v.Kind() {
	case point.KindBool:
		return v.Bool()
	case point.KindFloat:
		return v.Float()
	case point.KindString:
		return strings.ToValidUTF8(v.Str(), "\uFFFD")
	case point.KindList:
		items := make([]any, 0, v.Len())
		for _, x := range v.Items() {
			items = append(items, plain(x))
		}
		return items
	case point.KindMap:
		m := make(map[string]any)
		for k, x := range v.Map() {
			m[strings.ToValidUTF8(k, "\uFFFD")] = plain(x)
		}
		return m
	}
	return nil
}

func hasControl(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' }) >= 0 || strings.ContainsAny(s, "\n\t\r")
}

// leadingZeros reports whether a 0 stands directly before a digit where no digit, point or exponent precedes it.
func leadingZeros(s string) bool {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '0' && s[i+1]-'0' <= 9 && (i == 0 || !strings.ContainsRune("0123456789.eE+", rune(s[i-1]))) {
			return true
		}
	}
	return false
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{metric, record, `[]`, `{"a":{"a":[{"":[]}]}}`, `"\ud83d\ude00"`, "[1e5,-0.0,12345678901234567890]", "null", "\"\xff\"", `{"a":1,"\u0061":2}`} {
		f.Add(s)
	}
	d := new(Doc)
	f.Fuzz(func(t *testing.T, s string) {
		err := d.Parse(s)
		var want any
		wantErr := json.Unmarshal([]byte(s), &want)
		if err != nil && wantErr == nil && strings.Count(s, "[")+strings.Count(s, "{") <= MaxDepth {
			t.Fatalf("%q: %v, encoding/json accepts it", s, err)
		}
		if err != nil {
			return
		}
		if wantErr != nil {
			if !hasControl(s) && !leadingZeros(s) {
				t.Fatalf("%q was accepted, encoding/json: %v", s, wantErr)
			}
			return
		}
		v := d.Value(0)
		if strings.ToValidUTF8(s, "\uFFFD") == s && !reflect.DeepEqual(plain(v), want) {
			t.Fatalf("%q = %#v, encoding/json %#v", s, plain(v), want)
		}
		text := AppendText(nil, v)
		if !json.Valid(text) {
			t.Fatalf("%q encodes to invalid %q", s, text)
		}
		again := new(Doc)
		if err := again.Parse(string(text)); err != nil {
			t.Fatalf("%q encodes to %q: %v", s, text, err)
		}
		if text2 := AppendText(nil, again.Value(0)); string(text) != string(text2) {
			t.Fatalf("%q -> %q -> %q", s, text, text2)
		}
		walk(t, d, 0, v)
	})
}

// walk checks that the lazy accessors agree with the materialised value.
func walk(t *testing.T, d *Doc, n Node, v point.Value) {
	if d.Kind(n) != v.Kind() || d.Len(n) != v.Len() {
		t.Fatalf("node %d: %v of length %d, value %v of length %d", n, d.Kind(n), d.Len(n), v.Kind(), v.Len())
	}
	for i, x := range v.Items() {
		walk(t, d, d.At(n, i), x)
	}
	for k, x := range v.Map() {
		m, ok := d.Get(n, k)
		if !ok {
			t.Fatalf("key %q is missing", k)
		}
		walk(t, d, m, x)
	}
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct{ name, src string }{{"metric", metric}, {"log", record}} {
		b.Run(c.name, func(b *testing.B) {
			d := parse(b, c.src)
			b.SetBytes(int64(len(c.src)))
			b.ReportAllocs()
			for b.Loop() {
				if d.Parse(c.src) != nil {
					b.Fatal("failed")
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	d := parse(b, record)
	for b.Loop() {
		if _, ok := d.Get(0, "retry"); !ok {
			b.Fatal("missing")
		}
	}
}

func BenchmarkNumber(b *testing.B) {
	d := parse(b, "18.25")
	for b.Loop() {
		if d.Value(0).Float() != 18.25 {
			b.Fatal("wrong")
		}
	}
}

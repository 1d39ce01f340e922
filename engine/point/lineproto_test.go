package point

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const (
	metricLine = `cpu,cluster=prod,host=web-07,region=cn\ east idle=93.25,iowait=0.01,load=3i,procs=412u,throttled=false 1700000000000000000`
	logLine    = `nginx,host=web-07,service=checkout f_level="info",message="203.0.113.77 - alice [18/Nov/2026:09:14:07 +0000] \"GET /api/v2/orders/8841?expand=items HTTP/1.1\" 200 5120 \"https://shop.example/cart\" \"Mozilla/5.0 (X11; Linux x86_64)\"",status="info" 1700000000000000000`
)

var nanos = ReadOptions{Precision: Nanoseconds, Now: 42}

func readLines(t testing.TB, body string) []Point {
	t.Helper()
	points, err := ParseLines(nil, new(Arena), []byte(body), nanos)
	if err != nil {
		t.Fatalf("ParseLines(%q): %v", body, err)
	}
	return points
}

func TestParseLinesRejects(t *testing.T) {
	for line, want := range map[string]string{
		",a=b f=1": "missing measurement", "m": "missing fields", "m ": "missing fields", "m,a=b": "missing fields", "m,a=b ": "missing fields",
		"m,=b f=1": "missing tag key", "m, f=1": "missing tag key", "m,,a=b f=1": "missing tag key", "m,a f=1": "missing tag value", "m,a= f=1": "missing tag value",
		"m,a=,b=c f=1": "missing tag value", "m,a=b=c f=1": "invalid tag format", "m,a=b,a=c f=1": "duplicate tags", "m =1": "missing field key",
		"m f=1,=2": "missing field key", "m f=": "missing field value", "m f=,g=1": "missing field value", "m f= 1": "missing field value",
		"m f": "invalid field format", "m f=1,g": "invalid field format", "m f=1,": "invalid field format", "m f=1, 5": "invalid field format",
		`m f="a"x`: "invalid field format", `m f="a`: "unbalanced quotes", "m f=+1": "invalid boolean", "m f=Inf": "invalid boolean", "m f=NaN": "invalid number",
		"m f=-inf": "invalid number", "m f=0x10": "invalid number", "m f=1e999": "invalid float", "m f=1.5i": "invalid number", "m f=-1u": "invalid number",
		"m f=-": "invalid number", "m f=1.2.3": "invalid number", "m f=1]": "invalid number", "m f=tx": "invalid boolean", "m f=1 1.5": "bad timestamp", "m f=1 x": "bad timestamp",
		"m f=1 1 2": "bad timestamp", "m f=1 -": "bad timestamp", "m f=1 9223372036854775808": "bad timestamp", "m f=[[1]]": "missing closing bracket",
		"m f=[1": "missing closing bracket", "m f=[1,2i]": "array of mixed types", "m f=[1i, 2i]": "space inside an array", "m f=[ 1i]": "space inside an array",
		`m f=["a",1]`: "array of mixed types", `m f="!!"b`: "invalid base64", `m f=["a""b"]`: "invalid array", "m f=[1,]": "invalid boolean",
		"m f=99999999999999999999i":                  `unable to parse integer 99999999999999999999: strconv.ParseInt: parsing "99999999999999999999": value out of range`,
		"m f=18446744073709551616u":                  `unable to parse unsigned 18446744073709551616: strconv.ParseUint: parsing "18446744073709551616": value out of range`,
		"m," + strings.Repeat("k", 70000) + "=v f=1": "max key length exceeded: 70004 > 65535",
	} {
		points, err := ParseLines(nil, new(Arena), []byte(line), nanos)
		var lines *LinesError
		if !errors.As(err, &lines) || len(points) != 0 || lines.Failed != 1 || lines.Lines[0].Reason != want {
			t.Errorf("%.60s: %v %v, want %s", line, points, err, want)
		}
	}
}

func TestParseLinesAccepts(t *testing.T) {
	for line, want := range map[string]string{
		"m f=1i": "m f=1i 42", "m f=1i 0": "m f=1i 42", "m f=1i -7": "m f=1i 42", "m   f=1i   7  ": "m f=1i 7", "m f=1i 7\r": "m f=1i 7", "m f=1i\r": "m f=1i 42",
		"\x00\t m f=.5": "m f=0.5 42", "m f=5.": "m f=5 42", "m f=1,f=2": "m f=2 42", "m,k=t k=1,z=2": "m,k=t z=2 42", `m f="a\"b\\c\d"`: `m f="a\"b\\c\\d" 42`,
		`m f="a\\",g=1`: `m f="a\\",g=1 42`, `m\=x,a\"b=1 f=1`: `m\=x,a\"b=1 f=1 42`, `m a\"b=1`: `m a\"b=1 42`, `m a"b=1`: `m a\"b=1 42`, "m f=[T,f]": "m f=[true,false] 42",
		`m f=["aGVsbG8="b,""b]`: `m f=["aGVsbG8="b,""b] 42`, "m f=-0.0": "m f=-0 42", "m f=[],g=1": "m g=1 42", "m f=[]": "", "m f=9223372036854775807i": "m f=9223372036854775807i 42",
		"m f=-9223372036854775808i": "m f=-9223372036854775808i 42", "m f=1234567890123456789i": "m f=1234567890123456789i 42", "m f=\"a\nb\" 3": "m f=\"a\nb\" 3",
		`m,a=x\ f=1 g=2`: "", `m,a=x\\,y g=2`: `m,a=x\\,y g=2 42`,
	} {
		if strings.HasPrefix(line, `m,a=x\ f`) {
			want = "" // the escaped space makes f=1 part of the tag, where an equals sign is invalid
			if _, err := ParseLines(nil, new(Arena), []byte(line), nanos); err == nil || !strings.Contains(err.Error(), "invalid tag format") {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		points := readLines(t, line)
		if got := string(AppendLine(nil, &points[0])); len(points) != 1 || got != want {
			t.Errorf("%q = %q, want %q", line, got, want)
		}
	}
}

func TestParseLinesKeepsGoodLines(t *testing.T) {
	body := "# comment\n\na f=1 1\nbad\nb f=2 2\r\nc f=\"open 3\nd f=4 4\n"
	points, err := ParseLines(nil, new(Arena), []byte(body), nanos)
	var lines *LinesError
	if !errors.As(err, &lines) {
		t.Fatal(err)
	}
	if len(points) != 3 || points[0].Name != "a" || points[1].Name != "b" || points[2].Name != "d" || lines.Good != 3 || lines.Failed != 2 {
		t.Fatalf("%d points, %+v", len(points), lines)
	}
	if l := lines.Lines[0]; l.Line != 4 || l.Offset != 20 || l.Text != "bad" {
		t.Errorf("first error %+v", l)
	}
	if l := lines.Lines[1]; l.Line != 6 || l.Text != `c f="open 3` || l.Reason != "unbalanced quotes" {
		t.Errorf("second error %+v", l)
	}
}

func TestParseLinesOptions(t *testing.T) {
	body := []byte("a f=1,g=2,h=3 1700000000\nb f=1 1700000000000")
	var a Arena
	points, err := ParseLines(nil, &a, body, ReadOptions{Category: Logging, Spare: 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		if p.Category != Logging || p.Record != -1 || p.Time != 1700000000e9 || cap(p.Fields) != len(p.Fields)+5 {
			t.Errorf("%+v, cap %d", p, cap(p.Fields))
		}
	}
	points[0].Set("x", Int(1))
	if points[1].Fields[0].Key != "f" {
		t.Error("appending a field to one point overwrites the next one")
	}
	if _, err := ParseLines(nil, &a, body, ReadOptions{MaxPoints: 1}); err != ErrTooManyPoints {
		t.Errorf("MaxPoints: %v", err)
	}
	for _, c := range []struct {
		p    Precision
		t    int64
		want int64
		ok   bool
	}{
		{Guess, 9999999999, 0, false}, {Guess, 9223372036, 9223372036e9, true}, {Guess, 1e10, 1e16, true}, {Guess, 1e13, 1e16, true}, {Guess, 1e16, 1e16, true},
		{Hours, 2, 7200e9, true}, {Minutes, 28333333, 1699999980e9, true}, {Hours, math.MaxInt64, 0, false}, {Microseconds, -5, -5000, true}, {Nanoseconds, math.MinInt64, math.MinInt64, true},
	} {
		if got, ok := c.p.Time(c.t); got != c.want || ok != c.ok {
			t.Errorf("Time(%d, %d) = %d, %v", c.p, c.t, got, ok)
		}
	}
}

func TestParseLinesManyKeys(t *testing.T) {
	var b strings.Builder
	b.WriteString("m,a=1 ")
	for i := range 300 {
		b.WriteString("k" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + "=" + string(rune('0'+i%10)) + ",")
	}
	b.WriteString("a=5,kaa=7i")
	p := readLines(t, b.String())[0]
	if len(p.Fields) != 301 {
		t.Errorf("%d fields, want 301", len(p.Fields))
	}
	if v, _ := p.Get("kaa"); !v.Equal(Int(7)) {
		t.Error("the last of equal field keys does not win")
	}
}

func TestLineEncoder(t *testing.T) {
	var e LineEncoder
	p := Point{Name: "m", Time: 7, Fields: []Field{
		{Key: "z", Value: String("v\n,= "), Tag: true}, {Key: "empty", Value: String(""), Tag: true}, {Key: "a\\", Value: String("x\\\\"), Tag: true},
		{Key: "nil", Value: Nil()}, {Key: "inf", Value: Float(math.Inf(1))}, {Key: "ninf", Value: Float(math.Inf(-1))}, {Key: "nan", Value: Float(math.NaN())},
		{Key: "e", Value: List(nil)}, {Key: "mixed", Value: List([]Value{Int(1), String("\"")})}, {Key: "map", Value: Map(map[string]Value{"k": Nil()})},
		{Key: "s", Value: List([]Value{String("a"), String("b\"")})}, {Key: "nans", Value: List([]Value{Float(1), Float(math.NaN())})}, {Key: "n\nl", Value: Bytes([]byte("raw"))},
	}}
	extra := []Field{{Key: "host", Value: String("h"), Tag: true}, {Key: "z", Value: String("other"), Tag: true}, {Key: "inf", Value: String("other"), Tag: true}}
	want := `m,a=x,host=h,z=v\ \,\=\  inf=18446744073709552000,map="{\"k\":null}",mixed="[1,\"\\\"\"]",n\ l="cmF3"b,ninf=-9223372036854776000,s=["a","b\""] 7`
	for range 3 {
		got, ok := e.Append([]byte("x"), &p, extra)
		if !ok || string(got) != "x"+want {
			t.Fatalf("got  %s\nwant x%s", got, want)
		}
	}
	if e.LeftOut != 6 {
		t.Errorf("LeftOut = %d, want 2 for each of 3 lines", e.LeftOut)
	}
	for _, p := range []Point{{Name: "m"}, {Name: "m", Fields: []Field{{Key: "t", Value: String("v"), Tag: true}}}, {Name: "m", Fields: []Field{{Key: "f", Value: Float(math.NaN())}}}, {Fields: []Field{{Key: "", Value: Int(1)}}}} {
		if got, ok := e.Append([]byte("x"), &p, nil); ok || string(got) != "x" {
			t.Errorf("a point without fields gives %q", got)
		}
	}
	unnamed := Point{Fields: []Field{{Key: "f", Value: Int(1)}}}
	if got := string(AppendLine(nil, &unnamed)); got != "__default f=1i 0" {
		t.Errorf("unnamed: %s", got)
	}
}

func TestLineEncoderShapes(t *testing.T) {
	var e LineEncoder
	key := []byte("b")
	for range 20 {
		for _, c := range []struct {
			fields []Field
			extra  []Field
			want   string
		}{
			{[]Field{{Key: shared(key), Value: Int(1)}, {Key: "a", Value: Int(2)}}, nil, "m a=2i,b=1i 0"},
			{[]Field{{Key: "b", Value: Int(1)}, {Key: "a", Value: String("x"), Tag: true}}, nil, "m,a=x b=1i 0"},
			{[]Field{{Key: "b", Value: Int(1)}}, []Field{{Key: "a", Value: String("x"), Tag: true}}, "m,a=x b=1i 0"},
			{[]Field{{Key: "b", Value: Int(1)}}, []Field{{Key: "b", Value: String("x"), Tag: true}}, "m b=1i 0"},
			{[]Field{{Key: "b", Value: Int(1)}}, nil, "m b=1i 0"},
			{[]Field{{Key: "c", Value: Int(1)}}, nil, "m c=1i 0"},
		} {
			p := Point{Name: "m", Fields: c.fields}
			if got, _ := e.Append(nil, &p, c.extra); string(got) != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
		}
		key[0] = 'z' // the memory of keys is reused by the next batch
		key[0] = 'b'
	}
}

// TestLineEncoderLastLine: names and times that are like those of the line before, or nearly, are written as by an encoder that has written none.
func TestLineEncoderLastLine(t *testing.T) {
	field := []Field{{Key: "f", Value: Int(1)}}
	names := []string{"", "a b", "a\\ b", "a,b", "a\nb", "a b\\", "\tm", "m", "\t", DefaultName}
	times := []int64{0, -1, 1, math.MinInt64, 10}
	for _, fields := range [][]Field{field, nil} { // the one before may have had nothing to write
		for _, before := range names {
			for _, name := range names {
				for i, first := range times {
					var e LineEncoder
					memory := []byte(before) // is reused by the next batch
					_, _ = e.Append(nil, &Point{Name: shared(memory), Time: first, Fields: fields}, nil)
					clear(memory)
					p := Point{Name: name, Time: times[i*i%len(times)], Fields: field}
					if got, _ := e.Append(nil, &p, nil); string(got) != string(AppendLine(nil, &p)) {
						t.Errorf("after %q %d: %q, want %q", before, first, got, AppendLine(nil, &p))
					}
				}
			}
		}
	}
}

func TestLineAllocations(t *testing.T) {
	var (
		a      Arena
		e      LineEncoder
		buf    []byte
		points []Point
	)
	body := []byte(metricLine + "\n" + logLine + "\nm a=[1i,2i],b=\"aGVsbG8=\"b,c=[\"x\\\"\"]\n")
	extra := []Field{{Key: "env", Value: String("test"), Tag: true}}
	run := func() {
		a.Reset()
		var err error
		if points, err = ParseLines(points[:0], &a, body, nanos); err != nil || len(points) != 3 {
			t.Fatal(err)
		}
		buf = buf[:0]
		for i := range points {
			buf, _ = e.Append(buf, &points[i], extra)
			buf = append(buf, '\n')
		}
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{
		metricLine, logLine, "m f=[1i,2i],g=[\"a\",\"b,c\"],h=\"aGVsbG8=\"b\nm2 f=1", "m,a=\\ b\\,c\\=d f=\"x\\\\\\\"y\n\"", "#c\n\n\r\nm f=1\r\n", "m f=\"",
		"a f=1 1\nbad\nb f=2 2", "m f=1e-7,g=-0", "m\\,x\\ y f=t 99999999999",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var a Arena
		points, err := ParseLines(nil, &a, []byte(s), ReadOptions{Now: 1})
		if err != nil {
			var lines *LinesError
			if !errors.As(err, &lines) || lines.Failed < 1 || lines.Good != len(points) || err.Error() == "" {
				t.Fatalf("%q: %v", s, err)
			}
			for _, l := range lines.Lines {
				if !strings.Contains(s, l.Text) || l.Offset < 1 || l.Offset > len(s) {
					t.Fatalf("%q: %+v", s, l)
				}
			}
		}
		var e LineEncoder
		for i := range points {
			text, ok := e.Append(nil, &points[i], nil)
			if !ok {
				continue
			}
			again, err := ParseLines(nil, &a, text, nanos)
			if err != nil || len(again) != 1 {
				t.Fatalf("%q -> %q: %v", s, text, err)
			}
			if again[0].Name != points[i].Name || again[0].Time != points[i].Time || len(again[0].Fields) > len(points[i].Fields) {
				t.Fatalf("%q -> %q: %+v became %+v", s, text, points[i], again[0])
			}
			for _, f := range points[i].Fields {
				if v, ok := again[0].Get(f.Key); !ok && !keyIsLost(f.Key) || ok && !v.Equal(f.Value) {
					t.Fatalf("%q -> %q: %q = %+v became %+v", s, text, f.Key, f.Value, v)
				}
			}
			if text2, _ := e.Append(nil, &again[0], nil); string(text2) != string(text) {
				t.Fatalf("%q -> %q -> %q", s, text, text2)
			}
		}
	})
}

// Whatever a point holds, its line is one line with one point.
func FuzzLineEncoder(f *testing.F) {
	for _, text := range []string{pbAllTypes, pbLogs} {
		body, _ := hex.DecodeString(text)
		f.Add(body)
	}
	for _, p := range []Point{
		allKinds(), {Name: "a\nb,\\ \t", Fields: []Field{{Key: "x=,\"\\", Value: String("\\"), Tag: true}, {Key: "\ty\r", Value: String("\"\\\n\r\x00")}, {Key: " ", Value: Int(1)}}},
		{Name: "\r", Fields: []Field{{Key: "l", Value: List([]Value{String("]\""), String("\\")})}}},
	} {
		f.Add(AppendProtobuf(nil, &p, nil))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var a Arena
		points, err := ParseProtobuf(nil, &a, body, nanos)
		if err != nil {
			return
		}
		var e LineEncoder
		for i := range points {
			p := &points[i]
			line, ok := e.Append(nil, p, nil)
			if !ok || line[0] == '#' {
				continue
			}
			again, err := ParseLines(nil, &a, append(line, '\n'), ReadOptions{Precision: Nanoseconds, Now: p.Time})
			if err != nil || len(again) != 1 || again[0].Time != p.Time {
				t.Fatalf("%+v -> %q: %+v %v", p, line, again, err)
			}
			for _, f := range again[0].Fields {
				if f.Value.Kind() == KindNil {
					t.Fatalf("%+v -> %q: %q is nil", p, line, f.Key)
				}
			}
		}
	})
}

// keyIsLost reports whether a key that a line can have cannot be written again.
func keyIsLost(key string) bool { return strings.Trim(key, "\\") == "" || strings.HasSuffix(key, "\\") }

func BenchmarkParseLines(b *testing.B) {
	for _, c := range []struct{ name, line string }{{"metric", metricLine}, {"log", logLine}} {
		b.Run(c.name, func(b *testing.B) {
			var a Arena
			var points []Point
			body := []byte(c.line)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				a.Reset()
				points, _ = ParseLines(points[:0], &a, body, nanos)
			}
		})
	}
}

func BenchmarkLineEncoder(b *testing.B) {
	for _, c := range []struct{ name, line string }{{"metric", metricLine}, {"log", logLine}} {
		b.Run(c.name, func(b *testing.B) {
			p := readLines(b, c.line)[0]
			var e LineEncoder
			var buf []byte
			b.SetBytes(int64(len(c.line)))
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = e.Append(buf[:0], &p, nil)
			}
		})
	}
}

// TestLinesOfLikeKeys: a line is read as it is alone, whatever keys the lines before it have.
func TestLinesOfLikeKeys(t *testing.T) {
	lines := []string{
		"m,a=1,b=2 c=3,d=4 5", "m,a=1,b=2 c=3,d=4 6", "m,a=9 c=3 7", "m,a=1,b=2 c=3,d=4,e=5 8", "m,b=2,a=1 c=3 9", "m c=1,a=2 5", "m,a=1 a=2,c=3 5", "m,a=1 c=3,a=2,d=4 5",
		"m c=1,c=2,d=3 5", "m c=1,c=2,d=3 5", "m,a=1,a=2 c=3 5", "m,a=1,b=2 c=[],d=4 5", "m,a=1,b=2 c=[],c=4 5", "m,a=1,b=2 c=[],c=4 5", `m,a\,=1 c\ d=3 5`, `m,a\,=1 c\ d=3 5`, "m,ab=1 c=3 5", "m,a=1", "m,a= c=1 5",
		"m c=3,d 5", "m c=3,d= 5", "m c=", "m,a", "m,a=", "m,aa=1 c=3 5", "m,a=1 cc=3 5", "", "# m",
	}
	long := "m "
	for i := range 2 * mostKeys {
		long += fmt.Sprintf("k%d=1,", i)
	}
	lines = append(lines, long+"z=1 5", long+"k3=7 5", long+"k50=7 5", long+"z=1 5")
	read := func(body string) (out []string, bad int) {
		points, err := ParseLines(nil, new(Arena), []byte(body), ReadOptions{Now: 42})
		for i := range points {
			out = append(out, string(AppendLine(nil, &points[i]))+fmt.Sprint(len(points[i].Fields)))
		}
		var e *LinesError
		if errors.As(err, &e) {
			bad = e.Failed
		}
		return out, bad
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		var body strings.Builder
		var want []string
		wantBad := 0
		for range 1 + r.IntN(6) {
			line := lines[r.IntN(len(lines))]
			body.WriteString(line + "\n")
			got, bad := read(line)
			want, wantBad = append(want, got...), wantBad+bad
		}
		if got, bad := read(body.String()); !slices.Equal(got, want) || bad != wantBad {
			t.Fatalf("%q:\n%q, %d bad, line by line\n%q, %d bad", body.String(), got, bad, want, wantBad)
		}
	}
}

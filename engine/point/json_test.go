package point

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestParseJSON(t *testing.T) {
	for body, want := range map[string]string{
		`[{"Measurement":"m","TAGS":{"a":"b"},"Fields":{"F":1},"tiME":5}]`: "m,a=b F=1 5",
		`[]`: "", ` null `: "", `[{}]`: " 42", `[{"measurement":"m","fields":{"a":1,"b":"x\n\u00e4","c":true,"d":[1,2.5],"e":["a"],"f":[]}}]`: `m a=1,b="x` + "\nä" + `",c=true,d=[1,2.5],e=["a"] 42`,
		`[{"fields":{"a":1,"a":2},"tags":{"b":"1","b":"2"}}]`: "__default,b=2 a=2 42", `[{"fields":{"k":1,"z":2},"tags":{"k":"t"}}]`: "__default,k=t z=2 42",
		`[{"fields":{"a":9007199254740992,"b":9007199254740993,"c":18446744073709551615,"d":-9007199254740993,"e":123456789012345678901234}}]`: "__default a=9007199254740992,b=9007199254740993i,c=18446744073709551615u,d=-9007199254740993i,e=123456789012345690000000 42",
		`[{"fields":{"a":[1,9007199254740993],"b":[9007199254740993]}}]`:                                                                       "__default a=[1,9007199254740992],b=[9007199254740993i] 42",
		`[{"fields":{"a":[1,"x"],"b":[null],"c":[[1]],"d":{"x":[{}]},"e":1}}]`:                                                                 "__default e=1 42", `[{"measurement":null,"tags":null,"fields":null,"time":null,"x":[{"y":1}]}]`: " 42",
		`[{"measurement":"a","fields":{"f":1},"time":5},{"name":"b","fields":[{"key":"f","f":2}],"time":"6"}]`:                                                    "a f=1 5|b f=2 6",
		`[{"name":"p","fields":[{"key":"i","i":-3},{"key":"u","u":7},{"key":"x","unknown":[]},{"key":"t","i":"5","isTag":true},{"key":"d","d":"_-8"}],"time":9}]`: `p,t=5 d="/+8="b,i=-3i,u=7u 9`,
		`[{"fields":[{"key":"f","f":"Infinity"},{"key":"g","f":"1.5"},{"key":"a","a":{"@type":"type.googleapis.com/point.Array","arr":[{"s":"x"},{"s":""}]}}]}]`:  `__default a=["x",""],f=18446744073709552000,g=1.5 42`,
		`[{"fields":[{"key":"m","a":{"@type":"type.googleapis.com/point.Map","map":{"k":{"i":"1"}}}}]}]`:                                                          `__default m="{\"k\":1}" 42`,
	} {
		points, err := ParseJSON(nil, new(Arena), []byte(body), nanos)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		var got []string
		for i := range points {
			line := string(AppendLine(nil, &points[i]))
			if line == "" {
				line = " 42"
			}
			got = append(got, line)
		}
		if text := strings.Join(got, "|"); text != want {
			t.Errorf("%s:\n%s, want\n%s", body, text, want)
		}
	}
}

func TestParseJSONErrors(t *testing.T) {
	for body, want := range map[string]string{
		"": "unexpected end of JSON input", "m f=1": "invalid character 'm' looking for beginning of value", `{"a":1}`: "json: cannot unmarshal object into Go value of type []*point.Point",
		`"x"`: "json: cannot unmarshal string into Go value of type []*point.Point", `[null]`: "json: null is not a point", `[1]`: "json: cannot unmarshal number into Go value of type point.JSONPoint",
		`[{"time":1.5}]`: "json: cannot unmarshal number 1.5 into Go struct field JSONPoint.time of type int64", `[{"measurement":"m","time":"7"}]`: "json: cannot unmarshal string into Go struct field JSONPoint.time of type int64",
		`[{"tags":{"a":1}}]`: "json: cannot unmarshal number into Go struct field JSONPoint.tags of type string", `[{"tags":{"a":[]}}]`: "json: cannot unmarshal array into Go struct field JSONPoint.tags of type string",
		`[{"time":"`: "unexpected end of JSON input", `[{"tags":7}]`: "json: cannot unmarshal number 7 into Go struct field JSONPoint.tags of type map[string]string", `[{"fields":"x"}]`: "json: cannot unmarshal string into Go struct field JSONPoint.fields of type map[string]interface {}",
		`[{"measurement":1}]`: "json: cannot unmarshal number into Go struct field JSONPoint.measurement of type string", `[{"tags":{"a":1}}`: "unexpected end of JSON input",
		`[{"fields":{"a":1e999}}]`: "json: cannot unmarshal number 1e999 into Go struct field JSONPoint.fields of type float64", `[] x`: "invalid character 'x' after top-level value",
		`[{"fields":{"a":01}}]`: "invalid character '1' after object key:value pair", "[{\"measurement\":\"\x01\"}]": `invalid character '\x01' in string literal`, `[{},]`: "invalid character ']' looking for beginning of value",
		`[{"name":"a","fields":[{"key":"i","i":"x"}]}]`: `json: invalid int: strconv.ParseInt: parsing "x": invalid syntax`, `[{"name":"a","fields":[null]}]`: "json: a field must be an object",
		`[{"name":"a","fields":[{"key":"a","a":{"@type":"other"}}]}]`:           `json: unknown type "other" of a packed value`,
		`[{"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}]`: "json: nested too deeply", `[{"time":9223372036854775807000}]`: "json: cannot unmarshal number 9223372036854775807000 into Go struct field JSONPoint.time of type int64",
	} {
		points, err := ParseJSON(nil, new(Arena), []byte(body), nanos)
		if err == nil || err.Error() != want || len(points) != 0 {
			t.Errorf("%.60s: %v, want %s", body, err, want)
		}
	}
	if _, err := ParseJSON(nil, new(Arena), []byte(`[{"time":9999999999}]`), ReadOptions{}); err == nil || err.Error() != "json: timestamp out of range" {
		t.Errorf("time overflow: %v", err)
	}
	if _, err := ParseJSON(nil, new(Arena), []byte(`[{},{}]`), ReadOptions{MaxPoints: 1}); err != ErrTooManyPoints {
		t.Errorf("MaxPoints: %v", err)
	}
}

func TestPointJSON(t *testing.T) {
	p := allKinds()
	p.Fields = p.Fields[:len(p.Fields)-1]
	extra := []Field{{Key: "i", Value: String("no"), Tag: true}, {Key: "env", Value: String("test"), Tag: true}}
	want := `{"measurement":"m","tags":{"t":"","env":"test"},"fields":{"i":0,"u":18446744073709551615,"f":-0,"b":false,"s":"` + "\uFFFD" + `x","d":"AA==","n":null,"e":[],"al":["a",""],"af":[1,null],"ab":["eA=="]},"time":7}`
	if got := string(AppendPointJSON([]byte("x"), &p, extra)); got != "x"+want {
		t.Errorf("simple:\n%s, want\n%s", got[1:], want)
	}
	want = `{"name":"m","fields":[{"key":"t","s":"","is_tag":true},{"key":"i","i":"0","type":"GAUGE"},{"key":"u","u":"18446744073709551615"},{"key":"f","f":-0,"unit":"ms"},{"key":"b","b":false},` +
		`{"key":"s","s":"` + "\uFFFD" + `x"},{"key":"d","d":"AA=="},{"key":"n"},{"key":"e","a":{"@type":"type.googleapis.com/point.Array"}},` +
		`{"key":"al","a":{"@type":"type.googleapis.com/point.Array","arr":[{"s":"a"},{"s":""}]}},{"key":"af","a":{"@type":"type.googleapis.com/point.Array","arr":[{"f":1},{"f":"NaN"}]}},` +
		`{"key":"ab","a":{"@type":"type.googleapis.com/point.Array","arr":[{"d":"eA=="}]}},{"key":"env","s":"test","is_tag":true}],"time":"7","warns":[{"type":"nil_field","message":"why"}]}`
	if got := string(AppendPointPBJSON([]byte("x"), &p, extra)); got != "x"+want {
		t.Errorf("PBJSON:\n%s, want\n%s", got[1:], want)
	}
	for _, text := range []string{string(AppendPointJSON(nil, &Point{}, nil)), string(AppendPointPBJSON(nil, &Point{}, nil))} {
		if !json.Valid([]byte(text)) {
			t.Errorf("invalid %s", text)
		}
	}
	inf := Point{Fields: []Field{{Key: "f", Value: Float(math.Inf(-1))}}}
	if got := string(AppendPointJSON(nil, &inf, nil)); got != `{"measurement":"","fields":{"f":-9223372036854776000},"time":0}` {
		t.Errorf("infinity: %s", got)
	}
}

func TestJSONAllocations(t *testing.T) {
	var a Arena
	points := readLines(t, metricLine+"\n"+logLine)
	var simple, pb []byte
	for i := range points {
		simple = append(AppendPointJSON(append(simple, ",["[min(1, 1-i)]), &points[i], nil), ",]"[i])
		pb = append(AppendPointPBJSON(append(pb, ",["[min(1, 1-i)]), &points[i], nil), ",]"[i])
	}
	simple, pb = []byte(strings.ReplaceAll(string(simple), ",,", ",")), []byte(strings.ReplaceAll(string(pb), ",,", ","))
	var buf []byte
	var again []Point
	if n := testing.AllocsPerRun(100, func() {
		a.Reset()
		var err error
		again = again[:0]
		if again, err = ParseJSON(again, &a, simple, nanos); err != nil {
			t.Fatal(err)
		}
		if again, err = ParseJSON(again, &a, pb, nanos); err != nil {
			t.Fatal(err)
		}
		for i := range again {
			buf = AppendPointJSON(buf[:0], &again[i], nil)
			buf = AppendPointPBJSON(buf, &again[i], nil)
		}
	}); n != 0 || len(again) != 4 {
		t.Errorf("%v allocations, %d points", n, len(again))
	}
}

func FuzzJSON(f *testing.F) {
	p := allKinds()
	p.Fields = p.Fields[:len(p.Fields)-1]
	f.Add("[" + string(AppendPointJSON(nil, &p, nil)) + "]")
	f.Add("[" + string(AppendPointPBJSON(nil, &p, nil)) + "]")
	f.Add(`[{"measurement":"a","tags":{"t":null},"fields":{"f":[1,9007199254740993],"o":{}},"time":1}]`)
	f.Fuzz(func(t *testing.T, body string) {
		points, err := ParseJSON(nil, new(Arena), []byte(body), ReadOptions{Precision: Nanoseconds})
		valid := json.Valid([]byte(body))
		if err != nil {
			if len(points) != 0 || !valid && strings.HasPrefix(err.Error(), "json:") {
				t.Fatalf("%q: %d points beside %v", body, len(points), err)
			}
			return
		}
		if !valid {
			t.Fatalf("%q was accepted", body)
		}
		for i := range points {
			p := &points[i]
			simple := "[" + string(AppendPointJSON(nil, p, nil)) + "]"
			if _, err := ParseJSON(nil, new(Arena), []byte(simple), ReadOptions{Precision: Nanoseconds}); err != nil {
				t.Fatalf("%q -> %q: %v", body, simple, err)
			}
			text := "[" + string(AppendPointPBJSON(nil, p, nil)) + "]"
			again, err := ParseJSON(nil, new(Arena), []byte(text), ReadOptions{Precision: Nanoseconds})
			if err != nil || len(again) != 1 {
				t.Fatalf("%q -> %q: %v", body, text, err)
			}
			repeated := p.Extra != nil && p.mayRepeatAny()
			if flat(p) && !repeated && strings.ToValidUTF8(body, "") == body && !samePoint(p, &again[0]) {
				t.Fatalf("%q -> %q: %+v became %+v", body, text, p, again[0])
			}
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	for _, c := range []struct{ name, line string }{{"metric", metricLine}, {"log", logLine}} {
		p := readLines(b, c.line)[0]
		body := append(AppendPointJSON([]byte("["), &p, nil), ']')
		b.Run("write/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf = AppendPointJSON(buf[:0], &p, nil)
			}
		})
		b.Run("read/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var a Arena
			var points []Point
			for b.Loop() {
				a.Reset()
				points, _ = ParseJSON(points[:0], &a, body, nanos)
			}
		})
	}
}

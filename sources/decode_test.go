package sources

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
	"dataflow/engine/point"
	"dataflow/engine/watermark"
)

const testNow = 1700000000000000000

// testSource returns a source with one output of topic t, and its partition 3.
func testSource(t testing.TB, topic, category, decode string, more ...func(*kafkaConfig)) (*kafka, *partition) {
	t.Helper()
	c := *engine.Lookup(engine.SourceNode, "kafka").NewConfig().(*kafkaConfig)
	c.Brokers, c.Group, c.Topics, c.Category, c.Decode = []string{"localhost:1"}, "g", []string{topic}, category, decode
	for _, f := range more {
		f(&c)
	}
	s, err := newKafka(engine.HostEnv(nil), c)
	if err != nil {
		t.Fatal(err)
	}
	k := s.(*kafka)
	k.offers = t.Context()
	return k, newPartition(k, topicPartition{topic, 3}, 1, watermark.Position{Offset: 42})
}

// points runs messages through the source as the port and a worker do.
func points(t testing.TB, k *kafka, p *partition, messages ...string) *engine.Batch {
	t.Helper()
	var records []*kgo.Record
	for i, m := range messages {
		records = append(records, &kgo.Record{Topic: p.id.topic, Partition: 3, Offset: 42 + int64(i), Value: []byte(m)})
	}
	b, n, bytes, _ := p.take(records, testNow)
	if n != len(records) || bytes < 520*n {
		t.Fatalf("took %d messages of %d bytes", n, bytes)
	}
	if err := k.Decode(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return b
}

func lines(b *engine.Batch) []string {
	var out []string
	for i := range b.Points {
		out = append(out, strings.TrimSuffix(string(point.AppendLine(nil, &b.Points[i])), fmt.Sprintf(" %d", int64(testNow))))
	}
	return out
}

// TestKafkaVectors runs the vectors of contract 16.2. Those that split arrays are the operator json_split's.
func TestKafkaVectors(t *testing.T) {
	split := []string{"K05", "K06", "K07", "K10"}
	f, err := os.Open("testdata/vectors_kafka_custom.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ran := 0
	for in := bufio.NewScanner(f); in.Scan(); {
		var v struct {
			ID, Topic, Body, Category, Err string
			Points                         []string
		}
		if err := json.Unmarshal(in.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(split, v.ID) {
			continue
		}
		t.Run(v.ID, func(t *testing.T) {
			want := strings.TrimSuffix(v.Points[0], " <now>")
			if v.ID == "K03" {
				// DataKit makes the message of a metric a tag, which is cut at 1024 bytes; here it stays a field until the
				// script has run.
				text, _ := json.Marshal(v.Body)
				want = `metric_topic,type=kafka message=` + string(text) + `,message_len=132i,offset=42i,partition=3i`
			}
			k, p := testSource(t, v.Topic, v.Category, "text")
			if got := lines(points(t, k, p, v.Body)); len(got) != 1 || got[0] != want {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
		})
		ran++
	}
	if ran != 6 {
		t.Errorf("%d vectors were run, want 6", ran)
	}
}

func TestTextSharesTheMessage(t *testing.T) {
	k, p := testSource(t, "t", "logging", "text")
	record := &kgo.Record{Value: []byte("abc")}
	b, _, _, _ := p.take([]*kgo.Record{record}, testNow)
	if err := k.Decode(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if v, _ := b.Points[0].Get("message"); &v.Raw()[0] != &record.Value[0] {
		t.Error("the message was copied")
	}
	if &b.Records[0].Value[0] != &record.Value[0] || b.Records[0].Origin != p.origin || b.Origin != p.origin {
		t.Error("the record does not refer to the fetch")
	}
}

func TestRaw(t *testing.T) {
	k, p := testSource(t, "t", "", "raw")
	b := points(t, k, p, "a\nb\x00\xff")
	v, _ := b.Points[0].Get("message")
	if v.Kind() != point.KindBytes || string(v.Raw()) != "a\nb\x00\xff" {
		t.Errorf("message is %v %q", v.Kind(), v.Raw())
	}
}

func TestRecordTime(t *testing.T) {
	k, p := testSource(t, "t", "logging", "text", func(c *kafkaConfig) { c.RecordTime = "record" })
	b := points(t, k, p, "x")
	if b.Points[0].Time != testNow {
		t.Errorf("a record without a time got %d", b.Points[0].Time)
	}
	b.Records[0].Time = 5e9
	b.Points = b.Points[:0]
	p.shape.build(b, testNow)
	if b.Points[0].Time != 5e9 {
		t.Errorf("time %d", b.Points[0].Time)
	}
}

func TestDecodeJSON(t *testing.T) {
	deep := strings.Repeat("[", engine.DefaultLimits().Depth) + strings.Repeat("]", engine.DefaultLimits().Depth)
	for _, c := range []struct{ in, want, err string }{
		{`{"a":1,"b":-2.50,"c":"x","d":true,"e":false,"f":{"k" : [1, 2]},"g":[]}`,
			`t,type=kafka a=1i,b=-2.5,c="x",d=true,e=false,f="{\"k\" : [1, 2]}",g="[]",status="info"`, ""},
		{` { } `, `t,type=kafka status="info"`, ""},
		{`{"status":"warn","x":null}`, `t,type=kafka status="warn"`, ""},
		{`{"type":"own"}`, `t status="info",type="own"`, ""},
		{`{"a":1,"a":2}`, `t,type=kafka a=2i,status="info"`, ""},
		{`{"big":9223372036854775807,"bigger":9223372036854775808,"e":1e3,"z":-0}`,
			`t,type=kafka big=9223372036854775807i,bigger=9223372036854776000,e=1000,status="info",z=0i`, ""},
		{`{"s":"a\"\\\/\b\f\n\r\té😀\ud83dx"}`, "t,type=kafka s=\"a\\\"\\\\/\b\f\n\r\té😀\uFFFDx\",status=\"info\"", ""},
		{`{"a":` + deep[1:len(deep)-1] + `}`, `t,type=kafka a="` + deep[1:len(deep)-1] + `",status="info"`, ""},
		{`{"a":` + deep + `}`, "", "nested deeper than 64"},
		{``, "", "neither an object nor an array"},
		{`"text"`, "", "neither an object nor an array"},
		{`{"a":1} x`, "", "text after the value"},
		{`{"a":01}`, "", "expected , or }"},
		{`{"a":1e999}`, "", "does not fit"},
		{`{"a":.5}`, "", "expected a value"},
		{`{"a":1.}`, "", "expected a digit"},
		{`{"a":1e}`, "", "expected a digit"},
		{`{"a":tru}`, "", "expected a value"},
		{`{"a" 1}`, "", "expected :"},
		{`{a:1}`, "", "expected a key"},
		{`{"a":1,}`, "", "expected a key"},
		{`{"a":"x`, "", "does not end"},
		{"{\"a\":\"x\n\"}", "", "control character"},
		{`{"a":"\x"}`, "", "wrong escape"},
		{`{"a":"\u12g4"}`, "", "wrong escape"},
		{`{"a":[1,{"b":}]}`, "", "expected a value"},
		{`[{"a":1},2]`, "", "no object"},
		{`[{"a":1}`, "", "expected , or ]"},
	} {
		k, p := testSource(t, "t", "logging", "json")
		b := points(t, k, p, c.in)
		failed, _ := verdicts(b)
		if c.err != "" {
			if !strings.Contains(failed[0], c.err) {
				t.Errorf("%s: error %q, want %q", c.in, failed[0], c.err)
			}
			if v, _ := b.Points[0].Get("message"); len(b.Points) != 1 || v.Str() != strings.ReplaceAll(c.in, "\n", " ") {
				t.Errorf("%s: the point that failed does not carry the message: %s", c.in, lines(b))
			}
			continue
		}
		if got := lines(b); len(failed) != 0 || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s:\ngot  %q %v\nwant %q", c.in, got, failed, c.want)
		}
	}
}

// TestDecodeJSONArrays mixes objects, arrays and what is neither in one batch: verdicts stand on the right points.
func TestDecodeJSONArrays(t *testing.T) {
	k, p := testSource(t, "t", "metric", "json")
	b := points(t, k, p, `{"a":1}`, `bad`, `[{"b":1},{"b":2},{"b":3}]`, `[]`, `[{},7]`, `{"c":1}`)
	want := []string{"t,type=kafka a=1i", "bad", "t,type=kafka b=1i", "t,type=kafka b=2i", "t,type=kafka b=3i", "[]", "[{},7]", "t,type=kafka c=1i"}
	got := lines(b)
	for i := range got {
		if v, ok := b.Points[i].Get("message"); ok {
			got[i] = v.Str()
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	failed, dropped := verdicts(b)
	if len(failed) != 2 || failed[1] == "" || failed[6] == "" || len(dropped) != 1 || dropped[5] != "empty_array" {
		t.Errorf("failed %v, dropped %v", failed, dropped)
	}
	for i, record := range []int32{0, 1, 2, 2, 2, 3, 4, 5} {
		if b.Points[i].Record != record {
			t.Errorf("point %d is of record %d, want %d", i, b.Points[i].Record, record)
		}
	}
}

func TestDecodeJSONManyKeys(t *testing.T) {
	var text strings.Builder
	text.WriteByte('{')
	for i := range 20000 {
		fmt.Fprintf(&text, `"k%d":%d,`, i%10000, i)
	}
	text.WriteString(`"status":"x"}`)
	k, p := testSource(t, "t", "logging", "json")
	b := points(t, k, p, text.String())
	if n := len(b.Points[0].Fields); n != 10002 {
		t.Fatalf("%d fields, want 10002", n)
	}
	if v, _ := b.Points[0].Get("k77"); v.Int() != 10077 {
		t.Errorf("k77 is %d", v.Int())
	}
}

func TestDecodePoints(t *testing.T) {
	proto := point.AppendProtobuf(nil, &point.Point{Name: "pb", Time: testNow, Fields: []point.Field{{Key: "a", Value: point.Int(1)}}}, nil)
	for _, c := range []struct {
		in, err string
		want    []string
	}{
		{"cpu,host=a usage=1.5,n=2i\nmem free=1i\n", "", []string{"cpu,host=a n=2i,usage=1.5", "mem free=1i"}},
		{"\ncpu a=1i", "", []string{"cpu a=1i"}},
		{string(proto), "", []string{"pb a=1i"}},
		{` [{"measurement":"j","tags":{"t":"v"},"fields":{"f":1}}]`, "", []string{"j,t=v f=1"}},
		{` {"measurement":"j","fields":{"f":1}}`, "", []string{"j f=1"}},
		{"{cpu a=1i", "", []string{"{cpu a=1i"}},
		{"cpu a=1i\nmem", "line 2: missing fields", nil},
		{"\n\xff\xff", "decoding protobuf", nil},
		{`[1]`, "decoding JSON", nil},
	} {
		k, p := testSource(t, "t", "metric", "points")
		b := points(t, k, p, c.in)
		failed, _ := verdicts(b)
		if c.err != "" {
			if !strings.Contains(failed[0], c.err) {
				t.Errorf("%q: error %q", c.in, failed[0])
			}
			if v, _ := b.Points[0].Get("message"); len(b.Points) != 1 || v.Str() != strings.ReplaceAll(c.in, "\n", " ") {
				t.Errorf("%q: the point that failed does not carry the message", c.in)
			}
			continue
		}
		if got := lines(b); len(failed) != 0 || !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q %v", c.in, got, failed)
		}
		for i := range b.Points {
			if b.Points[i].Record != 0 || b.Points[i].Category != point.Metric {
				t.Errorf("%q: point %+v", c.in, b.Points[i])
			}
		}
	}
	k, p := testSource(t, "t", "logging", "points", func(c *kafkaConfig) { c.StorageIndex = "idx" })
	b := points(t, k, p, "", `l message="x"`)
	if _, dropped := verdicts(b); dropped[0] != "no_points" {
		t.Errorf("an empty message: %v", dropped)
	}
	if b.Points[1].Extra.StorageIndex != "idx" {
		t.Error("no storage index")
	}
}

// FuzzDecodeJSON compares with the standard library: both accept the same objects, nested and unknown texts stay what they are.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `[{"a":"\u00e9"}]`, `{"a":{"b":[1,2,{}]},"c":null}`, `{`, `[]`, `{"a":-0.0e+1}`} {
		f.Add(s)
	}
	k, p := testSource(f, "t", "metric", "json")
	f.Fuzz(func(t *testing.T, in string) {
		b := points(t, k, p, in)
		failed, dropped := verdicts(b)
		var object map[string]json.RawMessage
		var array []map[string]json.RawMessage
		text := strings.TrimLeft(in, " \t\r\n")
		valid := strings.HasPrefix(text, "{") && json.Unmarshal([]byte(in), &object) == nil
		if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(in), &array) == nil {
			valid = !strings.Contains(in, "null") || !slices.ContainsFunc(array, func(m map[string]json.RawMessage) bool { return m == nil })
		}
		switch {
		case valid && len(failed) > 0 && !strings.Contains(failed[0], "does not fit") && !strings.Contains(failed[0], "nested deeper"):
			t.Fatalf("%q fails: %v", in, failed)
		case !valid && len(failed) == 0:
			t.Fatalf("%q does not fail", in)
		case len(failed) > 0:
			return
		}
		if want := max(1, len(array)); len(b.Points) != want || len(dropped) == 1 != (array != nil && len(array) == 0) {
			t.Fatalf("%q gives %d points, want %d; dropped %v", in, len(b.Points), want, dropped)
		}
		for key, raw := range object {
			v, ok := b.Points[0].Get(key)
			if !ok && strings.ToValidUTF8(key, "\uFFFD") == key && !strings.Contains(key, "\uFFFD") {
				t.Fatalf("%q: key %q is missing", in, key)
			}
			if nested := strings.TrimSpace(string(raw)); ok && nested != "" && (nested[0] == '{' || nested[0] == '[') && !strings.Contains(key, "\uFFFD") && v.Str() != nested {
				t.Fatalf("%q: %s is %q, want %q", in, key, v.Str(), nested)
			}
		}
	})
}

func FuzzDecodePoints(f *testing.F) {
	for _, s := range []string{"cpu a=1i", "\ncpu a=1", `[{"measurement":"m"}]`, "\n\x04\n\x02pb"} {
		f.Add([]byte(s))
	}
	k, p := testSource(f, "t", "metric", "points")
	f.Fuzz(func(t *testing.T, in []byte) {
		b := points(t, k, p, string(in))
		failed, dropped := verdicts(b)
		if len(b.Points) == 0 || (len(failed)+len(dropped) > 0 && len(b.Points) != 1) {
			t.Fatalf("%d points, failed %v, dropped %v", len(b.Points), failed, dropped)
		}
		for i := range b.Points {
			if q := &b.Points[i]; q.Record != 0 || q.Name == "" {
				t.Fatalf("point %+v", q)
			}
		}
	})
}

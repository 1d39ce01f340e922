package point

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A vector is one request to DataKit's write API and what it did.
type vector struct {
	ID, Path, CT string
	Hdr          []string
	Body         string
	BodyB64      []byte `json:"body_b64"`
	Status       int
	Resp         string
	Points       []string
	Warns        [][]string
}

// Vectors that say nothing about codecs and checks.
var routing = map[string]string{
	"W29": "empty body is refused before it is decoded",
	"W31": "the category does not exist",
	"W32": "the category is not writable",
	"W49": "unknown Content-Encoding",
	"W60": "zstd is decoded by the source",
}

// deviations are the vectors that come out differently on purpose.
var deviations = map[string]struct {
	why    string
	points []string
	warns  [][]string
	err    string // "" is none
}{
	"W15": {why: "15.3 row 27: CRLF is accepted", points: []string{"m f=1i 1700000000000000000"}, warns: [][]string{nil}},
	"W34": {why: "2.6: nil_field is reported once, not twice, and warnings follow the order of the text",
		points: []string{`abc,a_b=c,t1=b arr=[1,2],message="m",n=5,status="info" 1624550216000000000`},
		warns:  [][]string{{"invalid_tag_key", "nil_field", "nil_field", "nil_field", "add_required_kv"}}},
	"W36": {why: "15.3 row 32: null is an error, not a panic", err: "json: null is not a point"},
	"W42": {why: "15.3 row 33: big integers stay exact", points: []string{"abc f=9007199254740993i 1624550216000000000"}, warns: [][]string{nil}},
	"W47": {why: "the tags of RUM are added by the source", points: []string{"view,app_id=a1 load=1i 1700000000000000000"}, warns: [][]string{nil}},
	"W55": {why: "15.3 row 28: a mixed array is an error", points: []string{"m b=1i 1700000000000000000"}, warns: [][]string{nil},
		err: `invalid lineprotocol: unable to parse 'm a=[1,2i] 1700000000000000000'(pos: 1): array of mixed types` + "\n" +
			`with 1 point parse ok, 1 points failed. Origin data: "m a=[1,2i] 1700000000000000000\nm b=1i 1700000000000000000\n"`},
	"W56": {why: "15.3 row 28: bad base64 is an error",
		err: `invalid lineprotocol: unable to parse 'm a="!!"b 1700000000000000000'(pos: 1): invalid base64` + "\n" +
			`with 0 point parse ok, 1 points failed. Origin data: "m a=\"!!\"b 1700000000000000000\n"`},
	"W66": {why: "15.3 row 38: of equal keys the last one stays", points: []string{"p a=2i,b=3i 1700000000000000000"}, warns: [][]string{{"key_name_conflict"}}},
	"W73": {why: "2.3: an empty array is left out", points: []string{`m f=1,status="ok" 1700000000000000000`}, warns: [][]string{nil}},
	"W86": {why: "15.3 row 29: a time that overflows is an error",
		points: []string{"m f=2i 10000000000000000", "m f=4i 10000000000000000", "m f=6i 10000000000000000"}, warns: [][]string{nil, nil, nil},
		err: "invalid lineprotocol: unable to parse 'm f=1i 9999999999'(pos: 1): timestamp out of range\nunable to parse 'm f=3i 9999999999999'(pos: 38): timestamp out of range\n" +
			"unable to parse 'm f=5i 9999999999999999'(pos: 81): timestamp out of range\n" +
			`with 3 point parse ok, 3 points failed. Origin data: "m f=1i 9999999999\nm f=2i 10000000000\nm f=3i 9999999999999\nm f=4i 10000000000000\nm f=5i 9999999999999999\nm f=6i 10000000000000000"`},
}

func TestVectors(t *testing.T) {
	file, err := os.Open("testdata/vectors_http.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	seen := 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		seen++
		if _, ok := routing[v.ID]; !ok {
			t.Run(v.ID, v.run)
		}
	}
	if lines.Err() != nil || seen != 86 {
		t.Errorf("%d vectors, want 86; %v", seen, lines.Err())
	}
}

func (v *vector) run(t *testing.T) {
	const now = 1234567890
	u, err := url.Parse(v.Path)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	category, ok := CategoryOf(strings.TrimPrefix(u.Path, "/v1/write/"))
	if !ok {
		t.Fatalf("category of %s", u.Path)
	}
	precision, _ := PrecisionOf(query.Get("precision"))
	o := ReadOptions{Precision: precision, Now: now, Category: category}
	read, code := ParseLines, "datakit.invalidLinePoint"
	switch {
	case v.CT == "application/protobuf; proto=com.guance.Point":
		read, code = ParseProtobuf, "datakit.invalidProtobufPoint"
	case strings.Contains(v.CT, "application/json") || v.CT == "application/pbjson; proto=com.guance.Point":
		read, code = ParseJSON, "datakit.invalidJsonPoint"
	}
	points, err := read(nil, new(Arena), v.body(t, query), o)
	d, deviates := deviations[v.ID]
	rules := RulesOf(category)
	var got []string
	var warns [][]string
	for i := range points {
		rules.Check(&points[i])
		line := string(AppendLine(nil, &points[i]))
		got = append(got, strings.Replace(line, " "+strconv.Itoa(now), " <now>", 1))
		var types []string
		if e := points[i].Extra; e != nil {
			for _, w := range e.Warns {
				types = append(types, w.Type)
			}
		}
		warns = append(warns, types)
	}
	if deviates {
		if text := errorText(err); text != d.err || !slices.Equal(got, d.points) || !slices.EqualFunc(warns, d.warns, slices.Equal) {
			t.Errorf("error %q\n%q\n%q\n, want (%s) %q\n%q\n%q", text, got, warns, d.why, d.err, d.points, d.warns)
		}
		return
	}
	var resp struct {
		Code    string `json:"error_code"`
		Message string
	}
	if v.Status == 400 {
		if err := json.Unmarshal([]byte(v.Resp), &resp); err != nil {
			t.Fatal(err)
		}
	}
	switch resp.Code {
	case code:
		if text := strings.ToValidUTF8(errorText(err), "\uFFFD"); !sameInvalid(text, resp.Message) {
			t.Errorf("error\n%q, want\n%q", text, resp.Message)
		}
	case "datakit.noPoints":
		if err != nil || len(points) != 0 {
			t.Errorf("%d points, %v", len(points), err)
		}
	case "datakit.pointGotWarning":
		w := points[0].Extra.Warns[0]
		if text := w.Type + ": " + w.Message; text != resp.Message {
			t.Errorf("warning %q, want %q", text, resp.Message)
		}
	case "":
		want := v.Points
		if want == nil {
			want = strings.Split(v.Resp, "\n") // of a dry run
		}
		if err != nil || !slices.Equal(got, want) || v.Warns != nil && !slices.EqualFunc(warns, v.Warns, slices.Equal) {
			t.Errorf("%v\n%q\n%q, want\n%q\n%q", err, got, warns, want, v.Warns)
		}
		echoed := ""
		switch query.Get("echo") {
		case "lp":
			echoed = got[0]
		case "json":
			echoed = "[" + string(AppendPointJSON(nil, &points[0], nil)) + "]"
		case "pbjson":
			echoed = "[" + string(AppendPointPBJSON(nil, &points[0], nil)) + "]"
		}
		if echoed != v.Resp {
			t.Errorf("echo %s, want %s", echoed, v.Resp)
		}
	default:
		t.Errorf("unexpected answer %s", v.Resp)
	}
}

// sameInvalid compares texts in which each invalid byte, or each run of them, is a replacement character.
func sameInvalid(a, b string) bool {
	squeeze := func(s string) string {
		for strings.Contains(s, "\uFFFD\uFFFD") {
			s = strings.ReplaceAll(s, "\uFFFD\uFFFD", "\uFFFD")
		}
		return s
	}
	return squeeze(a) == squeeze(b)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (v *vector) body(t *testing.T, query url.Values) []byte {
	body := []byte(v.Body)
	if v.BodyB64 != nil {
		body = v.BodyB64
	}
	encoding := query.Get("encoding")
	if len(v.Hdr) == 2 && v.Hdr[0] == "Content-Encoding" {
		encoding = v.Hdr[1]
	}
	var r io.Reader = bytes.NewReader(body)
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return plain
}

// The byte vectors of sections 2.5 and 16.6.
const (
	pbAllTypes = "0a8b010a0370626d120e0a016910fdffffffffffffffff0112050a01751803120c0a016621000000000000f83f12050a" +
		"0162280112080a01735a0373747212080a0164320372617712080a017440015a017612300a01613a2b0a1f747970652e" +
		"676f6f676c65617069732e636f6d2f706f696e742e417272617912080a0208010a020802188080a8b1e39fe7cb17"
	pbLogs = "0a4a0a03737263120d0a076d6573736167655a026d30120c0a04686f737440015a026831120c0a0470726f6a40015a027030120e0a067374617475735a04696e666f188080a8b1e39fe7cb17" +
		"0a4a0a03737263120d0a076d6573736167655a026d31120c0a04686f737440015a026831120c0a0470726f6a40015a027031120e0a067374617475735a04696e666f188080a8b1e39fe7cb17"
)

func TestProtobufVectors(t *testing.T) {
	all := Point{Name: "pbm", Time: 1700000000000000000, Fields: []Field{
		{Key: "i", Value: Int(-3)}, {Key: "u", Value: Uint(3)}, {Key: "f", Value: Float(1.5)}, {Key: "b", Value: Bool(true)}, {Key: "s", Value: String("str")},
		{Key: "d", Value: Bytes([]byte("raw"))}, {Key: "t", Value: String("v"), Tag: true}, {Key: "a", Value: List([]Value{Int(1), Int(2)})},
	}}
	if got := hex.EncodeToString(AppendProtobuf(nil, &all, nil)); got != pbAllTypes {
		t.Errorf("all types:\n%s, want\n%s", got, pbAllTypes)
	}
	var logs []byte
	for i := range 2 {
		n := strconv.Itoa(i)
		logs = AppendProtobuf(logs, &Point{Name: "src", Time: 1700000000000000000, Fields: []Field{
			{Key: "message", Value: String("m" + n)}, {Key: "host", Value: String("h1"), Tag: true}, {Key: "proj", Value: String("p" + n), Tag: true}, {Key: "status", Value: String("info")},
		}}, nil)
	}
	if got := hex.EncodeToString(logs); got != pbLogs {
		t.Errorf("D01:\n%s, want\n%s", got, pbLogs)
	}
	for _, text := range []string{pbAllTypes, pbLogs} {
		body, _ := hex.DecodeString(text)
		points, err := ParseProtobuf(nil, new(Arena), body, nanos)
		if err != nil {
			t.Fatal(err)
		}
		var again []byte
		for i := range points {
			again = AppendProtobuf(again, &points[i], nil)
		}
		if !bytes.Equal(again, body) {
			t.Errorf("read and written again: %x, want %x", again, body)
		}
	}
}

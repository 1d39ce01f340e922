package sources

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

// api is an http source behind a server of the test, with a graph that takes what it emits.
type api struct {
	*httptest.Server
	source *httpSource
	tally  *tally

	mu      sync.Mutex
	points  []point.Point
	dropped []string
	take    engine.Emit // the graph; nil: it takes everything
	hold    bool        // batches are kept, not done
	held    []*engine.Batch
}

const httpNow = 1234567890

func newAPI(t *testing.T, change func(*engine.Env, *httpConfig)) *api {
	t.Helper()
	env, tally := testEnv(t)
	env.Now = func() time.Time { return time.Unix(0, httpNow) }
	c := httpConfig{
		Listen: "127.0.0.1:0", Routes: []string{routeWrite, routeQuery, routeDebug}, MaxBody: 64 << 20, MaxCompressed: 10 << 20, MaxPoints: 100_000,
		AnswerTimeout: 10 * time.Second, MaxConnections: 1024,
	}
	if change != nil {
		change(&env, &c)
	}
	s, err := newHTTP(env, c)
	if err != nil {
		t.Fatal(err)
	}
	a := &api{source: s.(*httpSource), tally: tally}
	a.source.started = env.Now()
	ctx, cancel := context.WithCancel(context.Background())
	a.Server = httptest.NewServer(a.source.handler(ctx, a.emit))
	t.Cleanup(func() {
		cancel()
		a.Close()
		a.source.query.Close()
	})
	return a
}

func (a *api) emit(ctx context.Context, b *engine.Batch) error {
	if a.take != nil {
		return a.take(ctx, b)
	}
	o := enginetest.Verdicts(b)
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range b.Points {
		a.points = append(a.points, b.Points[i].Clone()) // their memory ends with the batch
	}
	for _, reason := range o.Dropped {
		a.dropped = append(a.dropped, reason)
	}
	if a.hold {
		a.held = append(a.held, b)
		return nil
	}
	enginetest.Done(b)
	return nil
}

// post sends a body and returns status, headers and answer.
func (a *api) post(t *testing.T, path, content string, body []byte, headers ...string) (int, http.Header, string) {
	t.Helper()
	return a.do(t, http.MethodPost, path, content, body, headers...)
}

func (a *api) do(t *testing.T, method, path, content string, body []byte, headers ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(method, a.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if content != "" {
		r.Header.Set("Content-Type", content)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := a.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// lines returns the points that were emitted, as line protocol, and forgets them.
func (a *api) lines() (out []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.points {
		out = append(out, strings.Replace(string(point.AppendLine(nil, &a.points[i])), " "+strconv.Itoa(httpNow), " <now>", 1))
	}
	a.points = nil
	return out
}

// httpVector is a request to DataKit's write API and what it did (contract 16.1).
type httpVector struct {
	ID, Title, Path, CT string
	Hdr                 []string
	Body                string
	BodyB64             []byte `json:"body_b64"`
	Status              int
	Resp                string
	Points              []string
	Warns               [][]string
}

// httpDeviations are vectors that come out differently on purpose; docs/reference/differences.md lists them.
var httpDeviations = map[string]struct {
	why    string
	status int
	code   string // of an error
	points []string
}{
	"W15": {"CRLF is taken", 200, "", []string{"m f=1i 1700000000000000000"}},
	"W24": {"strict=false is off", 200, "", []string{"m f=1 1700000000000000000"}},
	"W36": {"null is an error, not a panic", 400, "datakit.invalidJsonPoint", nil},
	"W42": {"big integers stay exact", 200, "", []string{"abc f=9007199254740993i 1624550216000000000"}},
	"W55": {"a mixed array is an error", 400, "datakit.invalidLinePoint", nil},
	"W56": {"bad base64 is an error", 400, "datakit.invalidLinePoint", nil},
	"W66": {"of equal keys the last one stays", 200, "", []string{"p a=2i,b=3i 1700000000000000000"}},
	"W73": {"an empty array is left out", 200, "", []string{`m f=1,status="ok" 1700000000000000000`}},
	"W86": {"a time that overflows is an error", 400, "datakit.invalidLinePoint", nil},
}

func TestHTTPVectors(t *testing.T) {
	file, err := os.Open("../engine/point/testdata/vectors_http.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a := newAPI(t, nil)
	seen := 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v httpVector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		seen++
		t.Run(v.ID, func(t *testing.T) { v.run(t, a) })
	}
	if lines.Err() != nil || seen != 86 {
		t.Errorf("%d vectors, want 86; %v", seen, lines.Err())
	}
}

func (v *httpVector) run(t *testing.T, a *api) {
	body := []byte(v.Body)
	if v.BodyB64 != nil {
		body = v.BodyB64
	}
	status, _, answer := a.post(t, v.Path, v.CT, body, v.Hdr...)
	got := a.lines()
	if d, ok := httpDeviations[v.ID]; ok {
		if status != d.status || fmt.Sprint(got) != fmt.Sprint(d.points) || d.code != "" && !strings.Contains(answer, `"`+d.code+`"`) {
			t.Errorf("%d %s\n%q\nwant (%s) %d %s\n%q", status, answer, got, d.why, d.status, d.code, d.points)
		}
		return
	}
	if status != v.Status || fmt.Sprint(got) != fmt.Sprint(v.Points) {
		t.Errorf("%s\n%d %s\n%q\nwant %d\n%q", v.Title, status, answer, got, v.Status, v.Points)
	}
	if !sameAnswer(answer, v.Resp) {
		t.Errorf("answer\n%s\nwant\n%s", answer, v.Resp)
	}
}

// sameAnswer compares errors by their code and the beginning of the message, and other answers as they are: the texts of Go's own JSON reader
// are not ours.
func sameAnswer(got, want string) bool {
	var g, w struct {
		Code    string `json:"error_code"`
		Message string
	}
	if json.Unmarshal([]byte(want), &w) != nil || w.Code == "" {
		return got == want
	}
	if json.Unmarshal([]byte(got), &g) != nil || g.Code != w.Code {
		return false
	}
	return strings.HasPrefix(w.Code, "datakit.invalidJson") || w.Code == "datakit.pointGotWarning" || w.Code == "datakit.invalidProtobufPoint" || g.Message == w.Message
}

package sources

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"dataflow/engine"
	"dataflow/engine/enginetest"
)

// pack compresses data by name.
func pack(t testing.TB, encoding string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zlib":
		w = zlib.NewWriter(&out)
	case "deflate":
		w, err = flate.NewWriter(&out, 6)
	case "br":
		w = brotli.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	}
	if err == nil {
		_, err = w.Write(data)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestHTTPEncodings(t *testing.T) {
	a := newAPI(t, nil)
	line := []byte("m f=1i 1700000000000000000")
	for _, e := range []string{"gzip", "zlib", "deflate", "br", "zstd"} {
		name := strings.Replace(e, "zlib", "deflate", 1)
		for _, sent := range []struct{ path, header string }{{"/v1/write/metric", name}, {"/v1/write/metric?encoding=" + name, ""}, {"/v1/write/metric?encoding=" + name, "gzip"}} {
			status, _, answer := a.post(t, sent.path, "", pack(t, e, line), "Content-Encoding", sent.header)
			if got := a.lines(); status != 200 || len(got) != 1 {
				t.Errorf("%s %v: %d %s %q", e, sent, status, answer, got)
			}
		}
		for _, broken := range [][]byte{line, pack(t, e, line)[:12], {}, append(pack(t, e, line)[:8], "garbage that is none"...)} {
			status, _, answer := a.post(t, "/v1/write/metric", "", broken, "Content-Encoding", name)
			if status != 400 || !strings.Contains(answer, "datakit.") {
				t.Errorf("%s of %q: %d %s", e, broken, status, answer)
			}
			if got := a.lines(); got != nil {
				t.Errorf("%s of %q: %q", e, broken, got)
			}
		}
	}
	for _, e := range []string{"identity", "GZIP", "gzip, gzip", "snappy"} {
		if status, _, answer := a.post(t, "/v1/write/metric", "", line, "Content-Encoding", e); status != 400 || answer != `{"error_code":"datakit.decodeBodyFailed"}` {
			t.Errorf("%s: %d %s", e, status, answer)
		}
	}
}

func TestHTTPBombs(t *testing.T) {
	a := newAPI(t, func(_ *engine.Env, c *httpConfig) { c.MaxBody = 4 << 20 })
	zeros := make([]byte, 32<<20)
	for _, e := range []string{"gzip", "deflate", "br", "zstd"} {
		bomb := pack(t, e, zeros)
		if status, _, answer := a.post(t, "/v1/write/metric", "", bomb, "Content-Encoding", e); status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s of %d bytes: %d %s", e, len(bomb), status, answer)
		}
	}
	if status, _, _ := a.post(t, "/v1/write/metric", "", zeros); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a plain body: %d", status)
	}
	many := strings.Repeat("m f=1i\n", 100_001)
	if status, _, _ := a.post(t, "/v1/write/metric", "", []byte(many)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("many points: %d", status)
	}
}

// TestHTTPDone answers when the graph is done and not before.
func TestHTTPDone(t *testing.T) {
	a := newAPI(t, func(_ *engine.Env, c *httpConfig) { c.AnswerTimeout = 50 * time.Millisecond })
	a.hold = true
	status, h, answer := a.post(t, "/v1/write/logging", "", []byte(`l message="x"`))
	if status != http.StatusServiceUnavailable || h.Get("Retry-After") == "" || !strings.Contains(answer, "datakit.timeout") {
		t.Errorf("not done: %d %v %s", status, h, answer)
	}
	a.mu.Lock()
	for _, b := range a.held {
		enginetest.Done(b) // later than its request
	}
	a.hold = false
	a.mu.Unlock()
	if status, _, _ := a.post(t, "/v1/write/logging", "", []byte(`l message="x"`)); status != 200 {
		t.Errorf("done: %d", status)
	}
}

// TestHTTPPressure answers clients by the level of the window.
func TestHTTPPressure(t *testing.T) {
	pressure := 0.0
	a := newAPI(t, func(e *engine.Env, c *httpConfig) {
		e.Pressure = func() float64 { return pressure }
		c.ClientRate = engine.Rate{Amount: 3}
	})
	c := a.source.clients
	self, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.2")
	c.enter(self, 1000)
	c.enter(other, 10)
	post := func() int {
		status, h, _ := a.post(t, "/v1/write/metric", "", []byte("m f=1i"))
		if status != 200 && h.Get("Retry-After") == "" {
			t.Errorf("%d without Retry-After", status)
		}
		return status
	}
	for _, x := range []struct {
		pressure float64
		want     int
	}{{0.5, 200}, {0.75, 429}, {0.95, 503}, {0.5, 429}} { // the last one is above client_rate
		pressure = x.pressure
		if got := post(); got != x.want {
			t.Errorf("pressure %v: %d, want %d", x.pressure, got, x.want)
		}
	}
	if c.pressed(other, 0.75) != nil {
		t.Error("a client with little in flight waits")
	}
	c.leave(self, 1000)
	c.leave(other, 10)
	if c.bytes != 0 || c.busy != 0 {
		t.Errorf("%d bytes, %d clients are left", c.bytes, c.busy)
	}
}

// TestHTTPDropsNothingSilently counts what DataKit loses without a word.
func TestHTTPDropsNothingSilently(t *testing.T) {
	a := newAPI(t, nil)
	status, _, _ := a.post(t, "/v1/write/metric?input=func", "", []byte(`m k="s"`))
	if status != 200 || len(a.dropped) != 1 || a.dropped[0] != "no_fields" {
		t.Errorf("%d, dropped %q", status, a.dropped)
	}
	if a.tally.get("http_warnings/invalid_field_value_type") != 1 || a.tally.get("http_points_by_input/func") != 1 {
		t.Errorf("not counted: %v", a.tally.n)
	}
}

func TestHTTPRoutes(t *testing.T) {
	a := newAPI(t, nil)
	status, h, answer := a.do(t, http.MethodGet, "/v1/ping", "", nil)
	var ping struct {
		Content struct{ Version, Uptime, Host, Commit string }
	}
	if err := json.Unmarshal([]byte(answer), &ping); err != nil || status != 200 || ping.Content.Version == "" || ping.Content.Host == "" {
		t.Errorf("ping: %d %s %v", status, answer, err)
	}
	if h.Get("X-DataKit") != ping.Content.Version+"/"+ping.Content.Host || h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("headers: %v", h)
	}
	for _, x := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/v1/ntp", "", 200, `{"timestamp_sec":1}`},
		{"POST", "/v1/lasterror", `{"input":"py","err_content":"boom"}`, 200, ""},
		{"POST", "/v1/lasterror", `{"input":"py"}`, 500, `{"error_code":"inputOrErrcontentCanNotBeNil"}`},
		{"POST", "/v1/query/raw", `{}`, 500, ""},
		{"POST", "/v1/query/raw", `no`, 400, ""},
		{"OPTIONS", "/v1/write/metric", "", 204, ""},
		{"OPTIONS", "/nosuch", "", 204, ""},
		{"GET", "/v1/write/metric", "", 404, ""},
		{"GET", "/nosuch", "", 404, ""},
		{"POST", "/v1/write/", "m f=1", 404, ""},
		{"PUT", "/v1/ping", "", 404, ""},
		{"GET", "/v1/global/host/tags", "", 404, ""},
		{"POST", "/v1/global/election/tags?k=v", "", 404, ""},
		{"POST", "/v1/write/logstreaming", "x", 400, `{"error_code":"datakit.invalidCategory","message":"invalid URL \"/v1/write/logstreaming\""}`},
	} {
		status, _, answer := a.do(t, x.method, x.path, "", []byte(x.body))
		if status != x.status || x.answer != "" && answer != x.answer {
			t.Errorf("%s %s: %d %s, want %d %s", x.method, x.path, status, answer, x.status, x.answer)
		}
	}
	if a.tally.get("http_last_errors/py") != 1 {
		t.Error("the error of a collector is not counted")
	}
}

// TestHTTPRuns serves on an address of its own until its context ends.
func TestHTTPRuns(t *testing.T) {
	env, _ := testEnv(t)
	addr := make(chan string, 1)
	listen := env.Listen
	env.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
		l, err := listen(ctx, network, address)
		if err == nil {
			addr <- l.Addr().String()
		}
		return l, err
	}
	s, err := newHTTP(env, httpConfig{Listen: "127.0.0.1:0", Routes: []string{routeWrite}, MaxBody: 1 << 20, MaxCompressed: 1 << 20, MaxPoints: 10, AnswerTimeout: time.Second, MaxConnections: 16})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(ctx, func(_ context.Context, b *engine.Batch) error { enginetest.Done(b); return nil })
	}()
	resp, err := http.Post("http://"+<-addr+"/v1/write/metric", "", strings.NewReader("m f=1i"))
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

package sources

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
)

// TestHTTPPages: a web page that somebody on this machine has opened may write, as RUM does, but not read the workspace with our token, nor
// try scripts.
func TestHTTPPages(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"content":[]}`)) })
	const token = "tok_0123456789abcdef"
	debug := debugBody("logging", "a", map[string]string{"a": "add_key(b, 1)"}, []string{"x"}, "")
	with := func(change func(*httpConfig)) *api {
		return newAPI(t, func(_ *engine.Env, c *httpConfig) {
			c.Dataway = engine.NewSecret(u.URL + "/?token=" + upstreamToken)
			change(c)
		})
	}
	for _, x := range []struct {
		name    string
		change  func(*httpConfig)
		headers []string
		want    int
	}{
		{"no page", func(*httpConfig) {}, nil, 200},
		{"page", func(*httpConfig) {}, []string{"Origin", "https://evil.example"}, 403},
		{"page of a file", func(*httpConfig) {}, []string{"Origin", "null"}, 403},
		{"page that says nothing", func(*httpConfig) {}, []string{"Origin", ""}, 403},
		{"page under our name", func(*httpConfig) {}, []string{"Origin", "http://127.0.0.1:9529"}, 403},
		{"page with a token that nobody asked for", func(*httpConfig) {}, []string{"Origin", "https://evil.example", "X-Token", ""}, 403},
		{"in a network", func(c *httpConfig) { c.Allow = []string{"127.0.0.0/8"} }, []string{"Origin", "https://evil.example"}, 403},
		{"insecure", func(c *httpConfig) { c.Insecure = true }, []string{"Origin", "https://evil.example"}, 403},
		{"with a token", func(c *httpConfig) { c.Tokens = []engine.Secret{engine.NewSecret(token)} }, []string{"Origin", "https://ours.example", "X-Token", token}, 200},
	} {
		a := with(x.change)
		before := len(u.seen)
		for path, body := range map[string][]byte{"/v1/query/raw": []byte("{}"), "/v1/object/labels": []byte("{}"), "/v1/pipeline/debug": debug} {
			if status, _, answer := a.post(t, path, contentJSON, body, x.headers...); status != x.want || (status == 403) != strings.Contains(answer, "datakit.publicAccessDisabled") {
				t.Errorf("%s: %s: %d %s", x.name, path, status, answer)
			}
		}
		if asked := len(u.seen) > before; asked != (x.want == 200) {
			t.Errorf("%s: the DataWay was asked: %v", x.name, asked)
		}
		if status, _, _ := a.post(t, "/v1/write/rum", "", []byte("view f=1"), x.headers...); status != 200 {
			t.Errorf("%s: writing is %d", x.name, status)
		}
	}
}

// TestHTTPLastErrorsAreBounded: who reports errors does not fill the log.
func TestHTTPLastErrorsAreBounded(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1700000000, 0)
	a := newAPI(t, func(env *engine.Env, _ *httpConfig) {
		env.Log = slog.New(slog.NewTextHandler(&log, nil))
		env.Now = func() time.Time { return now }
	})
	for range 2 {
		for i := range 50 {
			if status, _, answer := a.post(t, "/v1/lasterror", contentJSON, fmt.Appendf(nil, `{"input":"py","err_content":"boom %d"}`, i)); status != 200 || answer != "" {
				t.Fatalf("%d %s", status, answer)
			}
		}
		now = now.Add(time.Second)
	}
	if n := strings.Count(log.String(), "a collector reports an error"); n != 2*mostLastErrors {
		t.Errorf("%d lines in the log", n)
	}
	if n := a.tally.get("http_last_errors/py"); n != 100 {
		t.Errorf("%d counted", n)
	}
	for body, want := range map[string]string{
		`[]`:          `{"error_code":"datakit.invalidJSON","message":"json: cannot unmarshal array into Go value of type sources.lastError"}`,
		`{"input":1}`: `{"error_code":"datakit.invalidJSON","message":"json: cannot unmarshal number into Go struct field lastError.input of type string"}`,
	} {
		if status, _, answer := a.post(t, "/v1/lasterror", contentJSON, []byte(body)); status != 400 || answer != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

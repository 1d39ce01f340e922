package sources

import (
	"bytes"
	"context"
	"encoding/json"
	flags "flag" // the package has a function flag
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"unicode/utf8"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

// statuses are those of the contract and of what the engine adds to it (guarantees B10).
var statuses = []int{200, 204, 400, 403, 404, 408, 413, 429, 500, 502, 503}

// FuzzHTTPHandler sends any request: no panic, an answer of the contract, and points that are valid, or none.
func FuzzHTTPHandler(f *testing.F) {
	for _, s := range []struct{ method, path, query, content, encoding, body string }{
		{"POST", "/v1/write/metric", "precision=s&input=x", "", "", "m,t=v f=1i 1700000000"},
		{"POST", "/v1/write/logging", "echo=json&dry=1&storage_index=i", contentJSON, "", `[{"measurement":"l","fields":{"a.b":"x"}}]`},
		{"POST", "/v1/write/object", "strict=1&echo=pbjson", contentPBJSON, "", `[{"name":"o","fields":[{"key":"k","i":"1"}]}]`},
		{"POST", "/v1/write/rum", "echo=lp", contentProtobuf, "", "\x0a\x0a\x0a\x01m\x12\x05\x0a\x01f\x10\x01"},
		{"POST", "/v1/write/security", "encoding=gzip", "", "gzip", "\x1f\x8b\x08"},
		{"POST", "/v1/write/nosuch", "", "", "", "x"},
		{"POST", "/v1/lasterror", "", "", "", `{"input":"a","err_content":"b"}`},
		{"POST", "/v1/query/raw", "", "", "", `{"queries":[]}`},
		{"POST", "/v1/pipeline/debug", "", "", "", `{"category":"logging","script_name":"a","pipeline":{"logging":{"a":"YWRkX2tleShhLCAxKQ=="}},"data":["eA=="]}`},
		{"OPTIONS", "/", "", "", "", ""}, {"GET", "/v1/ping", "", "", "", ""},
	} {
		f.Add(s.method, s.path, s.query, s.content, s.encoding, []byte(s.body))
	}
	env, _ := testEnv(&testing.T{})
	c := defaultHTTP()
	c.MaxBody = 1 << 20
	s, err := newHTTP(env, c)
	if err != nil {
		f.Fatal(err)
	}
	source := s.(*httpSource)
	var emitted []point.Point
	handler := source.handler(context.Background(), func(_ context.Context, b *engine.Batch) error {
		for _, p := range b.Points {
			emitted = append(emitted, p.Clone())
		}
		enginetest.Verdicts(b)
		enginetest.Done(b)
		return nil
	})
	f.Fuzz(func(t *testing.T, method, path, query, content, encoding string, body []byte) {
		emitted = nil
		r := (&http.Request{
			Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{"Content-Type": {content}, "Content-Encoding": {encoding}},
			Body: http.NoBody, ContentLength: int64(len(body)), RemoteAddr: "127.0.0.1:1",
		}).WithContext(context.Background())
		r.Body = closer{bytes.NewReader(body)}
		w := &record{header: http.Header{}}
		handler.ServeHTTP(w, r)
		source.running.Wait()
		if !slices.Contains(statuses, w.status) {
			t.Fatalf("%d %s", w.status, w.body)
		}
		if w.status == 500 && bytes.Contains(w.body, []byte("datakit.internal")) {
			t.Fatalf("a panic: %s %s?%s %q", method, path, query, body)
		}
		if w.status != 200 && len(emitted) > 0 {
			t.Fatalf("%d %s, and %d points", w.status, w.body, len(emitted))
		}
		if w.status >= 400 && w.status != 404 && !json.Valid(w.body) {
			t.Fatalf("%d %q", w.status, w.body)
		}
		for i := range emitted {
			checkPoint(t, &emitted[i])
		}
		if used := source.bodies.used.Load(); used != 0 {
			t.Fatalf("%d bytes of bodies are left", used)
		}
	})
}

// closer is a body.
type closer struct{ *bytes.Reader }

// Close does nothing.
func (closer) Close() error { return nil }

// checkPoint holds a point to the limits of the contract.
func checkPoint(t *testing.T, p *point.Point) {
	t.Helper()
	tags, fields := 0, 0
	seen := map[string]bool{}
	for i := range p.Fields {
		f := &p.Fields[i]
		if f.Key == "" || len(f.Key) > point.MaxKeyLen || seen[f.Key] {
			t.Fatalf("the key %q", f.Key)
		}
		seen[f.Key] = true
		if f.Tag {
			tags++
			if f.Value.Kind() != point.KindString || len(f.Value.Str()) > point.MaxTagValueLen {
				t.Fatalf("the tag %s: %v", f.Key, f.Value)
			}
		} else {
			fields++
		}
	}
	const added = 5 // tags of RUM, status, name
	if p.Name == "" || len(p.Name) > point.MaxNameLen || tags > point.MaxTags+added || fields > point.MaxFields+added {
		t.Fatalf("%q with %d tags and %d fields", p.Name, tags, fields)
	}
}

var randomHeaders = flags.Int("headers", 100_000, "requests with headers by chance; a million is the guarantee")

// TestHTTPRandomHeaders: of many requests with headers by chance none reaches what reads bodies (guarantees E2).
func TestHTTPRandomHeaders(t *testing.T) {
	env, counts := testEnv(t)
	c := defaultHTTP()
	c.Listen, c.Allow = "0.0.0.0:0", []string{"192.0.2.0/24"}
	const token = "tok_0123456789abcdef"
	c.Tokens = []engine.Secret{engine.NewSecret(token)}
	s, err := newHTTP(env, c)
	if err != nil {
		t.Fatal(err)
	}
	handler := s.(*httpSource).handler(context.Background(), nil)
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		switch random.IntN(5) {
		case 0:
			return token[:random.IntN(len(token))]
		case 1:
			return "Bearer " + token[1:] + string(rune(random.IntN(utf8.MaxRune)))
		case 2:
			return "Basic " + token
		case 3:
			return "127.0.0.1, 192.0.2.1"
		}
		b := make([]byte, random.IntN(40))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return string(b)
	}
	names := []string{"Authorization", "X-Token", "Proxy-Authorization", "X-Forwarded-For", "X-Real-Ip", "Forwarded", "Cookie", "X-Original-Url", "Host"}
	w := &record{}
	for i := range *randomHeaders {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/v1/write/metric", RawQuery: "token=" + token}, Header: http.Header{}, RemoteAddr: "203.0.113.9:1"}
		if i%2 == 0 {
			r.RemoteAddr = "127.0.0.1:1"
		}
		r.Body = closer{bytes.NewReader([]byte("m f=1i"))}
		for range 1 + random.IntN(4) {
			r.Header[names[random.IntN(len(names))]] = []string{word()}
		}
		*w = record{header: http.Header{}}
		handler.ServeHTTP(w, r.WithContext(context.Background()))
		if w.status != http.StatusForbidden {
			t.Fatalf("%d for %v", w.status, r.Header)
		}
	}
	if n := counts.get("http_requests//v1/write 403"); n != int64(*randomHeaders) {
		t.Errorf("%d were counted", n)
	}
}

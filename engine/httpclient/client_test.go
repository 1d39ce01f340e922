package httpclient

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
)

func testEnv() engine.Env { return engine.HostEnv(slog.New(slog.DiscardHandler)) }

func newClient(t *testing.T, env engine.Env, o Options) *Client {
	t.Helper()
	c, err := New(env, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte("body")))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestClassify(t *testing.T) {
	c := newClient(t, testEnv(), Options{})
	for status, want := range map[int]engine.ErrorClass{
		400: engine.BadData, 422: engine.BadData, 413: engine.TooLarge,
		401: engine.Refused, 403: engine.Refused, 404: engine.Refused, 405: engine.Refused, 301: engine.Refused, 307: engine.Refused, 402: engine.Refused, 415: engine.Refused,
		408: engine.Retry, 425: engine.Retry, 429: engine.Retry, 500: engine.Retry, 502: engine.Retry, 503: engine.Retry, 599: engine.Retry,
	} {
		e := c.Classify(Answer{Status: status}, nil)
		if e == nil || e.Class != want {
			t.Errorf("%d is %v, want %v", status, e, want)
			continue
		}
		if wantAfter := time.Duration(0); e.Class == engine.Refused {
			if wantAfter = ProbeInterval; e.After != wantAfter {
				t.Errorf("%d: After = %v, want %v", status, e.After, wantAfter)
			}
		}
	}
	for _, status := range []int{200, 202, 204} {
		if e := c.Classify(Answer{Status: status}, nil); e != nil {
			t.Errorf("%d is %v, want nil", status, e)
		}
	}
	if e := c.Classify(Answer{}, io.ErrUnexpectedEOF); e == nil || e.Class != engine.Retry || !errors.Is(e, io.ErrUnexpectedEOF) {
		t.Errorf("a network error is %v, want Retry", e)
	}
	if got, want := c.Classify(Answer{Status: 400, Body: []byte("bad\n\x1b[31m line\tä\xff")}, nil).Error(), "answered 400 Bad Request: bad [31m line ä"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if got := c.Classify(Answer{Status: 500, Body: []byte(strings.Repeat("ä", 10000))}, nil).Error(); len(got) > 400 || !strings.HasSuffix(got, "ä ...") {
		t.Errorf("long answer gives %d bytes: %q", len(got), got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		after, date string
		want        time.Duration
	}{
		{"", "", 0}, {"7", "", 7 * time.Second}, {" 7 ", "", 7 * time.Second}, {"0", "", 0}, {"-5", "", 0}, {"1.5", "", 0}, {"soon", "", 0},
		{"300", "", 5 * time.Minute}, {"301", "", 5 * time.Minute}, {"9223372036854775807", "", 5 * time.Minute}, {"99999999999999999999", "", 0},
		{date(20 * time.Second), "", 20 * time.Second}, {date(-time.Hour), "", 0}, {date(1000 * time.Hour), "", 5 * time.Minute},
		{date(20 * time.Second), date(15 * time.Second), 5 * time.Second}, {date(20 * time.Second), "nonsense", 20 * time.Second},
		{"Fri, 31 Dec 9999 23:59:59 GMT", "", 5 * time.Minute},
	} {
		h := http.Header{}
		h.Set("Retry-After", c.after)
		h.Set("Date", c.date)
		if got := retryAfter(h, func() time.Time { return now }); got != c.want {
			t.Errorf("Retry-After %q, Date %q: %v, want %v", c.after, c.date, got, c.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "")
	f.Add("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:00 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		h := http.Header{"Retry-After": {after}, "Date": {date}}
		if d := retryAfter(h, time.Now); d < 0 || d > maxRetryAfter {
			t.Fatalf("%v", d)
		}
	})
}

const token = "tkn_0123456789abcdef0123456789abcdef"

func TestNoRedirects(t *testing.T) {
	hits := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	c := newClient(t, testEnv(), Options{})
	a, err := c.Do(context.Background(), request(t, s.URL))
	if err != nil || a.Status != 307 || hits != 1 {
		t.Fatalf("status %d, error %v, %d requests", a.Status, err, hits)
	}
}

func TestAnswerIsBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 1000 {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	c := newClient(t, testEnv(), Options{})
	a, err := c.Do(context.Background(), request(t, s.URL))
	if err != nil || len(a.Body) != maxAnswer {
		t.Fatalf("%d bytes, error %v", len(a.Body), err)
	}
}

func TestSecretsStayOut(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "no such token: "+r.URL.Query().Get("token"))
	}))
	c := newClient(t, testEnv(), Options{})
	a, err := c.Do(context.Background(), request(t, s.URL+"/v1?token="+token))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Classify(a, err).Error(); got != "answered 403 Forbidden: no such token: [redacted]" {
		t.Errorf("%q", got)
	}
	s.Close()
	u, _ := url.Parse(s.URL)
	_, err = c.Do(context.Background(), request(t, "http://user:hunter22@"+u.Host+"/v1?token="+token))
	if err == nil {
		t.Fatal("a closed server answered")
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), token) || strings.Contains(e.Error(), "hunter22") {
			t.Errorf("%T shows a secret: %v", e, e)
		}
	}
	if !strings.HasPrefix(err.Error(), "POST "+s.URL+"/v1: ") {
		t.Errorf("%v does not say where", err)
	}
	for _, proxy := range []string{"socks5://user:hunter22@x:1", "user:hunter22@x", "http://user:hunter22@x:port", "%zz"} {
		_, err := New(testEnv(), Options{Proxy: engine.NewSecret(proxy)})
		if err == nil || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("proxy %q: %v", proxy, err)
		}
	}
}

func TestProxy(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.String()) }))
	defer s.Close()
	env := testEnv()
	a, err := newClient(t, env, Options{Proxy: engine.NewSecret(s.URL)}).Do(context.Background(), request(t, "http://far.example/x"))
	if err != nil || string(a.Body) != "http://far.example/x" {
		t.Errorf("proxy saw %q, error %v", a.Body, err)
	}
	env.Plain = true
	env.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.Listener.Addr().String())
	}
	a, err = newClient(t, env, Options{Proxy: engine.NewSecret("http://proxy.example:3128")}).Do(context.Background(), request(t, "https://far.example/x"))
	if err != nil || string(a.Body) != "/x" {
		t.Errorf("stand-in saw %q, error %v", a.Body, err)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	do := func(o TLS) error {
		_, err := newClient(t, testEnv(), Options{TLS: o}).Do(context.Background(), request(t, s.URL))
		return err
	}
	if err := do(TLS{}); err == nil {
		t.Error("an unknown authority was trusted")
	}
	if err := do(TLS{CA: engine.File{Path: "ca.pem", Data: ca}}); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	if err := do(TLS{CA: engine.File{Path: "ca.pem", Data: ca}, ServerName: "other.example.org"}); err == nil {
		t.Error("a wrong name was accepted")
	}
	if err := do(TLS{InsecureSkipVerify: true}); err != nil {
		t.Errorf("without checks: %v", err)
	}
	for path, o := range map[string]TLS{
		"tls.ca": {CA: engine.File{Path: "x"}}, "tls.key": {Cert: engine.File{Path: "x"}},
		"tls.cert": {Cert: engine.File{Path: "x", Data: ca}, Key: engine.File{Path: "y", Data: []byte("no key")}},
	} {
		var e *engine.OptionError
		if _, err := New(testEnv(), Options{TLS: o}); !errors.As(err, &e) || e.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-release }))
	defer s.Close()
	defer close(release)
	c := newClient(t, testEnv(), Options{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-arrived; cancel() }()
	if _, err := c.Do(ctx, request(t, s.URL)); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
}

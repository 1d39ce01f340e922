package sinks

import (
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/httpclient"
)

// findings returns what the check of a sink says, a line each.
func findings(t *testing.T, env engine.Env, change func(*datawayConfig)) []string {
	t.Helper()
	var out []string
	newTestDataway(t, env, change).Check(t.Context(), func(f engine.Finding) { out = append(out, f.Grade+": "+f.Text) })
	for _, line := range out {
		if strings.Contains(line, testToken) {
			t.Errorf("shows the token: %s", line)
		}
	}
	return out
}

// TestDatawayCheckAnswers goes through what a destination may answer to an empty body, and to the question for the token. Each of them
// gets no body and the token, and echoes the latter.
func TestDatawayCheckAnswers(t *testing.T) {
	const empty = `{"error_code":"dataway.emptyBody"}`
	for _, c := range []struct {
		name          string
		write, token  int
		said, toToken string
		header        string
		want          []string
	}{
		{name: "takes", write: 200, want: []string{"ok: URL answers: DataWay", "ok: URL takes points"}},
		{name: "knows the token", write: 400, said: empty, token: 200, want: []string{"ok: URL answers: DataWay", "ok: URL knows the token"}},
		{name: "does not know it", write: 400, said: empty, token: 403, toToken: "no such token", want: []string{"ok: URL answers: DataWay",
			"fault: URL: the token is refused: answered 403 Forbidden: no such token"}},
		{name: "says so with 200", write: 400, said: empty, token: 200, toToken: `{"error_code":"tokenNotFound"}`, want: []string{"ok: URL answers: DataWay",
			`fault: URL: the token is refused: "{\"error_code\":\"tokenNotFound\"}"`}},
		{name: "cannot say", write: 400, said: empty, token: 404, want: []string{"ok: URL answers: DataWay",
			"advice: URL did not say whether it knows the token: answered 404 Not Found"}},
		{name: "DataKit", write: 400, said: empty, token: 404, header: "1.84.1/web01", want: []string{`ok: URL answers: DataKit "1.84.1/web01"`,
			"advice: URL did not say whether it knows the token: answered 404 Not Found"}},
		{name: "401", write: 401, said: "who are you, " + testToken, want: []string{"ok: URL answers: DataWay",
			"fault: URL: the token is refused, or may not write: answered 401 Unauthorized: who are you, [redacted]"}},
		{name: "403", write: 403, said: `{"error_code":"ft.beyondDataUsage"}`, want: []string{"ok: URL answers: DataWay",
			`fault: URL: the token is refused, or may not write: answered 403 Forbidden: {"error_code":"ft.beyondDataUsage"}`}},
		{name: "404", write: 404, want: []string{"ok: URL answers: DataWay",
			"fault: URL: there is no write API; a path of url is dropped, is the host right: answered 404 Not Found"}},
		{name: "redirect", write: 302, want: []string{"ok: URL answers: DataWay",
			"fault: URL: there is no write API; a path of url is dropped, is the host right: answered 302 Found"}},
		{name: "429", write: 429, want: []string{"ok: URL answers: DataWay",
			"advice: URL takes no points now, and would be tried again: answered 429 Too Many Requests"}},
		{name: "503", write: 503, want: []string{"ok: URL answers: DataWay",
			"fault: URL: it fails, and would be tried again: answered 503 Service Unavailable"}},
		{name: "wants TLS", write: 400, said: "Client sent an HTTP request to an HTTPS server.\n", want: []string{"ok: URL answers: DataWay",
			"fault: URL: it speaks TLS: write https://"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if body, _ := io.ReadAll(r.Body); len(body) > 0 || r.URL.Query().Get("token") != testToken {
					t.Errorf("got %d bytes with %s", len(body), r.URL)
				}
				if c.header != "" {
					w.Header().Set("X-Datakit", c.header)
				}
				status, said := c.write, c.said
				if r.Method == http.MethodGet && r.URL.Path == "/v1/check/token/"+testToken {
					status, said = c.token, c.toToken
				} else if r.Method != http.MethodPost || r.URL.Path != "/v1/write/metric" {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, said)
			}))
			defer s.Close()
			got := findings(t, testEnv(), func(o *datawayConfig) { o.URL = engine.NewSecret(s.URL + "/any?token=" + testToken) })
			same(t, got, strings.ReplaceAll(strings.Join(c.want, "\n"), "URL", s.URL))
		})
	}
}

func same(t *testing.T, got []string, want string) {
	t.Helper()
	if strings.Join(got, "\n") != want {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// TestDatawayCheckConnection goes through what hinders a connection.
func TestDatawayCheckConnection(t *testing.T) {
	answers := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	secure := httptest.NewUnstartedServer(answers)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(answers)
	defer plain.Close()
	ca := engine.File{Path: "ca.pem", Data: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})}
	query := "?token=" + testToken
	fails := func(err error) engine.Env {
		env := testEnv()
		env.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, err }
		return env
	}
	late := testEnv()
	late.Now = func() time.Time { return secure.Certificate().NotAfter.Add(-49 * time.Hour) }
	for _, c := range []struct {
		name, url string
		env       engine.Env
		tls       httpclient.TLS
		want      []string // beginnings of lines
	}{
		{name: "sound", url: secure.URL + query, env: testEnv(), tls: httpclient.TLS{CA: ca}, want: []string{"ok: " + secure.URL + " answers: DataWay, TLS 1.3, certificate until 2084-01-29", "ok: "}},
		{name: "ends soon", url: secure.URL + query, env: late, tls: httpclient.TLS{CA: ca}, want: []string{"ok: ", "advice: " + secure.URL + ": its certificate ends in 2 days", "ok: "}},
		{name: "unknown authority", url: secure.URL + query, env: testEnv(), want: []string{"fault: " + secure.URL + ": nobody that is trusted has signed its certificate; tls.ca"}},
		{name: "another name", url: secure.URL + query, env: testEnv(), tls: httpclient.TLS{CA: ca, ServerName: "dataway.test"}, want: []string{"fault: " + secure.URL + ": its certificate is for another name; tls.server_name"}},
		{name: "not verified", url: secure.URL + query, env: testEnv(), tls: httpclient.TLS{InsecureSkipVerify: true}, want: []string{"advice: tls.insecure_skip_verify", "ok: ", "ok: "}},
		{name: "no TLS", url: strings.Replace(plain.URL, "http:", "https:", 1) + query, env: testEnv(), want: []string{"fault: " + strings.Replace(plain.URL, "http:", "https:", 1) + ": it does not speak TLS; is it http://"}},
		{name: "TLS", url: strings.Replace(secure.URL, "https:", "http:", 1) + query, env: testEnv(), want: []string{"ok: ", "fault: " + strings.Replace(secure.URL, "https:", "http:", 1) + ": it speaks TLS: write https://"}},
		{name: "nobody there", url: "http://127.0.0.1:1" + query, env: testEnv(), want: []string{"fault: http://127.0.0.1:1: nobody listens there"}},
		{name: "no such name", url: "https://dataway.test" + query, env: fails(&net.DNSError{Name: "dataway.test", Err: "no such host", IsNotFound: true}),
			want: []string{"fault: https://dataway.test: the name dataway.test does not resolve"}},
		{name: "silence", url: "https://dataway.test" + query, env: fails(context.DeadlineExceeded), want: []string{"fault: https://dataway.test: it does not answer; is there a firewall"}},
		{name: "in clear", url: "http://dataway.test" + query, env: fails(io.EOF), want: []string{"advice: url: http:// shows the token", "fault: http://dataway.test: "}},
		{name: "odd token", url: "https://dataway.test?token=tkn_1", env: fails(io.EOF), want: []string{"advice: url: the token looks wrong: invalid token format, expect token length 36, but got 5", "fault: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := findings(t, c.env, func(o *datawayConfig) { o.URL, o.TLS = engine.NewSecret(c.url), c.tls })
			ok := len(got) == len(c.want)
			for i := range got {
				ok = ok && strings.HasPrefix(got[i], c.want[i])
			}
			if !ok {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

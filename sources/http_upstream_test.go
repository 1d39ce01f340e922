package sources

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/httpclient"
)

// upstream is a DataWay that answers queries.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // method, path and query, content type, body
}

func newUpstream(t *testing.T, answer http.HandlerFunc) *upstream {
	t.Helper()
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		u.mu.Lock()
		u.seen = append(u.seen, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Content-Type")+" "+string(body))
		u.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

// last returns the newest request.
func (u *upstream) last() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.seen) == 0 {
		return ""
	}
	return u.seen[len(u.seen)-1]
}

const upstreamToken = "tkn_secret0123456789"

func asks(t *testing.T, u *upstream) *api {
	t.Helper()
	return newAPI(t, func(_ *engine.Env, c *httpConfig) { c.Dataway = engine.NewSecret(u.URL + "/?token=" + upstreamToken) })
}

// TestHTTPQueryIsUnchanged: a query reaches the DataWay byte for byte but for the token, its answer the client.
func TestHTTPQueryIsUnchanged(t *testing.T) {
	const answer = `{"content":[{"series":[{"columns":["time","usage"],"values":[[1700000000000,9007199254740993]]}]}], "x":1.0}`
	u := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, answer)
	})
	a := asks(t, u)
	const mine, own = `"token":"` + upstreamToken + `"`, `"token":"tkn_mine"`
	for _, x := range []struct{ in, want string }{
		{`{"queries":[{"query":"M::cpu","mask_visible":true,"align_time":1e3,"z":1,"a":9007199254740993}],"echo_explain":false}`,
			`{` + mine + `,"queries":[{"query":"M::cpu","mask_visible":true,"align_time":1e3,"z":1,"a":9007199254740993}],"echo_explain":false}`},
		{`{"z":18446744073709551616, "token" : "" ,"a":1.50}`, `{"z":18446744073709551616, "token" : "` + upstreamToken + `" ,"a":1.50}`},
		{"{\n \"token\": null\n}\n", "{\n \"token\": \"" + upstreamToken + "\"\n}\n"},
		{`{}`, `{` + mine + `}`},
		{` { } `, ` {` + mine + ` } `},
		{`{` + own + `,"unknown":{"token":""}}`, `{` + own + `,"unknown":{"token":""}}`},
		{`{"token":"",` + own + `}`, `{"token":"",` + own + `}`},
		{`{` + own + `,"token":""}`, `{` + own + `,` + mine + `}`},
		{`{"queries":[{"token":"x"}]}`, `{` + mine + `,"queries":[{"token":"x"}]}`},
		{`{"\u0074oken":"","q":"日本 \u00e9 <&>"}`, `{"\u0074oken":"` + upstreamToken + `","q":"日本 \u00e9 <&>"}`},
	} {
		status, h, got := a.post(t, "/v1/query/raw", contentJSON, []byte(x.in))
		if status != 200 || got != answer || h.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %d %v %s", x.in, status, h, got)
		}
		if want := "POST /v1/query/raw?token=" + upstreamToken + " application/json " + x.want; u.last() != want {
			t.Errorf("the DataWay got\n%s\nwant\n%s", u.last(), want)
		}
	}
	asked := len(u.seen)
	for _, in := range []string{``, `nonsense`, `[]`, `null`, `"x"`, `{"a":1`, `{"a":1}{}`, `{"a"}`, `{"a":1,}`, `{"a":01}`, strings.Repeat(`{"a":`, 100_000)} {
		if status, _, got := a.post(t, "/v1/query/raw", contentJSON, []byte(in)); status != 400 || !strings.Contains(got, `"datakit.invalidJSON"`) {
			t.Errorf("%.40s: %d %s", in, status, got)
		}
	}
	if len(u.seen) != asked {
		t.Errorf("what is no query reached the DataWay: %s", u.last())
	}
}

// TestHTTPQueryPages: a client turns pages by what the last answer says.
func TestHTTPQueryPages(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Queries []struct {
				After []json.Number `json:"search_after"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		if after := q.Queries[0].After; len(after) == 1 && after[0] == "1700000000000000001" {
			_, _ = io.WriteString(w, `{"content":[{"series":[{"values":[[2]]}],"search_after":[]}]}`)
			return
		}
		_, _ = io.WriteString(w, `{"content":[{"series":[{"values":[[1]]}],"search_after":[1700000000000000001]}]}`)
	})
	a := asks(t, u)
	after := json.RawMessage("[]")
	for page, want := range []string{"[[1]]", "[[2]]"} {
		_, _, text := a.post(t, "/v1/query/raw", contentJSON, []byte(`{"queries":[{"query":"L::nginx","limit":1,"search_after":`+string(after)+`}]}`))
		var got struct {
			Content []struct {
				Series []struct{ Values json.RawMessage }
				After  json.RawMessage `json:"search_after"`
			}
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Content) != 1 || string(got.Content[0].Series[0].Values) != want {
			t.Fatalf("page %d: %s, %v", page, text, err)
		}
		after = got.Content[0].After
	}
}

// TestHTTPUpstreamAnswers: what the DataWay says is what the client gets, and what it does not say in time is 502 without the token.
func TestHTTPUpstreamAnswers(t *testing.T) {
	release := make(chan struct{})
	u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Do string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		switch in.Do {
		case "403":
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error_code":"ft.InvalidToken"}`)
		case "429":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case "500":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "<html>oops</html>")
		case "302":
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusFound)
		case "wait":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "huge":
			_, _ = w.Write(make([]byte, 3<<20))
		case "cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		}
	})
	defer close(release)
	a := asks(t, u)
	a.source.query = httpclient.NewFetcher(a.source.env, httpclient.FetchOptions{Timeout: 200 * time.Millisecond, MaxBody: 1 << 20})
	for _, x := range []struct {
		do     string
		status int
		says   string
	}{
		{"403", 403, `{"error_code":"ft.InvalidToken"}`}, {"429", 429, ""}, {"500", 500, "<html>oops</html>"}, {"302", 302, ""},
		{"wait", 502, "datakit.invalidAPIHandler"}, {"huge", 502, "too long"}, {"cut", 502, "reading the answer"},
	} {
		status, h, got := a.post(t, "/v1/query/raw", contentJSON, []byte(`{"do":"`+x.do+`"}`))
		if status != x.status || !strings.Contains(got, x.says) || strings.Contains(got, upstreamToken) {
			t.Errorf("%s: %d %s", x.do, status, got)
		}
		if x.do == "429" && h.Get("Retry-After") != "7" {
			t.Errorf("Retry-After of the DataWay is lost: %v", h)
		}
	}
	u.Close()
	if status, _, got := a.post(t, "/v1/query/raw", contentJSON, []byte(`{}`)); status != 502 || strings.Contains(got, upstreamToken) {
		t.Errorf("without a DataWay: %d %s", status, got)
	}
	if n := a.tally.get("http_refused/dataway"); n != 4 {
		t.Errorf("%d failures counted", n)
	}
	none := newAPI(t, nil)
	if status, _, got := none.post(t, "/v1/query/raw", contentJSON, []byte(`{}`)); status != 500 || !strings.Contains(got, "nil dataway") {
		t.Errorf("no DataWay: %d %s", status, got)
	}
}

// TestHTTPObjectLabels: both methods are handed on with their body.
func TestHTTPObjectLabels(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, `{"content":"`+r.Method+`"}`)
	})
	a := asks(t, u)
	const body = `{"object_class":"HOST","object_name":"web01","key":"k","value":"v","labels":["a"]}`
	for method, status := range map[string]int{http.MethodPost: 200, http.MethodDelete: 404} {
		got, _, answer := a.do(t, method, "/v1/object/labels", contentJSON, []byte(body))
		if got != status || answer != `{"content":"`+method+`"}` {
			t.Errorf("%s: %d %s", method, got, answer)
		}
		if want := method + " /v1/object/labels?token=" + upstreamToken + " application/json " + body; u.last() != want {
			t.Errorf("the DataWay got %s, want %s", u.last(), want)
		}
	}
}

// FuzzQueryToken: a query with a token put in says the same but for the token.
func FuzzQueryToken(f *testing.F) {
	for _, s := range []string{`{}`, `{"token":""}`, `{"a":1,"token":null}`, ` { "a" : [1.0, {"token":""}] , "token" : "x" } `, `{"token":"","token":1}`, `[]`, `{"a`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := withToken(body, "T")
		var before map[string]json.RawMessage
		if whole := json.Unmarshal(body, &before); (err == nil) != (whole == nil && before != nil) {
			t.Fatalf("%q: %v, as a whole %v", body, err, whole)
		}
		if err != nil {
			return
		}
		var after map[string]json.RawMessage
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%q became %q: %v", body, out, err)
		}
		if token := string(before["token"]); token == "" || token == `""` || token == "null" {
			before["token"] = json.RawMessage(`"T"`)
		}
		if len(before) != len(after) {
			t.Fatalf("%q became %q", body, out)
		}
		for k, v := range before {
			if !bytes.Equal(v, after[k]) {
				t.Fatalf("%q became %q", body, out)
			}
		}
	})
}

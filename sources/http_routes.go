package sources

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"dataflow/engine"
)

// A serve answers a request, or returns what is wrong with it.
type serve func(w http.ResponseWriter, r *http.Request) *apiError

const writePath = "/v1/write/"

// routes are what the source serves, by method and path. Of the paths of categories the last part is open.
type routes struct {
	exact map[string]serve
	write func(w http.ResponseWriter, r *http.Request, category string) *apiError
}

func (s *httpSource) routes(ctx context.Context, emit engine.Emit) routes {
	t := routes{exact: map[string]serve{}}
	has := func(route string) bool { return slices.Contains(s.config.Routes, route) }
	if has(routeWrite) {
		t.write = func(w http.ResponseWriter, r *http.Request, category string) *apiError {
			return s.write(ctx, emit, w, r, category)
		}
		t.exact["POST /v1/lasterror"] = s.takeLastError
		t.exact["GET /v1/ping"] = s.ping
		t.exact["GET /v1/ntp"] = s.ntp
	}
	if has(routeQuery) {
		t.exact["POST /v1/query/raw"] = s.notForPages(s.queryRaw)
		t.exact["POST /v1/object/labels"] = s.notForPages(s.objectLabels)
		t.exact["DELETE /v1/object/labels"] = s.notForPages(s.objectLabels)
	}
	if has(routeDebug) {
		t.exact["POST /v1/pipeline/debug"] = s.notForPages(s.pipelineDebug)
	}
	return t
}

func (s *httpSource) notForPages(f serve) serve {
	return func(w http.ResponseWriter, r *http.Request) *apiError {
		if s.access.refusesPage(r) {
			return errPage
		}
		return f(w, r)
	}
}

// find returns what serves a request and the name of the route, nil and "unknown" if nothing does. The path counts as it is: nothing
// is cleaned or redirected.
func (t *routes) find(r *http.Request) (serve, string) {
	path := r.URL.Path
	if category, ok := strings.CutPrefix(path, writePath); ok && t.write != nil && r.Method == http.MethodPost {
		if category != "" && strings.IndexByte(category, '/') < 0 {
			return func(w http.ResponseWriter, r *http.Request) *apiError { return t.write(w, r, category) }, "/v1/write"
		}
	}
	if f := t.exact[r.Method+" "+path]; f != nil {
		return f, path
	}
	return nil, "unknown"
}

// ping serves GET /v1/ping.
func (s *httpSource) ping(w http.ResponseWriter, _ *http.Request) *apiError {
	type content struct {
		Version string `json:"version"`
		Uptime  string `json:"uptime"`
		Host    string `json:"host"`
		Commit  string `json:"commit"`
	}
	s.writeJSON(w, map[string]content{"content": {s.version(), s.env.Now().Sub(s.started).String(), s.host, ""}})
	return nil
}

// ntp serves GET /v1/ntp.
func (s *httpSource) ntp(w http.ResponseWriter, _ *http.Request) *apiError {
	s.writeJSON(w, map[string]int64{"timestamp_sec": s.env.Now().Unix()})
	return nil
}

// lastError is the body of /v1/lasterror.
type lastError struct {
	Input   string `json:"input"`
	Source  string `json:"source"`
	Content string `json:"err_content"`
}

// takeLastError serves POST /v1/lasterror: an outside collector says what went wrong with it.
func (s *httpSource) takeLastError(w http.ResponseWriter, r *http.Request) *apiError {
	h := hold{of: s.bodies}
	defer h.release()
	body, e := s.readBody(w, r, r.URL.Query(), &h)
	if e != nil {
		return e
	}
	var in lastError
	if err := json.Unmarshal(body, &in); err != nil {
		return bad("invalidJSON", "%v", err)
	}
	if in.Input == "" || in.Content == "" {
		return &apiError{status: http.StatusInternalServerError, code: "inputOrErrcontentCanNotBeNil", bare: true}
	}
	if s.lastErrors.allow(s.env.Now()) {
		const most = 4 << 10
		text := in.Content
		if len(text) > most {
			text = strings.ToValidUTF8(text[:most], "")
		}
		s.env.Log.Warn("a collector reports an error", "input", cleanLabel(in.Input), "source", cleanLabel(in.Source), "error", text)
	}
	s.counters.lastErrors.add(cleanLabel(in.Input), 1)
	w.WriteHeader(http.StatusOK)
	return nil
}

// mostLastErrors is how many reports are logged a second; the others are only counted. Else whoever may report may fill the disk.
const mostLastErrors = 10

// perSecond counts what has happened in this second.
type perSecond struct {
	most int

	mu     sync.Mutex
	second int64
	n      int
}

// allow reports whether there was room for one more.
func (p *perSecond) allow(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if second := now.Unix(); second != p.second {
		p.second, p.n = second, 0
	}
	p.n++
	return p.n <= p.most
}

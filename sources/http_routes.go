package sources

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// ping serves GET /v1/ping.
func (s *httpSource) ping(w http.ResponseWriter, _ *http.Request) {
	type content struct {
		Version string `json:"version"`
		Uptime  string `json:"uptime"`
		Host    string `json:"host"`
		Commit  string `json:"commit"`
	}
	writeJSON(w, map[string]content{"content": {s.version(), s.env.Now().Sub(s.started).String(), s.host, ""}})
}

// ntp serves GET /v1/ntp.
func (s *httpSource) ntp(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]int64{"timestamp_sec": s.env.Now().Unix()})
}

// lastErrors are what outside collectors reported, by input.
type lastErrors struct {
	mu sync.Mutex
	by map[string]lastError
}

type lastError struct {
	text string
	at   time.Time
}

const (
	maxErrorText   = 4 << 10
	maxErrorInputs = 64
)

func (l *lastErrors) set(input, text string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[string]lastError{}
	}
	if _, known := l.by[input]; known || len(l.by) < maxErrorInputs {
		l.by[input] = lastError{text, now}
	}
}

// lastError serves POST /v1/lasterror: an outside collector says what went wrong with it.
func (s *httpSource) lastError(w http.ResponseWriter, r *http.Request) {
	body, e := s.readBody(w, r)
	if e != nil {
		s.writeError(w, e)
		return
	}
	var in struct {
		Input   string `json:"input"`
		Source  string `json:"source"`
		Content string `json:"err_content"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		s.writeError(w, bad("invalidJSON", "%v", err))
		return
	}
	if in.Input == "" || in.Content == "" {
		s.writeError(w, &apiError{status: http.StatusInternalServerError, code: "inputOrErrcontentCanNotBeNil"})
		return
	}
	text := in.Content
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	s.errs.set(in.Input, text, s.env.Now())
	s.env.Log.Warn("a collector reports an error", "input", in.Input, "source", in.Source, "error", text)
	s.counters.count("http_last_errors", in.Input)
	w.WriteHeader(http.StatusOK)
}

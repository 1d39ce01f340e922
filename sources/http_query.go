package sources

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// queryTimeout bounds a DQL query. Long ones are the reason for its length.
const queryTimeout = 60 * time.Second

// queryRaw serves POST /v1/query/raw: the query goes to the DataWay as it came, with the token of the option dataway if it has
// none, and the answer comes back with its status.
func (s *httpSource) queryRaw(w http.ResponseWriter, r *http.Request) {
	body, e := s.readBody(w, r)
	if e != nil {
		s.writeError(w, e)
		return
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(body, &in); err != nil {
		s.writeError(w, bad("invalidJSON", "%v", err))
		return
	}
	if token := s.dataway.Query().Get("token"); token != "" && isEmptyText(in["token"]) {
		if in == nil {
			in = map[string]json.RawMessage{}
		}
		quoted, err := json.Marshal(token)
		if err == nil {
			in["token"] = quoted
		}
		if body, err = json.Marshal(in); err != nil {
			s.writeError(w, bad("invalidJSON", "%v", err))
			return
		}
	}
	s.proxy(w, r, http.MethodPost, "/v1/query/raw", body)
}

func isEmptyText(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == `""` || string(raw) == "null"
}

// objectLabels serves POST and DELETE /v1/object/labels.
func (s *httpSource) objectLabels(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodDelete {
		s.notFound(w)
		return
	}
	body, e := s.readBody(w, r)
	if e != nil {
		s.writeError(w, e)
		return
	}
	s.proxy(w, r, r.Method, "/v1/object/labels", body)
}

// proxy sends a request to the DataWay and hands its answer back.
func (s *httpSource) proxy(w http.ResponseWriter, r *http.Request, method, path string, body []byte) {
	if s.dataway.Host == "" {
		s.writeError(w, &apiError{status: http.StatusInternalServerError, code: "invalidAPIHandler", message: "nil dataway: the option dataway names none"})
		return
	}
	u := s.dataway
	u.Path = path
	req, err := http.NewRequest(method, u.String(), bytes.NewReader(body))
	if err != nil {
		s.writeError(w, &apiError{status: http.StatusInternalServerError, code: "invalidAPIHandler"})
		return
	}
	req.Header.Set("Content-Type", "application/json")
	a, err := s.query.Do(r.Context(), req)
	if err != nil {
		s.env.Log.Warn("proxying a request", "path", path, "error", err)
		s.writeError(w, &apiError{status: http.StatusBadGateway, code: "invalidAPIHandler", message: err.Error(), reason: "dataway"})
		return
	}
	if t := a.Header.Get("Content-Type"); t != "" {
		w.Header().Set("Content-Type", t)
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

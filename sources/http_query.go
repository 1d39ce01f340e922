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
func (s *httpSource) queryRaw(w http.ResponseWriter, r *http.Request) *apiError {
	h := hold{of: s.bodies}
	defer h.release()
	body, e := s.readBody(w, r, r.URL.Query(), &h)
	if e != nil {
		return e
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(body, &in); err != nil {
		return bad("invalidJSON", "%v", err)
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
			return bad("invalidJSON", "%v", err)
		}
	}
	return s.proxy(w, r, "/v1/query/raw", body)
}

func isEmptyText(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == `""` || string(raw) == "null"
}

// objectLabels serves POST and DELETE /v1/object/labels.
func (s *httpSource) objectLabels(w http.ResponseWriter, r *http.Request) *apiError {
	h := hold{of: s.bodies}
	defer h.release()
	body, e := s.readBody(w, r, r.URL.Query(), &h)
	if e != nil {
		return e
	}
	return s.proxy(w, r, "/v1/object/labels", body)
}

// proxy sends a request to the DataWay and hands its answer back.
func (s *httpSource) proxy(w http.ResponseWriter, r *http.Request, path string, body []byte) *apiError {
	if s.dataway.Host == "" {
		return &apiError{status: http.StatusInternalServerError, code: "invalidAPIHandler", message: "nil dataway: the option dataway names none", reason: "no_dataway"}
	}
	u := s.dataway
	u.Path = path
	req, err := http.NewRequest(r.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return &apiError{status: http.StatusInternalServerError, code: "invalidAPIHandler", reason: "dataway"}
	}
	req.Header.Set("Content-Type", contentJSON)
	a, err := s.query.Do(r.Context(), req)
	if err != nil {
		s.env.Log.Warn("proxying a request", "path", path, "error", err)
		return &apiError{status: http.StatusBadGateway, code: "invalidAPIHandler", message: err.Error(), reason: "dataway"}
	}
	for _, name := range [...]string{"Content-Type", "Retry-After"} {
		if v := a.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
	return nil
}

package sources

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"dataflow/engine/httpclient"
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
	body, err := withToken(body, s.dataway.Query().Get("token"))
	if err != nil {
		return bad("invalidJSON", "%v", err)
	}
	return s.proxy(w, r, "/v1/query/raw", body, &h)
}

// withToken returns a query with the given token where it has none of its own. Nothing else of it changes: not the order of its members,
// not the digits of its numbers, and none that are unknown here are lost. An error says why body is no JSON object.
func withToken(body []byte, token string) ([]byte, error) {
	in := json.NewDecoder(bytes.NewReader(body))
	if start, err := in.Token(); err != nil {
		return nil, noJSON(err)
	} else if start != json.Delim('{') {
		return nil, errNoObject
	}
	first, members := int(in.InputOffset()), in.More()
	at, end, empty := first, -1, true // of the token; without an end there is none
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return nil, noJSON(err)
		}
		var value json.RawMessage
		if err := in.Decode(&value); err != nil {
			return nil, noJSON(err)
		}
		if key == "token" { // of several the last one counts
			end = int(in.InputOffset())
			at = end - len(value)
			empty = string(value) == `""` || string(value) == "null"
		}
	}
	if _, err := in.Token(); err != nil {
		return nil, noJSON(err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, errNoObject
	}
	if token == "" || !empty {
		return body, nil
	}
	value, err := json.Marshal(token)
	if err != nil {
		return nil, err
	}
	if end < 0 {
		value = append([]byte(`"token":`), value...)
		if members {
			value = append(value, ',')
		}
		end = first
	}
	return slices.Concat(body[:at], value, body[end:]), nil
}

var errNoObject = errors.New("the body is not one JSON object")

// noJSON says of a body that ends early what its reader calls EOF.
func noJSON(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// objectLabels serves POST and DELETE /v1/object/labels.
func (s *httpSource) objectLabels(w http.ResponseWriter, r *http.Request) *apiError {
	h := hold{of: s.bodies}
	defer h.release()
	body, e := s.readBody(w, r, r.URL.Query(), &h)
	if e != nil {
		return e
	}
	return s.proxy(w, r, "/v1/object/labels", body, &h)
}

// proxy sends a request to the DataWay and hands its answer back, whose memory it takes from h.
func (s *httpSource) proxy(w http.ResponseWriter, r *http.Request, path string, body []byte, h *hold) *apiError {
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
	a, err := s.query.DoWithin(r.Context(), req, h.grow)
	if errors.Is(err, httpclient.ErrNoRoom) {
		return errPressure
	}
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

package sources

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// apiError is an answer that refuses a request, with DataKit's error code.
type apiError struct {
	status  int
	code    string // without the name space datakit
	message string
	retry   bool   // the client should send the same again: Retry-After is set
	reason  string // label of the counter, by default the code
}

// Error returns the code and the message.
func (e *apiError) Error() string {
	if e.message == "" {
		return "datakit." + e.code
	}
	return "datakit." + e.code + ": " + e.message
}

func bad(code, format string, a ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, a...)}
}

var (
	errEmptyBody  = &apiError{status: http.StatusBadRequest, code: "emptyBody"}
	errNoPoints   = &apiError{status: http.StatusBadRequest, code: "noPoints"}
	errDecode     = &apiError{status: http.StatusBadRequest, code: "decodeBodyFailed"}
	errPressure   = &apiError{status: http.StatusServiceUnavailable, code: "overloaded", message: "the engine is at its limit of memory, send again later", retry: true}
	errHeavy      = &apiError{status: http.StatusTooManyRequests, code: "reachMaxAPILimit", message: "this client sends more than its share, send again later", retry: true, reason: "share"}
	errClientRate = &apiError{status: http.StatusTooManyRequests, code: "reachMaxAPILimit", message: "this client is above client_rate, send again later", retry: true, reason: "rate"}
	errAnswerLate = &apiError{status: http.StatusServiceUnavailable, code: "timeout", message: "the graph was not done within answer_timeout; the points may still arrive, send them again", retry: true}
	errStopping   = &apiError{status: http.StatusServiceUnavailable, code: "stopping", message: "the engine is stopping, send again later", retry: true}
	errSlowBody   = &apiError{status: http.StatusRequestTimeout, code: "HTTPReadError", message: "the body came too slowly", reason: "slow_body"}
)

// writeError answers with an error.
func (s *httpSource) writeError(w http.ResponseWriter, e *apiError) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.retry {
		const most = 5 // seconds; at random, so that clients do not come back together
		h.Set("Retry-After", strconv.Itoa(1+rand.IntN(most)))
	}
	w.WriteHeader(e.status)
	body := struct {
		Code    string `json:"error_code"`
		Message string `json:"message,omitempty"`
	}{"datakit." + e.code, e.message}
	text, err := json.Marshal(body)
	if err == nil {
		_, _ = w.Write(text) // a client that is gone misses nothing
	}
}

// writeJSON answers with a value.
func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

// corsHeaders stand on every answer (contract 3.3).
var corsHeaders = map[string]string{
	"Access-Control-Allow-Origin":      "*",
	"Access-Control-Allow-Methods":     "POST, OPTIONS, GET, PUT",
	"Access-Control-Allow-Credentials": "true",
	"Access-Control-Max-Age":           "7200",
	"Access-Control-Allow-Headers": "Accept, Accept-Encoding, Accept-Language, Authorization, Cache-Control, Content-Language, Content-Length, Content-Type, Origin, " +
		"X-Csrf-Token, X-Datakit-Uuid, X-Lua, X-Precision, X-Requested-With, X-Rp, X-Token, *",
}

func (s *httpSource) setHeaders(h http.Header) {
	for k, v := range corsHeaders {
		h[k] = []string{v}
	}
	h["X-Datakit"] = []string{s.version() + "/" + s.host}
	h["X-Content-Type-Options"] = []string{"nosniff"}
}

func (s *httpSource) version() string {
	if s.env.Version == "" {
		return "dev"
	}
	return s.env.Version
}

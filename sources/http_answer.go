package sources

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dataflow/engine/point"
)

// apiError is an answer that refuses a request, with DataKit's error code.
type apiError struct {
	status  int
	code    string // without the name space datakit
	bare    bool   // it belongs to no name space
	message string
	lines   []badLine
	retry   bool   // the client should send the same again: Retry-After is set
	reason  string // label of the counter, by default the code
}

// badLine is a line of a body that is no point.
type badLine struct {
	Line   int    `json:"line"` // 1-based
	Reason string `json:"reason"`
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
	errBusy       = &apiError{status: http.StatusTooManyRequests, code: "reachMaxAPILimit", message: "other scripts are being tried, send again later", retry: true, reason: "busy"}
	errAnswerLate = &apiError{status: http.StatusServiceUnavailable, code: "timeout", message: "the graph was not done within answer_timeout; the points may still arrive, send them again", retry: true}
	errPage       = &apiError{status: http.StatusForbidden, code: "publicAccessDisabled", message: "web pages need a token here", reason: "page"}
	errStopping   = &apiError{status: http.StatusServiceUnavailable, code: "stopping", message: "the engine is stopping, send again later", retry: true}
	errGone       = &apiError{status: http.StatusServiceUnavailable, code: "timeout", message: "the client went away", reason: "client_gone"}
	errSlowBody   = &apiError{status: http.StatusRequestTimeout, code: "HTTPReadError", message: "the body came too slowly", reason: "slow_body"}
)

// writeError answers with an error and counts it.
func (s *httpSource) writeError(w http.ResponseWriter, e *apiError) {
	s.counters.refused(e)
	h := w.Header()
	h.Set("Content-Type", contentJSON)
	if e.retry {
		const most = 5 // seconds; at random, so that clients do not come back together
		h.Set("Retry-After", strconv.Itoa(1+rand.IntN(most)))
	}
	code := e.code
	if !e.bare {
		code = "datakit." + code
	}
	body := struct {
		Code    string    `json:"error_code"`
		Message string    `json:"message,omitempty"`
		Lines   []badLine `json:"lines,omitempty"`
	}{code, e.message, e.lines}
	text, err := json.Marshal(body)
	if err != nil {
		text = nil
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(text) // a client that is gone misses nothing
}

// writeJSON answers with a value.
func (s *httpSource) writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		s.writeError(w, &apiError{status: http.StatusInternalServerError, code: "internal", message: "the answer cannot be written"})
		return
	}
	w.Header().Set("Content-Type", contentJSON)
	_, _ = w.Write(text)
}

// badLines is the answer to a body with lines that are no points: the text of DataKit, which repeats the lines and the body, as far as
// it is short, and beside it the numbers of the lines.
func badLines(e *point.LinesError, body []byte) *apiError {
	var b strings.Builder
	b.WriteString("invalid lineprotocol: ")
	out := &apiError{status: http.StatusBadRequest, code: encodedLines.code}
	for i := range e.Lines {
		l := &e.Lines[i]
		if b.Len() < maxErrorMessage {
			short := *l
			short.Text = clip(l.Text)
			b.WriteString(short.Error())
			b.WriteByte('\n')
		}
		if len(out.lines) < maxErrorLines {
			out.lines = append(out.lines, badLine{l.Line, clip(l.Reason)})
		}
	}
	repeated := string(body[:min(len(body), maxErrorMessage)])
	fmt.Fprintf(&b, "with %d point parse ok, %d points failed. Origin data: %q", e.Good, e.Failed, repeated)
	if len(repeated) < len(body) {
		b.WriteString("...")
	}
	out.message = b.String()
	return out
}

// Bounds of an answer that repeats the body.
const (
	maxErrorMessage = 16 << 10
	maxErrorLines   = 100
)

func clip(text string) string {
	if len(text) <= maxErrorMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorMessage], "") + "..."
}

// fixedHeaders stand on every answer (contract 3.3).
var fixedHeaders = map[string][]string{
	"Access-Control-Allow-Origin":      {"*"},
	"Access-Control-Allow-Methods":     {"POST, OPTIONS, GET, PUT"},
	"Access-Control-Allow-Credentials": {"true"},
	"Access-Control-Max-Age":           {"7200"},
	"Access-Control-Allow-Headers": {"Accept, Accept-Encoding, Accept-Language, Authorization, Cache-Control, Content-Language, Content-Length, Content-Type, Origin, " +
		"X-Csrf-Token, X-Datakit-Uuid, X-Lua, X-Precision, X-Requested-With, X-Rp, X-Token, *"},
	"X-Content-Type-Options": {"nosniff"},
}

func (s *httpSource) setHeaders(h http.Header) {
	for k, v := range fixedHeaders {
		h[k] = v
	}
	h["X-Datakit"] = s.identity
}

func (s *httpSource) version() string {
	if s.env.Version == "" {
		return "dev"
	}
	return s.env.Version
}

// answer remembers the status, and does not wait for ever for a client that does not read.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	grace   time.Duration // for each piece
	conn    *limitedConn
}

const (
	// A client must take writePiece of an answer within writeTimeout.
	writePiece   = 64 << 10
	writeTimeout = 10 * time.Second
)

func newAnswer(w http.ResponseWriter, grace time.Duration, conn *limitedConn) *answer {
	return &answer{ResponseWriter: w, control: http.NewResponseController(w), grace: grace, conn: conn}
}

// WriteHeader sends the status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		a.conn.answers()
		a.patient()
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body.
func (a *answer) Write(b []byte) (n int, err error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.conn.work(-1) // while it waits for the client
	defer a.conn.work(1)
	for len(b) > 0 && err == nil {
		var k int
		k, err = a.ResponseWriter.Write(b[:min(len(b), writePiece)])
		n, b = n+k, b[k:]
		if len(b) > 0 {
			a.patient()
		}
	}
	return n, err
}

// patient begins the time for the next piece. Connections without deadlines, of tests, are written to without.
func (a *answer) patient() { _ = a.control.SetWriteDeadline(time.Now().Add(a.grace)) }

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

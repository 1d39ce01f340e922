package sources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"dataflow/engine"
	"dataflow/engine/point"
)

// writable are the categories of the write API; the others are sent by DataKit itself (contract 1.1).
var writable = map[string]point.Category{
	"metric": point.Metric, "network": point.Network, "keyevent": point.KeyEvent, "object": point.Object, "custom_object": point.CustomObject,
	"logging": point.Logging, "tracing": point.Tracing, "rum": point.RUM, "security": point.Security,
}

// request is a request to write points.
type request struct {
	w      http.ResponseWriter
	r      *http.Request
	q      url.Values
	client peer
	hold   hold
	room   *workroom // of the points

	category      point.Category
	input, source string // what the sender calls itself
}

// write serves POST /v1/write/{category}.
func (s *httpSource) write(ctx context.Context, emit engine.Emit, w http.ResponseWriter, r *http.Request, category string) *apiError {
	x := request{w: w, r: r, client: peerOf(r), hold: hold{of: s.bodies}}
	defer x.hold.release()
	if r.URL.RawQuery != "" {
		x.q = r.URL.Query()
	}
	var ok bool
	if x.category, ok = writable[category]; !ok {
		return bad("invalidCategory", "invalid URL %q", r.URL.Path)
	}
	if x.source = x.q.Get("source"); x.source != "" {
		x.source = cleanLabel(x.source)
	}
	if x.input = category; x.q.Get("input") != "" {
		x.input = cleanLabel(x.q.Get("input"))
	}
	return s.accept(ctx, emit, &x)
}

// accept reads, checks and emits the points of a request, waits until the graph is done with them, and answers.
func (s *httpSource) accept(ctx context.Context, emit engine.Emit, x *request) *apiError {
	if e := s.clients.pressed(x.client.key(), s.env.Pressure()); e != nil {
		return e
	}
	body, e := s.readBody(x.w, x.r, x.q, &x.hold)
	if e != nil {
		return e
	}
	if len(body) == 0 {
		return errEmptyBody
	}
	points, e := s.parse(body, x)
	if e != nil {
		return e
	}
	var echoed []byte
	echo, content := echoOf(x.q)
	if echo != nil {
		echoed = echo(points)
	}
	if flag(x.q, "dry") {
		s.giveBack(x.room, points)
	} else if e := s.deliver(ctx, emit, x, points, len(body)); e != nil {
		return e
	}
	if len(echoed) > 0 {
		x.w.Header().Set("Content-Type", content)
		_, _ = x.w.Write(echoed) // a client that is gone misses nothing
		return nil
	}
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// flag reports whether a query option is on: any text but none, as in DataKit, but "false" and "0", which nobody means as yes.
func flag(q url.Values, name string) bool {
	switch v := q.Get(name); v {
	case "", "0", "false":
		return false
	}
	return true
}

const (
	contentProtobuf = "application/protobuf; proto=com.guance.Point"
	contentPBJSON   = "application/pbjson; proto=com.guance.Point"
	contentJSON     = "application/json"
)

// An encoding is how the points of a body are written.
type bodyEncoding struct {
	read  func([]point.Point, *point.Arena, []byte, point.ReadOptions) ([]point.Point, error)
	code  string // of the error
	least int    // bytes of a point that says something
}

var (
	encodedLines    = bodyEncoding{point.ParseLines, "invalidLinePoint", 16}
	encodedProtobuf = bodyEncoding{point.ParseProtobuf, "invalidProtobufPoint", 24}
	encodedJSON     = bodyEncoding{point.ParseJSON, "invalidJsonPoint", 24}
)

// encodingOf returns the encoding of a content type: the whole text counts for protobuf and PBJSON, and everything unknown is line protocol.
func encodingOf(content string) *bodyEncoding {
	switch {
	case content == contentProtobuf:
		return &encodedProtobuf
	case content == contentPBJSON, strings.Contains(content, contentJSON):
		return &encodedJSON
	}
	return &encodedLines
}

// parse returns the checked points of a body.
func (s *httpSource) parse(body []byte, x *request) ([]point.Point, *apiError) {
	precision, known := point.PrecisionOf(x.q.Get("precision"))
	if !known {
		s.counters.precisions.add(x.q.Get("precision"), 1)
	}
	encoding := encodingOf(x.r.Header.Get("Content-Type"))
	most := s.mostPoints(encoding, x.category, body)
	room, spare := roomFor(encoding, body, most)
	x.room = s.rooms.Get().(*workroom)
	points, err := encoding.read(x.room.take(room), &x.room.arena, body, point.ReadOptions{
		Precision: precision, Now: s.env.Now().UnixNano(), Category: x.category, Spare: spare, MaxPoints: most,
	})
	var lines *point.LinesError
	switch {
	case errors.Is(err, point.ErrTooManyPoints):
		return nil, &apiError{status: http.StatusRequestEntityTooLarge, code: "invalidRequest", message: fmt.Sprintf("the body has more than %d points", most), reason: "too_many_points"}
	case errors.As(err, &lines):
		return nil, badLines(lines, body)
	case err != nil:
		return nil, bad(encoding.code, "%s", clip(err.Error()))
	case len(points) == 0:
		return nil, errNoPoints
	}
	return points, s.check(points, encoding == &encodedLines, x)
}

// check makes the points follow the rules of their category and the options of the query.
func (s *httpSource) check(points []point.Point, lines bool, x *request) *apiError {
	rules := point.RulesOf(x.category)
	checker := rules.Checker()
	strict := flag(x.q, "strict")
	index := ""
	if x.category == point.Logging {
		index = x.q.Get("storage_index")
	}
	if !isHeaderText(index) {
		return bad("badRequest", "storage_index must be printable ASCII of at most %d characters", maxIndexText)
	}
	// What asks for the election's tags instead of the host's has no say about the host's.
	noTags := !flag(x.q, "global_election_tags") && (flag(x.q, "ignore_global_tags") || flag(x.q, "ignore_global_host_tags"))
	warnings := tallyOf{set: s.counters.warnings}
	defer warnings.flush()
	for i := range points {
		p := &points[i]
		before := 0 // warnings that came with the point, with types that its sender chose
		if p.Extra != nil {
			before = len(p.Extra.Warns)
		}
		checker.Check(p)
		if p.Extra != nil && len(p.Extra.Warns) > 0 {
			for _, warn := range p.Extra.Warns[before:] {
				warnings.add(warn.Type)
			}
			if strict {
				warn := p.Extra.Warns[0]
				return bad("pointGotWarning", "%s: %s", warn.Type, clip(warn.Message))
			}
		}
		if lines && x.category == point.RUM {
			addRUMTags(p)
		}
		if index != "" || noTags {
			var e point.Extra
			if p.Extra != nil {
				e = *p.Extra
			}
			e.StorageIndex, e.NoGlobalTags = index, noTags
			p.Extra = &e
		}
	}
	return nil
}

// tallyOf adds up equal labels before it touches the counter: the points of a body mostly get the same warning.
type tallyOf struct {
	set   *labelled
	label string
	n     int
}

func (t *tallyOf) add(label string) {
	if label != t.label {
		t.flush()
		t.label = label
	}
	t.n++
}

func (t *tallyOf) flush() {
	if t.n > 0 {
		t.set.add(t.label, t.n)
		t.n = 0
	}
}

// maxIndexText bounds what becomes a header of the sink's requests.
const maxIndexText = 256

func isHeaderText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= maxIndexText
}

// addRUMTags adds what DataKit adds to points of line protocol (contract 3.5).
func addRUMTags(p *point.Point) {
	p.Fields = slices.Grow(p.Fields, 5)
	for _, key := range [...]string{"city", "province", "country", "isp"} {
		if p.Index(key) < 0 {
			p.SetTag(key, "unknown")
		}
	}
	if p.Index("ip") < 0 {
		p.SetTag("ip", "")
	}
}

// echoOf returns what writes the points of an answer and its content type, nil if none is asked for.
func echoOf(q url.Values) (func([]point.Point) []byte, string) {
	switch {
	case q.Get("echo") == "lp" || q.Get("echo") == "" && flag(q, "echo_line_proto"):
		return echoLines, "text/plain; charset=utf-8"
	case q.Get("echo") == "json" || q.Get("echo") == "" && flag(q, "echo_json"):
		return func(ps []point.Point) []byte { return echoArray(ps, point.AppendPointJSON) }, contentJSON
	case q.Get("echo") == "pbjson":
		return func(ps []point.Point) []byte { return echoArray(ps, point.AppendPointPBJSON) }, contentJSON
	}
	return nil, ""
}

func echoLines(points []point.Point) (out []byte) {
	for i := range points {
		if i > 0 {
			out = append(out, '\n')
		}
		out = point.AppendLine(out, &points[i])
	}
	return out
}

func echoArray(points []point.Point, write func([]byte, *point.Point, []point.Field) []byte) []byte {
	out := []byte{'['}
	for i := range points {
		if i > 0 {
			out = append(out, ',')
		}
		out = write(out, &points[i], nil)
	}
	return append(out, ']')
}

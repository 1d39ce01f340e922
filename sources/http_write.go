package sources

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// writable are the categories of the write API; the others are sent by DataKit itself (contract 1.1).
var writable = map[string]point.Category{
	"metric": point.Metric, "network": point.Network, "keyevent": point.KeyEvent, "object": point.Object, "custom_object": point.CustomObject,
	"logging": point.Logging, "tracing": point.Tracing, "rum": point.RUM, "security": point.Security,
}

// write serves POST /v1/write/{category}.
func (s *httpSource) write(ctx context.Context, emit engine.Emit, w http.ResponseWriter, r *http.Request) {
	if e := s.accept(ctx, emit, w, r); e != nil {
		s.counters.refused(e)
		s.writeError(w, e)
	}
}

// accept reads, checks and emits the points of a request and waits until the graph is done with them.
func (s *httpSource) accept(ctx context.Context, emit engine.Emit, w http.ResponseWriter, r *http.Request) *apiError {
	client := clientOf(r)
	if e := s.clients.pressed(client, s.env.Pressure()); e != nil {
		return e
	}
	category, ok := writable[r.PathValue("category")]
	if !ok {
		return bad("invalidCategory", "invalid URL %q", r.URL.Path)
	}
	body, e := s.readBody(w, r)
	if e != nil {
		return e
	}
	if len(body) == 0 {
		return errEmptyBody
	}
	q := r.URL.Query()
	points, e := s.parse(body, category, r.Header.Get("Content-Type"), q)
	if e != nil {
		return e
	}
	echo := echoOf(q)
	var echoed []byte
	if echo != nil {
		echoed = echo(points)
	}
	if !flag(q, "dry") {
		if e := s.deliver(ctx, emit, r, client, points, len(body)); e != nil {
			return e
		}
	}
	if len(echoed) > 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if q.Get("echo") != "lp" && !flag(q, "echo_line_proto") {
			w.Header().Set("Content-Type", "application/json")
		}
		_, _ = w.Write(echoed) // a client that is gone misses nothing
		return nil
	}
	w.WriteHeader(http.StatusOK)
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

// parse returns the checked points of a body.
func (s *httpSource) parse(body []byte, category point.Category, content string, q url.Values) ([]point.Point, *apiError) {
	precision, known := point.PrecisionOf(q.Get("precision"))
	if !known {
		s.counters.count("precision_unknown", q.Get("precision"))
	}
	o := point.ReadOptions{Precision: precision, Now: s.env.Now().UnixNano(), Category: category, Spare: 4, MaxPoints: s.config.MaxPoints}
	read, code, lines := point.ParseLines, "invalidLinePoint", true
	switch {
	case content == contentProtobuf:
		read, code, lines = point.ParseProtobuf, "invalidProtobufPoint", false
	case content == contentPBJSON, strings.Contains(content, contentJSON):
		read, code, lines = point.ParseJSON, "invalidJsonPoint", false
	}
	points, err := read(nil, new(point.Arena), body, o)
	switch {
	case errors.Is(err, point.ErrTooManyPoints):
		return nil, &apiError{status: http.StatusRequestEntityTooLarge, code: "invalidRequest", message: "the body has too many points", reason: "too_many_points"}
	case err != nil:
		return nil, bad(code, "%s", clip(err.Error()))
	case len(points) == 0:
		return nil, errNoPoints
	}
	rules := point.RulesOf(category)
	strict := flag(q, "strict")
	index := ""
	if category == point.Logging {
		index = q.Get("storage_index")
	}
	noTags := flag(q, "ignore_global_tags") || flag(q, "ignore_global_host_tags")
	for i := range points {
		p := &points[i]
		rules.Check(p)
		if p.Extra != nil && len(p.Extra.Warns) > 0 {
			for _, warn := range p.Extra.Warns {
				s.counters.count("warnings", warn.Type)
			}
			if strict {
				warn := p.Extra.Warns[0]
				return nil, bad("pointGotWarning", "%s: %s", warn.Type, warn.Message)
			}
		}
		if lines && category == point.RUM {
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
	return points, nil
}

// clip bounds an error that repeats the body.
func clip(text string) string {
	const most = 64 << 10
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// addRUMTags adds what DataKit adds to points of line protocol (contract 3.5).
func addRUMTags(p *point.Point) {
	for _, key := range [...]string{"city", "province", "country", "isp"} {
		if p.Index(key) < 0 {
			p.SetTag(key, "unknown")
		}
	}
	if p.Index("ip") < 0 {
		p.SetTag("ip", "")
	}
}

// deliver emits the points and waits until the graph is done with them.
func (s *httpSource) deliver(ctx context.Context, emit engine.Emit, r *http.Request, client clientKey, points []point.Point, size int) *apiError {
	input := r.URL.Query().Get("input")
	if input == "" {
		input = points[0].Category.String()
	}
	s.counters.points(input, r.URL.Query().Get("source"), len(points))
	b := engine.Reserve(0, 0)
	b.Points, b.Read, b.Origin = points, s.env.Now().UnixNano(), s.origin(input)
	fields := 0
	for i := range points {
		fields += len(points[i].Fields)
		if len(points[i].Fields) == 0 {
			b.Drop(i, "no_fields") // a metric of nothing but texts, for example
		}
	}
	done := make(chan struct{})
	b.Arm(size+len(points)*pointBytes+fields*fieldBytes, func() { close(done) })
	s.clients.enter(client, size)
	defer s.clients.leave(client, size)
	wait, cancel := context.WithTimeout(r.Context(), s.config.AnswerTimeout)
	defer cancel()
	// Not the request's context alone: a client that goes away does not end the source, and emit must end with it.
	defer context.AfterFunc(ctx, cancel)()
	if err := emit(wait, b); err != nil {
		return s.undone(ctx, errPressure)
	}
	// What was accepted is finished even when the engine stops: the wait is for the graph alone.
	late := time.NewTimer(s.config.AnswerTimeout)
	defer late.Stop()
	select {
	case <-done:
		return nil
	case <-late.C:
	case <-r.Context().Done():
	}
	return s.undone(ctx, errAnswerLate)
}

func (s *httpSource) undone(ctx context.Context, e *apiError) *apiError {
	if ctx.Err() != nil {
		return errStopping
	}
	return e
}

// Heap that points take beyond their texts.
const (
	pointBytes = 96
	fieldBytes = 56
)

// origin returns the one Origin of an input, so that its points keep their order where order matters.
func (s *httpSource) origin(input string) *engine.Origin {
	if o, ok := s.inputs.Load(input); ok {
		return o.(*engine.Origin)
	}
	const most = 64 // names come from outside
	if s.inputCount.Load() >= most {
		input = "other"
	} else {
		s.inputCount.Add(1)
	}
	o, _ := s.inputs.LoadOrStore(input, &engine.Origin{Node: s.env.Node, Topic: input})
	return o.(*engine.Origin)
}

// echoOf returns what writes the points of an answer, nil if none is asked for.
func echoOf(q url.Values) func([]point.Point) []byte {
	switch {
	case q.Get("echo") == "lp" || q.Get("echo") == "" && flag(q, "echo_line_proto"):
		return echoLines
	case q.Get("echo") == "json" || q.Get("echo") == "" && flag(q, "echo_json"):
		return func(ps []point.Point) []byte { return echoArray(ps, point.AppendPointJSON) }
	case q.Get("echo") == "pbjson":
		return func(ps []point.Point) []byte { return echoArray(ps, point.AppendPointPBJSON) }
	}
	return nil
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

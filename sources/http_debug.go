package sources

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

// Limits of pipeline/debug (contract 3.7).
const (
	maxDebugScript = 1 << 20
	maxDebugData   = 32 << 20
	maxDebugTime   = 15 * time.Second
)

// debugRequest is what pipeline/debug asks for.
type debugRequest struct {
	Pipeline  map[string]map[string]string `json:"pipeline"` // category, name without .p, base64 of the script
	Script    string                       `json:"script_name"`
	Category  string                       `json:"category"`
	Data      []string                     `json:"data"` // base64
	DataType  string                       `json:"data_type"`
	Encode    string                       `json:"encode"`
	Benchmark bool                         `json:"benchmark"`
}

type debugAnswer struct {
	Cost      string        `json:"cost"`
	Benchmark string        `json:"benchmark"`
	Errors    []debugError  `json:"pl_errors"`
	Results   []debugResult `json:"plresults"`
}

type debugResult struct {
	Point    *debugPoint   `json:"point"`
	Created  []*debugPoint `json:"create_point"`
	RunError *debugError   `json:"run_error"`
}

type debugPoint struct {
	Dropped bool                       `json:"dropped"`
	Name    string                     `json:"name"`
	Tags    map[string]string          `json:"tags"`
	Fields  map[string]json.RawMessage `json:"fields"`
	Time    int64                      `json:"time"`    // seconds
	TimeNS  int64                      `json:"time_ns"` // what is left of the second
}

type debugError struct {
	Chain []debugPlace `json:"pos_chain"`
	Text  string       `json:"error"`
}

type debugPlace struct {
	File string `json:"file"`
	Line int    `json:"ln"`
	Col  int    `json:"col"`
	Pos  int    `json:"pos"` // offset in bytes
}

// pipelineDebug serves POST /v1/pipeline/debug: it runs a script on data of the request.
func (s *httpSource) pipelineDebug(w http.ResponseWriter, r *http.Request) *apiError {
	h := hold{of: s.bodies}
	defer h.release()
	body, e := s.readBody(w, r, r.URL.Query(), &h)
	if e != nil {
		return e
	}
	select {
	case s.debugging <- struct{}{}: // scripts take a processor each; those of the graph need some, too
		defer func() { <-s.debugging }()
	default:
		return errBusy
	}
	a, e := s.debug(body)
	if e != nil {
		return e
	}
	s.writeJSON(w, map[string]*debugAnswer{"content": a})
	return nil
}

func (s *httpSource) debug(body []byte) (*debugAnswer, *apiError) {
	var in debugRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, bad("invalidRequest", "%v", err)
	}
	category, ok := point.CategoryOf(in.Category)
	if !ok {
		return nil, bad("invalidCategory", "%q is no category", in.Category)
	}
	scripts, e := in.scripts(category)
	if e != nil {
		return nil, e
	}
	name := in.Script + ".p"
	text, ok := scripts[name]
	if !ok {
		return nil, bad("invalidPipeline", "there is no script %q of the category %s", in.Script, category)
	}
	points, e := in.points(category, s.env.Now().UnixNano(), s.config.MaxPoints)
	if e != nil {
		return nil, e
	}
	load := func(name string) (string, error) {
		text, ok := scripts[name]
		if !ok {
			return "", errors.New("it is not in the request")
		}
		return text, nil
	}
	script, err := pipeline.Compile(text, pipeline.Options{
		Name: name, Loader: load, Now: s.env.Now, MaxTime: maxDebugTime / time.Duration(max(1, len(points))), MaxDepth: s.env.Limits.Depth,
	})
	if err != nil {
		return &debugAnswer{Errors: compileErrors(err, scripts)}, nil
	}
	return in.run(script, points, scripts), nil
}

// scripts returns the scripts of a category by file name.
func (in *debugRequest) scripts(category point.Category) (map[string]string, *apiError) {
	out := map[string]string{}
	for c, byName := range in.Pipeline {
		if of, ok := point.CategoryOf(c); !ok || of != category {
			continue
		}
		for name, encoded := range byName {
			text, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return nil, bad("invalidPipeline", "the script %s: %v", name, err)
			}
			if len(text) > maxDebugScript {
				return nil, bad("invalidPipeline", "the script %s has more than %d bytes", name, maxDebugScript)
			}
			out[strings.TrimSuffix(name, ".p")+".p"] = string(text)
		}
	}
	return out, nil
}

// points returns the points that the data stands for.
func (in *debugRequest) points(category point.Category, now int64, most int) ([]point.Point, *apiError) {
	var out []point.Point
	total := 0
	for i, encoded := range in.Data {
		data, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, bad("invalidData", "data %d: %v", i, err)
		}
		if total += len(data); total > maxDebugData {
			return nil, bad("invalidData", "more than %d bytes of data", maxDebugData)
		}
		if len(out) >= most {
			return nil, bad("invalidData", "more than %d points", most)
		}
		if category == point.Logging {
			text, err := decodeCharset(data, in.Encode)
			if err != nil {
				return nil, bad("invalidData", "data %d: %v", i, err)
			}
			p := point.Point{Name: in.Script, Category: category, Time: now, Record: -1}
			p.Set("message", point.String(text))
			p.Set("status", point.String("info"))
			out = append(out, p)
			continue
		}
		first := len(out)
		if out, err = encodingOf(in.DataType).read(out, new(point.Arena), data, point.ReadOptions{Now: now, Category: category, Spare: spareFields, MaxPoints: most - len(out)}); err != nil {
			return nil, bad("invalidData", "data %d: %s", i, clip(err.Error()))
		}
		rules := point.RulesOf(category)
		for j := first; j < len(out); j++ {
			rules.Check(&out[j])
		}
	}
	return out, nil
}

func (in *debugRequest) run(script *pipeline.Script, points []point.Point, sources map[string]string) *debugAnswer {
	a := &debugAnswer{Results: []debugResult{}}
	runner := script.NewRunner()
	var bench []point.Point
	if in.Benchmark {
		bench = copyPoints(points)
	}
	start := time.Now()
	for i := range points {
		p := &points[i]
		o := runner.Run(p)
		var result debugResult
		if o.Err != nil {
			result.RunError = &debugError{Text: o.Err.Msg}
			for _, at := range o.Err.Places {
				result.RunError.Chain = append(result.RunError.Chain, placeOf(at, sources))
			}
		} else {
			result.Point = debugPointOf(p)
			result.Point.Dropped = o.Dropped
			for j := range o.Created {
				result.Created = append(result.Created, debugPointOf(&o.Created[j]))
			}
		}
		a.Results = append(a.Results, result)
	}
	a.Cost = time.Since(start).String()
	if len(bench) > 0 {
		a.Benchmark = benchmark(runner, bench)
	}
	return a
}

// benchmark runs the script on copies of the points for a moment.
func benchmark(runner *pipeline.Runner, points []point.Point) string {
	const moment = 200 * time.Millisecond
	var spent time.Duration
	runs := 0
	for begin := time.Now(); time.Since(begin) < moment; {
		fresh := copyPoints(points)
		start := time.Now()
		for i := range fresh {
			runner.Run(&fresh[i])
		}
		spent += time.Since(start)
		runs += len(fresh)
	}
	return fmt.Sprintf("%d\t%d ns/op", runs, int64(spent)/int64(runs))
}

func copyPoints(points []point.Point) []point.Point {
	out := make([]point.Point, len(points))
	for i := range points {
		out[i] = points[i]
		out[i].Fields = append(make([]point.Field, 0, len(points[i].Fields)+4), points[i].Fields...)
	}
	return out
}

func debugPointOf(p *point.Point) *debugPoint {
	d := &debugPoint{Name: p.Name, Tags: map[string]string{}, Fields: map[string]json.RawMessage{}, Time: p.Time / 1e9, TimeNS: p.Time % 1e9}
	for _, f := range p.Fields {
		if f.Tag {
			d.Tags[f.Key] = f.Value.Str()
		} else {
			d.Fields[f.Key] = point.AppendJSON(nil, f.Value)
		}
	}
	return d
}

// compileErrors returns what is wrong with a script.
func compileErrors(err error, sources map[string]string) []debugError {
	var faults pipeline.Errors
	if !errors.As(err, &faults) {
		return []debugError{{Text: err.Error()}}
	}
	var out []debugError
	for _, f := range faults {
		out = append(out, debugError{Chain: []debugPlace{placeOf(f.Place, sources)}, Text: f.Msg})
	}
	return out
}

// placeOf returns a place with its offset in the script.
func placeOf(at pipeline.Place, sources map[string]string) debugPlace {
	d := debugPlace{File: at.File, Line: at.Line, Col: at.Col}
	text := sources[at.File]
	for line := 1; line < at.Line; line++ {
		n := strings.IndexByte(text[d.Pos:], '\n')
		if n < 0 {
			break
		}
		d.Pos += n + 1
	}
	for range at.Col - 1 { // columns count characters
		_, size := utf8.DecodeRuneInString(text[d.Pos:])
		d.Pos += size
	}
	return d
}

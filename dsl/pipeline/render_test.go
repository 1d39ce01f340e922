package pipeline_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

const startTime = 1700000000_000000000

// logPoint returns the log point that scripts of tests run on.
func logPoint(message string) point.Point {
	p := point.Point{Name: "src", Category: point.Logging, Time: startTime, Record: -1, Fields: make([]point.Field, 0, 16)}
	p.Set("message", point.String(message))
	p.Set("status", point.String("info"))
	return p
}

func show(v point.Value) string {
	switch v.Kind() {
	case point.KindString:
		return strconv.Quote(v.Str())
	case point.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case point.KindFloat:
		s := strconv.FormatFloat(v.Float(), 'g', -1, 64)
		if !strings.ContainsAny(s, ".eIN") {
			s += ".0"
		}
		return s
	case point.KindBool:
		return strconv.FormatBool(v.Bool())
	case point.KindNil:
		return "nil"
	}
	return "?" + v.Kind().String()
}

// render shows what a run made of a log point: a line for each key but for those that are as they were.
func render(p *point.Point, message string, o pipeline.Outcome) string {
	var lines []string
	if o.Err != nil {
		lines = append(lines, "error "+o.Err.Error())
	}
	if o.Dropped {
		lines = append(lines, "dropped")
	}
	if p.Name != "src" {
		lines = append(lines, "name="+p.Name)
	}
	if p.Time != startTime {
		lines = append(lines, fmt.Sprintf("time=%d", p.Time))
	}
	for _, f := range p.Fields {
		if f.Key == "message" && !f.Tag && f.Value.Equal(point.String(message)) ||
			f.Key == "status" && !f.Tag && f.Value.Equal(point.String("info")) {
			continue
		}
		mark := ""
		if f.Tag {
			mark = "#"
		}
		lines = append(lines, f.Key+mark+"="+show(f.Value))
	}
	for i := range o.Created {
		c := &o.Created[i]
		line, _ := new(point.LineEncoder).Append(nil, c, nil)
		lines = append(lines, fmt.Sprintf("created %v %s", c.Category, line))
	}
	return strings.Join(lines, "\n")
}

func options() pipeline.Options {
	return pipeline.Options{
		Location: time.UTC,
		Now:      func() time.Time { return time.Unix(0, startTime+5) },
		MaxSteps: 100_000,
	}
}

// run compiles a script and runs it twice, on new points: what a run leaves in its runner must not show.
func run(t testing.TB, script, message string, o pipeline.Options) string {
	t.Helper()
	s, err := pipeline.Compile(script, o)
	if err != nil {
		return "load error " + err.Error()
	}
	r := s.NewRunner()
	var got [2]string
	for i := range got {
		p := logPoint(message)
		got[i] = render(&p, message, r.Run(&p))
	}
	if got[0] != got[1] && !remembers(script) {
		t.Errorf("%s\nfirst run:\n%s\nsecond run:\n%s", script, got[0], got[1])
	}
	return got[0]
}

// remembers reports whether a script calls a function whose outcome depends on earlier points, or on chance.
func remembers(script string) bool {
	for _, name := range []string{"cache_", "agg_", "window", "sample"} {
		if strings.Contains(script, name) {
			return true
		}
	}
	return false
}

package reference

import (
	"fmt"
	"strconv"
	"strings"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

// render shows what a run left: errors, then a line for each key but for a message and a status that are as they were.
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
	if p.Time != start {
		lines = append(lines, fmt.Sprintf("time=%d", p.Time))
	}
	for _, f := range p.Fields {
		if f.Key == "message" && !f.Tag && f.Value.Equal(point.String(message)) || f.Key == "status" && !f.Tag && f.Value.Equal(point.String("info")) {
			continue
		}
		mark := "="
		if f.Tag {
			mark = "#="
		}
		lines = append(lines, f.Key+mark+show(f.Value))
	}
	for i := range o.Created {
		c := &o.Created[i]
		line, _ := new(point.LineEncoder).Append(nil, c, nil)
		lines = append(lines, fmt.Sprintf("created %v %s", c.Category, line))
	}
	return strings.Join(lines, "\n")
}

// show writes a value so that its kind can be seen.
func show(v point.Value) string {
	switch v.Kind() {
	case point.KindString:
		return strconv.Quote(v.Str())
	case point.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case point.KindFloat:
		text := strconv.FormatFloat(v.Float(), 'g', -1, 64)
		if !strings.ContainsAny(text, ".eIN") {
			text += ".0"
		}
		return text
	case point.KindBool:
		return strconv.FormatBool(v.Bool())
	case point.KindNil:
		return "nil"
	}
	return "a " + v.Kind().String()
}

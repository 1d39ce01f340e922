package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// readValue reads a value as printJSON writes it: integers without and floats with a decimal point or
// exponent, bytes as {"base64"}, lists and maps as JSON.
func readValue(raw json.RawMessage) (point.Value, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return point.Nil(), err
	}
	return valueOf(v)
}

func valueOf(v any) (point.Value, error) {
	switch x := v.(type) {
	case nil:
		return point.Nil(), nil
	case bool:
		return point.Bool(x), nil
	case string:
		return point.String(x), nil
	case json.Number:
		if i, err := strconv.ParseInt(x.String(), 10, 64); err == nil {
			return point.Int(i), nil
		}
		if u, err := strconv.ParseUint(x.String(), 10, 64); err == nil {
			return point.Uint(u), nil
		}
		f, err := x.Float64()
		return point.Float(f), err
	case []any:
		items := make([]point.Value, len(x))
		for i, e := range x {
			item, err := valueOf(e)
			if err != nil {
				return point.Nil(), err
			}
			items[i] = item
		}
		return point.List(items), nil
	case map[string]any:
		if text, ok := x["base64"].(string); ok && len(x) == 1 {
			b, err := base64.StdEncoding.DecodeString(text)
			return point.Bytes(b), err
		}
		m := make(map[string]point.Value, len(x))
		for k, e := range x {
			item, err := valueOf(e)
			if err != nil {
				return point.Nil(), err
			}
			m[k] = item
		}
		return point.Map(m), nil
	}
	return point.Nil(), fmt.Errorf("unexpected %T", v)
}

// printJSON writes {"points": [...], "dropped": ..., "error": ...} on a line, with "notes" if there are any.
func printJSON(w io.Writer, p *point.Point, out pipeline.Outcome, notes []string) error {
	var points []json.RawMessage
	if !out.Dropped {
		points = append(points, appendPoint(nil, p))
	}
	for i := range out.Created {
		points = append(points, appendPoint(nil, &out.Created[i]))
	}
	if points == nil {
		points = []json.RawMessage{}
	}
	answer := struct {
		Points  []json.RawMessage `json:"points"`
		Dropped bool              `json:"dropped"`
		Error   *runFault         `json:"error"`
		Notes   []string          `json:"notes,omitempty"`
	}{points, out.Dropped, faultOf(out.Err), notes}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// runFault is a run error with its position.
type runFault struct {
	Message string `json:"message"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}

func faultOf(err *pipeline.RunError) *runFault {
	if err == nil {
		return nil
	}
	f := &runFault{Message: err.Msg}
	if len(err.Places) > 0 {
		at := err.Places[0]
		f.File, f.Line, f.Column = at.File, at.Line, at.Col
	}
	return f
}

func appendPoint(dst []byte, p *point.Point) []byte {
	dst = append(dst, `{"category":`...)
	dst = strconv.AppendQuote(dst, p.Category.String())
	dst = append(dst, `,"name":`...)
	dst = appendJSONText(dst, p.Name)
	dst = append(dst, `,"time":`...)
	dst = strconv.AppendInt(dst, p.Time, 10)
	for _, tags := range []bool{true, false} {
		dst = append(dst, map[bool]string{true: `,"tags":{`, false: `,"fields":{`}[tags]...)
		first := true
		for _, f := range p.Fields {
			if f.Tag != tags {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendJSONText(dst, f.Key)
			dst = append(dst, ':')
			dst = appendValue(dst, f.Value)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendJSONText(dst []byte, s string) []byte {
	text, _ := json.Marshal(s)
	return append(dst, text...)
}

func appendValue(dst []byte, v point.Value) []byte {
	switch v.Kind() {
	case point.KindFloat:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return appendJSONText(dst, strconv.FormatFloat(f, 'g', -1, 64))
		}
		text := strconv.FormatFloat(f, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return append(dst, text...)
	case point.KindBytes:
		return append(appendJSONText(append(dst, `{"base64":`...), base64.StdEncoding.EncodeToString(v.Raw())), '}')
	case point.KindList:
		dst = append(dst, '[')
		for i, x := range v.Items() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, x)
		}
		return append(dst, ']')
	case point.KindMap:
		dst = append(dst, '{')
		for i, k := range sortedKeys(v.Map()) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendJSONText(dst, k), ':')
			dst = appendValue(dst, v.Map()[k])
		}
		return append(dst, '}')
	case point.KindString:
		return appendJSONText(dst, v.Str())
	case point.KindNil, point.KindRef:
		return append(dst, "null"...)
	}
	return point.AppendText(dst, v)
}

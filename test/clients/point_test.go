package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/engine/point"
)

// A sample is a point as a test writes it down: numbers are integers where they are written without a dot and an exponent.
type sample struct {
	Category    string         `json:"category"`
	Measurement string         `json:"measurement"`
	Tags        map[string]any `json:"tags"`
	Fields      map[string]any `json:"fields"`
	Timestamp   int64          `json:"timestamp"` // s, ms, us or ns; 0 is the time of the request
}

// read reads a file of testdata, with numbers as they are written.
func read(t *testing.T, text []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatal(err)
	}
}

var space = regexp.MustCompile(`\s`)

// String describes the sample as text does a point.
func (s sample) String() string {
	var parts []string
	for k, v := range s.Tags {
		if v != "" {
			parts = append(parts, fmt.Sprintf("tag %q=%q", space.ReplaceAllString(k, " "), space.ReplaceAllString(v.(string), " ")))
		}
	}
	for k, v := range s.Fields {
		if v != nil {
			parts = append(parts, fmt.Sprintf("%q=%s", space.ReplaceAllString(k, " "), literal(v)))
		}
	}
	slices.Sort(parts)
	const nanoseconds = 1e18 // smaller numbers are of a coarser unit
	at := s.Timestamp
	for range 3 {
		if at < nanoseconds {
			at *= 1000
		}
	}
	when := fmt.Sprint(at)
	if at == 0 {
		when = "now"
	}
	return fmt.Sprintf("%s %q %s %s", s.Category, s.Measurement, strings.Join(parts, " "), when)
}

// literal describes a value of JSON.
func literal(v any) string {
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			f, err := v.Float64()
			if err != nil {
				return err.Error()
			}
			return fmt.Sprintf("float:%v", f)
		}
		return "int:" + v.String()
	case string:
		return fmt.Sprintf("string:%q", v)
	case bool:
		return fmt.Sprintf("bool:%v", v)
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, literal(item))
		}
		return "[" + strings.Join(items, " ") + "]"
	case float64:
		return fmt.Sprintf("float:%v", v)
	case int:
		return fmt.Sprintf("int:%d", v)
	}
	return fmt.Sprintf("%T", v)
}

// text describes a point that the DataWay has got. Times from since on are those of requests.
func text(p *point.Point, since time.Time) string {
	var parts []string
	for _, f := range p.Fields {
		if f.Tag {
			if f.Value.Str() != "" { // a tag without a text says nothing
				parts = append(parts, fmt.Sprintf("tag %q=%q", f.Key, f.Value.Str()))
			}
			continue
		}
		parts = append(parts, fmt.Sprintf("%q=%s", f.Key, value(f.Value)))
	}
	slices.Sort(parts)
	when := fmt.Sprint(p.Time)
	if p.Time >= since.UnixNano() && p.Time <= time.Now().UnixNano() {
		when = "now"
	}
	return fmt.Sprintf("%s %q %s %s", p.Category, p.Name, strings.Join(parts, " "), when)
}

func value(v point.Value) string {
	switch v.Kind() {
	case point.KindInt:
		return fmt.Sprintf("int:%d", v.Int())
	case point.KindFloat:
		return fmt.Sprintf("float:%v", v.Float())
	case point.KindBool:
		return fmt.Sprintf("bool:%v", v.Bool())
	case point.KindString:
		return fmt.Sprintf("string:%q", v.Str())
	case point.KindList:
		var items []string
		for _, item := range v.Items() {
			items = append(items, value(item))
		}
		return "[" + strings.Join(items, " ") + "]"
	}
	return v.Kind().String()
}

// compare holds what has arrived to what was written.
func compare(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	t.Logf("figure: %d points written, %d at DataWay", len(want), len(got))
	missing, odd := map[string]int{}, map[string]int{}
	for _, w := range want {
		missing[w]++
	}
	for _, g := range got {
		if missing[g] > 0 {
			missing[g]--
		} else {
			odd[g]++
		}
	}
	said := 0
	for what, counts := range map[string]map[string]int{"missing": missing, "not written": odd} {
		for text, n := range counts {
			if n == 0 {
				continue
			}
			if said++; said <= 10 {
				t.Errorf("%s (%d times): %s", what, n, text)
			} else {
				t.Fail()
			}
		}
	}
}

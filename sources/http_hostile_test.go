package sources

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"dataflow/engine/point"
)

// hostileBodies are bodies that are small and make much work (guarantees E6).
func hostileBodies() map[string]struct {
	content string
	body    []byte
} {
	const million = 1_000_000
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	lines := func(text string) struct {
		content string
		body    []byte
	} {
		return struct {
			content string
			body    []byte
		}{"", []byte(text)}
	}
	as := func(content, text string) struct {
		content string
		body    []byte
	} {
		return struct {
			content string
			body    []byte
		}{content, []byte(text)}
	}
	short := func(n int, format string) string { return many(n, format) }
	return map[string]struct {
		content string
		body    []byte
	}{
		"a million tags":               lines("m" + strings.ReplaceAll(short(million, " t%d=v"), " ", ",") + " f=1"),
		"tags that fit":                lines("m" + strings.ReplaceAll(short(6000, " t%d=v"), " ", ",") + " f=1"),
		"a million fields":             lines("m " + many(million, "f%d=1,")),
		"a million keys with dots":     lines("m " + many(million, "f.%d=1,")),
		"a million texts":              lines("m " + many(million, `f%d="",`)),
		"the same field":               lines("m " + strings.TrimSuffix(strings.Repeat("f=1,", million), ",")),
		"points of nothing":            lines(strings.Repeat("m f=1\n", 100_000)),
		"points of little":             lines(strings.Repeat("m f=1 1700000000\n", 100_000)),
		"names of nothing":             as(contentJSON, "["+strings.Repeat(`{"fields":{"":1}},`, 99_999)+"{}]"),
		"warnings":                     as(contentProtobuf, "\x0a\x80\x89\x7a"+strings.Repeat("\x22\x00", million)),
		"bad lines":                    lines(strings.Repeat("x\n", million)),
		"empty lines":                  lines(strings.Repeat("\n", million)),
		"open quotes":                  lines(strings.Repeat("m f=\"\n", million)),
		"an endless array":             lines("m f=[" + strings.TrimSuffix(strings.Repeat("1,", million), ",") + "]"),
		"backslashes":                  lines("m f=\"" + strings.Repeat(`\`, million) + "\""),
		"deep JSON":                    as(contentJSON, strings.Repeat("[", million)),
		"deep objects":                 as(contentJSON, `[{"fields":`+strings.Repeat(`{"a":`, million)),
		"deep values":                  as(contentJSON, `[{"fields":{"a":`+strings.Repeat("[", 400)+strings.Repeat("]", 400)+`}}]`),
		"a million keys of JSON":       as(contentJSON, `[{"fields":{`+many(million, `"%d":1,`)+`}}]`),
		"a million tags of JSON":       as(contentJSON, `[{"tags":{`+many(million, `"%d":"",`)+`},"fields":{"f":1}}]`),
		"empty points of JSON":         as(contentJSON, "["+strings.Repeat("{},", 99_999)+"{}]"),
		"a million points of JSON":     as(contentJSON, "["+strings.Repeat("{},", million)+"{}]"),
		"a million fields of PBJSON":   as(contentPBJSON, `[{"name":"m","fields":[`+strings.Repeat(`{"key":"k"},`, million)+`{}]}]`),
		"a million points of protobuf": as(contentProtobuf, strings.Repeat("\x0a\x00", million)),
		"points of protobuf that fit":  as(contentProtobuf, strings.Repeat("\x0a\x00", 100_000)),
		"a million fields of protobuf": as(contentProtobuf, "\x0a\x80\x89\x7a"+strings.Repeat("\x12\x00", million)),
		"lengths that lie":             as(contentProtobuf, strings.Repeat("\x0a\xff\xff\xff\xff\x07", 1000)),
	}
}

// TestHTTPHostileBodies holds the memory that a body costs to 32 times its size. How long it took is said, and not judged.
func TestHTTPHostileBodies(t *testing.T) {
	a := newAPI(t, nil)
	for name, x := range hostileBodies() {
		for _, category := range []point.Category{point.Metric, point.Logging, point.Object, point.RUM} {
			r := &http.Request{Header: http.Header{"Content-Type": {x.content}}}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			points, e := a.source.parse(x.body, &request{r: r, q: url.Values{}, category: category})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			ratio := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(x.body))
			t.Logf("%-30s %-8s %8d bytes, %6d points, %6.1f times, %v", name, category, len(x.body), len(points), ratio, took)
			if ratio > 32 {
				t.Errorf("%s as %s: %.1f times the body", name, category, ratio)
			}
			if e != nil && len(e.message) > 2*maxErrorMessage*6 {
				t.Errorf("%s: a message of %d bytes", name, len(e.message))
			}
		}
	}
}

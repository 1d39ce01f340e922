//go:build !race

package pipeline_test

import (
	"slices"
	"testing"

	"dataflow/dsl/pipeline"
)

// TestFunctionAllocations runs calls that scripts make for every point.
func TestFunctionAllocations(t *testing.T) {
	for _, x := range []struct {
		name, message, script string
		allocs                float64
	}{
		{"kvs", "m", "pt_kvs_set(\"a\", pt_kvs_get(\"message\"))\npt_kvs_set(\"b\", 5, as_tag=true)\npt_kvs_del(\"b\")", 0},
		{"kv_split", "svc=cart dur=1.5s code=503 x=1", "kv_split(_, include_keys=[\"svc\", \"dur\", \"code\"], trim_value=\"\\\"\")", 0},
		{"gjson", `{"a": {"b": [1, "x"]}}`, "gjson(_, \"a.b.1\", \"x\")", 0},
		{"valid_json", `{"a": {"b": [1, "x"]}}`, "add_key(ok, valid_json(_))", 0},
		{"times", "1.5s", "parse_duration(_)\nduration_precision(message, \"ns\", \"ms\")\nadd_key(t, timestamp(\"ms\"))\ndatetime(t, \"ms\", \"%F %T\", \"UTC\")\nadd_key(u, 1700000000000000000)\nadjust_timezone(u)", 0},
		{"date", "m", "parse_date(t, \"2021\", \"may\", \"3\", \"4\", \"5\", \"6\", zone=\"+8\")\nadd_key(u, \"2024-03-09 16:05:06\")\ndefault_time_with_fmt(u, \"2006-01-02 15:04:05\")", 0},
		{"create_point", "m", "create_point(\"p\", {\"a\": \"x\"}, {\"b\": 1})", 6},
	} {
		s, err := pipeline.Compile(x.script, options())
		if err != nil {
			t.Fatal(err)
		}
		r, p := s.NewRunner(), logPoint(x.message)
		start := slices.Clone(p.Fields)
		n := testing.AllocsPerRun(1000, func() {
			p.Fields = append(p.Fields[:0], start...)
			if out := r.Run(&p); out.Err != nil {
				t.Fatal(out.Err)
			}
		})
		if n > x.allocs {
			t.Errorf("%s: %v allocations, want %v", x.name, n, x.allocs)
		}
	}
}

package pipeline_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/engine/point"
)

// decoders are functions that read foreign text, each called so that all of it gets to the reader. ARG is a second text.
var decoders = []string{
	`b64dec(message)`, `url_decode(_)`, "u = url_parse(_)\nadd_key(u)", `decode(_, "gbk")`, `decode(_, "gb18030")`, `decode(_, "utf-16le")`, `decode(_, "utf-16be")`,
	`xml(_, ARG, r)`, `xml(_, "//a/@b | /x[2]/text()", r)`, `gjson(_, ARG, "r")`, `gjson(_, "a.#(x%\"y*\")#.z|@reverse", "r")`,
	`kv_split(_, field_split_pattern=ARG, include_keys=["a", "b"])`, `kv_split(_, value_split_pattern=ARG, trim_key=ARG, trim_value=ARG, include_keys=["a", "b"], prefix=ARG)`,
	`sql_cover(_)`, `user_agent(_)`, "json(_, a.b[0].c, r)\njson(_, .[1].x, s, false)\njson(_, a, t, true, true)", "d = load_json(_)\nadd_key(r, d)\nadd_key(s, valid_json(_) == true)",
	`default_time(_)`, `default_time(_, ARG)`, `default_time_with_fmt(_, ARG, "Asia/Tokyo")`, "datetime(_, \"ms\", ARG)", "add_key(n, 1710000306789)\ndatetime(n, \"ms\", ARG, \"Asia/Kolkata\")",
	`parse_date(r, message, "3", "9", message, message, message, message, message, message)`, `parse_date(r, "2024", message)`, `parse_duration(_)`, `duration_precision(_, "ns", "ms")`,
	`grok(_, ARG)`, `conv_traceid_w3c_to_dd(_)`, "add_key(r, cidr(message, ARG))", "add_key(r, cidr(ARG, message))", "a = message\nstrfmt(r, ARG, a, 5, nil)", `cover(_, [-3, 2])`,
	"add_key(r, parse_int(message, 0))", "cast(_, \"float\")\ncast(_, \"int\")", "replace(_, ARG, ARG)", "trim(_, ARG)", "add_key(r, match(ARG, _))", "geoip(_)", "add_key(r, slice_string(message, 1, 3))",
}

// FuzzDecoders gives any text to every function that reads a foreign format, and to every built-in grok pattern: none panics or hangs, each
// leaves a valid point and does the same again.
func FuzzDecoders(f *testing.F) {
	for i, text := range genTexts {
		f.Add(text, genTexts[(i*7+3)%len(genTexts)], byte(i))
	}
	for i := range decoders {
		f.Add("a=1 b=\"2\" <a b='c'>x</a> {\"a\":1}", "(a|b)*[x-z]", byte(i))
	}
	table, err := os.ReadFile("grok/patterns.tsv")
	if err != nil {
		f.Fatal(err)
	}
	var patterns []string
	for line := range strings.Lines(string(table)) {
		name, _, _ := strings.Cut(line, "\t")
		patterns = append(patterns, "grok(_, \"%{"+name+":x}\")\ngrok(_, \"^%{"+name+"}$\")")
	}
	o := fuzzOptions()
	f.Fuzz(func(t *testing.T, text, arg string, which byte) {
		if len(text) > 4000 || len(arg) > 300 {
			return
		}
		p := point.Point{Name: "src", Category: point.Logging, Time: startTime, Record: -1}
		p.Set("message", point.String(text))
		start := time.Now()
		for _, script := range []string{decoders[int(which)%len(decoders)], patterns[int(which)%len(patterns)]} {
			script = strings.ReplaceAll(script, "ARG", literal(arg))
			if _, err := pipeline.Compile(script, o); err != nil {
				if what := badErrors(err, script); what != "" {
					t.Fatalf("%s\n%s", what, script)
				}
				continue
			}
			got, _ := evaluate(t, script, o, p, 2)
			if got[0] != got[1] {
				t.Errorf("%s\nthe first run:\n%s\nthe second run:\n%s", script, got[0], got[1])
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v: %q with %q", took, text, arg)
		}
		if got := run(t, "x = message\nadd_key(e, x)\nb64enc(e)\nadd_key(d, e)\nb64dec(d)\nadd_key(same, get_key(d) == x)\ndrop_key(e)\ndrop_key(d)", text, o); got != "same=true" {
			t.Errorf("base 64 of %q and back: %s", text, got)
		}
	})
}

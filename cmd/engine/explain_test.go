package main

import (
	"bytes"
	"strings"
	"testing"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/reference"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		what string
		code int
		says []string
	}{
		{"kafka", 0, []string{"source kafka: ", "brokers"}},
		{"kafka.streams", 0, []string{"streams.*.topics"}},
		{"pipeline", 0, []string{"operator pipeline: ", "script", "The point\n", "  add_key ", "\nTime\n"}},
		{"pipeline.cast", 0, []string{"cast(key, type)\n", "Arguments\n", "a text literal", "# -> "}},
		{"pipeline.geoip", 0, []string{"geoip(", "Options of the operator\n", "geoip.database"}},
		{"pipeline.script", 0, []string{"file of the script"}},
		{"file.paths", 0, []string{"files to read"}},
		{"file.path", 0, []string{"file that points are written to"}}, // of the sink; the source has none
		{"file.pth", 2, []string{`there is no option of file "pth": did you mean "path"?`}},
		{"pipeline.add_kye", 2, []string{`did you mean "add_key"?`}},
		{"kafka.brokrs", 2, []string{`there is no option of kafka "brokrs": did you mean "brokers"?`}},
		{"kafak", 2, []string{`there is no component "kafak": did you mean "kafka"?`}},
		{"pipline.grok", 2, []string{`did you mean "pipeline"?`}},
	} {
		r := inProcess("", "explain", c.what)
		if r.code != c.code {
			t.Errorf("explain %s: exit code %d\n%s%s", c.what, r.code, r.out, r.stderr)
		}
		for _, want := range c.says {
			if !strings.Contains(r.out+r.stderr, want) {
				t.Errorf("explain %s does not say %q:\n%s%s", c.what, want, r.out, r.stderr)
			}
		}
	}
	for _, d := range funcs.All() {
		if r := inProcess("", "explain", "pipeline."+d.Name); r.code != 0 || !strings.HasPrefix(r.out, d.Name+"(") {
			t.Errorf("explain pipeline.%s: exit code %d\n%s%s", d.Name, r.code, r.out, r.stderr)
		}
	}
}

// TestReferencePipeline holds the page of the language to the declarations of the functions.
func TestReferencePipeline(t *testing.T) {
	var want bytes.Buffer
	if err := reference.Page(&want); err != nil {
		t.Fatal(err)
	}
	holdReference(t, "pipeline.md", want.Bytes())
}

package operators

import (
	"errors"
	"strings"
	"testing"

	"dataflow/engine/diag"
)

// TestPipelineFiveMistakes: what engine validate prints of a script with five mistakes: all of them, each at its place.
func TestPipelineFiveMistakes(t *testing.T) {
	x := newBench(t, "scripts/access.p", `add_kee(a, 1)
cast(code, "integer")
grok(_, "%{IPP:client}")
use("common.p")
b = 1 / 0
`)
	g, err := x.load("dir: scripts")
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.build("dir: scripts")
	var list diag.List
	if !errors.As(err, &list) {
		t.Fatalf("no diagnostics: %v", err)
	}
	var out strings.Builder
	if err := list.Print(&out, g.Source); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), ": error: "); n != 5 {
		t.Errorf("%d mistakes are reported, want 5", n)
	}
	for _, want := range []string{
		"access.p:1:1: error: there is no function `add_kee`\n  1 | add_kee(a, 1)\n    | ^\n    = hint: did you mean \"add_key\"?\n",
		"access.p:2:12: error: cast: there is no type \"integer\"",
		"  2 | cast(code, \"integer\")\n    |            ^\n",
		"access.p:3:9: error: grok: unknown grok pattern \"IPP\"",
		"access.p:4:1: error: use: loading the script \"common.p\": category logging has none of that name",
		"access.p:5:7: error: division or modulo by zero\n  5 | b = 1 / 0\n    |       ^\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say\n%s\nbut\n%s", want, out.String())
		}
	}
}

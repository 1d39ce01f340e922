package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"dataflow/dsl/pipeline"
)

// TestNotes: who asks is told why an index yields nil or fails, with the same outcome as without asking.
func TestNotes(t *testing.T) {
	const message = `{"dimensions": {"bk_biz_id": 225, "ip": "10.200.64.45"}, "metrics": {"usage": 0.01}, "list": [{"deep": {"er": 1}}, 2], "none": null, "empty": {}}`
	many := "{" + strings.TrimSuffix(strings.Repeat(`"k%d": 1, `, 13), ", ") + "}"
	numbers := make([]any, 13)
	for i := range numbers {
		numbers[i] = i
	}
	for _, x := range []struct{ script, message, want string }{
		{`x = d["dimensions"]["ip"]`, message, ""},
		{`x = d["bk_biz_id"]`, message, `2:6 d has no key "bk_biz_id"; it has dimensions, empty, list, metrics, none (there is d["dimensions"]["bk_biz_id"])`},
		{`x = d["er"]["y"]`, message, `2:6 d has no key "er"; it has dimensions, empty, list, metrics, none (there is d["list"][0]["deep"]["er"])`},
		{`x = d["metrics"]["usaeg"]`, message, `2:17 d["metrics"] has no key "usaeg"; it has usage (did you mean "usage"?)`},
		{`x = d["empty"]["a"]`, message, `2:15 d["empty"] has no key "a"; it is empty`},
		{`x = d["none"]["a"]`, message, `2:14 d["none"] is nil here`},
		{`x = d["list"][-1]["a"]`, message, `2:18 d["list"][-1] is float: 2`},
		{`x = d["list"][7]`, message, `2:14 d["list"] has 2 elements`},
		{`x = d["list"]["a"]`, message, `2:14 d["list"] has 2 elements`},
		{`x = d["a"]`, "no JSON", `2:6 d is nil here; load_json yields nil for a text that is no JSON`},
		{`x = message["a"]`, message, `2:12 message is str: "{\"dimensions\": {\"bk_biz_id\": 225, \"ip\": \"10.200.64.4...`},
		{`x = nosuch["a"]`, message, ""},
		{"k = \"a\"\nx = d[k]", message, ""},
		{`x = {"a": 1}["a"]`, message, ""},
		{"m = {\"a\": {\"b\": 1}}\nx = m[\"b\"]", message, `3:6 m has no key "b"; it has a (there is m["a"]["b"])`},
		{`x = d["a"]`, fmt.Sprintf(many, numbers...), `2:6 d has no key "a"; it has 13, among them k0, k1, k10, k11, k12, k2, k3, k4, k5, k6, k7, k8`},
	} {
		script := "d = load_json(message)\n" + x.script + "\nadd_key(x)"
		var notes []string
		o := options()
		plain := run(t, script, x.message, o)
		o.Notes = func(at pipeline.Place, text string) { notes = append(notes, at.String()+" "+text) }
		s, err := pipeline.Compile(script, o)
		if err != nil {
			if !strings.HasPrefix(plain, "load error") {
				t.Errorf("%s: %v", x.script, err)
			}
			continue
		}
		p := logPoint(x.message)
		if noted := render(&p, x.message, s.NewRunner().Run(&p)); noted != plain {
			t.Errorf("%s: with notes\n%s\nwithout\n%s", x.script, noted, plain)
		}
		got := strings.ReplaceAll(strings.Join(notes, "\n"), "2:1 ", "")
		if got != x.want {
			t.Errorf("%s:\ngot  %s\nwant %s", x.script, got, x.want)
		}
	}
}

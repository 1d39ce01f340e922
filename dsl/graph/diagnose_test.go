package graph

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"dataflow/engine"
	"dataflow/engine/diag"
)

func TestDiagnose(t *testing.T) {
	m := memory{files: map[string]string{"pw": "hunter2\n"}}
	g := parse(t, `version: 1
sources:
  s:
    type: kafka
    brokers: [a, b]
    sasl: {mechanism: plain, password: "${file:pw}", username: u}
    streams: {logs: {topics: [x]}}
operators:
  p: {from: s.logs, steps: [{sample: {rate: 2, when: 'name = "x"'}}]}
sinks: {o: {type: dataway, from: p, url: "https://dw?token=tkn_abcdef"}}
`, m)
	plain := errors.New("is wrong")
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{plain, "graph.yaml:4:11: is wrong"},
		{engine.FieldError("brokers", plain), "graph.yaml:5:14: brokers: is wrong"},
		{engine.FieldError("brokers[1]", plain), "graph.yaml:5:18: brokers[1]: is wrong"},
		{engine.FieldError("sasl.mechanism", plain), "graph.yaml:6:23: sasl.mechanism: is wrong"},
		{engine.FieldError("sasl.token", plain), "graph.yaml:6:11: sasl.token: is wrong"},
		{engine.FieldError("streams.logs", engine.FieldError("topics", plain)), "graph.yaml:7:30: streams.logs.topics: is wrong"},
		{engine.FieldError("start", plain), "graph.yaml:4:11: start: is wrong"},
		{fmt.Errorf("building: %w", engine.FieldError("sasl.username", plain)), "graph.yaml:6:64: building: sasl.username: is wrong"},
		{errors.Join(engine.FieldError("brokers", plain), plain), "graph.yaml:4:11: is wrong\ngraph.yaml:5:14: brokers: is wrong"},
		{fmt.Errorf("all: %w", errors.Join(engine.FieldError("brokers", plain), engine.FieldError("sasl", errors.Join(plain, engine.FieldError("x", plain))))),
			"graph.yaml:5:14: brokers: is wrong\ngraph.yaml:6:11: sasl: is wrong\ngraph.yaml:6:11: sasl.x: is wrong"},
		{engine.FieldError("sasl.password", errors.New(`"hunter2" is too short`)), `graph.yaml:6:40: sasl.password: "[redacted]" is too short`},
		{diag.List{{Pos: diag.Pos{File: "x.p", Line: 1, Col: 2}, Message: "m"}}, "x.p:1:2: m"},
		{fmt.Errorf("script: %w", diag.Diagnostic{Pos: diag.Pos{File: "x.p", Line: 1, Col: 2}, Message: "m"}), "graph.yaml:4:11: script: x.p:1:2: m"},
	} {
		if got := g.Node("s").Diagnose(c.err).Error(); got != c.want {
			t.Errorf("%v: got\n%s\nwant\n%s", c.err, got, c.want)
		}
	}
	step := g.Node("p").Steps[0]
	list := step.Diagnose(engine.FieldError("when", &diag.TextError{Start: 5, End: 6, Message: "equality is =="}))
	var b strings.Builder
	if err := list.Print(&b, g.Source); err != nil {
		t.Fatal(err)
	}
	want := `graph.yaml:9:60: error: equality is ==
  9 |   p: {from: s.logs, steps: [{sample: {rate: 2, when: 'name = "x"'}}]}
    |                                                            ^
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
	if got := g.Node("o").Diagnose(errors.New("asking https://dw?token=tkn_abcdef: refused")).Error(); strings.Contains(got, "tkn") {
		t.Error(got)
	}
	if src := string(g.Source("graph.yaml")); strings.Contains(src, "tkn") || !strings.Contains(src, "${file:pw}") {
		t.Errorf("source\n%s", src)
	}
}

func TestSourceCoversBlocks(t *testing.T) {
	g, err := Parse("graph.yaml", []byte("\uFEFFversion: 1\nsources:\n  s:\n    type: kafka\n    sasl:\n      mechanism: plain\n      password: |\n        hunter2\n        hunter3\n    client_secrets: [abc, 'de f']\n    group: visible\n"), memory{}.options())
	if err == nil {
		t.Fatal("no error")
	}
	src := string(g.Source("graph.yaml"))
	for _, secret := range []string{"hunter", "abc", "de f"} {
		if strings.Contains(src, secret) {
			t.Errorf("%s is shown in\n%s", secret, src)
		}
	}
	if !strings.Contains(src, "group: visible") || !strings.Contains(src, "password: |") {
		t.Errorf("too much is covered in\n%s", src)
	}
	if g.Source("other.yaml") != nil {
		t.Error("a file that is no part of the graph has a source")
	}
}

func TestHash(t *testing.T) {
	const graph = `
version: 1
sources: {s: {type: kafka, brokers: [b], topics: [t]}}
operators: {p: {type: pipeline, from: s, script: x.p}, q: {from: p, steps: [{sample: {rate: 0.5}}]}}
sinks: {o: {type: stdout, from: q, doc: text}}
`
	hashes := func(src, script string) string {
		g := parse(t, src, memory{files: map[string]string{"x.p": script}, env: map[string]string{"B": "b"}})
		var all []string
		for _, n := range g.Nodes {
			all = append(all, n.ID+"="+n.Hash)
		}
		return strings.Join(all, " ")
	}
	first := hashes(graph, "a")
	for what, same := range map[string]string{
		"order and quotes": strings.Replace(graph, "{type: kafka, brokers: [b], topics: [t]}", `{topics: ["t"], brokers: ["${B}"], type: kafka}`, 1),
		"doc and edges":    strings.Replace(graph, "from: q, doc: text", "from: [q, p], doc: other", 1),
	} {
		if hashes(same, "a") != first {
			t.Errorf("%s make a difference", what)
		}
	}
	seen := map[string]string{first: "the first graph"}
	for what, h := range map[string]string{
		"a file":     hashes(graph, "b"),
		"an option":  hashes(strings.Replace(graph, "[t]", "[u]", 1), "a"),
		"a step":     hashes(strings.Replace(graph, "0.5", "0.6", 1), "a"),
		"a reserved": hashes(strings.Replace(graph, "doc: text", "order: none", 1), "a"),
		"a default":  hashes(graph+"defaults: {sinks: {stdout: {format: json}}}\n", "a"),
	} {
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s give the same hashes", what, other)
		}
		seen[h] = what
	}
}

func TestBounds(t *testing.T) {
	for name, src := range map[string]string{
		"size":     strings.Repeat("# comment\n", 200_000),
		"lists":    "a: " + strings.Repeat("[", 100_000),
		"maps":     strings.Repeat("{a: ", 30_000),
		"dashes":   strings.Repeat("- ", 200_000),
		"keys":     strings.Repeat("? ", 200_000),
		"values":   strings.Repeat("a: b\n", 100_000),
		"indents":  func() string { return indents(1200) }(),
		"not UTF8": "version: 1\nname: \xff\n",
		"NUL":      "version: 1\nname: \x00\n",
	} {
		if _, err := Parse("graph.yaml", []byte(src), memory{}.options()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	_, err := Parse("graph.yaml", []byte("version: 1\nn\u00e4me: \xff\n"), memory{}.options())
	if err == nil || !strings.HasPrefix(err.Error(), "graph.yaml:2:7: the file is not UTF-8") {
		t.Error(err)
	}
}

func indents(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestReference(t *testing.T) {
	var b strings.Builder
	if err := Reference(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## Sources\n\n### `kafka`\n\nReads Kafka.\n",
		"| `brokers` | list of text | required | addresses of the first contact |",
		"| `session_timeout` | duration | `10s` |", "| `sasl.mechanism` | `plain`, `scram_sha_256` | required |", "| `streams.*.steps` | steps |",
		"| `routes[].name` | text | required | port |", "| `tls.enabled` | true or false | `false` |", "| `max_body` | size | `4MiB` |", "| `proxy` | text |",
		"| `script` | text or lookup |", "| `url` | secret | required |", "One topic:\n\n```yaml\ntype: kafka\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
	if docs := OptionDocs(engine.Lookup(engine.OperatorNode, "fork")); docs != nil {
		t.Errorf("an empty config has the options %v", docs)
	}
}

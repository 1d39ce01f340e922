package graph

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dataflow/engine/diag"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// golden is a case of a .txtar file: files between lines "-- name --", of which env, var and set are lines of the
// environment and the command line, and want is what is printed. Cases are parted by lines "=== name".
type golden struct {
	name  string
	order []string
	files map[string]string
}

func readGolden(t *testing.T, path string) (head string, cases []*golden) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file string
	for line := range strings.Lines(string(src)) {
		switch text := strings.TrimSpace(line); {
		case strings.HasPrefix(text, "=== "):
			cases = append(cases, &golden{name: text[4:], files: map[string]string{}})
			file = ""
		case len(cases) == 0:
			head += line
		case strings.HasPrefix(text, "-- ") && strings.HasSuffix(text, " --"):
			file = text[3 : len(text)-3]
			c := cases[len(cases)-1]
			c.order = append(c.order, file)
			c.files[file] = ""
		case file != "":
			cases[len(cases)-1].files[file] += line
		}
	}
	return head, cases
}

func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

func (c *golden) run(t *testing.T) string {
	m := memory{files: map[string]string{}, env: map[string]string{}}
	for name, text := range c.files {
		m.files["conf/"+name] = text
	}
	o := m.options()
	o.Vars = map[string]string{}
	for _, line := range lines(c.files["env"]) {
		k, v, _ := strings.Cut(line, "=")
		m.env[k] = v
	}
	for _, line := range lines(c.files["var"]) {
		k, v, _ := strings.Cut(line, "=")
		o.Vars[k] = v
	}
	o.Set = lines(c.files["set"])
	g, err := Load("conf/graph.yaml", o)
	if err == nil {
		var b strings.Builder
		if _, show := c.files["canonical"]; show {
			if err := g.Canonical(&b); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
		return "ok\n"
	}
	list, ok := err.(diag.List)
	if !ok {
		t.Fatalf("the error is a %T", err)
	}
	var b strings.Builder
	if err := list.Print(&b, g.Source); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDiagnostics(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, path := range paths {
		head, cases := readGolden(t, path)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				got := c.run(t)
				if strings.Contains(got, "hunter2") {
					t.Errorf("a secret is shown:\n%s", got)
				}
				if got != c.files["want"] && !*update {
					t.Errorf("got\n%s\nwant\n%s", got, c.files["want"])
				}
				if _, ok := c.files["want"]; !ok {
					c.order = append(c.order, "want")
				}
				c.files["want"] = got
			})
		}
		if !*update {
			continue
		}
		var b strings.Builder
		b.WriteString(head)
		for _, c := range cases {
			b.WriteString("=== " + c.name + "\n")
			for _, name := range c.order {
				b.WriteString("-- " + name + " --\n" + c.files[name])
			}
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

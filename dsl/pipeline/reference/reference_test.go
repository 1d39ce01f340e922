package reference

import (
	"regexp"
	"strings"
	"testing"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
)

func TestPage(t *testing.T) {
	var b strings.Builder
	if err := Page(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	headings := map[string]bool{}
	text := regexp.MustCompile("(?s)```+text\n.*?```+\n").ReplaceAllString(page, "")
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		if a := anchor(m[1]); headings[a] {
			t.Errorf("the heading %q stands twice", m[1])
		} else {
			headings[a] = true
		}
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(page, -1) {
		if !headings[m[1]] {
			t.Errorf("a link leads to %q, which is no heading", m[1])
		}
	}
	for _, d := range funcs.All() {
		if !strings.Contains(page, "\n### `"+d.Name+"`\n") {
			t.Errorf("the page lacks %s", d.Name)
		}
	}
	if !strings.Contains(page, "| `IPORHOST` |") {
		t.Error("the page lacks a grok pattern")
	}
}

// TestListings: a listing is a script, too: what is said about it stands in comments.
func TestListings(t *testing.T) {
	for _, d := range funcs.All() {
		for i := range d.Examples {
			x := &d.Examples[i]
			_, errs := syntax.Parse(&syntax.Source{Text: x.Script})
			_, again := syntax.Parse(&syntax.Source{Text: listing(x)})
			if len(errs) != len(again) {
				t.Errorf("%s:\n%s\n%v", d.Name, listing(x), again)
			}
		}
	}
	x := funcs.Example{Script: "use(\"a.p\")", Scripts: map[string]string{"a.p": "x = 1\nadd_key(x)"}, Points: []string{"m", "n"}, Want: "x=1\n--\nx=1\ny=2"}
	want := "# a.p: x = 1\n# a.p: add_key(x)\nuse(\"a.p\")\n# message: m\n# -> x=1\n# message: n\n# -> x=1\n# -> y=2\n"
	if got := listing(&x); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSignature(t *testing.T) {
	for _, x := range []struct {
		d    funcs.Decl
		want string
	}{
		{funcs.Decl{Name: "f"}, "f()"},
		{funcs.Decl{Name: "f", Result: "int", Params: []funcs.Param{{Name: "a"}, {Name: "b", Optional: true}, {Name: "c", Optional: true}}}, "f(a[, b[, c]]) -> int"},
		{funcs.Decl{Name: "f", Params: []funcs.Param{{Name: "a", Optional: true}}}, "f([a])"},
		{funcs.Decl{Name: "f", Params: []funcs.Param{{Name: "a"}, {Name: "v", Kind: funcs.Rest}}}, "f(a, v...)"},
	} {
		if got := Signature(&x.d); got != x.want {
			t.Errorf("got %s, want %s", got, x.want)
		}
	}
}

func TestTerminal(t *testing.T) {
	var b strings.Builder
	if err := List(&b); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.HasPrefix(got, "The point\n  add_key ") || !strings.Contains(got, "\n\nGrok\n") {
		t.Errorf("got\n%s", got)
	}
	b.Reset()
	if err := Function(&b, funcs.Get("add_key")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"add_key(key[, value])\n", "\nArguments\n  key ", "an expression, optional", "\nExamples\n  ", "  # -> "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > 160 {
			t.Errorf("a long line: %s", line)
		}
	}
}

package reference

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/grok"
)

//go:embed language.md
var language string

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Page writes the reference of the language: its rules, its functions and the built-in grok patterns, as Markdown.
func Page(out io.Writer) error {
	w := bufio.NewWriter(out)
	fmt.Fprint(w, "# The Pipeline language\n\nGenerated from `dsl/pipeline/reference/language.md` and the functions' own declarations; do not edit.\n")
	fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(language))
	fmt.Fprintf(w, "\n## Functions\n\n%s. `engine explain pipeline.NAME` prints what stands here.\n\n", plural(len(funcs.All()), "function"))
	fmt.Fprint(w, "In the listings a comment says what a script runs on, and behind `->` what it leaves on the point: `key=value` is a field,\n`key#=value` a tag. The message and an unchanged status are left out.\n\n")
	fmt.Fprint(w, "| what they work on | functions |\n|---|---|\n")
	for _, g := range funcs.Groups {
		var names []string
		for _, d := range byGroup(g) {
			names = append(names, fmt.Sprintf("[`%s`](#%s)", d.Name, anchor(d.Name)))
		}
		if names != nil {
			fmt.Fprintf(w, "| [%s](#%s) | %s |\n", g, anchor(heading(g)), strings.Join(names, ", "))
		}
	}
	for _, g := range funcs.Groups {
		all := byGroup(g)
		if len(all) > 0 {
			fmt.Fprintf(w, "\n## %s\n", heading(g))
		}
		for _, d := range all {
			function(w, d)
		}
	}
	fmt.Fprint(w, "\n## Built-in grok patterns\n\n| name | pattern |\n|---|---|\n")
	for _, p := range grok.Definitions() {
		fmt.Fprintf(w, "| `%s` | %s |\n", p.Name, code(p.Text))
	}
	return w.Flush()
}

// heading is that of a group. It differs from those of functions, so that links lead to one of them.
func heading(g funcs.Group) string { return "Functions: " + string(g) }

func function(w *bufio.Writer, d *funcs.Decl) {
	fmt.Fprintf(w, "\n### `%s`\n\n```text\n%s\n```\n\n%s\n", d.Name, Signature(d), d.Summary)
	if doc := strings.TrimSpace(d.Doc); doc != "" {
		fmt.Fprintf(w, "\n%s\n", doc)
	}
	if r := remarks(d); r != "" {
		fmt.Fprintf(w, "\n%s\n", r)
	}
	if len(d.Params) > 0 {
		fmt.Fprint(w, "\n| argument | takes | means |\n|---|---|---|\n")
		for i := range d.Params {
			p := &d.Params[i]
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", p.Name, cell(takes(p)), cell(p.Summary))
		}
	}
	for i := range d.Examples {
		text := listing(&d.Examples[i])
		fence := "```"
		for strings.Contains(text, fence) {
			fence += "`"
		}
		fmt.Fprintf(w, "\n%stext\n%s%s\n", fence, text, fence)
	}
}

// cell makes a text fit into a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "|", "\\|")
}

// code writes a text as code in a table.
func code(text string) string {
	text = cell(text)
	if strings.Contains(text, "`") {
		return "`` " + text + " ``"
	}
	return "`" + text + "`"
}

package reference

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"dataflow/dsl/pipeline/funcs"
)

// List writes the functions by what they work on, each with its first sentence.
func List(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	first := true
	for _, g := range funcs.Groups {
		all := byGroup(g)
		if len(all) == 0 {
			continue
		}
		if !first {
			fmt.Fprintln(w)
		}
		first = false
		fmt.Fprintf(w, "%s\n", g)
		for _, d := range all {
			fmt.Fprintf(w, "  %s\t%s\n", d.Name, firstSentence(d.Summary))
		}
	}
	fmt.Fprint(w, "\nengine explain pipeline.NAME says more about one.\n")
	return w.Flush()
}

func firstSentence(text string) string {
	if first, _, more := strings.Cut(text, ". "); more {
		return first + "."
	}
	return text
}

const width = 100 // columns of text

// Function writes all that is known about a function, for a terminal.
func Function(out io.Writer, d *funcs.Decl) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "%s\n\n", Signature(d))
	wrap(w, "  ", d.Summary)
	for _, text := range append(strings.Split(strings.TrimSpace(d.Doc), "\n\n"), remarks(d)) {
		if text != "" {
			fmt.Fprintln(w)
			wrap(w, "  ", text)
		}
	}
	if len(d.Params) > 0 {
		fmt.Fprint(w, "\nArguments\n")
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for i := range d.Params {
			p := &d.Params[i]
			line := fmt.Sprintf("  %s\t%s\t%s", p.Name, takes(p), p.Summary)
			fmt.Fprintln(table, strings.TrimRight(line, "\t"))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	for i := range d.Examples {
		title := "\nExamples\n"
		if i > 0 {
			title = "\n"
		}
		fmt.Fprint(w, title)
		for line := range strings.Lines(listing(&d.Examples[i])) {
			fmt.Fprint(w, "  "+line)
		}
	}
	return w.Flush()
}

// wrap writes a paragraph in lines. Lines of tables, lists and code stay as they are.
func wrap(w io.Writer, indent, text string) {
	keep := strings.HasPrefix(text, "|") || strings.HasPrefix(text, "* ") || strings.HasPrefix(text, "- ") || strings.HasPrefix(text, "```")
	if keep {
		for _, line := range strings.Split(text, "\n") {
			fmt.Fprintln(w, indent+line)
		}
		return
	}
	line := indent
	for _, word := range strings.Fields(text) {
		if len(line) > len(indent) && len(line)+1+len(word) > width {
			fmt.Fprintln(w, line)
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(w, line)
}

// Package reference writes what the declarations of the Pipeline functions say, for the page of the reference and for the
// terminal.
package reference

import (
	"fmt"
	"strings"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/engine/point"
)

// Signature returns how a function is called: name(key[, value]) -> type.
func Signature(d *funcs.Decl) string {
	var b strings.Builder
	b.WriteString(d.Name + "(")
	open := 0
	for i, p := range d.Params {
		if p.Optional {
			b.WriteString("[")
			open++
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
		if p.Kind == funcs.Rest {
			b.WriteString("...")
		}
	}
	b.WriteString(strings.Repeat("]", open) + ")")
	if d.Result != "" {
		b.WriteString(" -> " + d.Result)
	}
	return b.String()
}

// remarks are sentences that follow from how a function is declared.
func remarks(d *funcs.Decl) string {
	var all []string
	if d.Named {
		all = append(all, "Arguments may be named.")
	}
	if d.Surplus {
		all = append(all, "Further arguments are ignored.")
	}
	return strings.Join(all, " ")
}

// listing returns an example as a script whose comments say what it runs on, and behind arrows what it leaves.
func listing(x *funcs.Example) string {
	var b strings.Builder
	note := func(before, text string) {
		for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			b.WriteString(strings.TrimRight("# "+before+line, " ") + "\n")
		}
	}
	for _, name := range sorted(x.Scripts) {
		note(name+": ", x.Scripts[name])
	}
	if x.Category != 0 && x.Category != point.Logging {
		note("category: ", x.Category.String())
	}
	if x.Message != "" {
		note("message: ", x.Message)
	}
	b.WriteString(strings.TrimSuffix(x.Script, "\n") + "\n")
	wants := []string{x.Want}
	if len(x.Points) > 0 {
		wants = strings.Split(x.Want, "\n--\n")
	}
	if x.Varies {
		wants = []string{x.Want}
	}
	for i, want := range wants {
		if i < len(x.Points) {
			note("message: ", x.Points[i])
		}
		if want == "" {
			want = "nothing new"
		}
		note("-> ", want)
	}
	return b.String()
}

// takes says what may stand for a parameter.
func takes(p *funcs.Param) string {
	text := p.Kind.String()
	if p.Optional {
		text += ", optional"
	}
	return text
}

func byGroup(g funcs.Group) (all []*funcs.Decl) {
	for _, d := range funcs.All() {
		if d.Group == g {
			all = append(all, d)
		}
	}
	return all
}

// anchor is the name that GitHub gives a heading.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

func plural(n int, word string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, word)
	}
	return fmt.Sprintf("%d %ss", n, word)
}

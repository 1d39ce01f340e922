// Package reference holds the engine to the page on the Pipeline language. The command extract takes every result that the page states
// into testdata/reference.tsv; testdata/checks.txt says for each what to run and what must come out.
package reference

import (
	_ "embed" // the table and the checks
	"fmt"
	"strings"
	_ "time/tzdata" // zones on machines that have none

	"dataflow/dsl/pipeline/funcs"
)

//go:embed testdata/reference.tsv
var table string

//go:embed testdata/checks.txt
var checks string

// A Report is what a run of all checks found.
type Report struct {
	Entries, Passed int            // Passed counts exceptions whose checks hold, too
	Kinds           map[string]int // entries by kind
	Checks          int
	Exceptions      []string // where ours differs on purpose, or the page states no result, with the reason
	Faults          []string // what does not hold
}

// Run runs all checks. An entry without a check, a check without an entry and an entry whose text has changed are faults.
func Run() (Report, error) {
	entries, err := Parse(table)
	if err != nil {
		return Report{}, fmt.Errorf("reading reference.tsv: %w", err)
	}
	sets, err := parseChecks(checks)
	if err != nil {
		return Report{}, fmt.Errorf("reading checks.txt: %w", err)
	}
	return hold(entries, sets), nil
}

// hold runs the checks of the entries.
func hold(entries []Entry, sets []set) Report {
	r := Report{Entries: len(entries), Kinds: map[string]int{}}
	byNumber := map[int]*set{}
	for i := range sets {
		s := &sets[i]
		if byNumber[s.number] != nil || s.number < 1 || s.number > len(entries) {
			r.fault("check of %d %s: no entry for it", s.number, s.text)
		}
		byNumber[s.number] = s
	}
	for _, e := range entries {
		r.Kinds[e.Kind]++
		where := fmt.Sprintf("%d (section %s, line %d) %s", e.Number, e.Section, e.Line, e.Text)
		s := byNumber[e.Number]
		switch {
		case e.Kind == Function && funcs.Get(e.Text) == nil:
			r.fault("%s: there is no such function", where)
			continue
		case s == nil:
			r.fault("%s: no check", where)
			continue
		case s.text != e.Text:
			r.fault("%s: its text was %s", where, s.text)
			continue
		case len(s.checks) == 0 && s.none == "":
			r.fault("%s: no check", where)
			continue
		case s.none != "":
			r.Exceptions = append(r.Exceptions, where+": "+s.none)
		case s.except != "":
			r.Exceptions = append(r.Exceptions, where+": "+s.except)
		}
		holds := true
		for _, c := range s.checks {
			r.Checks++
			if got := c.run(); !matches(got, c.want) {
				holds = false
				r.fault("%s: checks.txt:%d: %s\ngot\n%s\nwant\n%s", where, c.line, c.subject, indent(got), indent(c.want))
			}
		}
		if holds {
			r.Passed++
		}
	}
	return r
}

func (r *Report) fault(format string, a ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, a...))
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// matches reports whether got is what is wanted, where … stands for any text.
func matches(got, want string) bool {
	parts := strings.Split(want, "…")
	if len(parts) == 1 {
		return got == want
	}
	got, ok := strings.CutPrefix(got, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(got, p)
		if !found {
			return false
		}
		got = rest
	}
	return strings.HasSuffix(got, parts[len(parts)-1])
}

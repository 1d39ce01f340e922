package reference

import (
	"bufio"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// An Entry is one result that the page states.
type Entry struct {
	Number  int
	Kind    string // arrow, row, comment, list, example or function
	Section string
	Line    int    // of the page
	Text    string // what is checked: of an arrow its clause, of a row all cells
}

// The kinds of entries.
const (
	Arrow   = "arrow"   // a clause of a sentence or of a cell with one arrow; clauses leave nothing of the sentence out
	Row     = "row"     // a row of a table
	Comment = "comment" // a line of code with a comment that says what it gives
	List    = "list"    // a list of texts that are all treated alike
	Example = "example" // what a script of the page leaves

	Function = "function" // the name of a function that section 11 describes
)

const arrow = "->"

// Extract returns what the page states in sections 2 to 12 and in the worked examples, section 15.
func Extract(page string) []Entry {
	x := &extraction{}
	for _, line := range strings.Split(page, "\n") {
		x.line++
		x.read(line)
	}
	x.flush()
	for _, f := range x.functions {
		x.section = f.Section
		x.add(Function, f.Line, f.Text)
	}
	return x.entries
}

type extraction struct {
	entries []Entry
	line    int
	section string
	fenced  bool
	header  bool // a table's head was read, its rows follow
	block   block

	functions []Entry // they come last
}

// block is a paragraph or an item of a list, joined to one line.
type block struct {
	text  string
	lines []int // of each byte
}

func (b *block) add(text string, line int) {
	if b.text != "" {
		text = " " + text
	}
	b.text += text
	for len(b.lines) < len(b.text) {
		b.lines = append(b.lines, line)
	}
}

func (x *extraction) within() bool {
	number, _, _ := strings.Cut(x.section, ".")
	n, _ := strconv.Atoi(number)
	return n >= 2 && n <= 12 || n == 15
}

func (x *extraction) add(kind string, line int, text string) {
	x.entries = append(x.entries, Entry{len(x.entries) + 1, kind, x.section, line, text})
}

func (x *extraction) read(line string) {
	trimmed := strings.TrimSpace(line)
	if strings.HasPrefix(trimmed, "```") {
		x.flush()
		x.fenced = !x.fenced
		return
	}
	switch {
	case x.fenced:
		if x.within() {
			x.code(line)
		}
	case strings.HasPrefix(line, "#"):
		x.flush()
		if _, title, _ := strings.Cut(line, " "); title != "" && title[0] >= '0' && title[0] <= '9' {
			x.section, _, _ = strings.Cut(title, " ")
			x.section = strings.TrimSuffix(x.section, ".")
		}
	case !x.within():
	case strings.HasPrefix(trimmed, "|"):
		x.table(trimmed)
		return
	case trimmed == "":
		x.flush()
	case strings.HasPrefix(trimmed, "* "):
		x.flush()
		x.block.add(trimmed, x.line)
	default:
		x.block.add(trimmed, x.line)
	}
	x.header = false
}

// code takes lines of code with a comment that states a result; other code shows grammar or a script whose result follows.
func (x *extraction) code(line string) {
	if _, _, ok := strings.Cut(line, "# "); ok {
		x.add(Comment, x.line, strings.Join(strings.Fields(line), " "))
	} else if strings.Contains(line, arrow) {
		x.add(Arrow, x.line, strings.TrimSpace(line))
	}
}

// facts says whether the rows of the section's tables state what scripts give. Those of 10 and 10.4 are about points.
func (x *extraction) facts() bool { return x.section != "10" && x.section != "10.4" }

func (x *extraction) table(row string) {
	x.flush()
	if strings.HasPrefix(row, "| ---") {
		x.header = true
		return
	}
	if !x.header {
		return
	}
	if x.facts() {
		x.add(Row, x.line, row)
	}
	for _, cell := range cells(row) {
		var b block
		b.add(cell, x.line)
		x.clauses(&b, 0, len(cell))
	}
}

// cells returns the cells of a row. A bar in a code span or behind a backslash is none.
func cells(row string) []string {
	var out []string
	begin, code := 1, false
	for i := 1; i < len(row); i++ {
		switch {
		case row[i] == '`':
			code = !code
		case row[i] == '|' && !code && row[i-1] != '\\':
			out = append(out, strings.TrimSpace(row[begin:i]))
			begin = i + 1
		}
	}
	return out
}

// flush ends a paragraph or an item.
func (x *extraction) flush() {
	b := x.block
	x.block = block{}
	switch {
	case strings.HasPrefix(b.text, arrow+" ") || strings.HasPrefix(b.text, "On `{"):
		x.add(Example, b.lines[0], b.text)
		return
	case strings.HasPrefix(b.text, "Failures: "):
		x.add(List, b.lines[0], b.text)
	}
	if strings.HasPrefix(x.section, "11.") {
		for _, m := range functionName.FindAllStringSubmatchIndex(b.text, -1) {
			x.functions = append(x.functions, Entry{Section: x.section, Line: b.lines[m[0]], Text: b.text[m[2]:m[3]]})
		}
	}
	begin := 0
	scan(b.text, func(i, _ int) {
		if end := i + 1; b.text[i] == '.' && (end == len(b.text) || b.text[end] == ' ' && end+1 < len(b.text) && opens(b.text[end+1])) {
			x.clauses(&b, begin, end)
			begin = end
		}
	})
	x.clauses(&b, begin, len(b.text))
}

// functionName matches what opens the description of a function; where there is a second spelling, that as well.
var functionName = regexp.MustCompile("\\*\\*`([a-z0-9_]+)[(`]")

// opens reports whether a sentence may begin with c.
func opens(c byte) bool { return c >= 'A' && c <= 'Z' || c == '`' || c == '*' || c == '"' || c == '(' }

// scan calls f for each byte outside of code spans with the depth of parentheses.
func scan(text string, f func(i, depth int)) {
	code, depth := false, 0
	for i := range len(text) {
		switch {
		case text[i] == '`':
			code = !code
			continue
		case code:
			continue
		case text[i] == '(':
			depth++
		case text[i] == ')':
			depth--
		}
		f(i, depth)
	}
}

// clauses cuts a sentence into clauses with one arrow each: behind the first comma, semicolon or full stop after an arrow that stands no
// deeper in parentheses than the arrow, or, if there is none, in front of the word before the next arrow.
func (x *extraction) clauses(b *block, begin, end int) {
	text := b.text[begin:end]
	type mark struct{ at, depth int }
	var arrows, stops []mark
	scan(text, func(i, depth int) {
		switch {
		case strings.HasPrefix(text[i:], arrow) && (i == 0 || text[i-1] != '-'):
			arrows = append(arrows, mark{i, depth})
		case strings.IndexByte(",;.", text[i]) >= 0 && (i+1 == len(text) || text[i+1] == ' '):
			stops = append(stops, mark{i + 1, depth})
		}
	})
	from := 0
	for n, a := range arrows {
		to := len(text)
		if n+1 < len(arrows) {
			next := arrows[n+1].at
			to = wordBefore(text, next)
			for _, s := range stops {
				if s.at > a.at && s.at < next && s.depth <= a.depth {
					to = s.at
					break
				}
			}
		}
		x.add(Arrow, b.lines[begin+a.at], strings.TrimSpace(text[from:to]))
		from = to
	}
}

// wordBefore returns where the word or code span in front of position at begins.
func wordBefore(text string, at int) int {
	begin, last := 0, 0
	code := false
	for i := range at {
		switch {
		case text[i] == '`':
			code = !code
		case text[i] == ' ' && !code:
			last, begin = begin, i
		}
	}
	return last
}

// Format writes entries as a table: number, kind, section, line and text, by tabs.
func Format(entries []Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%d\t%s\t%s\t%d\t%s\n", e.Number, e.Kind, e.Section, e.Line, e.Text)
	}
	return b.String()
}

// Parse reads what Format wrote.
func Parse(table string) ([]Entry, error) {
	var entries []Entry
	for s := bufio.NewScanner(strings.NewReader(table)); s.Scan(); {
		f := strings.SplitN(s.Text(), "\t", 5)
		if len(f) != 5 {
			return nil, fmt.Errorf("entry %d: %d columns", len(entries)+1, len(f))
		}
		number, err := strconv.Atoi(f[0])
		if err != nil || number != len(entries)+1 {
			return nil, fmt.Errorf("entry %d has the number %s", len(entries)+1, f[0])
		}
		line, err := strconv.Atoi(f[3])
		if err != nil {
			return nil, fmt.Errorf("entry %d: its line: %w", number, err)
		}
		entries = append(entries, Entry{number, f[1], f[2], line, f[4]})
	}
	return entries, nil
}

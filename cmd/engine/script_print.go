package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"dataflow/dsl/pipeline"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// runPrinter prints runs of a script for people.
type runPrinter struct {
	out   io.Writer
	file  *scriptFile
	runs  int
	notes []string // of the present run
}

// note keeps what the run has to say about a place in the script.
func (r *runPrinter) note(at pipeline.Place, text string) {
	r.remark(fmt.Sprintf("%v: %s", r.file.where(at), text))
}

// remark keeps what the run has to say without a place.
func (r *runPrinter) remark(text string) {
	if !slices.Contains(r.notes, text) {
		r.notes = append(r.notes, text)
	}
}

// said returns the notes of the present run, which ends.
func (r *runPrinter) said() []string {
	all := r.notes
	r.notes = nil
	return all
}

// print prints a point as it was and as it became, and how the run ended.
func (r *runPrinter) print(before, after *point.Point, out pipeline.Outcome, took time.Duration) error {
	var b strings.Builder
	if r.runs++; r.runs > 1 {
		b.WriteByte('\n')
	}
	was, is := rowsOf(before), rowsOf(after)
	var verdict string
	switch {
	case out.Err != nil:
		verdict = "failed"
	case out.Dropped:
		verdict = "dropped"
	default:
		verdict = "done"
	}
	fmt.Fprintf(&b, "before  %v\n", before.Category)
	printRows(&b, was)
	changed := mark(was, &is)
	fmt.Fprintf(&b, "after   %v\n", after.Category)
	printRows(&b, is)
	for i := range out.Created {
		fmt.Fprintf(&b, "created %v\n", out.Created[i].Category)
		printRows(&b, rowsOf(&out.Created[i]))
	}
	if line, ok := new(point.LineEncoder).Append(nil, after, nil); ok && !out.Dropped {
		fmt.Fprintf(&b, "line    %s\n", line)
	}
	fmt.Fprintf(&b, "%s in %v: %s", verdict, took, changed)
	if n := len(out.Created); n > 0 {
		fmt.Fprintf(&b, ", %d created", n)
	}
	if out.Err != nil && changed != unchanged {
		b.WriteString("; what was written before the error stays")
	}
	b.WriteByte('\n')
	for _, n := range r.said() {
		b.WriteString("note: " + n + "\n")
	}
	if out.Err != nil {
		if err := r.file.runError(out.Err).Print(&b, r.file.source); err != nil {
			return err
		}
	}
	_, err := io.WriteString(r.out, b.String())
	return err
}

// runError is how a run failed, with the places that led there.
func (file *scriptFile) runError(e *pipeline.RunError) (list diag.List) {
	for i, at := range e.Places {
		d := diag.Diagnostic{Pos: file.where(at), Message: e.Msg}
		if i > 0 {
			d.Message = "called from here"
		}
		list = append(list, d)
	}
	if list == nil {
		list = diag.List{{Pos: diag.Pos{File: file.path}, Message: e.Msg}}
	}
	return list
}

// row is a part of a point: its name, its time or a key.
type row struct {
	mark                  byte // + new, - gone, ~ changed
	part, key, kind, text string
}

func (r *row) same(o *row) bool { return r.part == o.part && r.kind == o.kind && r.text == o.text }

func rowsOf(p *point.Point) []row {
	rows := []row{
		{mark: ' ', part: "name", text: plainText(p.Name)},
		{mark: ' ', part: "time", text: strconv.FormatInt(p.Time, 10)},
	}
	for _, f := range p.Fields {
		part := "field"
		if f.Tag {
			part = "tag"
		}
		text := string(point.AppendText(nil, f.Value))
		if f.Value.Kind() == point.KindNil {
			text = ""
		}
		rows = append(rows, row{' ', part, plainText(f.Key), f.Value.Kind().String(), plainText(text)})
	}
	return rows
}

// plainText returns a text as it is, quoted if it would not show on one line.
func plainText(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return strconv.Quote(s)
	}
	return s
}

// id is what makes two rows those of the same thing.
func (r *row) id() string {
	if r.part == "name" || r.part == "time" {
		return r.part
	}
	return "key " + r.key
}

const unchanged = "nothing changed"

// mark marks what differs, appends what is gone, and says how much that is.
func mark(was []row, is *[]row) string {
	old := map[string]*row{}
	for i := range was {
		old[was[i].id()] = &was[i]
	}
	var added, changed, removed int
	for i := range *is {
		r := &(*is)[i]
		o := old[r.id()]
		delete(old, r.id())
		switch {
		case o == nil:
			r.mark = '+'
			added++
		case !r.same(o):
			r.mark = '~'
			changed++
			if ns, err := strconv.ParseInt(r.text, 10, 64); err == nil && r.part == "time" {
				r.text += " " + time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
			}
		}
	}
	for i := range was {
		if o := old[was[i].id()]; o != nil {
			gone := *o
			gone.mark = '-'
			*is = append(*is, gone)
			removed++
		}
	}
	var parts []string
	for i, n := range []int{added, changed, removed} {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, [...]string{"added", "changed", "removed"}[i]))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), unchanged)
}

func printRows(b *strings.Builder, rows []row) {
	key, kind := 0, 0
	for _, r := range rows {
		key, kind = max(key, len([]rune(r.key))), max(kind, len(r.kind))
	}
	for _, r := range rows {
		line := fmt.Sprintf("%c %-5s  %-*s  %-*s  %s", r.mark, r.part, min(key, 30), r.key, kind, r.kind, r.text)
		if r.part == "name" || r.part == "time" {
			line = fmt.Sprintf("%c %-5s  %s", r.mark, r.part, r.text)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

package graph

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"
	"unicode/utf8"

	"dataflow/engine/diag"
)

// interpolator replaces ${...} in scalars. What stands in a graph:
//
//	${VAR}  ${VAR:-default}  ${VAR:?message}  ${file:path}  ${file:path:-default}  ${var.name}  $$
//
// A default may hold such forms itself. A single $ before anything else stands for itself.
type interpolator struct {
	getenv   func(string) (string, bool)
	readFile func(string) ([]byte, error)
	source   func(file string) []byte
	vars     map[string]*variable
	report   func(diag.Diagnostic)
}

// variable is an entry of vars:, expanded when it is first used.
type variable struct {
	value    *value
	expanded bool
	busy     bool // being expanded: using it now is a circle
}

// all interpolates every scalar of v, once.
func (in *interpolator) all(v *value) { v.scalars(in.scalar) }

func (in *interpolator) scalar(v *value) {
	if v.literal {
		return
	}
	v.literal = true
	if !strings.Contains(v.text, "$") {
		return
	}
	x := expansion{in: in, v: v, text: v.text}
	v.text = x.expand(0)
	v.broken = x.failed
	v.secret = v.secret || x.secret
}

// expansion is the interpolation of one scalar.
type expansion struct {
	in     *interpolator
	v      *value
	text   string // what the scalar was
	pos    int
	secret bool
	failed bool
	quiet  bool // reading a default that is not used
}

// maxNesting bounds defaults within defaults.
const maxNesting = 20

// expand reads up to the end of the text, or to the brace that closes a default. An error is reported and
// leaves the rest out.
func (x *expansion) expand(nesting int) string {
	var b strings.Builder
	for x.pos < len(x.text) {
		c, rest := x.text[x.pos], x.text[x.pos+1:]
		switch {
		case nesting > 0 && c == '}':
			return b.String()
		case c == '$' && strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			x.pos += 2
		case c == '$' && strings.HasPrefix(rest, "{"):
			b.WriteString(x.reference(nesting))
			if x.failed {
				return b.String()
			}
		default:
			b.WriteByte(c)
			x.pos++
		}
	}
	return b.String()
}

// reference replaces the ${...} at x.pos and moves behind it.
func (x *expansion) reference(nesting int) string {
	start := x.pos
	x.pos += 2
	end := strings.IndexByte(x.text[x.pos:], '}')
	if end < 0 || nesting >= maxNesting {
		return x.fail(start, len(x.text), "", "${ without a closing brace")
	}
	inner := x.text[x.pos : x.pos+end]
	name, rest, form := inner, "", ""
	for _, f := range []string{":-", ":?"} {
		if i := strings.Index(inner, f); i >= 0 && i < len(name) {
			name, form = inner[:i], f
		}
	}
	x.pos += len(name) + len(form)
	text, set := x.lookup(start, name)
	if form != "" { // its text ends at its own brace, which is not the first one if it holds other references
		// What is not used is read too, to find its end, but its references may be unset.
		quiet, secret := x.quiet, x.secret
		x.quiet = quiet || set
		rest = x.expand(nesting + 1)
		x.quiet = quiet
		if set {
			x.secret = secret
		}
	}
	if x.failed {
		return ""
	}
	if x.pos >= len(x.text) {
		return x.fail(start, len(x.text), "", "${ without a closing brace")
	}
	x.pos++
	switch {
	case set:
		return text
	case form == ":-":
		return rest
	case form == ":?":
		return x.fail(start, x.pos, "", "%s is not set: %s", name, rest)
	}
	return x.unset(start, name)
}

// lookup returns what a name stands for. Set is false where a default takes its place.
func (x *expansion) lookup(start int, name string) (text string, set bool) {
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		data, err := x.in.readFile(x.path(path))
		if err != nil {
			return "", false
		}
		x.secret = true
		return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), true
	}
	if v, ok := strings.CutPrefix(name, "var."); ok {
		return x.variable(start, v)
	}
	text, set = x.in.getenv(name)
	bare := !strings.HasPrefix(x.text[x.pos:], ":")
	return text, set && (bare || text != "") && isName(name)
}

// path returns a path relative to the file in which the scalar stands.
func (x *expansion) path(p string) string { return resolve(x.v.pos.File, p) }

func (x *expansion) variable(start int, name string) (string, bool) {
	v := x.in.vars[name]
	if v == nil {
		return "", false
	}
	if v.busy {
		x.fail(start, x.pos, "", "var.%s stands for itself, by way of others", name)
		return "", true
	}
	if !v.expanded {
		v.busy = true
		x.in.scalar(v.value)
		v.busy, v.expanded = false, true
	}
	if v.value.kind != scalar {
		return "", false
	}
	x.secret = x.secret || v.value.secret
	return v.value.text, true
}

// unset reports a name that stands for nothing and has no default.
func (x *expansion) unset(start int, name string) string {
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		_, err := x.in.readFile(x.path(path))
		return x.fail(start, x.pos, "write ${file:"+path+":-} if it may be missing", "reading %s: %v", x.path(path), cause(err))
	}
	if v, ok := strings.CutPrefix(name, "var."); ok {
		if x.in.vars[v] != nil {
			return x.fail(start, x.pos, "give it a value in vars, or --var "+v+"=...", "var.%s has no value", v)
		}
		names := make([]string, 0, len(x.in.vars))
		for n := range x.in.vars {
			names = append(names, n)
		}
		return x.fail(start, x.pos, didYouMean(v, names), "there is no %q in vars", v)
	}
	if !isName(name) {
		return x.fail(start, x.pos, "write $${ for the two characters ${", "${%s} is no form that is known here", name)
	}
	return x.fail(start, x.pos, "set it, or write ${"+name+":-default}", "the environment variable %s is not set", name)
}

// fail reports a mistake in the text from start to end, at its own column if it can be found in the source.
func (x *expansion) fail(start, end int, hint, format string, a ...any) string {
	if x.quiet {
		return ""
	}
	x.failed = true
	d := diag.Diagnostic{Pos: x.v.pos, EndCol: x.v.end, Message: fmt.Sprintf(format, a...), Hint: hint}
	if x.in.source != nil {
		lines := strings.Split(string(x.in.source(d.File)), "\n")
		if d.Line > 0 && d.Line <= len(lines) && x.v.lines == 0 {
			locate(&d, lines[d.Line-1], x.text, start, end)
		}
	}
	x.in.report(d)
	return ""
}

// locate narrows a diagnostic on a scalar to a part of it.
func locate(d *diag.Diagnostic, line, text string, start, end int) {
	runes := []rune(line)
	if d.Col < 1 || d.Col > len(runes) {
		return
	}
	if at := strings.Index(string(runes[d.Col-1:]), text); at >= 0 && at <= 1 { // behind a quote perhaps
		from := d.Col + at
		d.Col = from + utf8.RuneCountInString(text[:start])
		d.EndCol = from + utf8.RuneCountInString(text[:end])
	}
}

// isName reports whether s can name an environment variable.
func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// escape writes text so that interpolation gives it back.
func escape(text string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		b.WriteByte(text[i])
		if text[i] == '$' && i+1 < len(text) && (text[i+1] == '$' || text[i+1] == '{') {
			b.WriteByte('$')
		}
	}
	return b.String()
}

// resolve returns a path relative to the file that names it.
func resolve(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// cause returns an error of the file system without the operation and the path.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// didYouMean is diag.DidYouMean for names in no order.
func didYouMean(name string, among []string) string {
	sort.Strings(among)
	return diag.DidYouMean(name, among)
}

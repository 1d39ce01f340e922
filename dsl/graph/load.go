package graph

import (
	"bytes"
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"dataflow/engine"
	"dataflow/engine/diag"
)

// loader turns the text of a graph into a Graph. It goes on after a mistake wherever something sensible can
// still be checked.
type loader struct {
	opts  Options
	g     *Graph
	list  diag.List
	in    interpolator
	files map[string][]byte // the YAML files, as they are
	masks map[string][]mask // secrets in them
	data  map[string][]byte // other files that options name

	readNamed func(path string) ([]byte, error) // of those, what an option names by itself

	defaults [3]*value // by kind of node
	ids      map[string]diag.Pos
	// disabledFrom is what disabled nodes would read
	disabledFrom map[string]*value
}

func (l *loader) report(d diag.Diagnostic) { l.list = append(l.list, d) }

func (l *loader) errorAt(v *value, hint, format string, a ...any) {
	d := v.errorf(format, a...)
	d.Hint = hint
	l.report(d)
}

func (l *loader) errorAtKey(k key, hint, format string, a ...any) {
	d := k.errorf(format, a...)
	d.Hint = hint
	l.report(d)
}

// topLevel are the keys of a graph file, in the order in which they are printed.
var topLevel = []string{
	"version", "name", "vars", "include", "limits", "data_dir", "admin", "log", "dead_letter", "defaults",
	"sources", "operators", "sinks", "tests",
}

// sections are the keys under which nodes stand, by engine.NodeKind.
var sections = [...]string{engine.SourceNode: "sources", engine.OperatorNode: "operators", engine.SinkNode: "sinks"}

func (l *loader) load(path string, src []byte) {
	root := l.parse(path, src)
	if root == nil {
		return
	}
	l.vars(root) // paths of included files may use them
	l.include(root, []string{filepath.Clean(path)})
	l.vars(root)
	l.set(root)
	l.cover(root)
	l.top(root)
	for kind, section := range sections {
		l.nodes(engine.NodeKind(kind), root.get(section))
	}
	if (len(l.g.Nodes) == 0 || l.g.Nodes[0].Kind != engine.SourceNode) && len(l.list) == 0 {
		l.report(diag.Diagnostic{Pos: diag.Pos{File: path}, Message: "the graph has no source that is enabled"})
	}
	l.edges()
}

// parse reads the YAML of one file and checks its top-level keys.
func (l *loader) parse(path string, src []byte) *value {
	src = bytes.TrimPrefix(src, []byte("\uFEFF"))
	l.files[path] = src
	root, list := parseYAML(path, src)
	l.list = append(l.list, list...)
	if root == nil {
		return nil
	}
	if root.kind != mapping {
		l.errorAt(root, "start with `version: 1`", "a graph is a mapping, this is %s", root.kind)
		return nil
	}
	for _, k := range root.keys {
		if !slices.Contains(topLevel, k.name) && !strings.HasPrefix(k.name, "x-") {
			hint := cmp.Or(diag.DidYouMean(k.name, topLevel), "keys of your own start with x-")
			l.errorAtKey(k, hint, "unknown key %q", k.name)
		}
	}
	if v := root.get("version"); v == nil {
		if path != l.g.Path {
			return root // an included file follows the one that includes it
		}
		l.report(diag.Diagnostic{
			Pos: diag.Pos{File: path, Line: root.pos.Line, Col: root.pos.Col}, Message: "the version is missing", Hint: "write `version: 1`",
		})
	} else if v.kind != scalar || v.text != "1" {
		l.errorAt(v, "write `version: 1`", "this engine reads version 1")
	}
	return root
}

// vars makes the variables known, those of the command line over those of the file.
func (l *loader) vars(root *value) {
	known := map[string]*variable{}
	if v := root.get("vars"); l.isMapping(v, "vars") {
		for i, k := range v.keys {
			x := v.items[i]
			if x.kind != scalar && x.kind != null {
				l.errorAt(x, "", "a variable is a single value, this is %s", x.kind)
				continue
			}
			known[k.name] = &variable{value: x}
			if text, ok := l.opts.Vars[k.name]; ok {
				at := diag.Pos{File: "--var " + k.name}
				known[k.name] = &variable{value: &value{kind: scalar, pos: at, text: text, literal: true}}
			}
		}
	}
	l.in.vars = known
}

// checkVars reports variables of the command line that the graph does not have.
func (l *loader) checkVars() {
	names := make([]string, 0, len(l.in.vars))
	for n := range l.in.vars {
		names = append(names, n)
	}
	for name := range l.opts.Vars {
		if l.in.vars[name] == nil {
			hint := cmp.Or(didYouMean(name, names), "declare it below vars:, with or without a value")
			l.report(diag.Diagnostic{Pos: diag.Pos{File: "--var " + name}, Message: "the graph has no such variable", Hint: hint})
		}
	}
}

// isMapping reports whether v is a mapping; what else it is but nothing is an error.
func (l *loader) isMapping(v *value, what string) bool {
	if v == nil || v.kind == null {
		return false
	}
	if v.kind != mapping {
		l.errorAt(v, "", "%s is a mapping, this is %s", what, v.kind)
	}
	return v.kind == mapping
}

// include merges the files that include: names into root. Open are the files that are being read.
func (l *loader) include(root *value, open []string) {
	list := root.get("include")
	if list == nil || list.kind == null {
		return
	}
	items := list.items
	if list.kind == scalar {
		items = []*value{list}
	}
	if list.kind == mapping {
		l.errorAt(list, "", "include is a list of files, this is a mapping")
		return
	}
	for _, v := range items {
		if v.kind != scalar {
			l.errorAt(v, "", "a file is named by a text, this is %s", v.kind)
			continue
		}
		l.in.scalar(v)
		if v.text == "" {
			continue
		}
		path := resolve(v.pos.File, v.text)
		if slices.Contains(open, path) {
			l.errorAt(v, "", "%s includes itself, by way of %s", path, strings.Join(open, ", "))
			continue
		}
		if _, again := l.files[path]; again {
			l.errorAt(v, "", "%s is included twice", path)
			continue
		}
		src, err := l.opts.ReadFile(path)
		if err != nil {
			l.errorAt(v, "", "reading %s: %v", path, cause(err))
			continue
		}
		if part := l.parse(path, src); part != nil {
			l.include(part, append(open, path))
			l.merge(root, part)
		}
	}
}

// merge adds what an included file holds. Mappings are merged by their keys, lists are joined; anything that
// both have is an error.
func (l *loader) merge(root, part *value) {
	for i, k := range part.keys {
		v, into := part.items[i], root.get(k.name)
		switch {
		case k.name == "version" || k.name == "include" || strings.HasPrefix(k.name, "x-") || v.kind == null:
		case into == nil || into.kind == null:
			root.set(k, v)
		case into.kind == sequence && v.kind == sequence:
			into.items = append(into.items, v.items...)
		case into.kind != mapping || v.kind != mapping:
			l.errorAtKey(k, "it stands in "+into.pos.String()+" too", "%s is set twice", k.name)
		case k.name == "defaults":
			l.mergeKeys(into, v, func(into, v *value, k key) { l.mergeKeys(into, v, l.twice) })
		default:
			l.mergeKeys(into, v, l.twice)
		}
	}
}

// mergeKeys adds the entries of v to a mapping, and calls both for a key that both have.
func (l *loader) mergeKeys(into, v *value, both func(into, v *value, k key)) {
	if into.kind != mapping || v.kind != mapping {
		return // reported where it is decoded
	}
	for i, k := range v.keys {
		if at := into.index(k.name); at >= 0 {
			both(into.items[at], v.items[i], key{name: k.name, pos: k.pos, end: k.end})
			continue
		}
		into.set(k, v.items[i])
	}
}

func (l *loader) twice(into, _ *value, k key) {
	l.errorAtKey(k, "the other one stands in "+into.pos.String(), "%q is defined twice", k.name)
}

// mask is a stretch of a line that shows a secret.
type mask struct{ line, col, end int }

// telling matches keys whose values are secrets, whatever the component says; it may be one that is not known.
var telling = regexp.MustCompile(`(?i)pass?w|pwd|secret|token|credential|private_key|api_?key`)

// inURL matches secrets in URLs.
var inURL = regexp.MustCompile(`(?i)((?:token|password|secret|key)=)[^&\s"'}\]]+|(://[^/\s:@"']*:)[^/\s@"']+@`)

// cover finds the values that no excerpt of the source may show.
func (l *loader) cover(v *value) {
	for i, x := range v.items {
		if v.kind == mapping && telling.MatchString(v.keys[i].name) {
			x.scalars(l.mask)
			continue
		}
		l.cover(x)
	}
}

func (l *loader) mask(v *value) {
	m := l.masks[v.pos.File]
	m = append(m, mask{v.pos.Line, v.pos.Col, v.end})
	for i := range v.lines {
		m = append(m, mask{v.pos.Line + 1 + i, 1, 0})
	}
	l.masks[v.pos.File] = m
}

// text returns a file of the graph as it is.
func (l *loader) text(file string) []byte { return l.files[file] }

// source returns a file of the graph with its secrets covered, character by character, or one that an option names.
func (l *loader) source(file string) []byte {
	src, ok := l.files[file]
	if !ok {
		return l.data[file]
	}
	lines := strings.Split(string(src), "\n")
	for _, m := range l.masks[file] {
		if m.line < 1 || m.line > len(lines) {
			continue
		}
		runes := []rune(lines[m.line-1])
		end := m.end - 1
		if m.end == 0 {
			end = len(runes)
		}
		part := string(runes[min(m.col-1, len(runes)):min(end, len(runes))])
		if m.lineIsBlockHead(part) || strings.Contains(part, "${") {
			continue // the reference to a secret is none
		}
		for i := max(m.col-1, 0); i < min(end, len(runes)); i++ {
			if runes[i] != ' ' && runes[i] != '\t' {
				runes[i] = '*'
			}
		}
		lines[m.line-1] = string(runes)
	}
	for i, line := range lines {
		lines[i] = inURL.ReplaceAllStringFunc(line, coverURL)
	}
	return []byte(strings.Join(lines, "\n"))
}

// lineIsBlockHead reports whether the part is the | or > of a block scalar.
func (m mask) lineIsBlockHead(part string) bool {
	return len(part) <= 3 && (strings.HasPrefix(part, "|") || strings.HasPrefix(part, ">"))
}

func coverURL(s string) string {
	m := inURL.FindStringSubmatch(s)
	shown := len(m[1]) + len(m[2])
	if strings.Contains(s, "${") {
		return s
	}
	return s[:shown] + strings.Repeat("*", len([]rune(s[shown:])))
}

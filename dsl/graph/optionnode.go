package graph

import (
	"errors"
	"strings"

	"dataflow/engine"
	"dataflow/engine/diag"
)

// optionNode is a value for option types that decode themselves.
type optionNode struct {
	v *value
	d *decoder
}

var _ engine.OptionNode = optionNode{}

// Scalar returns the text of a scalar.
func (n optionNode) Scalar() (string, bool) { return n.v.text, n.v.kind == scalar }

// Map returns the keys and values of a mapping.
func (n optionNode) Map() ([]string, []engine.OptionNode, bool) {
	if n.v.kind != mapping {
		return nil, nil, false
	}
	keys := make([]string, len(n.v.keys))
	for i, k := range n.v.keys {
		keys[i] = k.name
	}
	return keys, n.nodes(), true
}

// List returns the elements of a sequence.
func (n optionNode) List() ([]engine.OptionNode, bool) {
	if n.v.kind != sequence {
		return nil, false
	}
	return n.nodes(), true
}

func (n optionNode) nodes() []engine.OptionNode {
	out := make([]engine.OptionNode, len(n.v.items))
	for i, x := range n.v.items {
		out[i] = optionNode{x, n.d}
	}
	return out
}

// Errorf returns a [diag.Diagnostic] at the value.
func (n optionNode) Errorf(format string, a ...any) error { return n.v.errorf(format, a...) }

// Within returns a [diag.Diagnostic] for a mistake in the text of a scalar. Option types find this method by an
// interface of their own.
func (n optionNode) Within(e *diag.TextError) error {
	if n.d == nil {
		return n.Errorf("%v", e)
	}
	return n.d.l.within(e, n.v)[0]
}

// within returns the diagnostics of an error that is about the text of v.
func (l *loader) within(err error, v *value) diag.List {
	var e *diag.TextError
	if !errors.As(err, &e) {
		return diag.Of(err, v.pos)
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var list diag.List
		for _, one := range joined.Unwrap() {
			list = append(list, l.within(one, v)...)
		}
		return list
	}
	d := v.errorf("%s", e.Message)
	d.Hint = e.Hint
	if e.End > e.Start && e.End <= len(v.text) && v.lines == 0 {
		lines := strings.Split(string(l.files[d.File]), "\n")
		if d.Line > 0 && d.Line <= len(lines) {
			locate(&d, lines[d.Line-1], v.text, e.Start, e.End)
		}
	}
	return diag.List{d}
}

// File reads the file that a scalar names. Option types that hold files (lookup values of scripts) find this
// method by an interface of their own.
func (n optionNode) File() (engine.File, error) {
	if n.v.kind != scalar || n.v.text == "" {
		return engine.File{}, n.Errorf("a file is named by a text, this is %s", n.v.kind)
	}
	if n.d == nil {
		return engine.File{}, n.Errorf("no file can be read here")
	}
	path := n.d.l.resolve(n.v, n.v.text)
	data, err := n.d.l.read(path)
	if err != nil {
		return engine.File{Path: path}, n.Errorf("reading %s: %v", path, cause(err))
	}
	n.d.files = append(n.d.files, namedFile{n.v.text, data})
	return engine.File{Path: path, Data: data}, nil
}

// resolve returns a path relative to the graph file in which v stands; what was typed on the command line
// is relative to the main one.
func (l *loader) resolve(v *value, path string) string {
	file := v.pos.File
	if _, ok := l.files[file]; !ok {
		file = l.g.Path
	}
	return resolve(file, path)
}

// read returns the bytes of a file that an option names, read once.
func (l *loader) read(path string) ([]byte, error) {
	if data, ok := l.data[path]; ok {
		return data, nil
	}
	data, err := l.readNamed(path)
	if err == nil {
		l.data[path] = data
	}
	return data, err
}

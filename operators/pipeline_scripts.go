package operators

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"dataflow/dsl/pipeline"
	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/expr"
)

// script is a script file. What it uses is read through read.
type script struct {
	file     engine.File
	read     func(name string) (engine.File, error)
	used     []engine.File // by it
	compiled *pipeline.Script
	index    int // among the scripts of the node
}

// name returns the name of the file, without its folder.
func (s *script) name() string { return path.Base(filepath.ToSlash(s.file.Path)) }

// maxScript is how long a script may be: what is longer was meant to be something else.
const maxScript = 1 << 20

// compile compiles the script; what is wrong stands in the script's own file, or in one that it uses.
func (s *script) compile(o pipeline.Options) diag.List {
	if len(s.file.Data) > maxScript {
		return diag.List{{Pos: diag.Pos{File: s.file.Path}, Message: fmt.Sprintf("a script of %d bytes is too long", len(s.file.Data))}}
	}
	o.Name = s.name()
	s.used = s.used[:0]
	paths := map[string]string{o.Name: s.file.Path}
	o.Loader = func(name string) (string, error) {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return "", fmt.Errorf("%s is outside of the script's folder", name)
		}
		f, err := s.read(name)
		paths[name] = f.Path
		if err == nil {
			s.used = append(s.used, f)
		}
		return string(f.Data), err
	}
	compiled, err := pipeline.Compile(string(s.file.Data), o)
	s.compiled = compiled
	return diagnose(err, func(f *pipeline.Error) diag.Pos {
		pos := diag.Pos{File: paths[f.File], Line: f.Line, Col: f.Col}
		if pos.File == "" {
			pos.File = f.File
		}
		return pos
	})
}

// diagnose makes diagnostics of what Compile returned. At says where an error stands.
func diagnose(err error, at func(*pipeline.Error) diag.Pos) (list diag.List) {
	var faults pipeline.Errors
	if !errors.As(err, &faults) {
		return nil
	}
	for _, f := range faults {
		list = append(list, diag.Diagnostic{Pos: at(f), Message: f.Msg, Hint: f.Hint})
	}
	return list
}

// compileAll compiles scripts and returns all that is wrong with them, once where several use the same one.
func compileAll(all []*script, o pipeline.Options) error {
	var list diag.List
	seen := map[diag.Diagnostic]bool{}
	for _, s := range all {
		for _, d := range s.compile(o) {
			if !seen[d] {
				seen[d] = true
				list = append(list, d)
			}
		}
	}
	return list.Err()
}

// scripts is one script for all points, or a lookup value of scripts. Files that are named several times are one
// script: what it keeps from point to point belongs to all of them.
type scripts struct {
	given    bool
	by       *expr.Name
	byText   map[string]*script
	fallback *script
	all      []*script
}

// fileNode is what dsl/graph's nodes can do beyond the contract: read the files that options name.
type fileNode interface {
	engine.OptionNode
	File() (engine.File, error)
	FileBeside(beside, name string) (engine.File, error)
	Folder(sub, suffix string) (files []engine.File, found bool, err error)
}

// OptionType says what the option takes.
func (s *scripts) OptionType() string { return "file or lookup" }

// UnmarshalOption reads a file's name, or {by, map, default}.
func (s *scripts) UnmarshalOption(n engine.OptionNode) error {
	s.given = true
	var err error
	if _, ok := n.Scalar(); ok {
		s.fallback, err = s.load(n)
		return err
	}
	keys, values, ok := n.Map()
	if !ok {
		return n.Errorf("must be a file, or a mapping of by, map and default")
	}
	for i, key := range keys {
		v := values[i]
		switch key {
		case "by":
			s.by = new(expr.Name)
			err = s.by.UnmarshalOption(v)
		case "map":
			err = s.unmarshalMap(v)
		case "default":
			s.fallback, err = s.load(v)
		default:
			err = v.Errorf("unknown key %q: a lookup value has by, map and default", key)
		}
		if err != nil {
			return err
		}
	}
	if s.by == nil || s.byText == nil {
		return n.Errorf("a lookup value needs by and map")
	}
	return nil
}

func (s *scripts) unmarshalMap(n engine.OptionNode) error {
	keys, values, ok := n.Map()
	if !ok {
		return n.Errorf("must be a mapping from values to scripts")
	}
	s.byText = map[string]*script{}
	for i, key := range keys {
		x, err := s.load(values[i])
		if err != nil {
			return err
		}
		s.byText[key] = x
	}
	return nil
}

// isNone reports whether a text stands for no script.
func isNone(text string) bool { return text == "none" || text == "-" }

// load returns the script that a scalar names, nil for none.
func (s *scripts) load(n engine.OptionNode) (*script, error) {
	if text, ok := n.Scalar(); ok && (isNone(text) || text == "") {
		return nil, nil
	}
	f, ok := n.(fileNode)
	if !ok {
		return nil, n.Errorf("must be the name of a file")
	}
	file, err := f.File()
	if err != nil {
		return nil, err
	}
	for _, x := range s.all {
		if x.file.Path == file.Path {
			return x, nil
		}
	}
	x := &script{file: file, read: func(name string) (engine.File, error) {
		return f.FileBeside(file.Path, name)
	}}
	// The files that it uses belong to the node as well: they are read now. What is wrong is said later.
	_ = x.compile(pipeline.Options{})
	s.all = append(s.all, x)
	return x, nil
}

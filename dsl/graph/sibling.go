package graph

import (
	"path/filepath"

	"dataflow/engine"
)

// FileAt reads another file than the one that the option names: a script that it uses. Its bytes are part of the
// node's hash. Path is as [engine.File] has it.
func (n optionNode) FileAt(path string) (engine.File, error) {
	if n.d == nil {
		return engine.File{}, n.Errorf("no file can be read here")
	}
	data, err := n.d.l.read(path)
	if err != nil {
		return engine.File{Path: path}, n.Errorf("reading %s: %v", path, cause(err))
	}
	n.d.files = append(n.d.files, namedFile{filepath.ToSlash(path), data})
	return engine.File{Path: path, Data: data}, nil
}

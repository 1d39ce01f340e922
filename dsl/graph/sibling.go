package graph

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"dataflow/engine"
)

// FileBeside reads another file of the folder in which the file beside is, which was read already, or below it: a script
// that it uses. Name is relative to the folder; links may not lead out of it. The file's bytes, of which there are at most 16 MiB, are part of the node's
// hash.
func (n optionNode) FileBeside(beside, name string) (engine.File, error) {
	folder := filepath.Dir(beside)
	file := engine.File{Path: filepath.Join(folder, filepath.FromSlash(name))}
	if n.d == nil {
		return file, errors.New("no file can be read here")
	}
	var err error
	if file.Data, err = n.d.l.readIn(folder, path.Clean(name)); err != nil {
		return file, fmt.Errorf("reading %s: %w", file.Path, cause(err))
	}
	n.d.files = append(n.d.files, namedFile{filepath.ToSlash(file.Path), file.Data})
	return file, nil
}

package graph

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"dataflow/engine"
)

// Folder reads the files of the folder that a scalar names, or of the folder sub in it, whose names end in suffix, by
// name. Files that begin with a dot are left out: they are editors' and Kubernetes' own. A file may be a link to another one of the
// folder, not out of it, and has at most 16 MiB. Names and bytes are part of the node's hash. Found is false if there is no such folder. Option types find this method by an interface of their own.
func (n optionNode) Folder(sub, suffix string) (files []engine.File, found bool, err error) {
	if n.v.kind != scalar || n.v.text == "" {
		return nil, false, n.Errorf("a folder is named by a text, this is %s", n.v.kind)
	}
	if n.d == nil {
		return nil, false, n.Errorf("no folder can be read here")
	}
	top := n.d.l.resolve(n.v, n.v.text)
	folder := filepath.Join(top, filepath.FromSlash(sub))
	entries, err := os.ReadDir(folder)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil, false, nil
		}
		return nil, false, n.Errorf("reading %s: %v", folder, cause(err))
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasPrefix(name, ".") || !strings.HasSuffix(name, suffix) {
			continue
		}
		at := filepath.Join(folder, name)
		data, err := n.d.l.readIn(top, path.Join(sub, name))
		if err != nil {
			return nil, true, n.Errorf("reading %s: %v", at, cause(err))
		}
		n.d.files = append(n.d.files, namedFile{path.Join(n.v.text, sub, name), data})
		files = append(files, engine.File{Path: at, Data: data})
	}
	return files, true, nil
}

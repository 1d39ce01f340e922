package operators

import (
	"fmt"
	"path"
	"path/filepath"

	"dataflow/engine"
	"dataflow/engine/point"
)

// scriptDir is a folder of scripts as DataKit has it: scripts of logging in it, those of all categories in folders of
// their names, grok patterns in the folder pattern.
type scriptDir struct {
	given    bool
	scripts  [point.Categories]map[string]*script // by the name of their file; nil if a category has none
	patterns []engine.File
}

// OptionType says what the option takes.
func (d *scriptDir) OptionType() string { return "folder" }

// UnmarshalOption reads the files of the folder.
func (d *scriptDir) UnmarshalOption(n engine.OptionNode) error {
	d.given = true
	f, ok := n.(fileNode)
	if !ok {
		return n.Errorf("must be the name of a folder")
	}
	top, found, err := f.Folder("", ".p")
	if err != nil {
		return err
	}
	if !found {
		text, _ := n.Scalar()
		return n.Errorf("there is no folder %s", text)
	}
	d.add(point.Logging, top)
	total := len(top)
	for c := point.Metric; c < point.Categories; c++ {
		files, _, err := f.Folder(c.String(), ".p")
		if err != nil {
			return err
		}
		d.add(c, files) // over those of the top folder
		total += len(files)
	}
	if total == 0 {
		return n.Errorf("the folder has no script: neither *.p nor, in a folder of a category, as logging/*.p")
	}
	d.patterns, _, err = f.Folder("pattern", "")
	return err
}

// add makes scripts of files. Those of a category use each other, whatever folder they are in.
func (d *scriptDir) add(c point.Category, files []engine.File) {
	for _, file := range files {
		if d.scripts[c] == nil {
			d.scripts[c] = map[string]*script{}
		}
		s := &script{file: file, read: func(name string) (engine.File, error) {
			if x := d.scripts[c][path.Clean(name)]; x != nil {
				return x.file, nil
			}
			return engine.File{}, fmt.Errorf("category %s has none of that name", c)
		}}
		d.scripts[c][path.Base(filepath.ToSlash(file.Path))] = s
	}
}

// scriptMap names scripts for keys, as DataKit's ScriptMap does.
type scriptMap struct {
	given   bool
	entries []scriptMapEntry // those for all categories first
}

type scriptMapEntry struct {
	category  point.Category // Unknown is all
	key, name string
}

// OptionType says what the option takes.
func (m *scriptMap) OptionType() string { return "mapping of scripts" }

// UnmarshalOption reads {key: script}, {category: {key: script}} or both.
func (m *scriptMap) UnmarshalOption(n engine.OptionNode) error {
	m.given = true
	keys, values, ok := n.Map()
	if !ok {
		return n.Errorf("must be a mapping from keys to scripts")
	}
	var below []scriptMapEntry
	for i, key := range keys {
		if name, ok := values[i].Scalar(); ok {
			m.entries = append(m.entries, scriptMapEntry{key: key, name: name})
			continue
		}
		category, ok := point.CategoryOf(key)
		if !ok {
			return values[i].Errorf("%s is no category", key)
		}
		inner, names, ok := values[i].Map()
		if !ok {
			return values[i].Errorf("must be a script, or a mapping from keys to scripts")
		}
		for j, key := range inner {
			name, ok := names[j].Scalar()
			if !ok {
				return names[j].Errorf("must be the name of a script")
			}
			below = append(below, scriptMapEntry{category, key, name})
		}
	}
	m.entries = append(m.entries, below...)
	return nil
}

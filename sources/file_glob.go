package sources

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"dataflow/engine"
)

// wild are the characters that make a path a pattern.
const wild = `*?[\`

// glob returns the files below fsys that match a pattern. A folder that cannot be read is handed to blind; one that is
// not there, or is a file, matches nothing.
func glob(fsys engine.FS, pattern string, blind func(error)) []string {
	if !strings.ContainsAny(pattern, wild) {
		if _, err := fsys.Stat(pattern); err != nil {
			notThere(err, blind)
			return nil
		}
		return []string{pattern}
	}
	dir, name := path.Split(pattern)
	dirs := []string{path.Clean(dir)}
	if strings.ContainsAny(dir, wild) {
		dirs = glob(fsys, path.Clean(dir), blind)
	}
	var out []string
	for _, d := range dirs {
		entries, err := fsys.ReadDir(d)
		if err != nil {
			notThere(err, blind)
			continue
		}
		for _, e := range entries {
			if ok, _ := path.Match(name, e.Name()); ok {
				out = append(out, path.Join(d, e.Name()))
			}
		}
	}
	return out
}

// notThere hands errors to blind that do not say that something is not there.
func notThere(err error, blind func(error)) {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		blind(err)
	}
}

// matching returns the files of all patterns, sorted, each once. What a pattern with wildcards matches is subject to exclude.
// Missing is called for patterns that match nothing.
func (f *file) matching(missing func(pattern string), blind func(error)) []string {
	var out []string
	for _, pattern := range f.config.Paths {
		got := glob(f.env.FS, pattern, blind)
		if len(got) == 0 {
			missing(pattern)
		}
		if strings.ContainsAny(pattern, wild) {
			got = slices.DeleteFunc(got, f.excluded)
		}
		out = append(out, got...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (f *file) excluded(name string) bool {
	return slices.ContainsFunc(f.config.Exclude, func(pattern string) bool {
		ok, _ := path.Match(pattern, path.Base(name))
		return ok
	})
}

// wants reports whether a file of that name would be read if it was there.
func (f *file) wants(name string) bool {
	return slices.ContainsFunc(f.config.Paths, func(pattern string) bool {
		if !strings.ContainsAny(pattern, wild) {
			return pattern == name
		}
		ok, _ := path.Match(pattern, name)
		return ok && !f.excluded(name)
	})
}

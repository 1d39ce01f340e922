package buffer

import (
	"fmt"
	"path"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guardFS is the file system that Pebble sees. What Pebble does about an error of a log or of the manifest is to panic
// with its locks in disorder, to end the process, or to go on: so it does not get to see one. The store fails first, and with it
// the process; where that goes on, the call never returns (see logger). Errors of tables are Pebble's: it tries again.
type guardFS struct {
	vfs.FS
	store *Store
}

// Unwrap returns what is below.
func (g guardFS) Unwrap() vfs.FS { return g.FS }

// vital reports whether a file is a log, a manifest or the mark of the current one.
func vital(name string) bool {
	base := baseOf(name)
	return strings.HasSuffix(base, ".log") || strings.HasPrefix(base, "MANIFEST-") || strings.HasPrefix(base, "marker.")
}

func baseOf(name string) string { return path.Base(strings.ReplaceAll(name, `\`, "/")) }

// check returns err, or does not return if it is one that Pebble must not see.
func (g guardFS) check(name string, err error) error {
	if err == nil || !g.store.opened.Load() {
		return err
	}
	g.store.abandon(fmt.Errorf("writing %s: %w", name, err))
	return err
}

func (g guardFS) guard(name string, f vfs.File, err error) (vfs.File, error) {
	if !vital(name) {
		return f, err
	}
	if err := g.check(name, err); err != nil {
		return nil, err
	}
	return guardFile{f, g, name}, nil
}

// Create guards the file. A mark that names a manifest must not outlive a power cut that the manifest's own name does
// not: Pebble syncs the directory only after both are there.
func (g guardFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(baseOf(name), "marker.") {
		if err := g.check(name, syncDir(g.FS, g.PathDir(name))); err != nil {
			return nil, err
		}
	}
	f, err := g.FS.Create(name, c)
	return g.guard(name, f, err)
}

// ReuseForWrite guards the file.
func (g guardFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.ReuseForWrite(from, to, c)
	return g.guard(to, f, err)
}

// Rename guards the name.
func (g guardFS) Rename(from, to string) error {
	err := g.FS.Rename(from, to)
	if vital(to) {
		return g.check(to, err)
	}
	return err
}

// OpenDir guards the sync of the directory.
func (g guardFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return guardFile{f, g, name}, nil
}

type guardFile struct {
	vfs.File
	fs   guardFS
	name string
}

func (f guardFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.check(f.name, err)
}

func (f guardFile) Sync() error { return f.fs.check(f.name, f.File.Sync()) }

func (f guardFile) SyncData() error { return f.fs.check(f.name, f.File.SyncData()) }

func (f guardFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.fs.check(f.name, err)
}

func (f guardFile) Close() error { return f.fs.check(f.name, f.File.Close()) }

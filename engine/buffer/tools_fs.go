package buffer

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// optionsPrefix is what the names of Pebble's notes of its options begin with.
const optionsPrefix = "OPTIONS-"

// readOnlyFS refuses everything that would change the disk, whoever asks for it.
type readOnlyFS struct {
	vfs.FS
	hide string // names that begin so are not listed; none if empty
}

func refuse(what, name string) error {
	return fmt.Errorf("%s %s: %w: only for reading", what, name, fs.ErrPermission)
}

// Unwrap returns what is below.
func (r readOnlyFS) Unwrap() vfs.FS { return r.FS }

// Create refuses.
func (r readOnlyFS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, refuse("creating", name)
}

// Link refuses.
func (r readOnlyFS) Link(_, to string) error { return refuse("linking", to) }

// OpenReadWrite refuses.
func (r readOnlyFS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return nil, refuse("opening", name)
}

// Remove refuses.
func (r readOnlyFS) Remove(name string) error { return refuse("removing", name) }

// RemoveAll refuses.
func (r readOnlyFS) RemoveAll(name string) error { return refuse("removing", name) }

// Rename refuses.
func (r readOnlyFS) Rename(from, _ string) error { return refuse("renaming", from) }

// ReuseForWrite refuses.
func (r readOnlyFS) ReuseForWrite(from, _ string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, refuse("writing", from)
}

// MkdirAll refuses.
func (r readOnlyFS) MkdirAll(dir string, _ os.FileMode) error { return refuse("making", dir) }

// Lock does nothing: Pebble's own lock file would be written, and whoever reads has the store's.
func (r readOnlyFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// List leaves out what is hidden.
func (r readOnlyFS) List(dir string) ([]string, error) {
	names, err := r.FS.List(dir)
	if r.hide != "" {
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, r.hide) })
	}
	return names, err
}

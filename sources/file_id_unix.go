//go:build unix

package sources

import (
	"io/fs"
	"syscall"
)

// nameIdentifies says that a fileID is made of the name, because the system's own is not known.
const nameIdentifies = false

// identity returns what a file is known by, whatever its name is.
func identity(name string, info fs.FileInfo) fileID {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fileID{uint64(s.Dev), uint64(s.Ino)} //nolint:unconvert // the types differ between systems
	}
	return identityOfName(name)
}

// unlinked reports whether a file that is open has no name any more.
func unlinked(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Nlink == 0
}

//go:build !unix

package sources

import "io/fs"

// nameIdentifies says that a fileID is made of the name, because the system's own is not known.
const nameIdentifies = true

// identity returns what a file is known by: its name. Who holds a file compares it with os.SameFile as well.
func identity(name string, _ fs.FileInfo) fileID { return identityOfName(name) }

// unlinked reports whether a file that is open has no name any more, which is not known here.
func unlinked(fs.FileInfo) bool { return false }

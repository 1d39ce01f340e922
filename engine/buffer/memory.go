package buffer

import "github.com/cockroachdb/pebble/v2/vfs"

// NewMemoryFS returns a file system in memory, for whole engines in a test, and crash, which returns what a power cut now
// would leave of it: what was synced.
func NewMemoryFS() (fs FS, crash func() FS) {
	mem := vfs.NewCrashableMem()
	return mem, func() FS { return mem.CrashClone(vfs.CrashCloneCfg{}) }
}

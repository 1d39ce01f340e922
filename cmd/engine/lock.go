package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// lockDataDir keeps a second engine out of a data directory: two would write the same files. A directory that cannot be
// made is no reason not to start: a graph that keeps nothing on disk runs on a read-only file system, and one that
// has to says so when it writes.
func lockDataDir(dir string, log *slog.Logger) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		log.Warn("the data directory cannot be made: nothing can be kept on disk", "error", err)
		return func() {}, nil
	}
	lock := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		log.Warn("the data directory cannot be locked: nothing can be kept on disk", "error", err)
		return func() {}, nil
	case !ok:
		return nil, fmt.Errorf("the data directory %s is in use by another engine: give this one its own by data_dir, or run the graph under another name", dir)
	}
	return func() { _ = lock.Close() }, nil
}

package operators

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path/filepath"
	"slices"

	"dataflow/engine"
)

// logFiles logs which scripts run, with hashes of their texts, and warns of those that everybody may write: who does decides what becomes
// of the points.
func logFiles(env engine.Env, all []*script) {
	files := map[string][]byte{}
	for _, s := range all {
		files[s.file.Path] = s.file.Data
		for _, f := range s.used {
			files[f.Path] = f.Data
		}
	}
	whole := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256(files[path])
		whole.Write(sum[:])
		env.Log.Debug("script loaded", "file", path, "sha256", hex.EncodeToString(sum[:]))
		const everybody = 0o002
		if info, err := env.FS.Stat(filepath.ToSlash(path)); err == nil && info.Mode().Perm()&everybody != 0 {
			env.Log.Warn("everybody may write this script", "file", path)
		}
	}
	env.Log.Info("scripts loaded", "files", len(files), "sha256", hex.EncodeToString(whole.Sum(nil)))
}

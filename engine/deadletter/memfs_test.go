package deadletter

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"dataflow/engine"
)

// memFS is a disk that can fail and lose power: what was not synced is then lost, in part or altogether.
type memFS struct {
	mu    sync.Mutex
	files map[string]*memData
	names map[string]*memData // files as their folders were last synced
	dirs  map[string]bool
	fail  func(op, name string) error // nil is a healthy disk
	syncs int
}

type memData struct {
	data   []byte
	synced int
}

func newMemFS() *memFS {
	return &memFS{files: map[string]*memData{}, names: map[string]*memData{}, dirs: map[string]bool{}}
}

func (m *memFS) failing(op, name string) error {
	if m.fail == nil {
		return nil
	}
	return m.fail(op, name)
}

func (m *memFS) OpenFile(name string, flag int, _ fs.FileMode) (engine.FSFile, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("open", name); err != nil {
		return nil, err
	}
	if m.dirs[name] {
		return &memFile{fs: m, name: name, d: &memData{}}, nil
	}
	d := m.files[name]
	switch {
	case d == nil && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case d != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case d == nil || flag&os.O_TRUNC != 0:
		d = &memData{}
		m.files[name] = d
	}
	return &memFile{fs: m, name: name, d: d}, nil
}

func (m *memFS) MkdirAll(name string, _ fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dirs[name] = true
	return m.failing("mkdir", name)
}

func (m *memFS) ReadDir(name string) ([]fs.DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	var out []fs.DirEntry
	for n, d := range m.files {
		if path.Dir(n) == name {
			out = append(out, fs.FileInfoToDirEntry(memInfo{path.Base(n), int64(len(d.data))}))
		}
	}
	return out, m.failing("readdir", name)
}

func (m *memFS) Stat(string) (fs.FileInfo, error) { return nil, errors.New("not used") }

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("rename", from); err != nil {
		return err
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return m.failing("remove", name)
}

// forget makes some of the changes of names undone that no sync of their folder followed.
func (m *memFS) forget(undone func(name string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := maps.Clone(m.files)
	maps.Copy(all, m.names)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		before, was := m.names[name]
		if before == m.files[name] || !undone(name) {
			continue
		}
		if delete(m.files, name); was {
			m.files[name] = before
		}
	}
}

// crash returns the disk after a power cut: of each file what was synced, and keep bytes more of what was
// written since, after which it may hold garbage.
func (m *memFS) crash(keep int, garbage []byte) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := newMemFS()
	for d := range m.dirs {
		out.dirs[d] = true
	}
	for name, d := range m.files {
		n := min(d.synced+keep, len(d.data))
		data := append([]byte(nil), d.data[:n]...)
		if n < len(d.data) {
			data = append(data, garbage...)
		}
		out.files[name] = &memData{data, len(data)}
	}
	out.names = maps.Clone(out.files)
	return out
}

func (m *memFS) list() (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := range m.files {
		out = append(out, strings.TrimPrefix(n, "d/"))
	}
	return out
}

type memInfo struct {
	name string
	size int64
}

func (i memInfo) Name() string     { return i.name }
func (i memInfo) Size() int64      { return i.size }
func (memInfo) Mode() fs.FileMode  { return 0o600 }
func (memInfo) ModTime() time.Time { return time.Time{} }
func (memInfo) IsDir() bool        { return false }
func (memInfo) Sys() any           { return nil }

type memFile struct {
	fs   *memFS
	name string
	d    *memData
	at   int
}

func (f *memFile) Read(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.at >= len(f.d.data) {
		return 0, io.EOF
	}
	n := copy(p, f.d.data[f.at:])
	f.at += n
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.failing("write", f.name); err != nil {
		f.d.data = append(f.d.data, p[:len(p)/2]...)
		return len(p) / 2, err
	}
	f.d.data = append(f.d.data, p...)
	return len(p), nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.syncs++
	if err := f.fs.failing("sync", f.name); err != nil {
		return err
	}
	f.d.synced = len(f.d.data)
	if f.fs.dirs[f.name] {
		maps.DeleteFunc(f.fs.names, func(name string, _ *memData) bool { return path.Dir(name) == f.name })
		for name, d := range f.fs.files {
			if path.Dir(name) == f.name {
				f.fs.names[name] = d
			}
		}
	}
	return nil
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.d.data = f.d.data[:size]
	return f.fs.failing("truncate", f.name)
}

func (f *memFile) Seek(int64, int) (int64, error) { return 0, errors.New("not used") }
func (f *memFile) Stat() (fs.FileInfo, error)     { return nil, errors.New("not used") }
func (f *memFile) Close() error                   { return nil }

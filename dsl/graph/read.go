package graph

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxFolderFile is how long a file of a folder may be. Nobody named it, so it may be anything.
const maxFolderFile = 16 << 20

// readRegular reads a file that an option names. What is no regular file is refused: a pipe would wait for a writer, and a device
// need not end.
func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return readAll(f, 0)
}

// readIn reads the file name, with slashes, of a folder, and below it: links that lead out of the folder are refused.
func (l *loader) readIn(folder, name string) ([]byte, error) {
	path := filepath.Join(folder, filepath.FromSlash(name))
	if data, ok := l.data[path]; ok {
		return data, nil
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	data, err := readAll(f, maxFolderFile)
	if err == nil {
		l.data[path] = data
	}
	return data, err
}

// readAll reads and closes a file of at most limit bytes; 0 is no limit.
func readAll(f *os.File, limit int64) ([]byte, error) {
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case limit == 0:
		return io.ReadAll(f)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("it is longer than %d bytes", limit)
	}
	return data, err
}

package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"sync"

	"dataflow/engine"
)

type fileConfig struct {
	Path     string      `yaml:"path" path:"graph" required:"true" doc:"file that points are written to; its folder is made if need be"`
	Format   string      `yaml:"format" enum:"line,json,pretty" doc:"line protocol, a JSON object a line, or for people"`
	Append   bool        `yaml:"append" doc:"keep what the file holds at the start; false empties it"`
	Sync     bool        `yaml:"sync" doc:"wait for the disk before a batch is done: slower, and safe against a power cut"`
	MaxBytes engine.Size `yaml:"max_bytes" doc:"size from which on another file is begun, 0 is never"`
	Keep     int         `yaml:"keep" doc:"older files that are kept as path.1, path.2 and so on"`
}

func init() {
	engine.RegisterSink(engine.Info{
		Type:    "file",
		Summary: "writes points to a file",
		Doc: `One point a line, or some lines for people. A batch is done when the operating system has it, with ` + "`sync`" + `
when the disk has it. A batch that could not be written whole is taken out of the file again and written anew.
The file is the sink's alone: nobody else may write to it.

From ` + "`max_bytes`" + ` on the file becomes ` + "`path.1`" + `, which becomes ` + "`path.2`" + `; what is beyond ` + "`keep`" + ` is removed.`,
		Examples: []engine.Example{
			{Title: "a file", Graph: "type: file\nfrom: points\npath: out/points.lp\n"},
			{Title: "JSON in five files of at most 100 MiB", Graph: "type: file\nfrom: points\npath: out/points.json\nformat: json\nmax_bytes: 100MiB\nkeep: 4\n"},
		},
	}, fileConfig{Format: formatLine, Append: true, Keep: 5}, newFile)
}

// file writes points to a file. It knows how much of the file is whole, and restores that after an error.
type file struct {
	env    engine.Env
	config fileConfig

	mu     sync.Mutex
	format formatter
	open   engine.FSFile // nil before the first batch and after an error
	known  bool          // whether size is what the file must hold when it is opened
	size   int64
}

func newFile(env engine.Env, c fileConfig) (engine.Sink, error) {
	if c.MaxBytes > 0 && c.Keep < 1 {
		return nil, engine.FieldError("keep", fmt.Errorf("is %d, must be at least 1 with max_bytes", c.Keep))
	}
	if c.Path == "" {
		return nil, engine.FieldError("path", errors.New("is empty"))
	}
	return &file{env: env, config: c, format: formatter{format: c.Format, tags: env.Tags, now: env.Now}}, nil
}

// Write appends the points of b.
func (f *file) Write(_ context.Context, b *engine.Batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.format.release()
	text := f.format.batch(b)
	if len(text) == 0 {
		return nil
	}
	if err := f.write(text); err != nil {
		// Which part of the batch is in the file is unknown, and after a failed sync even what was written
		// may be gone from memory: the next attempt begins at the end of what is whole.
		if f.open != nil {
			_ = f.open.Close() // the error that is returned is the one that counts
			f.open = nil
		}
		return fmt.Errorf("writing %s: %w", f.config.Path, err)
	}
	return nil
}

func (f *file) write(text []byte) error {
	if limit := int64(f.config.MaxBytes); limit > 0 && f.known && f.size > 0 && f.size+int64(len(text)) > limit {
		if err := f.rotate(); err != nil {
			return err
		}
	}
	if f.open == nil {
		if err := f.begin(); err != nil {
			return err
		}
	}
	if _, err := f.open.Write(text); err != nil {
		return err
	}
	if f.config.Sync {
		if err := f.open.Sync(); err != nil {
			return err
		}
	}
	f.size += int64(len(text))
	return nil
}

// begin opens the file with what is whole of it.
func (f *file) begin() (err error) {
	if err := f.env.FS.MkdirAll(path.Dir(f.config.Path), 0o755); err != nil {
		return err
	}
	open, err := f.env.FS.OpenFile(f.config.Path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, open.Close())
		}
	}()
	info, err := open.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	switch {
	case f.known:
		size = min(size, f.size)
	case !f.config.Append:
		size = 0
	}
	if size < info.Size() {
		if err := open.Truncate(size); err != nil {
			return err
		}
	}
	if _, err := open.Seek(size, io.SeekStart); err != nil {
		return err
	}
	f.open, f.size, f.known = open, size, true
	return nil
}

// rotate moves the file out of the way.
func (f *file) rotate() error {
	if f.open != nil {
		err := f.open.Close()
		f.open = nil
		if err != nil {
			return err
		}
	}
	for i := f.config.Keep; i > 0; i-- {
		from := f.config.Path
		if i > 1 {
			from += "." + strconv.Itoa(i-1)
		}
		err := f.env.FS.Rename(from, f.config.Path+"."+strconv.Itoa(i))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f.size = 0
	return nil
}

// Close closes the file.
func (f *file) Close(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		return nil
	}
	err := f.open.Close()
	f.open = nil
	if err != nil {
		return fmt.Errorf("closing %s: %w", f.config.Path, err)
	}
	return nil
}

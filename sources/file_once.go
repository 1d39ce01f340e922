package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"dataflow/engine"
)

// once reads files in the order of their names and ends.
type once struct {
	file

	// Where Run goes on if it is called again after an error.
	files []string
	at    int64
	skip  bool
}

// Run reads all files and returns.
func (o *once) Run(ctx context.Context, emit engine.Emit) error {
	if o.files == nil {
		files, err := o.find()
		if err != nil {
			return engine.Permanent(err)
		}
		o.files = files
	}
	for len(o.files) > 0 {
		if err := o.read(ctx, o.files[0], emit); err != nil {
			return err
		}
		o.files, o.at, o.skip = o.files[1:], 0, false
	}
	return nil
}

// find returns the files that the patterns match. One that matches nothing is an error.
func (o *once) find() ([]string, error) {
	var errs []error
	why := fs.ErrNotExist
	files := o.matching(func(pattern string) {
		errs = append(errs, fmt.Errorf("looking for %s: %w", pattern, why))
		why = fs.ErrNotExist
	}, func(err error) { why = err })
	return files, errors.Join(errs...)
}

// read emits the lines of a file from o.at on.
func (o *once) read(ctx context.Context, name string, emit engine.Emit) error {
	if info, err := o.env.FS.Stat(name); err == nil && info.IsDir() {
		return nil // a pattern may match folders
	}
	in, err := o.env.FS.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", name, err)
	}
	defer in.Close()
	if o.at > 0 {
		if _, err := in.Seek(o.at, io.SeekStart); err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
	}
	l := o.lines(name)
	l.at, l.skip = o.at, o.skip
	for ctx.Err() == nil {
		chunk := make([]byte, max(fileChunk, 2*len(l.rest)))
		n := copy(chunk, l.rest)
		m, err := in.Read(chunk[n:])
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		refused := l.emitLines(ctx, chunk[:n+m], err != nil, emit)
		o.at, o.skip = l.at, l.skip
		if refused != nil {
			return refused
		}
		if err != nil {
			return nil
		}
	}
	return ctx.Err()
}

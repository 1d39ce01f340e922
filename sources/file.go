package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"dataflow/engine"
	"dataflow/engine/point"
)

type fileConfig struct {
	Paths    []string `yaml:"paths" path:"graph" required:"true" doc:"files to read; * and ? stand for parts of a name, [a-z] for characters"`
	Name     string   `yaml:"name" doc:"name of the points; the file's name without its folder if nothing is said"`
	Category string   `yaml:"category" enum:"metric,network,keyevent,object,custom_object,logging,tracing,rum,security,profiling,dialtesting" doc:"category of the points"`
	Decode   string   `yaml:"decode" enum:"text,json,points" doc:"what a line is: text, a JSON object or an array of them, or DataKit points"`
}

func init() {
	engine.RegisterSource(engine.Info{
		Type:    "file",
		Summary: "reads files once, line by line, and ends",
		Rereads: true,
		Doc: `A line becomes a point whose field ` + "`message`" + ` is the text, without the line's end. With ` + "`decode: json`" + ` the keys of the object are
the fields; with ` + "`decode: points`" + ` the line is a point of line protocol or of JSON. A line longer than limits.message fails, with its beginning as message.`,
		Examples: []engine.Example{
			{Title: "A folder of logs", Graph: "type: file\npaths: [\"logs/*.log\"]\ncategory: logging\n"},
			{Title: "Points", Graph: "type: file\npaths: [points.lp]\ndecode: points\ncategory: metric\n"},
		},
	}, fileConfig{Category: "logging", Decode: "text"}, newFile)
}

const (
	fileChunk = 256 << 10 // read at once; the points of a batch share it
)

// file reads files in the order of their names.
type file struct {
	env      engine.Env
	config   fileConfig
	category point.Category
	decode   decoding

	// Where Run goes on if it is called again after an error.
	files []string
	at    int64
}

func newFile(env engine.Env, c fileConfig) (engine.Source, error) {
	f := &file{env: env, config: c}
	var errs []error
	if len(c.Paths) == 0 {
		errs = append(errs, engine.FieldError("paths", errors.New("names no file")))
	}
	for _, p := range c.Paths {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			errs = append(errs, engine.FieldError("paths", fmt.Errorf("%q is no pattern", p)))
		}
	}
	var ok bool
	if f.category, ok = point.CategoryOf(c.Category); !ok || f.category == point.Unknown {
		errs = append(errs, engine.FieldError("category", fmt.Errorf("%q is no category", c.Category)))
	}
	if f.decode, ok = decodings[c.Decode]; !ok || f.decode == decodeRaw {
		errs = append(errs, engine.FieldError("decode", fmt.Errorf("%q is none of text, json, points", c.Decode)))
	}
	return f, errors.Join(errs...)
}

// Run reads all files and returns.
func (f *file) Run(ctx context.Context, emit engine.Emit) error {
	if f.files == nil {
		files, err := f.find()
		if err != nil {
			return engine.Permanent(err)
		}
		f.files = files
	}
	for len(f.files) > 0 {
		if err := f.read(ctx, f.files[0], emit); err != nil {
			return err
		}
		f.files, f.at = f.files[1:], 0
	}
	return nil
}

// find returns the files that the patterns match. One that matches nothing is an error.
func (f *file) find() ([]string, error) {
	var out []string
	for _, pattern := range f.config.Paths {
		got, err := glob(f.env.FS, pattern)
		if err != nil {
			return nil, fmt.Errorf("looking for %s: %w", pattern, err)
		}
		if len(got) == 0 {
			return nil, fmt.Errorf("looking for %s: %w", pattern, fs.ErrNotExist)
		}
		out = append(out, got...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// glob returns the files below fsys that match pattern.
func glob(fsys engine.FS, pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, `*?[\`) {
		if _, err := fsys.Stat(pattern); err != nil {
			return nil, err
		}
		return []string{pattern}, nil
	}
	dir, name := path.Split(pattern)
	dirs := []string{path.Clean(dir)}
	if strings.ContainsAny(dir, `*?[\`) {
		var err error
		if dirs, err = glob(fsys, path.Clean(dir)); err != nil {
			return nil, err
		}
	}
	var out []string
	for _, d := range dirs {
		if d == "" {
			d = "."
		}
		entries, err := fsys.ReadDir(d)
		if err != nil {
			continue // a file where the pattern wants a folder
		}
		for _, e := range entries {
			if ok, _ := path.Match(name, e.Name()); ok {
				out = append(out, path.Join(d, e.Name()))
			}
		}
	}
	return out, nil
}

// read emits the lines of a file from f.at on.
func (f *file) read(ctx context.Context, name string, emit engine.Emit) error {
	if info, err := f.env.FS.Stat(name); err == nil && info.IsDir() {
		return nil // a pattern may match folders
	}
	in, err := f.env.FS.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", name, err)
	}
	defer in.Close()
	if f.at > 0 {
		if _, err := in.Seek(f.at, io.SeekStart); err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
	}
	l := lineFile{file: f, origin: &engine.Origin{Node: f.env.Node, Topic: name}, point: f.config.Name}
	if l.point == "" {
		l.point = path.Base(name)
	}
	for ctx.Err() == nil {
		chunk := make([]byte, max(fileChunk, 2*len(l.rest)))
		n := copy(chunk, l.rest)
		m, err := in.Read(chunk[n:])
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if err := l.emitLines(ctx, chunk[:n+m], err != nil, emit); err != nil {
			return err
		}
		if err != nil {
			return nil
		}
	}
	return ctx.Err()
}

// lineFile is a file that is being read.
type lineFile struct {
	*file
	origin *engine.Origin
	point  string
	rest   []byte // a line that has no end yet
	skip   bool   // the rest of a line that is too long is passed over
}

// emitLines emits the lines of data, which begin at l.at in the file. What behind the last newline is no line
// yet stays in l.rest unless the file ends.
func (l *lineFile) emitLines(ctx context.Context, data []byte, end bool, emit engine.Emit) error {
	for len(data) > 0 {
		b := engine.Reserve(batchMessages, fieldsPerPoint)
		b.Origin, b.Read = l.origin, l.env.Now().UnixNano()
		next, size := l.at, 0
		for len(data) > 0 && len(b.Points) < batchMessages && size < batchBytes {
			n := bytes.IndexByte(data, '\n')
			line, taken := data, len(data)
			switch {
			case n >= 0:
				line, taken = data[:n], n+1
			case end:
			case len(data) > l.env.Limits.Message:
			default:
				taken = 0
			}
			if taken == 0 {
				break
			}
			if !l.skip {
				size += l.add(b, line, next)
			}
			l.skip = n < 0 && !end
			next += int64(taken)
			data = data[taken:]
		}
		if len(b.Points) > 0 {
			b.Arm(size, nil)
			if err := emit(ctx, b); err != nil {
				return err
			}
		}
		if next == l.at {
			break
		}
		l.at = next
	}
	l.rest = data
	return nil
}

// add adds the point of a line and returns its estimated bytes.
func (l *lineFile) add(b *engine.Batch, line []byte, offset int64) int {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	whole := len(line) <= l.env.Limits.Message
	if !whole {
		line = line[:l.env.Limits.Message]
	}
	b.Records = append(b.Records, engine.Record{Origin: l.origin, Offset: offset, Value: line})
	p := b.Add()
	p.Name, p.Category, p.Time, p.Record = l.point, l.category, b.Read, int32(len(b.Records)-1)
	p.Fields = append(p.Fields, point.Field{Key: "message", Value: point.StringOf(line)})
	if !whole {
		b.Fail(len(b.Points)-1, fmt.Errorf("reading %s: the line at byte %d is longer than limits.message (%s)", l.origin.Topic, offset, engine.Size(l.env.Limits.Message)))
	}
	return messageBytes + len(line)
}

// Decode makes the points of lines that are more than text.
func (f *file) Decode(_ context.Context, b *engine.Batch) error {
	switch f.decode {
	case decodeJSON:
		decodeJSONBatch(b, f.env.Limits.Depth)
	case decodePoints:
		decodePointsBatch(b, nil)
	}
	return nil
}

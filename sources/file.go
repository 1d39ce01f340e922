package sources

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

type fileConfig struct {
	Paths    []string `yaml:"paths" path:"graph" required:"true" doc:"files to read; * and ? stand for parts of a name, [a-z] for characters"`
	Exclude  []string `yaml:"exclude" doc:"names of files, without their folder, that a path with * or ? leaves out"`
	Mode     string   `yaml:"mode" enum:"once,tail" doc:"read the files once and end, or follow them as they grow"`
	Name     string   `yaml:"name" doc:"name of the points; the file's name without its folder if nothing is said"`
	Category string   `yaml:"category" enum:"metric,network,keyevent,object,object_change,custom_object,logging,tracing,rum,security,profiling,dialtesting" doc:"category of the points"`
	Decode   string   `yaml:"decode" enum:"text,json,points" doc:"what a line is: text, a JSON object or an array of them, or DataKit points"`
	AddPath  *bool    `yaml:"add_path" doc:"give each point the tags filename (without folder) and filepath; if nothing is said, true with tail and false with once"`

	Start          string        `yaml:"start" enum:"beginning,end" doc:"tail: where the files begin that are there when the source runs for the first time; later ones begin at their beginning"`
	Poll           time.Duration `yaml:"poll" doc:"tail: how often it looks for new files and new lines"`
	RotateWait     time.Duration `yaml:"rotate_wait" doc:"tail: how long a file that was renamed or deleted is followed after it has grown for the last time"`
	FlushAfter     time.Duration `yaml:"flush_after" doc:"tail: how long a line without its end may stand still before it is taken as it is; 0 waits for its end as long as the file is there"`
	CommitInterval time.Duration `yaml:"commit_interval" doc:"tail: how often the positions are stored"`
	MaxOpen        int           `yaml:"max_open" doc:"tail: files that are open at once; of more, those are closed that have not grown for longest"`
}

func init() {
	engine.RegisterSource(engine.Info{
		Type:    "file",
		Summary: "reads files line by line, once or as they grow",
		Rereads: true,
		Doc: `A line becomes a point whose field ` + "`message`" + ` is the text, without the line's end. With ` + "`decode: json`" + ` the keys of the object are
the fields; with ` + "`decode: points`" + ` the line is a point of line protocol or of JSON. A line longer than limits.message fails, with its beginning as message.

With ` + "`mode: tail`" + ` the files are followed. A file is known by device and inode, not by its name, so that one that is rotated by renaming
is read to its end, and for rotate_wait beyond, while its successor is followed already. One that was truncated (copytruncate) is read from
its beginning again; so is one whose content another has replaced. Symbolic links are followed to the file that they lead to.
Files are read in turns of 256 KiB.

How far a file was read is stored in the data directory once the graph is done with the lines: a restart or kill loses nothing, and repeats
at most what was in flight and one commit_interval. A file that was renamed while the engine was down is found in its folder by its inode. A
position holds only while the first 256 bytes and those in front of it are the same; else, and when the positions
cannot be read, files are read from their beginning.

What to know:

* Of several rotations within one poll, or while the engine is down, the files in between are found beside the name if they are numbered or
  dated after it, as in app.log.1, app.log-20260102 and app-2026-01-02.log, and not compressed. Under other names they are lost, unless a path matches them: ` + "`app.log*`" + `
  sees them all and reads none twice. It does not suit copytruncate, whose copies are new files. A rotated file of before that somebody has
  changed since may be read as well.
* A file that may not be read is said in the log, counted by file_errors and tried again every five seconds. The node is well as long as it may read another one.
* Copytruncate loses what is written between the copy and the truncation, and what was not read by then.
* The last line of a file waits for its end. When the file is renamed away or deleted, or after flush_after, it is taken without.
* Compressed files are not read: exclude leaves them out.
* The last lines of a rotated file are read before the first ones of its successor, but may be processed side by side.`,
		Examples: []engine.Example{
			{Title: "A folder of logs", Graph: "type: file\npaths: [\"logs/*.log\"]\ncategory: logging\n"},
			{Title: "Points", Graph: "type: file\npaths: [points.lp]\ndecode: points\ncategory: metric\n"},
			{Title: "Logs as they grow, rotated ones with them", Graph: "type: file\nmode: tail\npaths: [\"/var/log/app/app.log*\"]\nstart: end\n"},
		},
	}, fileConfig{
		Mode: modeOnce, Category: "logging", Decode: "text", Exclude: []string{"*.gz", "*.bz2", "*.xz", "*.zst", "*.zip"},
		Start: startBeginning, Poll: 250 * time.Millisecond, RotateWait: 5 * time.Second, CommitInterval: 500 * time.Millisecond, MaxOpen: 1024,
	}, newFile)
}

const (
	modeOnce = "once"
	modeTail = "tail"

	startBeginning = "beginning"
	startEnd       = "end"
)

// file is what reading once and following have in common.
type file struct {
	env      engine.Env
	config   fileConfig
	category point.Category
	decode   decoding
	addPath  bool
}

func newFile(env engine.Env, c fileConfig) (engine.Source, error) {
	f := file{env: env, config: c, addPath: c.Mode == modeTail}
	if c.AddPath != nil {
		f.addPath = *c.AddPath
	}
	var errs []error
	if len(c.Paths) == 0 {
		errs = append(errs, engine.FieldError("paths", errors.New("names no file")))
	}
	errs = append(errs, checkPatterns("paths", c.Paths), checkPatterns("exclude", c.Exclude))
	var ok bool
	if f.category, ok = point.CategoryOf(c.Category); !ok || f.category == point.Unknown {
		errs = append(errs, engine.FieldError("category", fmt.Errorf("%q is no category", c.Category)))
	}
	if f.decode, ok = decodings[c.Decode]; !ok || f.decode == decodeRaw {
		errs = append(errs, engine.FieldError("decode", fmt.Errorf("%q is none of text, json, points", c.Decode)))
	}
	if c.Mode == modeTail {
		return newTail(f), errors.Join(append(errs, checkTail(c))...)
	}
	if c.Start == startEnd {
		errs = append(errs, engine.FieldError("start", errors.New("is for mode: tail; once reads files from their beginning")))
	}
	return &once{file: f}, errors.Join(errs...)
}

func checkPatterns(option string, patterns []string) error {
	var errs []error
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			errs = append(errs, engine.FieldError(option, fmt.Errorf("%q is no pattern", p)))
		}
	}
	return errors.Join(errs...)
}

func checkTail(c fileConfig) error {
	var errs []error
	for _, o := range []struct {
		name         string
		value, least time.Duration
	}{
		{"poll", c.Poll, time.Millisecond}, {"commit_interval", c.CommitInterval, time.Millisecond},
		{"rotate_wait", c.RotateWait, 0}, {"flush_after", c.FlushAfter, 0},
	} {
		if o.value < o.least {
			errs = append(errs, engine.FieldError(o.name, fmt.Errorf("is %v, must be at least %v", o.value, o.least)))
		}
	}
	if c.MaxOpen < 1 {
		errs = append(errs, engine.FieldError("max_open", fmt.Errorf("is %d, must be at least 1", c.MaxOpen)))
	}
	return errors.Join(errs...)
}

// lines returns the reader of the lines of a file.
func (f *file) lines(name string) lineFile {
	l := lineFile{file: f, origin: &engine.Origin{Node: f.env.Node, Topic: name}, point: f.config.Name}
	if l.point == "" {
		l.point = path.Base(name)
	}
	if f.addPath {
		l.tags = []point.Field{
			{Key: tagFilename, Value: point.String(path.Base(name)), Tag: true},
			{Key: tagFilepath, Value: point.String(name), Tag: true},
		}
	}
	return l
}

// The tags that add_path gives a point.
const (
	tagFilename = "filename"
	tagFilepath = "filepath"
)

// Decodes reports whether batches need [file.Decode]: lines of text are points already.
func (f *file) Decodes(string) bool { return f.decode == decodeJSON || f.decode == decodePoints }

// Decode makes the points of lines that are more than text.
func (f *file) Decode(_ context.Context, b *engine.Batch) error {
	switch f.decode {
	case decodeJSON:
		decodeJSONBatch(b, f.env.Limits.Depth)
	case decodePoints:
		decodePointsBatch(b, nil)
		if f.addPath && b.Origin != nil {
			tagPath(b)
		}
	}
	return nil
}

// tagPath gives decoded points, which stand in place of those of the lines, the tags of their file.
func tagPath(b *engine.Batch) {
	name := path.Base(b.Origin.Topic)
	for i := range b.Points {
		p := &b.Points[i]
		if p.Index(tagFilename) < 0 {
			p.SetTag(tagFilename, name)
		}
		if p.Index(tagFilepath) < 0 {
			p.SetTag(tagFilepath, b.Origin.Topic)
		}
	}
}

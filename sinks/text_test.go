package sinks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

func allKinds() point.Point {
	return point.Point{Name: "n\x1b", Category: point.Tracing, Time: 1700000000123456789, Record: -1, Fields: []point.Field{
		tag("t", "a b\n"), field("i", point.Int(-3)), field("u", point.Uint(math.MaxUint64)), field("f", point.Float(2)), field("g", point.Float(0.25)), field("h", point.Float(1e21)),
		field("nan", point.Float(math.NaN())), field("b", point.Bool(true)), field("s", point.String("<\"\n>")), field("d", point.Bytes([]byte("raw"))),
		field("nil", point.Nil()), field("l", point.List([]point.Value{point.Int(1), point.String("x")})), field("m", point.Map(map[string]point.Value{"k": point.Int(1)})),
	}}
}

func TestFormats(t *testing.T) {
	env := testEnv()
	env.Tags = []point.Field{tag("node", "n1"), tag("t", "not this one")}
	for format, want := range map[string]string{
		formatJSON: `{"category":"tracing","name":"n\u001b","time":1700000000123456789,"tags":{"t":"a b\n","node":"n1"},"fields":{"i":-3,"u":18446744073709551615,"f":2.0,"g":0.25,"h":1e+21,"nan":"NaN","b":true,"s":"<\"\n>","d":{"base64":"cmF3"},"nil":null,"l":[1,"x"],"m":{"k":1}}}
{"category":"metric","name":"e","time":1700000000000000005,"tags":{"t":"v","node":"n1"},"fields":{}}
`,
		formatPretty: `2023-11-14T22:13:20.123456789Z tracing "n\x1b"
  # t = "a b\n"
  # node = "n1"
    i = -3
    u = 18446744073709551615
    f = 2.0
    g = 0.25
    h = 1e+21
    nan = "NaN"
    b = true
    s = "<\"\n>"
    d = {"base64":"cmF3"}
    nil = null
    l = [1,"x"]
    m = {"k":1}
2023-11-14T22:13:20.000000005Z metric e
  # t = "v"
  # node = "n1"
`,
		formatLine: "n\x1b,node=n1,t=a\\ b\\  b=true,d=\"cmF3\"b,f=2,g=0.25,h=1000000000000000000000,i=-3i,l=\"[1,\\\"x\\\"]\",m=\"{\\\"k\\\":1}\",s=\"<\\\"\n>\",u=18446744073709551615u 1700000000123456789\n",
	} {
		var out writes
		p := newPrinter(env, stdoutConfig{Format: format}, &out)
		b := batchOf(allKinds(), point.Point{Name: "e", Category: point.Metric, Fields: []point.Field{tag("t", "v")}})
		if err := p.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		if out.String() != want || out.calls != 1 {
			t.Errorf("%s in %d calls:\n%s\nwant\n%s", format, out.calls, out.String(), want)
		}
		if o := enginetest.Verdicts(b); (format == formatLine) != (o.Dropped[1] == "no_fields") || len(o.Failed) > 0 {
			t.Errorf("%s: %+v", format, o)
		}
		if format == formatJSON {
			for line := range strings.Lines(out.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("no JSON: %s", line)
				}
			}
		}
	}
}

type writes struct {
	bytes.Buffer
	calls int
}

func (w *writes) Write(p []byte) (int, error) {
	w.calls++
	return w.Buffer.Write(p)
}

func TestPrinterFails(t *testing.T) {
	p := newPrinter(testEnv(), stdoutConfig{Format: formatLine}, closedPipe{})
	if err := p.Write(context.Background(), batchOf(logPoint(0))); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := p.Write(context.Background(), batchOf()); err != nil {
		t.Errorf("an empty batch was written: %v", err)
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestDiscard(t *testing.T) {
	env, n := testEnv(), sum(0)
	env.Counter = func(string, string) engine.Counter { return &n }
	s, err := engine.Lookup(engine.SinkNode, "discard").Build(env, &discardConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(engine.Writer).Write(context.Background(), batchOf(logPoint(0), logPoint(1))); err != nil || n != 2 {
		t.Errorf("%d points, error %v", n, err)
	}
}

type sum int64

func (s *sum) Add(n int64) { *s += sum(n) }

func TestRegistered(t *testing.T) {
	for _, typ := range []string{"dataway", "stdout", "file", "discard"} {
		c := engine.Lookup(engine.SinkNode, typ)
		if c == nil || c.Summary == "" || c.Doc == "" || len(c.Examples) == 0 {
			t.Errorf("%s: %+v", typ, c)
		}
	}
}

func newTestFile(t *testing.T, env engine.Env, c fileConfig) *file {
	t.Helper()
	s, err := newFile(env, c)
	if err != nil {
		t.Fatal(err)
	}
	f := s.(*file)
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f
}

const line0, line1 = "src,host=h1,proj=p0 message=\"m0\",status=\"info\" 1700000000000000000\n", "src,host=h1,proj=p1 message=\"m1\",status=\"info\" 1700000000000000000\n"

func content(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func TestFile(t *testing.T) {
	name := filepath.ToSlash(filepath.Join(t.TempDir(), "sub", "points.lp"))
	write := func(appending bool, ps ...point.Point) {
		f := newTestFile(t, testEnv(), fileConfig{Path: name, Format: formatLine, Append: appending, Sync: true})
		for _, p := range ps {
			if err := f.Write(context.Background(), batchOf(p)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(true, logPoint(0), logPoint(1))
	write(true, logPoint(0))
	if got := content(t, name); got != line0+line1+line0 {
		t.Errorf("%q", got)
	}
	write(false, logPoint(1), logPoint(0))
	if got := content(t, name); got != line1+line0 {
		t.Errorf("%q", got)
	}
}

func TestFileRotates(t *testing.T) {
	name := filepath.ToSlash(filepath.Join(t.TempDir(), "points.lp"))
	f := newTestFile(t, testEnv(), fileConfig{Path: name, Format: formatLine, Append: true, MaxBytes: engine.Size(2 * len(line0)), Keep: 2})
	for i := range 9 {
		if err := f.Write(context.Background(), batchOf(logPoint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for suffix, want := range map[string]string{"": "m8", ".1": "m6 m7", ".2": "m4 m5", ".3": ""} {
		var got []string
		for line := range strings.Lines(content(t, name+suffix)) {
			_, rest, _ := strings.Cut(line, `message="`)
			message, _, _ := strings.Cut(rest, `"`)
			got = append(got, message)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q holds %q, want %q", suffix, got, want)
		}
	}
	if _, err := newFile(testEnv(), fileConfig{Path: "x", MaxBytes: 1}); err == nil {
		t.Error("max_bytes without keep was accepted")
	}
}

// brokenFS fails once in the named operation, after half of a write.
type brokenFS struct {
	engine.FS
	op string
}

type brokenFile struct {
	engine.FSFile
	fs *brokenFS
}

var errDisk = errors.New("disk")

func (b *brokenFS) OpenFile(name string, flag int, perm os.FileMode) (engine.FSFile, error) {
	f, err := b.FS.OpenFile(name, flag, perm)
	return &brokenFile{f, b}, err
}

func (f *brokenFile) Write(p []byte) (int, error) {
	if f.fs.op == "write" {
		f.fs.op = ""
		n, _ := f.FSFile.Write(p[:len(p)/2])
		return n, errDisk
	}
	return f.FSFile.Write(p)
}

func (f *brokenFile) Sync() error {
	if f.fs.op == "sync" {
		f.fs.op = ""
		return errDisk
	}
	return f.FSFile.Sync()
}

func TestFileMendsItself(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		name := filepath.ToSlash(filepath.Join(t.TempDir(), "points.lp"))
		env := testEnv()
		disk := &brokenFS{FS: env.FS}
		env.FS = disk
		f := newTestFile(t, env, fileConfig{Path: name, Format: formatLine, Sync: true})
		b := batchOf(logPoint(1))
		if err := f.Write(context.Background(), batchOf(logPoint(0))); err != nil {
			t.Fatal(err)
		}
		disk.op = op
		if err := f.Write(context.Background(), b); !errors.Is(err, errDisk) || len(b.Points) != 1 {
			t.Errorf("%s: %v", op, err)
		}
		if err := f.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		if got := content(t, name); got != line0+line1 {
			t.Errorf("%s: %q", op, got)
		}
	}
}

//go:build unix

package graph

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dataflow/engine"
)

// namedFileOption is a file with one beside it.
type namedFileOption struct{ named, beside engine.File }

func (f *namedFileOption) UnmarshalOption(n engine.OptionNode) (err error) {
	node := n.(interface {
		File() (engine.File, error)
		FileBeside(beside, name string) (engine.File, error)
	})
	if f.named, err = node.File(); err == nil {
		f.beside, err = node.FileBeside(f.named.Path, "beside.p")
	}
	return err
}

func init() {
	operator(engine.Info{Type: "test_beside", Summary: "reads two files"}, struct {
		File namedFileOption `yaml:"file" required:"true" doc:"a file"`
	}{})
}

// TestWhatIsRead: what is found in a folder, or beside a file, stays in there, and nothing is read that may block or need not end.
func TestWhatIsRead(t *testing.T) {
	for name, x := range map[string]struct {
		prepare func(dir string) error // of the folder "scripts", in which there is a.p
		want    string                 // a part of the error, "" for none
	}{
		"a link within, as Kubernetes makes them": {func(dir string) error {
			return firstError(os.Mkdir(dir+"/..2026", 0o755), os.WriteFile(dir+"/..2026/beside.p", nil, 0o644),
				os.Symlink("..2026", dir+"/..data"), os.Symlink("..data/beside.p", dir+"/beside.p"))
		}, ""},
		"a link out": {func(dir string) error {
			return firstError(os.WriteFile(dir+"/../secret", nil, 0o644), os.Symlink("../secret", dir+"/beside.p"))
		}, "beside.p: path escapes"},
		"an absolute link":  {func(dir string) error { return os.Symlink("/etc/passwd", dir+"/beside.p") }, "beside.p: path escapes"},
		"a link to nothing": {func(dir string) error { return os.Symlink("nothing", dir+"/beside.p") }, "beside.p: no such file"},
		"a pipe":            {func(dir string) error { return syscall.Mkfifo(dir+"/beside.p", 0o644) }, "beside.p: it is no regular file"},
		"a long file": {func(dir string) error {
			return firstError(os.WriteFile(dir+"/beside.p", nil, 0o644), os.Truncate(dir+"/beside.p", maxFolderFile+1))
		}, "beside.p: it is longer than 16777216 bytes"},
	} {
		for typ, option := range map[string]string{"test_folder": "dir: scripts", "test_beside": "file: scripts/a.p"} {
			t.Run(name+"/"+typ, func(t *testing.T) {
				dir := t.TempDir()
				graph := filepath.Join(dir, "graph.yaml")
				text := "version: 1\nsources: {s: {type: kafka, brokers: [b], topics: [t]}}\noperators: {o: {type: " + typ + ", from: s, " + option + "}}\nsinks: {out: {type: stdout, from: o}}\n"
				if err := firstError(os.Mkdir(dir+"/scripts", 0o755), os.WriteFile(dir+"/scripts/a.p", nil, 0o644), os.WriteFile(graph, []byte(text), 0o644), x.prepare(dir+"/scripts")); err != nil {
					t.Fatal(err)
				}
				_, err := Load(graph, Options{})
				if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
					t.Errorf("got %v, want %q", err, x.want)
				}
			})
		}
	}
}

// TestNamedPipe: a file that an option names is no pipe, for which the engine would wait for ever.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readRegular(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("got %v", err)
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

package graph

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dataflow/engine"
)

// folderFiles are the files of a folder and of the folder sub in it.
type folderFiles struct {
	top, sub []engine.File
	found    [2]bool
}

func (f *folderFiles) UnmarshalOption(n engine.OptionNode) (err error) {
	folder := n.(interface {
		Folder(sub, suffix string) ([]engine.File, bool, error)
	})
	if f.top, f.found[0], err = folder.Folder("", ".p"); err != nil {
		return err
	}
	f.sub, f.found[1], err = folder.Folder("sub", ".p")
	return err
}

func init() {
	operator(engine.Info{Type: "test_folder", Summary: "reads a folder"}, struct {
		Dir folderFiles `yaml:"dir" required:"true" doc:"a folder"`
	}{})
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	load := func() (*Graph, folderFiles) {
		t.Helper()
		g, err := Load(filepath.Join(dir, "graph.yaml"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return g, g.Node("o").Config.(*struct {
			Dir folderFiles `yaml:"dir" required:"true" doc:"a folder"`
		}).Dir
	}
	write("graph.yaml", `version: 1
sources: {s: {type: kafka, brokers: [b], topics: [t]}}
operators: {o: {type: test_folder, from: s, dir: scripts}}
sinks: {out: {type: stdout, from: o}}
`)
	if _, f := load(); f.found[0] || len(f.top) > 0 {
		t.Errorf("a folder that is not there: %+v", f)
	}
	write("scripts/b.p", "b")
	write("scripts/a.p", "a")
	write("scripts/.a.p", "left out")
	write("scripts/readme.md", "left out")
	g, f := load()
	if !f.found[0] || f.found[1] || len(f.top) != 2 || string(f.top[0].Data) != "a" || f.top[1].Path != filepath.Join(dir, "scripts", "b.p") {
		t.Errorf("%+v", f)
	}
	if text := g.Source(f.top[0].Path); string(text) != "a" {
		t.Errorf("source of a.p is %q", text)
	}
	hashes := map[string]string{g.Node("o").Hash: "two scripts"}
	for _, change := range [][2]string{{"scripts/sub/c.p", "c"}, {"scripts/sub/c.p", "d"}, {"scripts/d.p", ""}} {
		write(change[0], change[1])
		g, _ := load()
		if before := hashes[g.Node("o").Hash]; before != "" {
			t.Errorf("after %s the hash is that of %s", change[0], before)
		}
		hashes[g.Node("o").Hash] = change[0]
	}
	write("scripts/notes.txt", "no script")
	if g, f := load(); hashes[g.Node("o").Hash] != "scripts/d.p" || len(f.sub) != 1 {
		t.Errorf("a file that is not read changes the hash, or sub has %d files", len(f.sub))
	}
	if err := os.RemoveAll(filepath.Join(dir, "scripts")); err != nil {
		t.Fatal(err)
	}
	write("scripts", "a file")
	if _, f := load(); f.found[0] {
		t.Error("a file is taken for a folder")
	}
	write("graph.yaml", strings.Replace(string(g.Source(filepath.Join(dir, "graph.yaml"))), "dir: scripts", "dir: [a, b]", 1))
	if _, err := Load(filepath.Join(dir, "graph.yaml"), Options{}); err == nil || !strings.Contains(err.Error(), "a folder is named by a text") {
		t.Errorf("a list: %v", err)
	}
}

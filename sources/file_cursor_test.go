package sources

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dataflow/engine/enginetest"
)

var goldenCursors = []cursor{
	{Device: 66306, Inode: 1835, Path: "/var/log/app.log", Offset: 300, HeadBytes: 256, Head: sum([]byte("head")), TailBytes: 64, Tail: sum([]byte("tail"))},
	{Device: 1<<64 - 1, Inode: 1<<64 - 1, Path: "logs/a <\"b\">.log", Offset: 1 << 62},
	{Device: 66306, Inode: 1836, Path: "/var/log/app.log.1", Offset: 12, HeadBytes: 12, Head: 1, TailBytes: 12, Tail: 1, Gone: 1700000000},
}

// TestCursorsGolden: what an engine of today writes is what every later one must read.
func TestCursorsGolden(t *testing.T) {
	name := filepath.Join("testdata", "cursors.v1")
	text, err := appendCursors(nil, goldenCursors)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(text, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, text, want)
	}
	got, err := parseCursors(want)
	if err != nil || !reflect.DeepEqual(got, goldenCursors) {
		t.Errorf("%v %+v", err, got)
	}
}

// TestCursorsDamage: no byte of the file can change without being noticed.
func TestCursorsDamage(t *testing.T) {
	text, err := appendCursors(nil, goldenCursors)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		for _, bad := range [][]byte{text[:i], append(append(bytes.Clone(text[:i]), text[i]^1), text[i+1:]...)} {
			if cs, err := parseCursors(bad); err == nil && !reflect.DeepEqual(cs, goldenCursors) {
				t.Fatalf("damaged at byte %d it gives %+v", i, cs)
			}
		}
	}
}

func FuzzCursors(f *testing.F) {
	text, err := appendCursors(nil, goldenCursors)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("engine file cursors 1 00000000\n"))
	f.Add([]byte("engine file cursors 9 00000000\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cs, err := parseCursors(text)
		if err != nil {
			if !errors.Is(err, errCursorsCorrupt) && !strings.Contains(err.Error(), "newer engine") {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := appendCursors(nil, cs)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseCursors(again); err != nil || !reflect.DeepEqual(back, cs) {
			t.Fatalf("%+v became %+v, error %v", cs, back, err)
		}
	})
}

// TestCursorFile: the folder is made, nothing is left beside the file, and nobody else can read it.
func TestCursorFile(t *testing.T) {
	f := cursorFile{enginetest.Env().FS, filepath.ToSlash(t.TempDir()) + "/data/node"}
	if cs, first, err := f.read(); cs != nil || !first || err != nil {
		t.Errorf("before the first write: %v %v %v", cs, first, err)
	}
	for _, want := range [][]cursor{goldenCursors, nil, goldenCursors[:1]} {
		if err := f.write(want); err != nil {
			t.Fatal(err)
		}
		if cs, first, err := f.read(); !reflect.DeepEqual(cs, want) || first || err != nil {
			t.Errorf("%v %v %v", cs, first, err)
		}
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
	info, err := os.Stat(f.name())
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

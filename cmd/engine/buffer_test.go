package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/buffer"
)

const buffered = `version: 1
sources: {s: {type: generate, count: 3}}
sinks:
  out: {type: dataway, from: s, url: "http://127.0.0.1:1?token=x", encoding: line, buffer: {type: disk}}
  plain: {type: stdout, from: s}
`

// aBuffer returns a graph whose buffer "out" holds bodies of the lanes logging and metric, with two points each, and whose
// buffer "gone" holds one of a sink that the graph does not have. They were read an hour ago and later, a minute apart.
func aBuffer(t *testing.T) (graphFile, store string) {
	t.Helper()
	dir := files(t, "graph.yaml", buffered)
	store = filepath.Join(dir, "data", "graph", "buffers")
	s, err := buffer.Open(buffer.Options{Dir: store})
	if err != nil {
		t.Fatal(err)
	}
	read := time.Now().Add(-time.Hour)
	for _, sink := range []string{"out", "gone"} {
		b, err := s.Buffer(sink, buffer.BufferOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range map[string]int{"out": 6, "gone": 1}[sink] {
			lane := []string{"logging", "metric"}[i%2]
			err := b.Append(t.Context(), buffer.Entry{
				Body:    body(t, fmt.Sprint("id-", i), lane, fmt.Sprintf("cpu,host=a load=%di 1700000000000000000\ncpu,host=b load=%di 1700000000000000000\n", i, i)),
				Read:    read.Add(time.Duration(i) * time.Minute).UnixNano(),
				Origins: []buffer.Range{{Origin: engine.Origin{Node: "mq", Topic: "t", Partition: 3}, First: int64(i), Last: int64(i) + 1}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "graph.yaml"), store
}

// body is one of the dataway sink: two points, gzip.
func body(t *testing.T, id, lane, text string) engine.Body {
	t.Helper()
	var data bytes.Buffer
	w := gzip.NewWriter(&data)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return engine.Body{
		ID: id, Lane: lane, ContentType: "text/plain; charset=utf-8", Points: 2, PlainBytes: len(text), Data: data.Bytes(),
		Header: []engine.KV{{Key: "Content-Encoding", Value: []byte("gzip")}},
	}
}

// disk returns the bytes of all files of a folder.
func disk(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBufferReading: what the commands print that only read, and that they change nothing.
func TestBufferReading(t *testing.T) {
	graphFile, store := aBuffer(t)
	folder := filepath.Dir(graphFile)
	before := disk(t, folder)
	for _, c := range []struct {
		args string
		says []string
	}{
		{"ls G", []string{"SINK  LANE     BODIES  POINTS  BYTES  OLDEST  LOST  IN THE GRAPH", "out   logging  3       6", "out   metric   3       6", "gone  logging  1       2", "  1h      0     no\n", "  59m     0     yes\n"}},
		{"verify G", []string{"gone, lane logging: 1 body, 2 points", "out, lane metric: 3 bodies, 6 points", store + ": sound: 7 bodies, 14 points"}},
		{"peek G out", []string{"id-0  lane logging  2 points", "id-5  lane metric", "  from mq, topic t, partition 3, offsets 0 to 1\n"}},
		{"peek G out -n 1 --lane metric --points", []string{"id-1  lane metric", "  | cpu,host=a load=1i 1700000000000000000\n  | cpu,host=b load=1i 1700000000000000000\n"}},
		{"peek G gone --points", []string{"id-0  lane logging", "  | cpu,host=a load=0i 1700000000000000000\n"}},
	} {
		r := inProcess("", append([]string{"buffer"}, words(strings.ReplaceAll(c.args, "G", graphFile))...)...)
		if r.code != 0 {
			t.Errorf("%s: exit code %d\n%s%s", c.args, r.code, r.out, r.stderr)
		}
		for _, want := range c.says {
			if !strings.Contains(r.out, want) {
				t.Errorf("%s does not say %q:\n%s%s", c.args, want, r.out, r.stderr)
			}
		}
		if strings.Contains(c.args, "--lane metric") && strings.Contains(r.out, "logging") || strings.Contains(c.args, "-n 1") && strings.Contains(r.out, "id-3") {
			t.Errorf("%s says too much:\n%s", c.args, r.out)
		}
		if after := disk(t, folder); !maps.Equal(before, after) {
			t.Errorf("%s has changed the disk: %v", c.args, slices.Sorted(maps.Keys(after)))
		}
	}
}

func TestBufferLsJSON(t *testing.T) {
	graphFile, store := aBuffer(t)
	r := inProcess("", "buffer", "ls", graphFile, "--json")
	var got struct {
		Dir     string
		Buffers []struct {
			Sink    string
			InGraph string `json:"in_graph"`
			Points  int
			Bytes   int
			Oldest  time.Time
			Lanes   []struct {
				Lane   string
				Bodies int
			}
		}
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", r.code, err, r.out, r.stderr)
	}
	if got.Dir != filepath.ToSlash(store) || len(got.Buffers) != 2 {
		t.Fatalf("%+v", got)
	}
	gone, out := got.Buffers[0], got.Buffers[1]
	if gone.Sink != "gone" || gone.InGraph != "no" || out.Sink != "out" || out.InGraph != "yes" || out.Points != 12 || out.Bytes < 600 ||
		fmt.Sprint(out.Lanes) != "[{logging 3} {metric 3}]" || time.Since(out.Oldest) < time.Hour {
		t.Errorf("%+v", got)
	}
}

func TestBufferExport(t *testing.T) {
	graphFile, _ := aBuffer(t)
	to := filepath.Join(t.TempDir(), "bodies.jsonl")
	r := inProcess("", "buffer", "export", graphFile, "out", "--to", to)
	if r.code != 0 || !strings.HasPrefix(r.out, to+": 6 bodies, 12 points, ") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 6 {
		t.Fatalf("%d lines", len(lines))
	}
	var first bodyLine
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	want := body(t, "id-0", "logging", "cpu,host=a load=0i 1700000000000000000\ncpu,host=b load=0i 1700000000000000000\n")
	if first.ID != "id-0" || first.Lane != "logging" || first.ContentType != want.ContentType || first.Points != 2 || !bytes.Equal(first.Data, want.Data) ||
		fmt.Sprint(first.Headers) != "[{Content-Encoding gzip}]" || fmt.Sprint(first.Origins) != "[{mq t 3 0 1 }]" {
		t.Errorf("%+v", first)
	}
	again := inProcess("", "buffer", "export", graphFile, "out", "--to", to)
	if again.code != 2 || !strings.Contains(again.stderr, "file exists") {
		t.Errorf("over a file: exit code %d\n%s", again.code, again.stderr)
	}
	std := inProcess("", "buffer", "export", graphFile, "out", "--to", "-")
	if std.code != 0 || std.out != string(text) || !strings.HasPrefix(std.stderr, "standard output: 6 bodies") {
		t.Errorf("standard output: exit code %d\n%s%s", std.code, std.out, std.stderr)
	}
}

func TestBufferTrim(t *testing.T) {
	graphFile, store := aBuffer(t)
	before := disk(t, store)
	r := inProcess("", "buffer", "trim", graphFile, "out", "--older-than", "57m30s")
	if r.code != 2 || !strings.Contains(r.stderr, "nothing was dropped; with --yes: 3 bodies, 6 points, ") || !maps.Equal(before, disk(t, store)) {
		t.Errorf("without --yes: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	r = inProcess("", "buffer", "trim", graphFile, "out", "--older-than", "57m30s", "--yes")
	if r.code != 0 || !strings.HasPrefix(r.out, "out: dropped 3 bodies, 6 points, ") || r.stderr != "" {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	r = inProcess("", "buffer", "peek", graphFile, "out")
	if strings.Contains(r.out, "id-2") || !strings.Contains(r.out, "id-3") || !strings.Contains(r.out, "id-5") {
		t.Errorf("%s", r.out)
	}
	r = inProcess("", "buffer", "trim", graphFile, "gone", "--all", "--yes")
	if r.code != 0 || !strings.HasPrefix(r.out, "gone: dropped 1 body, 2 points, ") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	r = inProcess("", "buffer", "verify", graphFile)
	if r.code != 0 || !strings.Contains(r.out, store+": sound: 3 bodies, 6 points") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
}

// TestBufferRefusals: bad input and directories that cannot be used.
func TestBufferRefusals(t *testing.T) {
	graphFile, _ := aBuffer(t)
	bare := filepath.Join(files(t, "graph.yaml", buffered), "graph.yaml")
	missing := "engine: there are no disk buffers in " + filepath.Join(filepath.Dir(bare), "data", "graph", "buffers") + ": the graph has not run with one, or has another data_dir\n"
	const what = "engine: say what to drop: either --older-than with a duration, or --all\nRun 'engine --help' for usage.\n"
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"ls B", 3, missing},
		{"verify B", 3, missing},
		{"peek B out", 3, missing},
		{"export B out --to -", 3, missing},
		{"trim B out --all --yes", 3, missing},
		{"peek G ou", 2, "engine: there is no disk buffer \"ou\": did you mean \"out\"?\nRun 'engine --help' for usage.\n"},
		{"peek G plain", 2, "engine: there is no disk buffer \"plain\"\nRun 'engine --help' for usage.\n"},
		{"trim G ou --all --yes", 2, "engine: there is no disk buffer \"ou\": did you mean \"out\"?\nRun 'engine --help' for usage.\n"},
		{"export G ou --to -", 2, "engine: there is no disk buffer \"ou\": did you mean \"out\"?\nRun 'engine --help' for usage.\n"},
		{"export G out", 2, "engine: --to is missing: name the file to write, - is standard output\nRun 'engine --help' for usage.\n"},
		{"peek G out --lane metrics", 2, "engine: there is no lane of out \"metrics\": did you mean \"metric\"?\nRun 'engine --help' for usage.\n"},
		{"peek G out -n 0", 2, "engine: -n must be at least 1\nRun 'engine --help' for usage.\n"},
		{"trim G out --yes", 2, what},
		{"trim G out --all --older-than 1h --yes", 2, what},
		{"trim G out --older-than -1h --yes", 2, what},
		{"ls", 2, "engine: accepts 1 arg(s), received 0\nRun 'engine --help' for usage.\n"},
	} {
		r := inProcess("", append([]string{"buffer"}, words(strings.NewReplacer("G", graphFile, "B", bare).Replace(c.args))...)...)
		if r.code != c.code || r.stderr != c.says || r.out != "" {
			t.Errorf("%s: exit code %d, want %d\n%s%swant\n%s", c.args, r.code, c.code, r.out, r.stderr, c.says)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(bare), "data")); err == nil {
		t.Error("looking has made a data directory")
	}
}

// TestBufferInUse: the commands keep away from a running engine, known by either of its locks.
func TestBufferInUse(t *testing.T) {
	graphFile, store := aBuffer(t)
	data := filepath.Dir(store)
	says := "engine: the data directory " + data + " is in use by a running engine: stop it first\n"
	try := func(how string) {
		t.Helper()
		for _, args := range []string{"ls G", "verify G", "peek G out", "export G out --to -", "trim G out --all", "trim G out --all --yes"} {
			r := inProcess("", append([]string{"buffer"}, words(strings.ReplaceAll(args, "G", graphFile))...)...)
			if r.code != 3 || r.stderr != says || r.out != "" {
				t.Errorf("%s, %s: exit code %d\n%s%s", how, args, r.code, r.out, r.stderr)
			}
		}
	}
	s, err := buffer.Open(buffer.Options{Dir: store})
	if err != nil {
		t.Fatal(err)
	}
	try("the store's")
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockDataDir(data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	try("the engine's")
	unlock()
	if r := inProcess("", "buffer", "ls", graphFile); r.code != 0 {
		t.Errorf("afterwards: exit code %d\n%s", r.code, r.stderr)
	}
}

// TestBufferDamage: what is damaged is found and said, and left as it is.
func TestBufferDamage(t *testing.T) {
	graphFile, store := aBuffer(t)
	// flip damages the files of a pattern: those that hold the text, there, or all of them.
	flip := func(pattern, find string) (undo func()) {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(store, pattern))
		if err != nil {
			t.Fatal(err)
		}
		were := map[string][]byte{}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			bad := bytes.Clone(data)
			if at := bytes.Index(data, []byte(find)); find != "" && at >= 0 {
				bad[at] ^= 0xff
			} else if find == "" {
				for i := range bad {
					bad[i] ^= 0xff
				}
			} else {
				continue
			}
			were[name] = data
			if err := os.WriteFile(name, bad, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if len(were) == 0 {
			t.Fatalf("%s: nothing to damage among %v", pattern, names)
		}
		return func() {
			for name, data := range were {
				if err := os.WriteFile(name, data, 0o600); err != nil {
					t.Error(err)
				}
			}
		}
	}
	check := func(what string, code int, args string, says ...string) {
		t.Helper()
		before := disk(t, filepath.Dir(graphFile))
		r := inProcess("", append([]string{"buffer"}, words(strings.ReplaceAll(args, "G", graphFile))...)...)
		if r.code != code {
			t.Errorf("%s, %s: exit code %d, want %d\n%s%s", what, args, r.code, code, r.out, r.stderr)
		}
		for _, want := range says {
			if !strings.Contains(r.out+r.stderr, want) {
				t.Errorf("%s, %s does not say %q:\n%s%s", what, args, want, r.out, r.stderr)
			}
		}
		if !maps.Equal(before, disk(t, filepath.Dir(graphFile))) {
			t.Errorf("%s, %s has changed the disk", what, args)
		}
	}
	undo := flip("format", "")
	check("format", 7, "verify G", "damaged: the file format is damaged", "1 damaged place, 0 points lost")
	undo()
	undo = flip("watermarks", "")
	check("watermarks", 7, "verify G", "the watermark of lane")
	undo()
	undo = flip("db/MANIFEST-*", "")
	check("manifest", 7, "verify G", "the next start puts it aside")
	check("manifest", 7, "ls G", "the next start puts it aside")
	check("manifest", 7, "peek G out", "the next start puts it aside")
	check("manifest", 7, "trim G out --all --yes", "the next start puts it aside")
	undo()
	check("mended", 0, "verify G", "sound: 7 bodies, 14 points")
	undo = flip("db/*.log", "id-4")
	check("log", 7, "verify G", "damaged")
	undo()
}

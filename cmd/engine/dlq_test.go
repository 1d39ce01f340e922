package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/deadletter"
	"dataflow/engine/point"
)

const letterGraph = "version: 1\nname: letters\nsources: {s: {type: generate, count: 1}}\nsinks: {out: {type: discard, from: s}}\n"

// withLetters writes a graph and a store with the entries, and returns the graph's path and the store's folder.
func withLetters(t *testing.T, entries ...deadletter.Entry) (path, dir string) {
	t.Helper()
	folder := files(t, "graph.yaml", letterGraph)
	dir = filepath.ToSlash(filepath.Join(folder, "data", "letters", "dead_letters"))
	store := deadletter.New(engine.HostEnv(slog.New(slog.DiscardHandler)), deadletter.Options{Dir: dir})
	if err := errors.Join(store.Append(context.Background(), entries), store.Close()); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, "graph.yaml"), dir
}

var letterTime = time.Date(2026, 11, 20, 8, 30, 0, 125e6, time.UTC).UnixNano()

// someLetters are a record of text, one of bytes that are none, and points.
func someLetters() []deadletter.Entry {
	at := func(seconds int) int64 { return letterTime + int64(seconds)*int64(time.Second) }
	origin := engine.Origin{Node: "mq", Topic: "logs", Partition: 3, Epoch: 2}
	return []deadletter.Entry{
		{Kind: deadletter.Record, Time: at(0), Node: "mq/decode", Error: "line 17: no JSON", Attempts: 1, Version: "0.1.0", Origin: origin, Offset: 4711, Read: at(-60),
			Key: []byte{}, Value: []byte("{\"a\":1\n<b>"), Headers: []engine.KV{{Key: "trace", Value: []byte("t1")}, {Key: "none"}}},
		{Kind: deadletter.Record, Time: at(1), Node: "mq/decode", Error: "line 9: no JSON", Attempts: 1, Version: "0.1.0", Origin: origin, Offset: 4712, Key: []byte("k\x1b[2J"), Value: []byte{0xff, 0xfe}},
		{Kind: deadletter.Point, Time: at(2), Node: "out", Error: "answered 400 Bad Request\nbad point", Attempts: 7, Version: "0.1.0", Offset: 5, Point: point.Point{
			Name: "cpu", Category: point.Metric, Time: 1700000000000000000, Record: -1, Extra: &point.Extra{StorageIndex: "idx"},
			Fields: []point.Field{{Key: "host", Value: point.String("h 1"), Tag: true}, {Key: "f", Value: point.Float(2)}, {Key: "i", Value: point.Int(3)}}}},
		{Kind: deadletter.Point, Time: time.Now().UnixNano(), Node: "out", Error: "giving up", Version: "0.1.0", Point: point.Point{
			Name: "empty", Category: point.Logging, Time: 5, Record: -1, Fields: []point.Field{{Key: "n", Value: point.Nil()}}}},
	}
}

// plainOut is what a command prints, with the folder and times near now covered.
func plainOut(text, dir string) string {
	text = strings.ReplaceAll(text, dir, "DIR")
	return regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+Z`).ReplaceAllStringFunc(text, func(s string) string {
		if at, err := time.Parse(time.RFC3339Nano, s); err == nil && time.Since(at).Abs() < time.Hour && at.UnixNano() > letterTime+int64(time.Minute) {
			return "NOW"
		}
		return s
	})
}

func idsOf(t *testing.T, path string) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(inProcess("", "dlq", "export", path).out) {
		var x struct{ ID string }
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, x.ID)
	}
	return ids
}

func TestDlqLs(t *testing.T) {
	path, dir := withLetters(t, someLetters()...)
	for _, c := range []struct{ args, out, stderr string }{
		{"", "" +
			"node       count  first                 last                  example  error\n" +
			"mq/decode  2      2026-11-20T08:30:00Z  2026-11-20T08:30:01Z  0-129    line N: no JSON\n" +
			"out        1      2026-11-20T08:30:02Z  2026-11-20T08:30:02Z  0-211    \"answered 400 Bad Request\\nbad point\"\n" +
			"out        1      NOW  NOW  0-350    giving up\n" +
			"4 dead letters in DIR\n", ""},
		{"--node mq", "" +
			"node       count  first                 last                  example  error\n" +
			"mq/decode  2      2026-11-20T08:30:00Z  2026-11-20T08:30:01Z  0-129    line N: no JSON\n" +
			"2 dead letters in DIR\n", ""},
		{"--json --node mq/decode", `{"node":"mq/decode","error":"line N: no JSON","count":2,"first":"2026-11-20T08:30:00.125Z","last":"2026-11-20T08:30:01.125Z","example":"0-129"}` + "\n", ""},
		{"--all --node mq", "" +
			"0-20            2026-11-20T08:30:00Z  mq/decode     record  line 17: no JSON\n" +
			"0-129           2026-11-20T08:30:01Z  mq/decode     record  line 9: no JSON\n", ""},
		{"--all --since 1h", "0-350           NOW  out           point   giving up\n", ""},
		{"--all --json --since 1h", `{"id":"0-350","time":"NOW","node":"out","kind":"point","error":"giving up"}` + "\n", ""},
		{"--node uot", "", "there are no dead letters of uot in DIR: did you mean \"out\"?\n"},
		{"--node mq --since 1h --json", "", "there are no dead letters of mq of the last 1h0m0s in DIR\n"},
	} {
		r := inProcess("", append([]string{"dlq", "ls", path}, words(c.args)...)...)
		if out := plainOut(r.out, dir); r.code != 0 || out != c.out || plainOut(r.stderr, dir) != c.stderr {
			t.Errorf("dlq ls %s: exit code %d\n%s%s\nwant\n%s%s", c.args, r.code, out, r.stderr, c.out, c.stderr)
		}
	}
}

func TestDlqShow(t *testing.T) {
	path, dir := withLetters(t, someLetters()...)
	for id, want := range map[string]string{
		"0-20": `id        0-20
kind      record
time      2026-11-20T08:30:00.125Z
node      mq/decode
error     line 17: no JSON
attempts  1
version   0.1.0
origin    source mq, topic logs, partition 3, offset 4711
read      2026-11-20T08:29:00.125Z
header    trace = t1
header    none = (none)
key       (empty)
value     {"a":1
          <b>
`,
		"0-129": `id        0-129
kind      record
time      2026-11-20T08:30:01.125Z
node      mq/decode
error     line 9: no JSON
attempts  1
version   0.1.0
origin    source mq, topic logs, partition 3, offset 4712
key       "k\x1b[2J"
value     (base64) //4=
`,
		"0-211": `id        0-211
kind      point
time      2026-11-20T08:30:02.125Z
node      out
error     answered 400 Bad Request
          bad point
attempts  7
version   0.1.0
category  metric
index     idx
point     cpu,host=h\ 1 f=2,i=3i 1700000000000000000
`,
		"0-350": `id        0-350
kind      point
time      NOW
node      out
error     giving up
attempts  0
version   0.1.0
category  logging
point     {"category":"logging","name":"empty","time":5,"tags":{},"fields":{"n":null}}
`,
	} {
		r := inProcess("", "dlq", "show", path, id)
		if out := plainOut(r.out, dir); r.code != 0 || out != want || r.stderr != "" {
			t.Errorf("dlq show %s: exit code %d\n%s%s\nwant\n%s", id, r.code, out, r.stderr, want)
		}
	}
}

func TestDlqExport(t *testing.T) {
	path, dir := withLetters(t, someLetters()...)
	want := `{"id":"0-20","kind":"record","time":"2026-11-20T08:30:00.125Z","node":"mq/decode","error":"line 17: no JSON","attempts":1,"version":"0.1.0","origin":{"node":"mq","topic":"logs","partition":3,"epoch":2,"offset":4711},"read":"2026-11-20T08:29:00.125Z","headers":[{"key":"trace","value":"t1"},{"key":"none","value":null}],"key":"","value":"{\"a\":1\n<b>"}
{"id":"0-129","kind":"record","time":"2026-11-20T08:30:01.125Z","node":"mq/decode","error":"line 9: no JSON","attempts":1,"version":"0.1.0","origin":{"node":"mq","topic":"logs","partition":3,"epoch":2,"offset":4712},"key":"k\u001b[2J","value":{"base64":"//4="}}
{"id":"0-211","kind":"point","time":"2026-11-20T08:30:02.125Z","node":"out","error":"answered 400 Bad Request\nbad point","attempts":7,"version":"0.1.0","point":{"category":"metric","name":"cpu","time":1700000000000000000,"tags":{"host":"h 1"},"fields":{"f":2.0,"i":3}},"storage_index":"idx"}
{"id":"0-350","kind":"point","time":"NOW","node":"out","error":"giving up","attempts":0,"version":"0.1.0","point":{"category":"logging","name":"empty","time":5,"tags":{},"fields":{"n":null}}}
`
	r := inProcess("", "dlq", "export", path)
	if out := plainOut(r.out, dir); r.code != 0 || out != want || r.stderr != "" {
		t.Errorf("exit code %d\n%s%s\nwant\n%s", r.code, out, r.stderr, want)
	}
	to := filepath.Join(t.TempDir(), "mq.jsonl")
	r = inProcess("", "dlq", "export", path, "--node", "mq", "--to", to)
	text, err := os.ReadFile(to)
	if first := strings.Join(strings.SplitAfter(want, "\n")[:2], ""); err != nil || r.code != 0 || r.out != "" || r.stderr != "exported 2 dead letters to "+to+"\n" || string(text) != first {
		t.Errorf("exit code %d, %v\n%s%s\n%s", r.code, err, r.out, r.stderr, text)
	}
	// An export is never written over.
	r = inProcess("", "dlq", "export", path, "--to", to)
	if again, err := os.ReadFile(to); r.code != 2 || !strings.HasPrefix(r.stderr, "engine: --to "+to+": there is such a file already\n") || err != nil || string(again) != string(text) {
		t.Errorf("exit code %d, %v\n%s%s", r.code, err, r.out, r.stderr)
	}
	if r := inProcess("", "dlq", "export", path, "--to", filepath.Join(dir, "no", "folder")); r.code != 1 || !strings.Contains(r.stderr, "no such file or directory") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
}

func TestDlqDrop(t *testing.T) {
	path, dir := withLetters(t, someLetters()...)
	for _, c := range []struct {
		args        string
		code        int
		out, stderr string
		left        []string
	}{
		{"0-20", 2, "", "engine: this removes 1 dead letter in DIR for good: say --yes if you mean it\nRun 'engine --help' for usage.\n", []string{"0-20", "0-129", "0-211", "0-350"}},
		{"--all", 2, "", "engine: this removes 4 dead letters in DIR for good: say --yes if you mean it\nRun 'engine --help' for usage.\n", []string{"0-20", "0-129", "0-211", "0-350"}},
		{"0-20 0-21 --yes", 1, "", "engine: there is no dead letter 0-21 in DIR\n", []string{"0-20", "0-129", "0-211", "0-350"}},
		{"0-211 0-211 --yes", 0, "dropped 1 dead letter\n", "", []string{"0-20", "0-129", "0-350"}},
		{"0-211 --yes", 1, "", "engine: there is no dead letter 0-211 in DIR\n", []string{"0-20", "0-129", "0-350"}},
		{"--node decode --yes", 0, "", "there are no dead letters of decode in DIR\n", []string{"0-20", "0-129", "0-350"}},
		{"--node mq --yes", 0, "dropped 2 dead letters\n", "", []string{"0-350"}},
		{"--all --yes", 0, "dropped 1 dead letter\n", "", nil},
		{"--all --yes", 0, "", "there are no dead letters in DIR\n", nil},
	} {
		r := inProcess("", append([]string{"dlq", "drop", path}, words(c.args)...)...)
		if r.code != c.code || plainOut(r.out, dir) != c.out || plainOut(r.stderr, dir) != c.stderr {
			t.Errorf("dlq drop %s: exit code %d\n%s%s\nwant %d\n%s%s", c.args, r.code, r.out, r.stderr, c.code, c.out, c.stderr)
		}
		if left := idsOf(t, path); !slices.Equal(left, c.left) {
			t.Errorf("dlq drop %s leaves %v, want %v", c.args, left, c.left)
		}
	}
}

func TestDlqBadInput(t *testing.T) {
	path, dir := withLetters(t, someLetters()...)
	empty := filepath.Join(files(t, "graph.yaml", letterGraph), "graph.yaml")
	nowhere := filepath.ToSlash(filepath.Join(filepath.Dir(empty), "data", "letters", "dead_letters"))
	const hint = "Run 'engine --help' for usage.\n"
	for _, c := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"show", path, "0-21"}, 1, "engine: there is no dead letter 0-21 in " + dir + "\n"},
		{[]string{"show", path, "20"}, 2, "engine: \"20\" is no id of a dead letter: write it as in 7-1024\n" + hint},
		{[]string{"show", path}, 2, "engine: accepts 2 arg(s), received 1\n" + hint},
		{[]string{"drop", path, "x-1", "--yes"}, 2, "engine: \"x-1\" is no id of a dead letter: write it as in 7-1024\n" + hint},
		{[]string{"drop", path, "--yes"}, 2, "engine: say which dead letters to drop: by their ids, by --node or by --all\n" + hint},
		{[]string{"drop", path, "--all", "--node", "out", "--yes"}, 2, "engine: say which dead letters to drop: by their ids, by --node or by --all\n" + hint},
		{[]string{"drop", path, "0-20", "--all", "--yes"}, 2, "engine: say which dead letters to drop: by their ids, by --node or by --all\n" + hint},
		{[]string{"ls", path, "--since", "-1h"}, 2, "engine: --since -1h0m0s: write how long ago, as in 1h\n" + hint},
		{[]string{"ls", empty}, 0, "there are no dead letters in " + nowhere + "\n"},
		{[]string{"ls", empty, "--all", "--json"}, 0, "there are no dead letters in " + nowhere + "\n"},
		{[]string{"export", empty}, 0, "there are no dead letters in " + nowhere + "\n"},
		{[]string{"show", empty, "0-20"}, 1, "engine: there is no dead letter 0-20 in " + nowhere + "\n"},
		{[]string{"drop", empty, "0-20", "--yes"}, 1, "engine: there is no dead letter 0-20 in " + nowhere + "\n"},
		{[]string{"drop", empty, "--all", "--yes"}, 0, "there are no dead letters in " + nowhere + "\n"},
	} {
		r := inProcess("", append([]string{"dlq"}, c.args...)...)
		if r.code != c.code || r.out != "" || r.stderr != c.stderr {
			t.Errorf("dlq %v: exit code %d, want %d\n%s%s\nwant\n%s", c.args, r.code, c.code, r.out, r.stderr, c.stderr)
		}
	}
	if _, err := os.Stat(filepath.Dir(nowhere)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking has made the data directory: %v", err)
	}
	if r := inProcess("", "dlq", "ls", filepath.Join(files(t, "graph.yaml", "version: 2\n"), "graph.yaml")); r.code != 3 || !strings.Contains(r.stderr, "graph.yaml:1:10") {
		t.Errorf("a bad graph: exit code %d\n%s", r.code, r.stderr)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(nowhere), 0o700), os.WriteFile(nowhere, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if r := inProcess("", "dlq", "ls", empty); r.code != 74 || !strings.HasPrefix(r.stderr, "engine: listing dead letters: ") {
		t.Errorf("no folder: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
}

// TestDlqRunning: while an engine runs its dead letters can be read but not dropped.
func TestDlqRunning(t *testing.T) {
	path, dir := withLetters(t, someLetters()...)
	data := filepath.Join(filepath.Dir(path), "data", "letters")
	unlock, err := lockDataDir(data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"ls", "export"} {
		if r := inProcess("", "dlq", verb, path); r.code != 0 || r.out == "" || r.stderr != "" {
			t.Errorf("%s: exit code %d\n%s%s", verb, r.code, r.out, r.stderr)
		}
	}
	if r := inProcess("", "dlq", "show", path, "0-20"); r.code != 0 {
		t.Errorf("show: exit code %d\n%s", r.code, r.stderr)
	}
	want := "engine: the data directory " + data + " is in use by an engine: stop it before you drop its dead letters\n"
	if r := inProcess("", "dlq", "drop", path, "--all", "--yes"); r.code != 3 || r.stderr != want || r.out != "" {
		t.Errorf("drop: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	if left := idsOf(t, path); len(left) != 4 {
		t.Errorf("there are %v in %s", left, dir)
	}
	unlock()
	if r := inProcess("", "dlq", "drop", path, "--all", "--yes"); r.code != 0 || r.out != "dropped 4 dead letters\n" {
		t.Errorf("drop: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
}

// TestDlqDamage: damage is said beside what can be read, and goes with all the others only.
func TestDlqDamage(t *testing.T) {
	path, dir := withLetters(t, someLetters()...)
	file := filepath.Join(filepath.FromSlash(dir), "000000000000.dlq")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[150] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	said := "engine: the dead letters in " + dir + " are damaged: 1 place of together 82 bytes cannot be read\n"
	if r := inProcess("", "dlq", "ls", path, "--json"); r.code != 0 || r.stderr != said || strings.Count(r.out, "\n") != 3 {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	if r := inProcess("", "dlq", "drop", path, "--node", "out", "--yes"); r.code != 0 || r.stderr != said || r.out != "dropped 2 dead letters\n" {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	if r := inProcess("", "dlq", "drop", path, "--all", "--yes"); r.code != 0 || r.stderr != said || r.out != "dropped 1 dead letter, and what was damaged: 1 place of together 82 bytes\n" {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	if r := inProcess("", "dlq", "ls", path); r.code != 0 || r.stderr != "there are no dead letters in "+dir+"\n" || r.out != "" {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
}

// TestDlqOfARun: what a graph could not process can be looked at, dropped, and stays dropped when the graph runs again.
func TestDlqOfARun(t *testing.T) {
	t.Parallel()
	dir := files(t, "graph.yaml", "version: 1\nsources: {s: {type: generate, count: 3, template: \"line $${n}\"}}\noperators: {j: {type: json_split, from: s}}\nsinks: {o: {type: stdout, from: j}}\n")
	path := filepath.Join(dir, "graph.yaml")
	if r := process(t, dir, nil, "run", "graph.yaml"); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	ids := idsOf(t, path)
	if len(ids) != 3 {
		t.Fatalf("dead letters %v", ids)
	}
	r := inProcess("", "dlq", "show", path, ids[1])
	if r.code != 0 || !strings.Contains(r.out, "\nnode      j\n") || !strings.Contains(r.out, "line 1") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	if r := inProcess("", "dlq", "drop", path, ids[0], ids[2], "--yes"); r.code != 0 {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	if r := process(t, dir, nil, "run", "graph.yaml"); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if left := idsOf(t, path); len(left) != 4 || left[0] != ids[1] {
		t.Errorf("dead letters %v, were %v", left, ids)
	}
}

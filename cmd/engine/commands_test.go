package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dataflow/engine/embedded"
)

// files writes files into a folder and returns it.
func files(t *testing.T, nameAndText ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(nameAndText); i += 2 {
		path := filepath.Join(dir, nameAndText[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(nameAndText[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const twoNodes = `version: 1
sources: {s: {type: generate, count: 3, template: "line $${n}"}}
sinks: {o: {type: stdout, from: s}}
`

func TestUsage(t *testing.T) {
	graph := filepath.Join(files(t, "graph.yaml", twoNodes), "graph.yaml")
	for _, c := range []struct {
		args string
		code int
		says string // on either stream
	}{
		{"version", 0, "engine " + version},
		{"list", 0, "json_split"},
		{"list sinks", 0, "dataway"},
		{"list source", 0, "kafka"},
		{"list things", 2, `"things" is no kind`},
		{"--help", 0, "Available Commands"},
		{"", 0, "Available Commands"},
		{"nonsense", 2, "unknown command"},
		{"run", 2, "arg"},
		{"run a b", 2, "arg"},
		{"run --nonsense x", 2, "unknown flag"},
		{"run --drain-timeout soon " + graph, 2, "drain-timeout"},
		{"run --log-level loud " + graph, 2, "choose debug, info, warn or error"},
		{"run --embedded --var x " + graph, 2, "write name=value"},
		{"validate", 2, "arg"},
		{"validate --env-file nowhere.env " + graph, 3, "nowhere.env"},
		{"validate --set s.rate " + graph, 3, "s.rate"},
		{"validate --set s.rat=1/s " + graph, 3, "rate"},
		{"validate --set s.rate=fast " + graph, 3, "fast"},
		{"validate --set s.rate=10/s " + graph, 0, "ok"},
		{"validate nowhere.yaml", 3, "nowhere.yaml: error: reading the graph"},
		{"run nowhere.yaml", 3, "no such file"},
		{"print nowhere.yaml", 3, "no such file"},
		{"bench kafka nowhere.yaml", 3, "no such file"},
		{"bench kafka " + graph, 2, "reads no topics"},
		{"bench kafka --messages lots " + graph, 2, "numbers of messages"},
		{"script run nowhere.p -T x", 3, "nowhere.p"},
		{"run --admin 0.0.0.0:9550 " + graph, 3, "loopback"},
	} {
		r := inProcess("", words(c.args)...)
		if r.code != c.code || !strings.Contains(r.out+r.stderr, c.says) {
			t.Errorf("engine %s: exit code %d, want %d and %q\n%s%s", c.args, r.code, c.code, c.says, r.out, r.stderr)
		}
		if hint := strings.Contains(r.stderr, "--help"); hint != (r.code == exitUsage) {
			t.Errorf("engine %s: exit code %d, usage hint %v\n%s", c.args, r.code, hint, r.stderr)
		}
	}
}

// TestBadGraphs: whatever is wrong is reported with its position, the line and a caret, with exit code 3, before
// anything has run.
func TestBadGraphs(t *testing.T) {
	const sink = "sinks: {o: {type: stdout, from: s}}\n"
	for _, c := range []struct {
		title, graph string
		says         []string
	}{
		{"malformed YAML", "version: 1\nsources: {s: {type: generate}\n" + sink, []string{"graph.yaml:"}},
		{"a tab", "version: 1\nsources:\n\ts: {type: generate}\n" + sink, []string{"graph.yaml:3:1"}},
		{"an empty file", "", []string{"graph.yaml"}},
		{"no mapping", "- 1\n", []string{"graph.yaml:1:1"}},
		{"no version", "sources: {s: {type: generate}}\n" + sink, []string{"version"}},
		{"an unknown key at the top", "version: 1\nsource: {}\nsources: {s: {type: generate}}\n" + sink, []string{"graph.yaml:2:1", `did you mean "sources"?`}},
		{"an unknown option", "version: 1\nsources: {s: {type: generate, cuont: 3}}\n" + sink, []string{"graph.yaml:2:31", `did you mean "count"?`}},
		{"a duplicate key", "version: 1\nsources: {s: {type: generate, count: 3, count: 4}}\n" + sink, []string{"graph.yaml:2:41", "count"}},
		{"a wrong type", "version: 1\nsources: {s: {type: generate, count: many}}\n" + sink, []string{"graph.yaml:2:38", `"many"`}},
		{"a list where a text belongs", "version: 1\nsources: {s: {type: generate, name: [a]}}\n" + sink, []string{"graph.yaml:2:37"}},
		{"an unknown type", "version: 1\nsources: {s: {type: generat}}\n" + sink, []string{"graph.yaml:2:21", `did you mean "generate"?`}},
		{"an unknown node", "version: 1\nsources: {s: {type: generate}}\nsinks: {o: {type: stdout, from: [s, x]}}\n", []string{"graph.yaml:3:37", `"x"`}},
		{"a cycle", "version: 1\nsources: {s: {type: generate}}\noperators:\n  a: {type: filter, from: [s, b], keep: 'name == \"x\"'}\n  b: {type: filter, from: a, keep: 'name == \"x\"'}\n" +
			"sinks: {o: {type: stdout, from: b}}\n", []string{"graph.yaml:5:27", "a -> b -> a"}},
		{"a missing script", "version: 1\nsources: {s: {type: generate}}\noperators: {p: {type: pipeline, from: s, script: gone.p}}\nsinks: {o: {type: stdout, from: p}}\n",
			[]string{"graph.yaml:3:50", "gone.p"}},
		{"a script with a mistake", "version: 1\nsources: {s: {type: generate}}\noperators: {p: {type: pipeline, from: s, script: bad.p}}\nsinks: {o: {type: stdout, from: p}}\n",
			[]string{"bad.p:2:10", "^"}},
		{"a condition with a mistake", "version: 1\nsources: {s: {type: generate}}\noperators: {p: {type: filter, from: s, keep: 'name =='}}\nsinks: {o: {type: stdout, from: p}}\n",
			[]string{"graph.yaml:3:"}},
		{"an environment variable that is not set", "version: 1\nsources: {s: {type: generate, name: \"${ENGINE_TEST_UNSET}\"}}\n" + sink, []string{"graph.yaml:2:", "ENGINE_TEST_UNSET"}},
		{"a value that the constructor refuses", "version: 1\nsources: {s: {type: generate, count: -1}}\n" + sink, []string{"graph.yaml:2:38", "must not be negative"}},
		{"a route that nobody reads", "version: 1\nsources: {s: {type: generate}}\noperators: {r: {type: route, from: s, routes: {a: 'name == \"x\"', b: 'name == \"y\"'}}}\nsinks: {o: {type: stdout, from: r.a}}\n",
			[]string{"graph.yaml:3:", "r.b"}},
		{"several mistakes", "version: 1\nsources: {s: {type: generate, cuont: 3, name: [a]}}\nsinks: {o: {type: stdot, from: s}}\n",
			[]string{"graph.yaml:2:31", "graph.yaml:2:47", "graph.yaml:3:19"}},
	} {
		dir := files(t, "graph.yaml", c.graph, "bad.p", "add_key(a, 1)\nadd_key(b\n")
		for _, verb := range []string{"validate", "run", "print"} {
			if verb == "print" && !strings.Contains(c.says[0], "graph.yaml:2") {
				continue // print does not build the components
			}
			if verb == "print" && strings.Contains(c.title, "constructor") {
				continue
			}
			r := inProcess("", verb, filepath.Join(dir, "graph.yaml"))
			if r.code != 3 || r.out != "" {
				t.Errorf("%s of %s: exit code %d, want 3\n%s%s", verb, c.title, r.code, r.out, r.stderr)
			}
			for _, s := range c.says {
				if !strings.Contains(r.stderr, s) {
					t.Errorf("%s of %s does not say %q:\n%s", verb, c.title, s, r.stderr)
				}
			}
		}
	}
}

// TestValidateSeveral: one bad graph does not hide the others.
func TestValidateSeveral(t *testing.T) {
	dir := files(t, "good.yaml", twoNodes, "bad.yaml", "version: 2\n")
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	r := inProcess("", "validate", bad, good)
	if r.code != 3 || r.out != good+": ok\n" || !strings.Contains(r.stderr, "bad.yaml:1:10") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
}

func TestPrint(t *testing.T) {
	const token = "tkn_c0ffeec0ffeec0ffeec0ffeec0ffee00"
	dir := files(t, "graph.yaml", `version: 1
vars: {host: openway.example}
sources: {s: {type: generate, count: 3}}
sinks: {o: {type: dataway, from: s, url: "https://${var.host}?token=${file:token}"}}
`, "token", token+"\n", "env", "# comment\nexport NAME='from env'\n", "env.yaml", strings.Replace(twoNodes, "count: 3", "name: \"${NAME}\"", 1))
	r := inProcess("", "print", filepath.Join(dir, "graph.yaml"), "--set", "s.rate=10/s")
	if r.code != 0 || strings.Contains(r.out, token) || strings.Contains(r.out, "c0ffee") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	for _, want := range []string{"rate: 10/s", "encoding: protobuf", "max_body: 4MiB", "category: logging", "in_flight: 64MiB"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("print lacks %q:\n%s", want, r.out)
		}
	}
	r = inProcess("", "print", filepath.Join(dir, "env.yaml"), "--env-file", filepath.Join(dir, "env"))
	if r.code != 0 || !strings.Contains(r.out, `name: "from env"`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	// A secret does not show in an error either.
	r = inProcess("", "validate", filepath.Join(files(t, "graph.yaml", `version: 1
sources: {s: {type: generate}}
sinks: {o: {type: dataway, from: s, url: "ftp://openway.example?token=`+token+`"}}
`), "graph.yaml"))
	if r.code != 3 || strings.Contains(r.stderr, token) || !strings.Contains(r.stderr, "graph.yaml:3:") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

// TestPrintIsAGraph: what print writes is read as the same graph.
func TestPrintIsAGraph(t *testing.T) {
	dir := workspace(t)
	for _, name := range []string{"minimal", "nginx", "limits", "kafka-metric"} {
		first := inProcess("", "print", filepath.Join(dir, "examples", name, "graph.yaml"))
		again := filepath.Join(dir, "examples", name, "again.yaml")
		if err := os.WriteFile(again, []byte(first.out), 0o644); err != nil {
			t.Fatal(err)
		}
		second := inProcess("", "print", again)
		if first.code != 0 || second.code != 0 || first.out != strings.ReplaceAll(second.out, "name: again", "name: graph") {
			t.Errorf("%s: %d %d\n%s%s\n%s%s", name, first.code, second.code, first.out, first.stderr, second.out, second.stderr)
		}
	}
}

// TestRun: the exit codes of runs.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		title, graph string
		args         string
		code         int
		out, stderr  string
	}{
		{"a source that ends", twoNodes, "", 0, "generate message=\"line 0\" <now>\ngenerate message=\"line 1\" <now>\ngenerate message=\"line 2\" <now>\n", "msg=stopped"},
		{"a file that is not there", "version: 1\nsources: {s: {type: file, paths: [gone.log]}}\nsinks: {o: {type: stdout, from: s}}\n", "", 1, "", "gone.log"},
		{"on_error: stop", "version: 1\nsources: {s: {type: generate, count: 3}}\noperators: {j: {type: json_split, from: s, on_error: stop}}\nsinks: {o: {type: stdout, from: j}}\n",
			"--drain-timeout 2s", 1, "", "j: splitting field message"},
		{"idleness", twoNodes, "--until-idle 10ms --log-level error", 0, "", ""},
	} {
		t.Run(c.title, func(t *testing.T) {
			t.Parallel()
			dir := files(t, "graph.yaml", c.graph)
			r := process(t, dir, nil, append([]string{"run", "graph.yaml"}, words(c.args)...)...)
			if r.code != c.code || c.out != "" && steady(r.out) != c.out || !strings.Contains(r.stderr, c.stderr) {
				t.Errorf("exit code %d, want %d\n%s%s", r.code, c.code, r.out, r.stderr)
			}
		})
	}
}

// TestAdmin: health and metrics of a running engine, and a clean end at an interrupt.
func TestAdmin(t *testing.T) {
	t.Parallel()
	dir := files(t, "graph.yaml", "version: 1\nname: watched\nsources: {s: {type: generate, rate: 1000/s}}\nsinks: {o: {type: discard, from: s}}\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := command(ctx, t, dir, nil, "run", "graph.yaml", "--admin", "127.0.0.1:0")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	address := ""
	for address == "" && lines.Scan() {
		if m := regexp.MustCompile(`health and metrics.* address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	get := func(path string) string {
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v\n%s", path, resp.Status, err, text)
		}
		return string(text)
	}
	if got := get("/healthz"); got != "ok\n" {
		t.Errorf("/healthz: %q", got)
	}
	if got := get("/readyz"); got != "ready\n" {
		t.Errorf("/readyz: %q", got)
	}
	delivered := regexp.MustCompile(`engine_node_out_points_total\{graph="watched",node="o",port="",type="discard"\} [1-9]`)
	for !delivered.MatchString(get("/metrics")) { // a point may not have come yet
		if ctx.Err() != nil {
			t.Fatal("no point was delivered")
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v\n%s", err, rest)
	}
}

// TestUndelivered: an engine that is stopped while nobody takes its points says by its exit code whether they are
// lost, or read again at the next start.
func TestUndelivered(t *testing.T) {
	t.Parallel()
	kafka, err := embedded.StartKafka(map[string]int32{"metric_topic": 1}, embedded.KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	if err := kafka.ProduceText(t.Context(), "metric_topic", embedded.AnyPartition, "a message"); err != nil {
		t.Fatal(err)
	}
	// Nothing listens on port 1.
	const sink = "sinks: {o: {type: dataway, from: s, url: \"http://127.0.0.1:1?token=x\"}}\n"
	for _, c := range []struct {
		source string
		code   int
	}{
		{"{type: generate, count: 3}", 6},
		{"{type: kafka, brokers: [\"kafka:9092\"], group: g, start: earliest, topics: [metric_topic], category: metric}", 8},
	} {
		dir := files(t, "graph.yaml", "version: 1\nsources: {s: "+c.source+"}\n"+sink)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		cmd := command(ctx, t, dir, nil, "run", "--drain-timeout", "300ms", "--stand-in", "kafka="+kafka.Addr(), "graph.yaml")
		log, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		for lines := bufio.NewScanner(log); lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "sink is failing") {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // the code says how it ended
		cancel()
		if code := cmd.ProcessState.ExitCode(); code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s", c.source, code, c.code, said.String())
		}
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	r := process(t, t.TempDir(), nil, "demo", "--count", "20", "--rate", "1000")
	if r.code != 0 {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	for _, name := range []string{"log_topic,", "metric_topic,", "view,"} {
		if !strings.Contains("\n"+r.out, "\n"+name) {
			t.Errorf("no point of %s\n%s", name, r.out)
		}
	}
	if n := strings.Count(r.out, "metric_topic,"); n != 20 {
		t.Errorf("%d points of metric_topic, want 20", n)
	}
}

func TestBenchKafka(t *testing.T) {
	t.Parallel()
	dir := workspace(t)
	r := process(t, dir, nil, "bench", "kafka", "--messages", "2k,3k", "examples/kafka-metric/graph.yaml")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	row := regexp.MustCompile(`^ +(2000|3000) +[\d.]+ s +\d+ +[\d.]+ us +\d+ MiB$`)
	if r.code != 0 || len(lines) != 3 || !strings.Contains(lines[0], "CPU/message") || !row.MatchString(lines[1]) || !row.MatchString(lines[2]) {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
}

// TestDataDirectoryInUse: a second engine on the same data directory does not start.
func TestDataDirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := files(t, "graph.yaml", "version: 1\nsources: {s: {type: generate, count: 1}}\nsinks: {o: {type: discard, from: s}}\n")
	unlock, err := lockDataDir(filepath.Join(dir, "data", "graph"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if r := process(t, dir, nil, "run", "graph.yaml"); r.code != exitConfig || !strings.Contains(r.stderr, "in use by another engine") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	unlock()
	if r := process(t, dir, nil, "run", "graph.yaml"); r.code != 0 {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

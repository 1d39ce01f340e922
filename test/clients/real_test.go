package clients

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestReal runs clients that do not come with this repository.
func TestReal(t *testing.T) {
	if !*realClients {
		t.Log("curl, hey, ab, wrk, Python's requests and Telegraf are not run: that needs -real, and installs what is missing")
		return
	}
	s := start(t)
	t.Run("curl", s.curl)
	t.Run("hey and ab", s.load)
	t.Run("wrk", s.wrk)
	t.Run("python requests, and as pythond's framework", s.python)
	t.Run("telegraf", s.telegraf)
	s.stop()
}

// lines returns n lines of line protocol and what they say.
func lines(category, name string, n int) (text string, want []string) {
	var b strings.Builder
	for i := range n {
		at := 1700001000000000000 + int64(i)
		fmt.Fprintf(&b, "%s,host=web-%d,zone=a\\ b n=%di,f=%d.25,ok=%v %d\n", name, i%7, i, i, i%2 == 0, at)
		want = append(want, sample{category, name, map[string]any{"host": fmt.Sprint("web-", i%7), "zone": "a b"}, map[string]any{"n": i, "f": float64(i) + 0.25, "ok": i%2 == 0}, at}.String())
	}
	return b.String(), want
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zip(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (s *setup) curl(t *testing.T) {
	s.arrived() // what the test before has left
	curl := tool(t, "curl", "curl")
	version, _, _ := strings.Cut(run(t, command(t, curl, "--version")), " (")
	t.Logf("figure: %s", version)
	var want []string
	for _, x := range []struct {
		title, category string
		lines           int
		gzip            bool
		args            []string
		said            string // in what curl tells of the exchange
	}{
		{"the Content-Type that curl gives of itself", "metric", 100, false, nil, "> Content-Type: application/x-www-form-urlencoded"},
		{"gzip", "logging", 1000, true, []string{"-H", "Content-Encoding: gzip"}, "> Content-Encoding: gzip"},
		{"chunked", "object", 1000, false, []string{"-H", "Transfer-Encoding: chunked"}, "> Transfer-Encoding: chunked"},
		{"chunked and gzip", "tracing", 1000, true, []string{"-H", "Transfer-Encoding: chunked", "-H", "Content-Encoding: gzip"}, "> Transfer-Encoding: chunked"},
		{"Expect: 100-continue", "network", 100, false, []string{"-H", "Expect: 100-continue"}, "< HTTP/1.1 100 Continue"},
		{"30,000 lines, for which curl expects 100-continue by itself", "metric", 30_000, false, nil, "< HTTP/1.1 100 Continue"},
		{"HTTP/1.0", "metric", 10, false, []string{"--http1.0"}, "HTTP/1.0"},
	} {
		text, points := lines(x.category, "curl", x.lines)
		if x.category == "logging" {
			text = strings.ReplaceAll(text, ",zone=", ",status=ok,zone=")
			for i := range points {
				points[i] = strings.Replace(points[i], `tag "zone"`, `tag "status"="ok" tag "zone"`, 1)
			}
		}
		if x.category == "object" {
			text = strings.ReplaceAll(text, ",zone=", ",name=x,zone=")
			for i := range points {
				points[i] = strings.Replace(points[i], `tag "zone"`, `tag "name"="x" tag "zone"`, 1)
			}
		}
		if x.gzip {
			text = zip(t, text)
		}
		args := append([]string{"-sS", "-v", "-o", "-", "-w", "%{http_code} %{size_download}", "--data-binary", "@" + file(t, text)}, x.args...)
		cmd := command(t, curl, append(args, s.url()+"/v1/write/"+x.category)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil || string(out) != "200 0" {
			t.Errorf("%s: %v: %s\n%s", x.title, err, out, said.String())
			continue
		}
		if !strings.Contains(said.String(), x.said) {
			t.Errorf("%s: curl did not say %q:\n%s", x.title, x.said, said.String())
		}
		want = append(want, points...)
	}
	// What is wrong is said, and nothing of the body is taken.
	out := run(t, command(t, curl, "-sS", "-w", " %{http_code}", "-d", "good a=1i 1700000000000000000\nbad", s.url()+"/v1/write/metric"))
	if !strings.HasSuffix(out, " 400") || !strings.Contains(out, "datakit.invalidLinePoint") || !strings.Contains(out, `"line":2`) {
		t.Errorf("a bad line is answered with %s", out)
	}
	compare(t, s.arrived(), want)
}

var (
	heySaid = regexp.MustCompile(`\[(\d+)\]\s+(\d+) responses`)
	abSaid  = regexp.MustCompile(`(?m)^(Complete|Failed|Non-2xx) (?:requests|responses):\s+(\d+)`)
)

func (s *setup) load(t *testing.T) {
	s.arrived() // what the test before has left
	const requests, points = 2000, 10
	text, one := lines("metric", "load", points)
	var want []string
	for range requests {
		want = append(want, one...)
	}
	body := file(t, text)
	hey := command(t, tool(t, "hey", "hey"), "-n", fmt.Sprint(requests), "-c", "50", "-m", "POST", "-T", "text/plain", "-D", body, s.url()+"/v1/write/metric")
	out := run(t, hey)
	if m := heySaid.FindAllStringSubmatch(out, -1); len(m) != 1 || m[0][1] != "200" || m[0][2] != fmt.Sprint(requests) {
		t.Errorf("hey: not %d times 200:\n%s", requests, out)
	}
	t.Logf("figure: hey: %s requests/s", figure(out, `Requests/sec:\s+([\d.]+)`))
	compare(t, s.arrived(), append([]string(nil), want...))

	ab := command(t, tool(t, "ab", "apache2-utils"), "-q", "-n", fmt.Sprint(requests), "-c", "50", "-k", "-T", "text/plain", "-p", body, s.url()+"/v1/write/metric")
	out = run(t, ab)
	counts := map[string]int{}
	for _, m := range abSaid.FindAllStringSubmatch(out, -1) {
		counts[m[1]], _ = strconv.Atoi(m[2]) // digits, by the expression
	}
	if counts["Complete"] != requests || counts["Failed"] != 0 || counts["Non-2xx"] != 0 {
		t.Errorf("ab: %v:\n%s", counts, out)
	}
	t.Logf("figure: ab -k: %s requests/s", figure(out, `Requests per second:\s+([\d.]+)`))
	compare(t, s.arrived(), want)
}

func figure(text, expression string) string {
	m := regexp.MustCompile(expression).FindStringSubmatch(text)
	if m == nil {
		return "?"
	}
	return m[1]
}

func (s *setup) python(t *testing.T) {
	s.arrived() // what the test before has left
	python := pythonWithRequests(t)
	const table = "testdata/requests-calls.json"
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	var calls []struct {
		Title  string   `json:"title"`
		Status int      `json:"status"` // 0 is 200
		Code   string   `json:"code"`
		Want   []sample `json:"want"`
	}
	read(t, text, &calls)
	out := strings.Split(strings.TrimSpace(run(t, command(t, python, "testdata/requests-calls.py", table, s.url()))), "\n")
	if len(out) != len(calls)+1 {
		t.Fatalf("%d answers to %d calls", len(out), len(calls))
	}
	type answer struct {
		Status          int
		Answer, Version string
	}
	var want []string
	pythond := 0
	for i, c := range calls {
		if strings.HasPrefix(c.Title, "pythond ") {
			pythond++
		}
		var got answer
		if err := json.Unmarshal([]byte(out[i]), &got); err != nil {
			t.Fatal(err)
		}
		if c.Status == 0 {
			c.Status = 200
		}
		if got.Status != c.Status || c.Status == 200 && got.Answer != "" || !strings.Contains(got.Answer, c.Code) {
			t.Errorf("%s: %+v, want %d %s", c.Title, got, c.Status, c.Code)
		}
		for _, p := range c.Want {
			want = append(want, p.String())
		}
	}
	var ping answer
	if err := json.Unmarshal([]byte(out[len(calls)]), &ping); err != nil {
		t.Fatal(err)
	}
	if ping.Status != 200 || !strings.Contains(ping.Answer, `"uptime"`) {
		t.Errorf("ping: %+v", ping)
	}
	t.Logf("figure: requests %s: %d requests, %d of them as pythond's framework sends them", ping.Version, len(calls), pythond)
	compare(t, s.arrived(), want)
	if !strings.Contains(s.engine.Log(), "cannot connect") {
		t.Error("the error that a collector reported is not in the log")
	}
}

const telegrafConfig = `[agent]
  omit_hostname = true
  precision = "1ns"
  metric_batch_size = 500
[[inputs.file]]
  files = ["%s"]
  data_format = "influx"
[[outputs.http]]
  url = "%s"
  data_format = "influx"
  %s
`

func (s *setup) telegraf(t *testing.T) {
	s.arrived() // what the test before has left
	path := telegraf(t)
	t.Logf("figure: Telegraf %s, outputs.http, data_format influx", telegrafVersion)
	metrics, want := lines("metric", "telegraf", 2000)
	logs, logged := lines("logging", "telegraf", 1000)
	logs = strings.ReplaceAll(logs, " n=", ` message="a \"quoted\" 世界 \\ end",status="ok",n=`)
	for i := range logged {
		logged[i] = strings.Replace(logged[i], `"n"=`, `"message"=string:"a \"quoted\" 世界 \\ end" "n"=`, 1)
		logged[i] = strings.Replace(logged[i], ` tag "host"`, ` "status"=string:"ok" tag "host"`, 1)
	}
	for _, x := range []struct{ text, category, options string }{{metrics, "metric", ""}, {logs, "logging", `content_encoding = "gzip"`}} {
		config := file(t, fmt.Sprintf(telegrafConfig, file(t, x.text), s.url()+"/v1/write/"+x.category+"?input=telegraf", x.options))
		cmd := command(t, path, "--once", "--config", config)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil || strings.Contains(said.String(), " E! ") {
			t.Errorf("%v\n%s", err, said.String())
		}
	}
	compare(t, s.arrived(), append(want, logged...))
}

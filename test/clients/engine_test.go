// Package clients runs the clients that people use, and the engine as they run it, and compares what clients wrote with what DataWay got.
package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/engine/embedded"
	"dataflow/engine/point"
	"dataflow/test/harness"
)

// Without it only what needs nothing but Go is run: a test of the whole must pass on a machine with Go alone.
var realClients = flag.Bool("real", false, "run curl, hey, ab, wrk, Python's requests and Telegraf; what is missing is installed")

// setup is the engine with an http source and a dataway sink.
type setup struct {
	t       *testing.T
	engine  *harness.Engine
	address string
	admin   string
	started time.Time

	mu     sync.Mutex
	points []string

	queries []query
}

// query is a DQL query that has reached the DataWay.
type query struct {
	Token      string `json:"token"`
	InAddress  string `json:"-"`
	MaskActive *bool  `json:"mask_visible"`
	Queries    []struct {
		Query  string `json:"query"`
		Limit  int    `json:"slimit"`
		Offset int    `json:"soffset"`
	} `json:"queries"`
}

const queryToken = "tkn_of_the_option_0123456789abcdef"

// start builds and runs the engine.
func start(t *testing.T) *setup {
	t.Helper()
	dir := t.TempDir()
	binary, err := harness.Binary(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &setup{t: t, started: time.Now()}
	dataway, err := embedded.StartDataWay(embedded.DataWayOptions{OnPoint: s.see})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dataway.Close() })
	dql := httptest.NewServer(http.HandlerFunc(s.answerQuery))
	t.Cleanup(dql.Close)
	if s.address, err = harness.FreeAddress(); err != nil {
		t.Fatal(err)
	}
	if s.admin, err = harness.FreeAddress(); err != nil {
		t.Fatal(err)
	}
	graph, err := harness.Graph(dir, "graph.yaml", harness.HTTPGraph(s.address, dataway.URL(), `dataway: "`+dql.URL+`?token=`+queryToken+`"`))
	if err != nil {
		t.Fatal(err)
	}
	if s.engine, err = harness.Run(binary, graph, "--admin", s.admin); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.engine.Kill)
	if err := s.engine.Serving(s.address); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *setup) url() string { return "http://" + s.address }

func (s *setup) see(p *point.Point) {
	line := text(p, s.started)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.points = append(s.points, line)
}

// arrived returns the points that have reached the DataWay since the last call. Answers of 2xx mean that they are there.
func (s *setup) arrived() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	points := s.points
	s.points = nil
	return points
}

// stop ends the engine, which checks its ledger then.
func (s *setup) stop() {
	s.t.Helper()
	if code := s.engine.Stop(); code != 0 {
		s.t.Errorf("the engine ended with %d:\n%s", code, s.engine.Log())
	}
}

// answerQuery answers as DataWay does: 500 series on the first page, 3 on the second; one where no pages are asked for.
func (s *setup) answerQuery(w http.ResponseWriter, r *http.Request) {
	var q query
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(text, &q)
	}
	if err != nil || r.URL.Path != "/v1/query/raw" || len(q.Queries) != 1 {
		http.Error(w, fmt.Sprintf("%s: %v: %s", r.URL, err, text), http.StatusTeapot)
		return
	}
	q.InAddress = r.URL.Query().Get("token")
	s.mu.Lock()
	s.queries = append(s.queries, q)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(q.Queries[0].Query, "(") {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error_code":"ft.queryParseError","message":"parse error"}`)
		return
	}
	n := 1
	switch {
	case q.Queries[0].Limit > 0 && q.Queries[0].Offset == 0:
		n = q.Queries[0].Limit
	case q.Queries[0].Limit > 0:
		n = 3
	}
	type series struct {
		Name    string            `json:"name"`
		Columns []string          `json:"columns"`
		Tags    map[string]string `json:"tags"`
		Values  [][]any           `json:"values"`
	}
	list := make([]series, n)
	for i := range list {
		list[i] = series{"cpu", []string{"time", "used"}, map[string]string{"host": fmt.Sprint("web-", q.Queries[0].Offset+i)}, [][]any{{1700000000000, 1.5}, {1700000001000, nil}}}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"content": []any{map[string]any{"series": list, "cost": "1ms"}}})
}

// counter returns the value of a counter of the admin server whose line contains all texts.
func (s *setup) counter(texts ...string) int {
	s.t.Helper()
	answer, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	sum := 0
lines:
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		for _, want := range texts {
			if !strings.Contains(lines.Text(), want) {
				continue lines
			}
		}
		n, err := strconv.ParseFloat(lines.Text()[strings.LastIndexByte(lines.Text(), ' ')+1:], 64)
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Logf("%s", lines.Text())
		sum += int(n)
	}
	return sum
}

// run runs a client and returns what it printed.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", cmd, err, out, errors.String())
	}
	return string(out)
}

func command(t *testing.T, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, name, args...)
}

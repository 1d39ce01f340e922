package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/geo/geotest"
)

// run runs a graph to its end and returns the lines that it printed.
func (s show) run(graph string) ([]string, error) {
	cmd := exec.Command(s.Binary, "run", graph)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w\n%s", filepath.Base(graph), err, log.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"), nil
}

const geoGraph = `version: 1
name: places
sources:
  visits: {type: file, paths: [visits.txt], name: visits}
operators:
  places: {type: pipeline, from: visits, script: places.p, geoip: {database: places.mmdb, isp: providers.txt}}
sinks:
  out: {type: stdout, from: places}
`

// geoip looks addresses up in a database that is made here.
func (s show) geoip() error {
	database, err := geotest.Database(map[string]geo.Place{
		"203.0.113.0/24":    {Country: "DE", Province: "Bavaria", City: "Munich"},
		"203.0.113.128/25":  {Country: "TW", City: "Taipei"},
		"2001:db8::/32":     {Country: "JP", City: "Osaka"},
		"198.51.100.0/24":   {Country: "FR"},
		"198.51.100.128/25": {Country: "HK"},
	})
	if err != nil {
		return err
	}
	addresses := []string{"203.0.113.7", "203.0.113.200", "2001:db8::1", "198.51.100.1", "198.51.100.200", "192.0.2.1", "no address"}
	want := []string{"Munich Bavaria DE Net One", "Taipei Taiwan CN unknown", "Osaka unknown JP unknown", "unknown unknown FR Net Two", "unknown Hong Kong CN Net Two", "", ""}
	graph, remove, err := s.Folder("graph.yaml", geoGraph, "visits.txt", strings.Join(addresses, "\n")+"\n",
		"places.p", "geoip(message)\nif country != nil { strfmt(place, \"%s %s %s %s\", city, province, country, isp) }\n",
		"places.mmdb", string(database), "providers.txt", "203.0.113.0/25 Net One\n198.51.100.0/24 Net Two\n")
	if err != nil {
		return err
	}
	defer remove()
	lines, err := s.run(graph)
	if err != nil {
		return err
	}
	s.Printf("a database of %d bytes, %d networks", len(database), 5)
	if len(lines) != len(addresses) {
		return fmt.Errorf("%d points of %d:\n%s", len(lines), len(addresses), strings.Join(lines, "\n"))
	}
	wrong := 0
	for i, line := range lines {
		_, place, _ := strings.Cut(line, `place="`)
		place, _, _ = strings.Cut(place, `"`)
		s.Printf("  %-16s %s", addresses[i], place)
		// An address that is not in the database may be unknown throughout, or have no fields.
		if place != want[i] && (want[i] != "" || place != "unknown unknown unknown unknown") {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d places are wrong", wrong)
	}
	return nil
}

const tablesGraph = `version: 1
name: owners
sources:
  beats: {type: generate, rate: 100/s, template: web}
operators:
  owned: {type: pipeline, from: beats, script: owners.p, refer_tables: {url: "%s", interval: 1s}}
sinks:
  out: {type: stdout, from: owned}
`

// tables changes the tables of a live server under a graph that runs.
func (s show) tables() error {
	var owner atomic.Value
	owner.Store("kim")
	var loads atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		loads.Add(1)
		fmt.Fprintf(w, `[{"table_name":"owners","column_name":["host","owner","floor"],"column_type":["string","string","int"],"row_data":[["db","lee",1],["web","%s",3]]}]`, owner.Load())
	}))
	defer server.Close()
	graph, remove, err := s.Folder("graph.yaml", fmt.Sprintf(tablesGraph, server.URL), "owners.p", "query_refer_table(\"owners\", \"host\", message)\n")
	if err != nil {
		return err
	}
	defer remove()
	cmd := exec.Command(s.Binary, "run", graph)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	names := []string{"kim", "lee", "ada"}
	seen, points, since := 0, 0, time.Now()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if seen == len(names) {
			continue // what is still in flight
		}
		points++
		if !strings.Contains(lines.Text(), `owner="`+names[seen]+`"`) || !strings.Contains(lines.Text(), "floor=3i") {
			continue
		}
		s.Printf("owner=%q on point %d, %v after the table said so", names[seen], points, time.Since(since).Round(10*time.Millisecond))
		if seen++; seen < len(names) {
			owner.Store(names[seen])
			since = time.Now()
		} else {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	err = cmd.Wait()
	s.Printf("%d points, %d loads of the tables", points, loads.Load())
	if seen < len(names) {
		return fmt.Errorf("the table of %q never reached the points: %v\n%s", names[seen], err, log.String())
	}
	return err
}

const endlessGraph = `version: 1
name: endless
sources:
  in: {type: file, paths: [lines.txt], name: lines}
operators:
  run: {type: pipeline, from: in, script: endless.p, budget: {%s}, on_error: %s}
sinks:
  out: {type: stdout, from: %s}
`

// endless has a script that never ends on one point of a batch.
func (s show) endless() error {
	const points, limit = 1000, 10 * time.Second // of a whole run, the start of the process included
	var lines strings.Builder
	for i := range points {
		if i == points/2 {
			lines.WriteString("loop\n")
		} else {
			fmt.Fprintf(&lines, "line %d\n", i)
		}
	}
	const byTime, bySteps = "time: 100ms, steps: 1000000000000", "steps: 1000000"
	for _, x := range []struct {
		budget, onError, from string
		want, failed          int
	}{
		{byTime, "pass", "run", points, 1}, {bySteps, "pass", "run", points, 1}, {byTime, "drop", "run", points - 1, 0},
		{byTime, "pass", "[run, run.failed]", points, 1},
	} {
		graph, remove, err := s.Folder("graph.yaml", fmt.Sprintf(endlessGraph, x.budget, x.onError, x.from), "lines.txt", lines.String(),
			"endless.p", "add_key(before, true)\nif message == \"loop\" { for ;; {} }\nadd_key(done, true)\n")
		if err != nil {
			return err
		}
		start := time.Now()
		out, err := s.run(graph)
		took := time.Since(start)
		remove()
		if err != nil {
			return err
		}
		done, failed, reason := 0, 0, ""
		for _, l := range out {
			switch {
			case strings.Contains(l, "done=true"):
				done++
			case strings.Contains(l, "before=true"):
				failed++
				if _, text, ok := strings.Cut(l, `dk_error="`); ok {
					reason, _, _ = strings.Cut(text, `"`)
				}
			}
		}
		s.Printf("budget: {%s}, on_error: %s, from: %s: %d points, %d ran to their end, %d over budget %s; the whole run %v",
			x.budget, x.onError, x.from, len(out), done, failed, reason, took.Round(10*time.Millisecond))
		if done != points-1 || len(out) != x.want || failed != x.failed {
			return fmt.Errorf("want %d points, %d over budget", x.want, x.failed)
		}
		if took > limit {
			return fmt.Errorf("the run took longer than %v", limit)
		}
	}
	return nil
}

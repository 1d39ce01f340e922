package clients

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"dataflow/test/harness"
)

var (
	wrkSaid = regexp.MustCompile(`(?m)^said (\d+) (\d+) (\d+)$`)
	wrkLine = regexp.MustCompile(`"n"=int:(\d+)`)
)

// wrk writes for some seconds. It does not wait for the answers to its last requests, one for each connection: those may have arrived or
// not. All others have, and nothing has twice.
func (s *setup) wrk(t *testing.T) {
	s.arrived() // what the test before has left
	const threads, connections, lines = 2, 16, 10
	out := run(t, command(t, tool(t, "wrk", "wrk"), "-t", strconv.Itoa(threads), "-c", strconv.Itoa(connections), "-d", "3s", "-s", "testdata/wrk-lines.lua", s.url()))
	m := wrkSaid.FindStringSubmatch(out)
	if m == nil || m[2] != "0" || m[3] != "0" {
		t.Fatalf("wrk said\n%s", out)
	}
	answered, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Until(10*time.Second, func() (bool, error) { return s.counter("engine_unacked_points{") == 0, nil }); err != nil {
		t.Fatal("the last requests do not end")
	}
	points := s.arrived()
	seen := map[string]bool{}
	for _, p := range points {
		if seen[p] || !wrkLine.MatchString(p) {
			t.Fatalf("twice, or not of wrk: %s", p)
		}
		seen[p] = true
	}
	if n := len(points); n < answered*lines || n > (answered+connections)*lines || n%lines != 0 {
		t.Errorf("%d points arrived, %d requests were answered", n, answered)
	}
	t.Logf("figure: wrk: %s requests/s, %d requests answered, %d points at DataWay", figure(out, `Requests/sec:\s+([\d.]+)`), answered, len(points))
}

package bench_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/engine/embedded"
	"dataflow/engine/point"
	"dataflow/test/harness"
)

var httpTurns = flag.Int("http-turns", 0, "turns of the table of HTTP intake; 0 looks only whether it works, without figures")

const (
	// asServer makes this test program the server that the engine is compared with, or a DataWay.
	asServer    = "BENCH_HTTP_SERVER"
	connections = 64
)

func TestMain(m *testing.M) {
	switch os.Getenv(asServer) {
	case "bare":
		if err := serveBare(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "dataway":
		d, err := embedded.StartDataWay(embedded.DataWayOptions{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(d.URL())
		_, _ = io.Copy(io.Discard, os.Stdin)
	default:
		os.Exit(m.Run())
	}
}

// serveBare is the floor: a handler of net/http that reads the body, until standard input ends.
func serveBare() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	server := http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 0, max(r.ContentLength, 0)+1)
		for {
			n, err := r.Body.Read(body[len(body):cap(body)])
			body = body[:len(body)+n]
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
		}
	})}
	go func() { _ = server.Serve(l) }()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// intakeLine is a line of 200 bytes.
func intakeLine(i int) string {
	line := fmt.Sprintf("http_requests,host=web-%02d,service=checkout,region=eu-west-1,method=POST latency=%d.5,status=200i,bytes=%di,retried=false,queue=12.25,user_time=0.125",
		i%32, i%997, 10_000+i%9000)
	line += ",padding=" + strings.Repeat("1", 200-len(line)-len(",padding=i 1700000000000000000\n")) + "i"
	return line + " 1700000000000000000\n"
}

func intakeLines(n int) []byte {
	var b strings.Builder
	for i := range n {
		b.WriteString(intakeLine(i))
	}
	return []byte(b.String())
}

func intakeProtobuf(t *testing.T, n int) []byte {
	t.Helper()
	points, err := point.ParseLines(nil, new(point.Arena), intakeLines(n), point.ReadOptions{Category: point.Metric})
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i := range points {
		out = point.AppendProtobuf(out, &points[i], nil)
	}
	return out
}

// an intakeServer is a process that takes points.
type intakeServer struct {
	addr string
	pid  int
}

// start runs a command until the test ends and returns the first line that it prints.
func start(t *testing.T, cmd *exec.Cmd) (first string) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	first, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(first)
}

func self(t *testing.T, as string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), asServer+"="+as)
	return cmd
}

func startBare(t *testing.T) intakeServer {
	t.Helper()
	cmd := self(t, "bare")
	addr := start(t, cmd)
	return intakeServer{addr, cmd.Process.Pid}
}

// startEngine runs a graph of an http source and a sink.
func startEngine(t *testing.T, binary, sink string) intakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	graph := filepath.Join(t.TempDir(), "graph.yaml")
	text := "version: 1\nlimits: {memory: 1GiB, in_flight: 256MiB} # 64 bodies of 1,000 points are on their way at once\nsources:\n  api: {type: http, listen: \"" + addr + "\"}\nsinks:\n  out: {from: api, " + sink + "}\n"
	if err := os.WriteFile(graph, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "run", graph, "--log-level", "warn")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return intakeServer{addr, cmd.Process.Pid}
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// cpu returns what the process has used so far.
func (s intakeServer) cpu(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	const tick = 10 * time.Millisecond
	return time.Duration(user+system) * tick
}

// post sends a request n times over a connection, one after the other, and returns how long each took.
func post(addr, content string, body []byte, n int) (took []time.Duration, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	request := append(fmt.Appendf(nil, "POST /v1/write/metric?precision=n HTTP/1.1\r\nHost: engine\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", content, len(body)), body...)
	in := bufio.NewReader(c)
	patience := 20
	for len(took) < n {
		begin := time.Now()
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable && *httpTurns == 0 && patience > 0 { // a machine that is too busy to answer in time, or the race detector
			patience--
			continue
		}
		if resp.StatusCode != http.StatusOK {
			return nil, errors.New(resp.Status)
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// load sends requests over all connections and returns what the server used for each of them.
func load(t *testing.T, s intakeServer, content string, body []byte, each int) time.Duration {
	t.Helper()
	before := s.cpu(t)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			if _, err := post(s.addr, content, body, each); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return (s.cpu(t) - before) / time.Duration(connections*each)
}

// TestHTTPIntake measures what a point costs that comes in by HTTP, beside a handler that only reads the body, in turns. Limits: bodies of
// 1,000 lines cost at most 1.0 µs of CPU for a point on top of the handler, and a single line is answered through the whole graph in
// less than 1 ms, p50.
func TestHTTPIntake(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Log("CPU of other processes cannot be read here")
		return
	}
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dataway := start(t, self(t, "dataway"))
	servers := []struct {
		name string
		intakeServer
	}{
		{"bare", startBare(t)}, {"bare again", startBare(t)},
		{"discard", startEngine(t, binary, "type: discard")}, {"dataway", startEngine(t, binary, "type: dataway, url: \""+dataway+"\"")},
	}
	const protobuf = "application/protobuf; proto=com.guance.Point"
	loads := []struct {
		name, content string
		body          []byte
		points, each  int
	}{
		{"1 line", "", intakeLines(1), 1, 100},
		{"1,000 lines", "", intakeLines(1000), 1000, 4},
		{"1,000 points of protobuf", protobuf, intakeProtobuf(t, 1000), 1000, 4},
	}
	turns, share := max(*httpTurns, 1), 1
	if *httpTurns == 0 {
		share = 20
	}
	costs := map[string][]time.Duration{}
	for range turns + min(*httpTurns, 1) { // the first one warms up
		for _, l := range loads {
			for _, s := range servers {
				key := l.name + " to " + s.name
				costs[key] = append(costs[key], load(t, s.intakeServer, l.content, l.body, max(1, l.each/share))/time.Duration(l.points))
			}
		}
	}
	median := func(d []time.Duration) time.Duration {
		d = slices.Clone(d)
		slices.Sort(d)
		return d[len(d)/2]
	}
	for _, l := range loads {
		floor := median(costs[l.name+" to bare"][min(*httpTurns, 1):])
		for _, s := range servers {
			d := costs[l.name+" to "+s.name][min(*httpTurns, 1):]
			cost := median(d)
			t.Logf("%-26s to %-10s %8v for a point, %8v above bare, from %v to %v", l.name, s.name, cost, cost-floor, slices.Min(d), slices.Max(d))
			if *httpTurns >= 3 && l.points > 1 && l.content == "" && s.name == "discard" && cost-floor > time.Microsecond {
				t.Errorf("%s to %s: %v above the bare handler, limit 1µs", l.name, s.name, cost-floor)
			}
		}
	}
	idle := max(20, 2000/share)
	for _, s := range servers {
		took, err := post(s.addr, "", intakeLines(1), idle)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(took)
		t.Logf("a line to %-10s p50 %v, p99 %v", s.name, took[len(took)/2], took[len(took)*99/100])
		if *httpTurns >= 3 && took[len(took)/2] > time.Millisecond {
			t.Errorf("a line to %s is answered in %v, p50, limit 1ms", s.name, took[len(took)/2])
		}
	}
}

package clients

import (
	"bufio"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"dataflow/test/harness"
)

var record = flag.Bool("record", false, "write the requests of the Func connector, of the folder FUNC_CONNECTOR, to testdata")

// funcCall is a call of func-calls.json.
type funcCall struct {
	Call     string   `json:"call"`
	Category string   `json:"category"`
	Points   []sample `json:"points"`
	Repeat   int      `json:"repeat"`  // so many points of each, told apart by the field i
	Dropped  int      `json:"dropped"` // points that are counted and go nowhere
	RUM      bool     `json:"rum"`     // points get the tags of 3.5 of the contract
	Series   int      `json:"series"`  // -1 is an error
	Token    string   `json:"token"`
}

const recordings = "testdata/func-connector.jsonl"

func funcCalls(t *testing.T) (calls []funcCall, want []string) {
	t.Helper()
	file, err := os.ReadFile("testdata/func-calls.json")
	if err != nil {
		t.Fatal(err)
	}
	read(t, file, &calls)
	for _, c := range calls {
		for _, p := range c.Points {
			p.Category = c.Category
			if c.Dropped > 0 {
				continue
			}
			if c.RUM {
				for _, k := range []string{"city", "province", "country", "isp"} {
					p.Tags[k] = "unknown"
				}
			}
			first := p.Timestamp
			for i := range max(c.Repeat, 1) {
				if c.Repeat > 0 {
					p.Fields["i"], p.Timestamp = i, first+int64(i)
				}
				want = append(want, p.String())
			}
		}
	}
	return calls, want
}

// TestFuncConnector runs the connector of DataFlux Func, whose licence keeps it out of this repository, or replays what it sends.
func TestFuncConnector(t *testing.T) {
	folder := os.Getenv("FUNC_CONNECTOR")
	s := start(t)
	calls, want := funcCalls(t)
	if folder == "" {
		t.Logf("figure: Func connector: its code is not run, FUNC_CONNECTOR names no folder with its datakit.py (AGPL, not in this repository); its recorded requests are replayed")
		s.replay(calls)
	} else {
		s.connector(folder, calls)
	}
	compare(t, s.arrived(), want)
	s.checkQueries()
	if n := s.counter(`http_points_by_input`, "datakit-python-sdk"); n == 0 {
		t.Error("the points are not counted by the name that the connector gives itself")
	}
	if n := s.counter(`reason="no_fields"`); n != 1 {
		t.Errorf("%d points are counted as dropped for want of fields, 1 was sent", n)
	}
	s.stop()
}

// connector makes the calls with the connector itself.
func (s *setup) connector(folder string, calls []funcCall) {
	t := s.t
	python := tool(t, "python3", "python3")
	url := s.url()
	var tap *tap
	if *record {
		tap = newTap(t, s.address)
		url = "http://" + tap.listener.Addr().String()
	}
	closed, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, python, "testdata/func-calls.py", "testdata/func-calls.json", url, "http://"+closed)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+folder, "PYTHONDONTWRITEBYTECODE=1")
	lines := strings.Split(strings.TrimSpace(run(t, cmd)), "\n")
	if len(lines) != len(calls) {
		t.Fatalf("%d answers to %d calls:\n%s", len(lines), len(calls), strings.Join(lines, "\n"))
	}
	for i, c := range calls {
		var got struct {
			Status  int            `json:"status"`
			Error   string         `json:"error"`
			Found   string         `json:"found"`
			Content map[string]any `json:"content"`
			Answer  any            `json:"answer"`
			Series  int            `json:"series"`
			First   map[string]any `json:"first"`
		}
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		switch {
		case c.Series < 0:
			if !strings.Contains(got.Error, "Status Code: 400") || !strings.Contains(got.Error, "ft.queryParseError") {
				t.Errorf("call %d, %s: %s, want DataWay's error", i, c.Call, lines[i])
			}
		case got.Status != http.StatusOK:
			t.Errorf("call %d, %s: %s", i, c.Call, lines[i])
		case c.Call == "discover":
			if got.Found != url || got.Content["version"] == nil || got.Content["uptime"] == nil || got.Content["host"] == nil {
				t.Errorf("discovery: %s, want %s with version, uptime and host", lines[i], url)
			}
		case c.Call == "query":
			if got.Series != c.Series || got.First["used"] != 1.5 {
				t.Errorf("query: %s, want %d series", lines[i], c.Series)
			}
		case got.Answer != "":
			t.Errorf("call %d, %s: the answer has a body: %s", i, c.Call, lines[i])
		}
	}
	t.Logf("figure: Func connector, run from %s: %d calls", filepath.Base(folder), len(calls))
	if tap != nil {
		tap.save()
	}
}

// checkQueries holds the queries that reached DataWay to those that were made.
func (s *setup) checkQueries() {
	s.mu.Lock()
	defer s.mu.Unlock()
	type seen struct {
		query, token  string
		limit, offset int
	}
	want := []seen{
		{"M::cpu LIMIT 1", queryToken, 0, 0}, {"M::cpu", queryToken, 500, 0}, {"M::cpu", queryToken, 500, 500},
		{"L::`*`:(count(*)) BY `source`", "tkn_of_the_call_0123456789abcdef", 0, 0}, {"M::wrong(", queryToken, 0, 0},
	}
	if len(s.queries) != len(want) {
		s.t.Errorf("%d queries reached DataWay, want %d", len(s.queries), len(want))
		return
	}
	for i, w := range want {
		q := s.queries[i]
		if got := (seen{q.Queries[0].Query, q.Token, q.Queries[0].Limit, q.Queries[0].Offset}); got != w {
			s.t.Errorf("query %d: %+v, want %+v", i, got, w)
		}
		if q.MaskActive == nil || !*q.MaskActive || q.InAddress != queryToken {
			s.t.Errorf("query %d came without mask_visible, or without the token in the address: %+v", i, q)
		}
	}
	s.t.Logf("figure: %d DQL queries at DataWay as they were made, 503 series over two pages", len(want))
}

// A recording is a request as it was on the wire, without its Host.
type recording struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Headers [][2]string `json:"headers"` // in their order
	Text    string      `json:"text,omitempty"`
	Bytes   []byte      `json:"base64,omitempty"` // of a body that is no text
}

func (r recording) body() string { return r.Text + string(r.Bytes) }

// replay sends the recorded requests as they were sent, a connection each.
func (s *setup) replay(calls []funcCall) {
	t := s.t
	file, err := os.Open(recordings)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := 0
	for d := json.NewDecoder(file); d.More(); n++ {
		var r recording
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(r.wire(s.address)); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		conn.Close()
		if err != nil {
			t.Fatal(err)
		}
		want := http.StatusOK
		if strings.Contains(r.Text, "M::wrong(") {
			want = http.StatusBadRequest
		}
		if answer.StatusCode != want || strings.HasPrefix(r.Path, "/v1/write/") && len(body) != 0 {
			t.Errorf("%s %s: %s %s", r.Method, r.Path, answer.Status, body)
		}
		if r.Path == "/v1/ping" && !strings.Contains(string(body), `"version"`) {
			t.Errorf("ping: %s", body)
		}
	}
	if n < len(calls) {
		t.Errorf("%d recorded requests, there are %d calls", n, len(calls))
	}
	t.Logf("figure: Func connector: %d recorded requests, byte for byte", n)
}

func (r recording) wire(host string) []byte {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.Path + " HTTP/1.1\r\n")
	for _, h := range r.Headers {
		if h[0] == "Host" {
			h[1] = host
		}
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	b.WriteString(r.body())
	return []byte(b.String())
}

// tap stands between a client and the engine and keeps requests.
type tap struct {
	t        *testing.T
	listener net.Listener
	wg       sync.WaitGroup

	mu   sync.Mutex
	seen []recording
}

func newTap(t *testing.T, to string) *tap {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{t: t, listener: l}
	p.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if err := p.pass(conn, to); err != nil {
				t.Error(err)
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.wg.Wait()
	})
	return p
}

// pass hands one request on, and its answer back.
func (p *tap) pass(conn net.Conn, to string) error {
	defer conn.Close()
	in := bufio.NewReader(conn)
	var r recording
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			break
		}
		if first {
			parts := strings.Fields(line)
			r.Method, r.Path = parts[0], parts[1]
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		if key == "Content-Length" {
			if length, err = strconv.Atoi(value); err != nil {
				return err
			}
		}
		if key == "Host" {
			value = "127.0.0.1"
		}
		r.Headers = append(r.Headers, [2]string{key, value})
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	if utf8.Valid(body) {
		r.Text = string(body)
	} else {
		r.Bytes = body
	}
	p.mu.Lock()
	p.seen = append(p.seen, r)
	p.mu.Unlock()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write(r.wire(to)); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(out), nil)
	if err != nil {
		return err
	}
	return answer.Write(conn)
}

// save writes what was kept.
func (p *tap) save() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, r := range p.seen {
		line, err := json.Marshal(r)
		if err != nil {
			p.t.Fatal(err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	if err := os.WriteFile(recordings, []byte(b.String()), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.t.Logf("%d requests recorded", len(p.seen))
}

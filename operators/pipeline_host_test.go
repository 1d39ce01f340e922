package operators

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/geo/geotest"
	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/httpclient"
	"dataflow/engine/point"
)

// counters are the counters of a node.
type counters struct {
	mu sync.Mutex
	n  map[string]int64
}

type counter struct {
	c    *counters
	name string
}

func (c counter) Add(n int64) {
	c.c.mu.Lock()
	defer c.c.mu.Unlock()
	if c.c.n == nil {
		c.c.n = map[string]int64{}
	}
	c.c.n[c.name] += n
}

// in makes env count here.
func (c *counters) in(env engine.Env) engine.Env {
	env.Counter = func(name, label string) engine.Counter { return counter{c, name + " " + label} }
	return env
}

func (c *counters) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.n)
}

// host builds the node and returns what its scripts reach outside.
func (x *bench) host(env engine.Env, options string) *outside {
	x.t.Helper()
	g, err := x.load("script: x.p\n" + options)
	if err != nil {
		x.t.Fatal(err)
	}
	spec := g.Node("p").Steps[0]
	op, err := spec.Component.Build(env, spec.Config)
	if err != nil {
		x.t.Fatal(err)
	}
	f := op.(*pipelineFactory)
	x.t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			x.t.Error(err)
		}
	})
	return f.outside
}

func TestPipelineRequests(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = w.Write(make([]byte, 101))
		case "/redirect":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		default:
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL.RequestURI(), r.Host, r.Header.Get("X-Key"), body)
		}
	}))
	defer server.Close()
	x := newBench(t, "x.p", "")
	var count counters
	o := x.host(count.in(enginetest.Env()), "http: {hosts: [localhost], cidrs: [127.0.0.1/32], max_body: 100B, rate: 1000/s}")
	reply, err := o.Do(pipeline.Request{Method: "POST", URL: server.URL + "/p?q=10.200.64.45", Header: map[string]string{"x-key": "v", "host": "h"}, Body: "b"})
	if err != nil || reply != (pipeline.Reply{Status: 202, Body: "POST /p?q=10.200.64.45 h v b"}) {
		t.Errorf("%+v, %v", reply, err)
	}
	if reply, err := o.Do(pipeline.Request{Method: "GET", URL: server.URL + "/redirect"}); err != nil || reply.Status != 302 {
		t.Errorf("a redirect: %+v, %v", reply, err)
	}
	if _, err := o.Do(pipeline.Request{Method: "GET", URL: server.URL + "/long"}); !errors.Is(err, httpclient.ErrTooLong) {
		t.Errorf("a long reply: %v", err)
	}
	for _, r := range []pipeline.Request{
		{Method: "GET", URL: "file:///etc/passwd"}, {Method: "GET", URL: "gopher://127.0.0.1/"}, {Method: "GET", URL: "http://169.254.169.254/"},
		{Method: "GET", URL: "http://93.184.216.34/"}, {Method: "GET", URL: "http://[::1]/"}, {Method: "GET", URL: "http://127.0.0.2/"}, {Method: "CONNECT", URL: server.URL}, {Method: "TRACE", URL: server.URL},
	} {
		if _, err := o.Do(r); !errors.Is(err, httpclient.ErrRefused) && !errors.Is(err, errMethod) {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}
	for _, r := range []pipeline.Request{{Method: "a b", URL: server.URL}, {Method: "GET", URL: "http://%zz"}, {Method: "GET", URL: server.URL, Header: map[string]string{"bad header": "\n"}}} {
		if _, err := o.Do(r); err == nil {
			t.Errorf("%+v is sent", r)
		}
	}
	if g, want := count.String(), "map[script_http_requests failed:4 script_http_requests ok:2 script_http_requests refused:8]"; g != want {
		t.Errorf("counted %s, want %s", g, want)
	}
	// Without the option there is nothing to ask; with others there is still no request.
	if o := x.host(enginetest.Env(), ""); o != nil {
		t.Error("something outside without an option")
	}
	x.write("tables.json", "[]")
	if _, err := x.host(enginetest.Env(), "refer_tables: {file: tables.json}").Do(pipeline.Request{Method: "GET", URL: server.URL}); !errors.Is(err, errRequestsOff) {
		t.Errorf("http is off: %v", err)
	}
}

// TestPipelineRequestRate: the rate is that of the node, whatever the number of its workers.
func TestPipelineRequestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := enginetest.Env()
		env.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nobody is there") }
		var count counters
		o := newBench(t, "x.p", "").host(count.in(env), "http: {cidrs: [10.0.0.0/8], rate: 5/s}")
		for range 10 {
			for range 20 {
				_, _ = o.Do(pipeline.Request{Method: "GET", URL: "http://10.1.1.1/"})
			}
			time.Sleep(time.Second)
		}
		if g, want := count.String(), "map[script_http_requests failed:50 script_http_requests rate:150]"; g != want {
			t.Errorf("counted %s, want %s", g, want)
		}
	})
}

func TestPipelineOutsideRefusals(t *testing.T) {
	x := newBench(t, "x.p", "", "tables.json", "[]", "bad.json", "{}", "bad.mmdb", "no database")
	for options, says := range map[string]string{
		"http: {allow_private: true}":                           "http: nothing is allowed: give hosts or cidrs",
		"http: {hosts: [\"*\"]}":                                `http.hosts: "*" is no name`,
		"http: {hosts: [\"http://a/\"]}":                        `http.hosts: "http://a/" is no name`,
		"http: {hosts: [\"a:80\"]}":                             `http.hosts: "a:80" is no name`,
		"http: {hosts: [a], rate: 1MB/s}":                       "http.rate: must be a number of requests",
		"http: {cidrs: [10.0.0.0/33]}":                          "10.0.0.0/33",
		"refer_tables: {interval: 1m}":                          "refer_tables: either url or file is given",
		"refer_tables: {url: \"http://a/\", file: tables.json}": "refer_tables: either url or file is given",
		"refer_tables: {url: \"http://a/\", interval: 1ms}":     "refer_tables.interval: must be a second or more",
		"refer_tables: {url: \"ftp://a/?token=secret\"}":        "refer_tables.url: must be a URL as in",
		"refer_tables: {file: bad.json}":                        "refer_tables.file: reading reference tables: the text is no list",
		"refer_tables: {file: nowhere.json}":                    "no such file",
		"geoip: {database: bad.mmdb}":                           "geoip: opening the geo database",
		"geoip: {isp: bad.mmdb}":                                `needs the option "database"`,
		"geoip: {database: nowhere.mmdb}":                       "no such file",
		"http: {hosts: [a], proxy: b}":                          `has no option "proxy"`,
	} {
		x.refuses("script: x.p\n"+options, says)
	}
}

const tablesText = `[{"table_name": "hosts", "column_name": ["ip", "team"], "column_type": ["string", "string"], "row_data": [["10.0.0.1", "%s"]]}]`

// team looks up who owns 10.0.0.1.
func team(o *outside) string {
	table := o.Table("hosts")
	if table == nil {
		return "no table"
	}
	row, ok := table.Find([]string{"ip"}, []point.Value{point.String("10.0.0.1")})
	if !ok {
		return "no row"
	}
	for i := range row.Columns {
		if row.Columns[i] == "team" {
			return row.Values[i].Str()
		}
	}
	return "no column"
}

// inMemory serves HTTP over pipes, so that it works in a bubble.
func inMemory(t *testing.T, h http.HandlerFunc) func(context.Context, string, string) (net.Conn, error) {
	conns := make(chan net.Conn)
	done := make(chan struct{})
	s := &http.Server{Handler: h}
	s.SetKeepAlivesEnabled(false)
	go func() { _ = s.Serve(&pipeListener{conns, done}) }()
	t.Cleanup(func() { close(done); _ = s.Close() })
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		client, server := net.Pipe()
		select {
		case conns <- server:
			return client, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// TestPipelineTables: tables come from a URL before the first point, and again and again; a failure keeps the old ones.
func TestPipelineTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		answers := []string{"", "broken", "one", "two", "", "{", "three"} // "" is a 500
		env := enginetest.Env()
		env.Dial = inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			at = append(at, time.Since(begin))
			answer := answers[0]
			if len(answers) > 1 {
				answers = answers[1:]
			}
			switch answer {
			case "":
				w.WriteHeader(http.StatusInternalServerError)
			case "broken", "{":
				fmt.Fprint(w, answer)
			default:
				fmt.Fprintf(w, tablesText, answer)
			}
		})
		var count counters
		var log strings.Builder
		env = count.in(env)
		env.Log = slog.New(slog.NewTextHandler(&log, nil))
		o := newBench(t, "x.p", "").host(env, "refer_tables: {url: \"http://tables/all?token=secret\", interval: 1m}")
		if g := team(o); g != "no table" || len(at) > 0 {
			t.Errorf("before the first point: %s, %d requests", g, len(at))
		}
		for range 3 {
			if err := o.ready(t.Context()); err != nil {
				t.Error(err)
			}
		}
		for _, step := range []struct {
			at   time.Duration
			want string
		}{{0, "no table"}, {10, "no table"}, {30, "one"}, {90, "two"}, {150, "two"}, {160, "two"}, {180, "three"}, {240, "three"}} {
			time.Sleep(step.at*time.Second + time.Second - time.Since(begin))
			synctest.Wait()
			if g := team(o); g != step.want {
				t.Errorf("after %d s: %s, want %s", step.at, g, step.want)
			}
		}
		if g := fmt.Sprint(at); g != "[0s 10s 30s 1m30s 2m30s 2m40s 3m0s 4m0s]" {
			t.Errorf("requests at %s", g)
		}
		if g := count.String(); g != "map[refer_tables_loads failed:4 refer_tables_loads ok:4]" {
			t.Errorf("counted %s", g)
		}
		if text := log.String(); strings.Contains(text, "secret") || strings.Count(text, "look-ups find nothing") != 2 || strings.Count(text, "the old tables stay") != 2 || !strings.Contains(text, "answered 500") {
			t.Errorf("the log says\n%s", text)
		}
	})
}

// TestPipelineTablesWait: points wait for the first attempt, not longer, and not beyond their context.
func TestPipelineTablesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := enginetest.Env()
		env.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		o := newBench(t, "x.p", "").host(env, "refer_tables: {url: \"http://tables/\"}")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := o.ready(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := o.ready(t.Context()); err != nil || time.Since(begin) != tablesTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestPipelineTablesFile: a file is there from the first point on, and is read again.
func TestPipelineTablesFile(t *testing.T) {
	x := newBench(t, "x.p", "", "tables.json", fmt.Sprintf(tablesText, "one"))
	synctest.Test(t, func(t *testing.T) {
		x.t = t
		var count counters
		o := x.host(count.in(enginetest.Env()), "refer_tables: {file: tables.json}")
		if g := team(o); g != "one" {
			t.Errorf("at first %s", g)
		}
		if err := o.ready(t.Context()); err != nil {
			t.Error(err)
		}
		for _, step := range []struct{ text, want string }{{fmt.Sprintf(tablesText, "two"), "two"}, {"broken", "two"}, {fmt.Sprintf(tablesText, "three"), "three"}} {
			x.write("tables.json", step.text)
			time.Sleep(5*time.Minute + time.Second)
			synctest.Wait()
			if g := team(o); g != step.want {
				t.Errorf("%s, want %s", g, step.want)
			}
		}
	})
}

// TestPipelineTablesRun: a graph with tables ends, and its goroutines with it.
func TestPipelineTablesRun(t *testing.T) {
	x := newBench(t, "x.p", mark("x"), "tables.json", "[]")
	x.feed(point.Logging, "a x=1")
	if got, _ := x.run("script: x.p\nrefer_tables: {file: tables.json}"); ran(got) != "x" {
		t.Error(lines(got))
	}
}

func TestPipelineGeo(t *testing.T) {
	place := geo.Place{Country: "CN", Province: "Shanghai", City: "Shanghai"}
	database, err := geotest.Database(map[string]geo.Place{"114.114.0.0/16": place})
	if err != nil {
		t.Fatal(err)
	}
	x := newBench(t, "x.p", "", "city.mmdb", string(database), "isp.txt", "114.0.0.0/8 chinanet\n")
	o := x.host(enginetest.Env(), "geoip: {database: city.mmdb, isp: isp.txt}")
	place.ISP = "chinanet"
	if g, ok := o.Locate("114.114.114.114"); !ok || g != place {
		t.Errorf("%+v %v", g, ok)
	}
	if o.Table("t") != nil {
		t.Error("a table from nowhere")
	}
	g, err := x.load("script: x.p\ngeoip: {database: city.mmdb}")
	if err != nil {
		t.Fatal(err)
	}
	x.write("city.mmdb", string(database)+" ")
	again, err := x.load("script: x.p\ngeoip: {database: city.mmdb}")
	if err != nil || g.Node("p").Hash == again.Node("p").Hash {
		t.Errorf("another database, the same hash (%s): %v", filepath.Join(x.dir, "city.mmdb"), err)
	}
}

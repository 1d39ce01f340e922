package operators

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"dataflow/dsl/pipeline/refer"
	"dataflow/engine"
	"dataflow/engine/httpclient"
)

type tablesConfig struct {
	URL      engine.Secret `yaml:"url" doc:"where the tables come from. The first points wait for the first attempt; while none has succeeded look-ups find nothing, and when a later one fails the old tables stay"`
	File     engine.File   `yaml:"file" doc:"a file of the tables. It must be good when the graph is loaded; when it is not later, the old tables stay"`
	Interval time.Duration `yaml:"interval" doc:"how often the tables are loaded anew; 5m unless it is given"`
}

const (
	tablesTimeout = 10 * time.Second // of a request for the tables
	tablesRetry   = 10 * time.Second // after a failure; doubled with each up to the interval
	maxTables     = refer.MaxText
)

// tables are the reference tables of a node. They are loaded by a goroutine of their own, which the first points start: a
// constructor opens nothing.
type tables struct {
	env      engine.Env
	url      string
	path     string
	interval time.Duration
	fetch    *httpclient.Fetcher
	current  atomic.Pointer[map[string]*refer.Table]

	start  sync.Once
	tried  chan struct{} // closed after the first attempt
	ended  chan struct{} // closed when the goroutine has ended
	cancel context.CancelFunc
}

func newTables(env engine.Env, c tablesConfig) (*tables, error) {
	given := c.File.Path != ""
	if (c.URL.Reveal() != "") == given {
		return nil, engine.FieldError("refer_tables", errors.New("either url or file is given"))
	}
	if c.Interval = cmp.Or(c.Interval, 5*time.Minute); c.Interval < time.Second {
		return nil, engine.FieldError("refer_tables.interval", errors.New("must be a second or more"))
	}
	t := &tables{env: env, interval: c.Interval, tried: make(chan struct{}), ended: make(chan struct{})}
	if given {
		t.path = filepath.ToSlash(c.File.Path)
		if err := t.set(c.File.Data); err != nil {
			return nil, engine.FieldError("refer_tables.file", err)
		}
		return t, nil
	}
	t.url = c.URL.Reveal()
	if u, err := url.Parse(t.url); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, engine.FieldError("refer_tables.url", errors.New("must be a URL as in https://tables.example.com/all.json")) // without its text: it may hold a token
	}
	t.fetch = httpclient.NewFetcher(env, httpclient.FetchOptions{Timeout: tablesTimeout, MaxBody: maxTables})
	return t, nil
}

// table returns a table as it is at present, nil if there is none of the name.
func (t *tables) table(name string) *refer.Table {
	if t == nil {
		return nil
	}
	if m := t.current.Load(); m != nil {
		return (*m)[name]
	}
	return nil
}

func (t *tables) set(text []byte) error {
	m, err := refer.Parse(text)
	if err == nil {
		t.current.Store(&m)
	}
	return err
}

// ready starts the loading and waits for the first attempt.
func (t *tables) ready(ctx context.Context) error {
	t.start.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		t.cancel = cancel
		go t.run(ctx)
	})
	select {
	case <-t.tried:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *tables) run(ctx context.Context) {
	defer close(t.ended)
	first := min(tablesRetry, t.interval)
	wait, retry := t.interval, first
	load := func() {
		if t.load(ctx, retry) {
			wait, retry = t.interval, first
		} else {
			wait, retry = retry, min(2*retry, t.interval)
		}
	}
	if t.path == "" { // a file was read with the graph
		load()
	}
	close(t.tried)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			load()
			timer.Reset(wait)
		}
	}
}

// load loads the tables once. Retry is when it is called again after a failure.
func (t *tables) load(ctx context.Context, retry time.Duration) bool {
	text, err := t.read(ctx)
	if err == nil {
		err = t.set(text)
	}
	if err == nil {
		t.env.Counter("refer_tables_loads", "ok").Add(1)
		return true
	}
	if ctx.Err() == nil {
		t.env.Counter("refer_tables_loads", "failed").Add(1)
		keeps := "look-ups find nothing"
		if t.current.Load() != nil {
			keeps = "the old tables stay"
		}
		t.env.Log.Warn("loading reference tables failed; "+keeps, "error", err, "retry", retry)
	}
	return false
}

func (t *tables) read(ctx context.Context) ([]byte, error) {
	if t.path != "" {
		return t.readFile()
	}
	req, err := http.NewRequest(http.MethodGet, t.url, nil)
	if err != nil {
		return nil, errors.New("the URL cannot be read") // without its text
	}
	answer, err := t.fetch.Do(ctx, req)
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("%s answered %d", httpclient.Where(req.URL), answer.Status)
	}
	return answer.Body, err
}

func (t *tables) readFile() ([]byte, error) {
	f, err := t.env.FS.OpenFile(t.path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTables+1))
	if err == nil && len(text) > maxTables {
		err = fmt.Errorf("reading %s: it is longer than %d bytes", t.path, maxTables)
	}
	return text, err
}

// close ends the loading.
func (t *tables) close(ctx context.Context) error {
	t.start.Do(func() { close(t.ended) }) // it never began
	if t.cancel != nil {
		t.cancel()
	}
	if t.fetch != nil {
		defer t.fetch.Close()
	}
	select {
	case <-t.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

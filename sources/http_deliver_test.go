package sources

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

// deliverTo posts a line to a source whose graph is the given function.
func deliverTo(t *testing.T, timeout time.Duration, emit engine.Emit) (a *api, status int, answer string, took time.Duration) {
	t.Helper()
	a = newAPI(t, func(_ *engine.Env, c *httpConfig) { c.AnswerTimeout = timeout })
	a.take = emit
	start := time.Now()
	status, _, answer = a.post(t, "/v1/write/metric", "", []byte("m f=1i"))
	return a, status, answer, time.Since(start)
}

// TestHTTPTimeoutOnce: waiting for room and waiting for the graph share one answer_timeout.
func TestHTTPTimeoutOnce(t *testing.T) {
	t.Parallel()
	const timeout = time.Second
	var held *engine.Batch
	_, status, answer, took := deliverTo(t, timeout, func(ctx context.Context, b *engine.Batch) error {
		held = b
		select {
		case <-time.After(timeout * 3 / 4):
		case <-ctx.Done():
		}
		return nil
	})
	if status != 503 || !strings.Contains(answer, "datakit.timeout") || took > timeout*3/2 {
		t.Errorf("%d %s after %v", status, answer, took)
	}
	enginetest.Done(held)
}

// TestHTTPNoRoom: what waits for the window in vain is refused for good, so that repeating it makes no duplicate.
func TestHTTPNoRoom(t *testing.T) {
	t.Parallel()
	a, status, answer, took := deliverTo(t, 3*time.Second, func(ctx context.Context, _ *engine.Batch) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if status != 503 || !strings.Contains(answer, "datakit.overloaded") || took > 10*time.Second {
		t.Errorf("%d %s after %v", status, answer, took)
	}
	if c := a.source.clients; c.bytes != 0 || c.busy != 0 {
		t.Errorf("%d bytes of %d clients are in flight", c.bytes, c.busy)
	}
}

// TestHTTPStuckGraph: a reader that takes nothing does not keep the client from its answer. A rate_limit that blocks is one.
func TestHTTPStuckGraph(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	var once bool
	a, status, _, took := deliverTo(t, 300*time.Millisecond, func(_ context.Context, b *engine.Batch) error {
		if !once {
			once = true
			<-stuck // whatever its context says
		}
		enginetest.Done(b)
		return nil
	})
	if status != 503 || took > 4*time.Second {
		t.Errorf("%d after %v", status, took)
	}
	client := netip.MustParseAddr("127.0.0.1")
	c := a.source.clients
	c.mu.Lock()
	if c.by[client] == nil || c.by[client].bytes == 0 {
		t.Error("what is on its way is not the client's any more")
	}
	c.mu.Unlock()
	close(stuck)
	a.source.running.Wait()
	if c.bytes != 0 || len(c.by) != 0 || a.source.bodies.used.Load() != 0 {
		t.Errorf("%d bytes in flight, %d clients, %d bytes of bodies are left", c.bytes, len(c.by), a.source.bodies.used.Load())
	}
}

// TestHTTPClientGone: with the client goes its wait for room.
func TestHTTPClientGone(t *testing.T) {
	t.Parallel()
	waiting, ended := make(chan struct{}), make(chan error, 1)
	a := newAPI(t, nil)
	a.take = func(ctx context.Context, _ *engine.Batch) error {
		close(waiting)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/v1/write/metric", strings.NewReader("m f=1i"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-waiting
		cancel()
	}()
	if resp, err := a.Client().Do(r); err == nil {
		resp.Body.Close()
		t.Error("an answer")
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("emit ended with %v", err)
	}
	a.source.running.Wait()
	if a.tally.get("http_refused/client_gone") != 1 || a.tally.get("http_refused/overloaded") != 0 {
		t.Errorf("counted as %v", a.tally.n)
	}
}

// TestHTTPPanics: a fault of ours costs its own request.
func TestHTTPPanics(t *testing.T) {
	t.Parallel()
	first := true
	a, status, answer, _ := deliverTo(t, time.Second, func(_ context.Context, b *engine.Batch) error {
		if first {
			first = false
			panic("a bug")
		}
		enginetest.Done(b)
		return nil
	})
	if status != 500 || strings.Contains(answer, "bug") {
		t.Errorf("%d %s", status, answer)
	}
	a.source.env.Pressure = func() float64 { panic("another bug") }
	if status, _, answer := a.post(t, "/v1/write/metric", "", []byte("m f=1i")); status != 500 || !strings.Contains(answer, "datakit.internal") || strings.Contains(answer, "bug") {
		t.Errorf("in the handler: %d %s", status, answer)
	}
	a.source.env.Pressure = func() float64 { return 0 }
	if status, _, _ := a.post(t, "/v1/write/metric", "", []byte("m f=1i")); status != 200 {
		t.Errorf("the next request: %d", status)
	}
	if a.tally.get("http_refused/panic") != 1 {
		t.Errorf("not counted: %v", a.tally.n)
	}
}

// TestHTTPOptions holds the options of the query to what they do to points.
func TestHTTPOptions(t *testing.T) {
	a := newAPI(t, nil)
	for _, x := range []struct {
		query  string
		noTags bool
		index  string
	}{
		{"", false, ""}, {"ignore_global_tags=1", true, ""}, {"ignore_global_host_tags=x", true, ""}, {"ignore_global_tags=false", false, ""},
		{"ignore_global_tags=1&global_election_tags=1", false, ""}, {"storage_index=web", false, "web"}, {"storage_index=a%20b&ignore_global_tags=1", true, "a b"},
	} {
		if status, _, answer := a.post(t, "/v1/write/logging?"+x.query, "", []byte(`l message="x",status="ok"`)); status != 200 {
			t.Fatalf("%s: %d %s", x.query, status, answer)
		}
		var got point.Extra
		if p := a.points[len(a.points)-1]; p.Extra != nil {
			got = *p.Extra
		}
		if got.NoGlobalTags != x.noTags || got.StorageIndex != x.index {
			t.Errorf("%s: %+v", x.query, got)
		}
	}
	a.lines()
	// A line end would end the header of the sink's request, for ever.
	for _, index := range []string{"a%0Ab", "%C3%A9", "%00", strings.Repeat("x", 257)} {
		if status, _, answer := a.post(t, "/v1/write/logging?storage_index="+index, "", []byte(`l message="x"`)); status != 400 || !strings.Contains(answer, "datakit.badRequest") {
			t.Errorf("%s: %d %s", index, status, answer)
		}
	}
	if got := a.lines(); got != nil {
		t.Errorf("points came in: %q", got)
	}
}

// TestHTTPEmptyPoints: what no destination could show is counted where it gets lost.
func TestHTTPEmptyPoints(t *testing.T) {
	for _, x := range []struct {
		category, line string
		empty          bool
	}{
		{"metric", `m k="s"`, true}, {"metric", `m,t=v k="s"`, true}, {"metric", `m,t=v k=[]`, true}, {"metric", `m k="s",n=1`, false},
		{"object", `o,name=x k=[]`, false}, {"logging", `l k=[]`, false}, {"custom_object", `l k=[]`, true},
	} {
		a := newAPI(t, nil)
		if status, _, answer := a.post(t, "/v1/write/"+x.category, "", []byte(x.line)); status != 200 {
			t.Errorf("%s: %d %s", x.line, status, answer)
		}
		if got := len(a.dropped) == 1 && a.dropped[0] == "no_fields"; got != x.empty {
			t.Errorf("%s %s: dropped %q", x.category, x.line, a.dropped)
		}
	}
}

// TestHTTPLineNumbers: a body with bad lines is refused as a whole, with their numbers, and the answer stays short.
func TestHTTPLineNumbers(t *testing.T) {
	a := newAPI(t, nil)
	status, _, answer := a.post(t, "/v1/write/metric", "", []byte("m f=1\n\nbad\nm f=2\nm f=x\n"))
	if status != 400 || !strings.HasSuffix(answer, `"lines":[{"line":3,"reason":"missing fields"},{"line":5,"reason":"invalid boolean"}]}`) {
		t.Errorf("%d %s", status, answer)
	}
	_, _, answer = a.post(t, "/v1/write/metric", "", []byte(strings.Repeat("\x00\x01bad ", 1<<20)))
	if len(answer) > 200<<10 {
		t.Errorf("an answer of %d bytes", len(answer))
	}
	if got := a.lines(); got != nil {
		t.Errorf("points came in: %q", got)
	}
}

// TestHTTPLabels holds the labels that clients choose to a number and a form.
func TestHTTPLabels(t *testing.T) {
	a := newAPI(t, nil)
	for i := range 100 {
		for _, q := range []string{"input=a", "source=b", "precision=c"} {
			a.post(t, "/v1/write/metric?"+q+strings.Repeat("x", i), "", []byte("m f=1i"))
		}
	}
	if status, _, _ := a.post(t, "/v1/write/metric?input=%ff%00%7B%22%0a"+strings.Repeat("y", 1000), "", []byte("m f=1i")); status != 200 {
		t.Errorf("an odd input: %d", status)
	}
	count := map[string]int{}
	for name := range a.tally.n {
		name, label, _ := strings.Cut(name, "/")
		count[name]++
		if len(label) > 64 || strings.ContainsAny(label, "\x00{}\"\n") || !utf8.ValidString(label) {
			t.Errorf("the label %q of %s", label, name)
		}
	}
	for name, most := range map[string]int{"http_points_by_input": maxInputLabels, "http_points_by_source": maxSourceLabels, "http_precision_unknown": maxOddLabels} {
		if count[name] != most+1 || a.tally.get(name+"/other") == 0 {
			t.Errorf("%d series of %s, want %d and the others", count[name], name, most)
		}
	}
	if got := cleanLabel("a\xffb{c}\"\nd"); got != "a_b_c___d" {
		t.Errorf("cleaned to %q", got)
	}
}

package edges

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/engine/embedded"
	"dataflow/engine/point"
)

// TestGlobalTags: the options of a request that ask for points without global tags reach the sink.
func TestGlobalTags(t *testing.T) {
	var mu sync.Mutex
	var got []string
	d, err := embedded.StartDataWay(embedded.DataWayOptions{OnPoint: func(p *point.Point) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(point.AppendLine(nil, p)))
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	address := freeAddress(t)
	for _, encoding := range []string{"line", "protobuf"} {
		p := serve(t, fmt.Sprintf(`version: 1
name: edges
sources:
  in: {type: http, listen: %q}
operators:
  seen: {type: fields, from: in, set: {n: 1}}
sinks:
  out: {type: dataway, from: seen, url: %q, encoding: %s, global_tags: {host: h1, cluster: c1}}
`, address, d.URL(), encoding))
		for _, x := range []struct{ query, want string }{
			{"", "cpu,cluster=c1,host=h1 "},
			{"ignore_global_tags=1", "cpu "},
			{"ignore_global_host_tags=true", "cpu "},
			{"ignore_global_tags=false", "cpu,cluster=c1,host=h1 "},
			{"ignore_global_tags=1&global_election_tags=1", "cpu,cluster=c1,host=h1 "},
		} {
			mu.Lock()
			got = nil
			mu.Unlock()
			if status := post(t, address, "metric?"+x.query, "cpu f=1i 1700000000000000000"); status != 200 {
				t.Fatalf("%s: %d", x.query, status)
			}
			mu.Lock()
			if len(got) != 1 || !strings.HasPrefix(got[0], x.want) {
				t.Errorf("%s, %q: %q, want %s", encoding, x.query, got, x.want)
			}
			mu.Unlock()
		}
		_ = p.Process.Kill()
		<-p.ended
	}
}

func post(t *testing.T, address, path, body string) int {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post("http://"+address+"/v1/write/"+path, "", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestCounters: what clients call themselves is to be seen at /metrics, however many names a hostile one makes up, and takes no room from others' counters.
func TestCounters(t *testing.T) {
	address, admin := freeAddress(t), freeAddress(t)
	serve(t, graphOf(fmt.Sprintf("listen: %q", address)), "--admin", admin)
	post(t, address, "metric?input=telegraf&source=web-1", "m f=1i\nm f=2i")
	for i := range 200 {
		post(t, address, fmt.Sprintf("metric?input=hostile-%d&source=s-%d&precision=p-%d", i, i, i), "m f=1i")
	}
	post(t, address, "metric?input=telegraf&source=web-1", "m f=1i")
	post(t, address, "metric", `m k="a text"`)
	post(t, address, "nosuch", "m f=1i")
	post(t, address, "metric", "nonsense")
	for _, x := range []struct {
		words []string
		want  float64
	}{
		{[]string{`name="http_points_by_input"`, `label="telegraf"`}, 3},
		{[]string{`name="http_points_by_source"`, `label="web-1"`}, 3},
		{[]string{`name="http_points_by_input"`, `label="hostile-0"`}, 1},
		{[]string{`name="http_requests"`, `label="/v1/write 200"`}, 203},
		{[]string{`name="http_requests"`, `label="/v1/write 400"`}, 2},
		{[]string{`name="http_refused"`, `label="invalidCategory"`}, 1},
		{[]string{`name="http_refused"`, `label="invalidLinePoint"`}, 1},
		{[]string{`name="http_warnings"`, `label="invalid_field_value_type"`}, 1},
		{[]string{"engine_node_dropped_points_total", `node="in"`, `reason="no_fields"`}, 1},
	} {
		if got, ok := metric(t, admin, x.words...); !ok || got != x.want {
			t.Errorf("%v is %v, want %v", x.words, got, x.want)
		}
	}
	for _, name := range []string{"http_points_by_input", "http_points_by_source", "http_precision_unknown"} {
		if n, ok := metric(t, admin, `name="`+name+`"`, `label="other"`); !ok || n < 160 {
			t.Errorf("%s counts %v others", name, n)
		}
	}
}

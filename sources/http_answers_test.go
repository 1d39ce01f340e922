package sources

import (
	"bytes"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"dataflow/engine"
)

// TestHTTPQueriesAreBounded: answers of the DataWay count against the memory of bodies; who finds none left gets 503, and the memory comes back.
func TestHTTPQueriesAreBounded(t *testing.T) {
	const size, clients = 20 << 20, 16
	large := bytes.Repeat([]byte{'x'}, size)
	half := make(chan struct{})
	u := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(large[:size/2])
		w.(http.Flusher).Flush()
		<-half
		_, _ = w.Write(large[size/2:])
	})
	a := asks(t, u)
	a.source.bodies = newBodies(httpConfig{MaxBody: engine.Size(1 << 20)}) // 64 MiB for all
	var whole, refused atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			switch status, header, answer := a.post(t, "/v1/query/raw", contentJSON, []byte("{}")); {
			case status == 200 && len(answer) == size:
				whole.Add(1)
			case status == 503 && header.Get("Retry-After") != "":
				if refused.Add(1) == clients/2 {
					close(half)
				}
			default:
				t.Errorf("%d with %d bytes", status, len(answer))
			}
		})
	}
	all.Wait()
	if whole.Load() == 0 || refused.Load() < clients/2 {
		t.Errorf("%d answers, %d refused", whole.Load(), refused.Load())
	}
	if n := a.source.bodies.used.Load(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

package sinks

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// TestDatawayLimitRises follows the limit of bodies at a destination that takes less for a while, and then more again.
func TestDatawayLimitRises(t *testing.T) {
	now := time.Unix(1700000000, 0)
	l := newBodyLimit(4<<20, func() time.Time { return now })
	takes := int64(100 << 10)
	refusals := 0
	// A body as large as may be, each second.
	run := func(d time.Duration) {
		for end := now.Add(d); now.Before(end); now = now.Add(time.Second) {
			if n := l.get(); n > takes {
				refusals++
				l.lower(n / 2)
			}
		}
	}
	run(time.Minute)
	if refusals != 6 || l.get() > takes || l.get() < takes/2 {
		t.Fatalf("%d refusals, limit %d", refusals, l.get())
	}
	run(24 * time.Hour)
	if refusals > 6+6+24 {
		t.Errorf("%d refusals in a day of a limit that stays", refusals)
	}
	takes = 1 << 30
	run(2 * time.Hour)
	if l.get() != 4<<20 {
		t.Errorf("limit %d two hours after the destination takes anything", l.get())
	}
	takes, refusals = 1<<20, 0
	run(5 * time.Minute)
	if refusals > 4 || l.get() != 1<<20 {
		t.Errorf("%d refusals, limit %d", refusals, l.get())
	}
}

// TestDatawayLimitOfServer is the same with a server, whose limit goes away.
func TestDatawayLimitOfServer(t *testing.T) {
	var small atomic.Bool
	small.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, _ := io.Copy(io.Discard, r.Body); small.Load() && n > 100<<10 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}))
	defer s.Close()
	now := time.Unix(1700000000, 0)
	env := testEnv()
	env.Now = func() time.Time { return now }
	d := newTestDataway(t, env, func(o *datawayConfig) { o.URL, o.Gzip = engine.NewSecret(s.URL), 0 })
	b := manyMetrics(4096)
	largest := func() (n int) {
		for _, e := range encodeAll(t, d, b) {
			n = max(n, e.body.PlainBytes)
			_ = d.Send(context.Background(), e.body) // refusals are what this is about
		}
		return n
	}
	whole := largest()
	for range 5 {
		largest()
	}
	if n := largest(); n > 100<<10 || n < 40<<10 {
		t.Fatalf("bodies of %d bytes", n)
	}
	small.Store(false)
	for range 10 {
		now = now.Add(2 * time.Minute)
		largest()
	}
	if n := largest(); n != whole {
		t.Errorf("bodies of %d bytes long after the limit has gone, %d before", n, whole)
	}
}

// TestDatawaySlowLine sends a body over a line of 3 KiB a second: halved, it gets through in the time of a request.
func TestDatawaySlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var served sync.WaitGroup
		env := testEnv()
		env.Dial = func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			served.Go(func() {
				defer server.Close()
				in := bufio.NewReader(slowLine{server, 3 << 10})
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, req.Body); err != nil {
						return
					}
					_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") // a client that is gone shows at the next read
				}
			})
			return client, nil
		}
		d := newTestDataway(t, env, func(o *datawayConfig) { o.Gzip = 0 })
		b := manyMetrics(2000)
		body := encodeAll(t, d, b)[0].body
		if body.PlainBytes < 200<<10 {
			t.Fatalf("%d bytes", body.PlainBytes)
		}
		sent := 0
		for b.Points = b.Points[:2000]; len(b.Points) > 0; { // as the runtime does: what is too large is sent by halves
			body := encodeAll(t, d, b)[0].body
			err := d.Send(context.Background(), body)
			if class := classOf(t, err); err != nil && class != engine.TooLarge {
				t.Fatalf("class %v: %v", class, err)
			}
			if err == nil {
				sent += body.Points
				b.Points = b.Points[body.Points:]
			}
		}
		if sent != 2000 || d.limit.get() >= 200<<10 {
			t.Errorf("%d points, limit %d", sent, d.limit.get())
		}
		big := logPoint(0)
		big.Fields = append(big.Fields, field("big", point.String(strings.Repeat("x", 120<<10))))
		one := encodeAll(t, d, batchOf(big))[0].body
		if err := d.Send(context.Background(), one); err == nil || classOf(t, err) != engine.Retry {
			t.Errorf("a single point that takes too long: %v", err)
		}
		d.client.Close()
		served.Wait()
	})
}

// slowLine is what comes from a connection at so many bytes a second.
type slowLine struct {
	net.Conn
	perSecond int
}

// Read reads a little, and takes its time.
func (s slowLine) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b[:min(len(b), 1<<10)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(s.perSecond)) // in the bubble: the clock moves
	return n, err
}

func classOf(t *testing.T, err error) engine.ErrorClass {
	t.Helper()
	var e *engine.SendError
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e == nil {
		return engine.Retry
	}
	return e.Class
}

package httpclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowUpload sends a body to servers that take it slowly, stop in the middle, or take it and never answer.
func TestSlowUpload(t *testing.T) {
	const body = 200 << 10
	for name, c := range map[string]struct {
		perSecond, most int
		slow, taken     bool
		took            time.Duration
	}{
		"1 KiB a second":        {perSecond: 1 << 10, most: 1 << 30, slow: true, took: 32 * time.Second},
		"5 KiB a second":        {perSecond: 5 << 10, most: 1 << 30, slow: true, took: 32 * time.Second},
		"100 kB a second":       {perSecond: 100_000, most: 1 << 30, taken: true, took: 3 * time.Second},
		"stops after 64 KiB":    {perSecond: 64 << 10, most: 64 << 10, took: 32 * time.Second},
		"reads nothing":         {perSecond: 1, most: 0, took: 32 * time.Second},
		"takes it, and is gone": {perSecond: 1 << 20, most: -1, took: 32 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var served sync.WaitGroup
				env := testEnv()
				env.Dial = func(context.Context, string, string) (net.Conn, error) {
					client, server := net.Pipe()
					served.Go(func() {
						defer server.Close()
						read := 0
						for c.most < 0 || read < c.most {
							n, err := server.Read(make([]byte, min(c.perSecond, 4<<10)))
							time.Sleep(time.Duration(n) * time.Second / time.Duration(c.perSecond)) // in the bubble: the clock moves
							if read += n; err != nil {
								return
							}
							if read > body && c.most > 0 {
								_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
								return
							}
						}
						<-time.After(time.Hour)
					})
					return client, nil
				}
				client := newClient(t, env, Options{})
				req, err := http.NewRequest(http.MethodPost, "http://h/v1", bytes.NewReader(make([]byte, body)))
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				_, err = client.Do(t.Context(), req)
				took := time.Since(start)
				if errors.Is(err, ErrSlow) != c.slow || (err == nil) != c.taken || took > c.took+time.Second || took < c.took-2*time.Second {
					t.Errorf("error %v after %v", err, took)
				}
				client.Close()
				served.Wait()
			})
		})
	}
}

// TestSlowAnswer is a server that has taken a large body into its buffers and reads it at 100 kB/s: the time for that is the request's,
// not the 30 s of an answer.
func TestSlowAnswer(t *testing.T) {
	const body = 4 << 20
	synctest.Test(t, func(t *testing.T) {
		var served sync.WaitGroup
		env := testEnv()
		env.Dial = func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			served.Go(func() {
				defer server.Close()
				req, err := http.ReadRequest(bufio.NewReader(server))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				time.Sleep(body / slowestUpload * time.Second) // in the bubble: the clock moves
				_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			})
			return client, nil
		}
		client := newClient(t, env, Options{})
		req, err := http.NewRequest(http.MethodPost, "http://h/v1", bytes.NewReader(make([]byte, body)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Do(t.Context(), req); err != nil {
			t.Error(err)
		}
		client.Close()
		served.Wait()
	})
}

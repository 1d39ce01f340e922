package httpclient

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// against sends a request to a server that reads it and then does as told; it returns what came of it and how long it took.
func against(t *testing.T, url string, serve func(c net.Conn, head string)) (a Answer, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var served sync.WaitGroup
		env := testEnv()
		env.Dial = func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			served.Go(func() {
				defer server.Close()
				r := bufio.NewReader(server)
				head, _ := r.ReadString('\n')
				req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), r)))
				if err != nil {
					return
				}
				if _, err := io.ReadAll(req.Body); err == nil {
					serve(server, head)
				}
			})
			return client, nil
		}
		start := time.Now()
		c := newClient(t, env, Options{})
		a, err = c.Do(context.Background(), request(t, url))
		took = time.Since(start)
		c.Close()
		served.Wait()
	})
	return a, took, err
}

// drip writes text over and over, a byte a second, until nobody reads it.
func drip(c net.Conn, text string) {
	for i := 0; ; i++ {
		if _, err := io.WriteString(c, text[i%len(text):i%len(text)+1]); err != nil {
			return
		}
		time.Sleep(time.Second) // in the bubble: the clock moves
	}
}

// An answer whose body does not come is still an answer.
func TestAnswerThatDrips(t *testing.T) {
	a, took, err := against(t, "http://h/v1", func(c net.Conn, _ string) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
		drip(c, "x")
	})
	if err != nil || a.Status != 200 || len(a.Body) == 0 || took > answerTimeout {
		t.Errorf("status %d, %d bytes, error %v after %v", a.Status, len(a.Body), err, took)
	}
}

func TestHeaderThatDrips(t *testing.T) {
	_, took, err := against(t, "http://h/v1", func(c net.Conn, _ string) { drip(c, "HTTP/1.1 200 OK\r\n") })
	if err == nil || took > requestTimeout+time.Millisecond { // the request itself counts
		t.Errorf("error %v after %v", err, took)
	}
}

// A destination that answers with what it was sent, or with a book, does not get it into our logs.
func TestErrorsAreShortAndHoldNoSecret(t *testing.T) {
	for name, serve := range map[string]func(c net.Conn, head string){
		"echo":   func(c net.Conn, head string) { io.WriteString(c, head+"\r\n") },
		"book":   func(c net.Conn, _ string) { io.WriteString(c, strings.Repeat("garbage ", 8000)+"\r\n\r\n") },
		"header": func(c net.Conn, head string) { io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head+"\r\n\r\n") },
		"endless header": func(c net.Conn, _ string) {
			for n := 0; n < 1<<20; n += 16 {
				if _, err := io.WriteString(c, "HTTP/1.1 100 \r\n\r\n"); err != nil {
					return
				}
			}
		},
	} {
		_, _, err := against(t, "http://user:hunter2222@h/v1?token="+token, serve)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if text := e.Error(); strings.Contains(text, token) || strings.Contains(text, "hunter2222") || len(text) > 2*maxExcerpt {
				t.Errorf("%s: %T of %d bytes: %.300s", name, e, len(text), text)
			}
		}
	}
}

// Of an answer that does not end, the destination gets rid of 64 KiB.
func TestEndlessAnswer(t *testing.T) {
	wrote := 0
	a, _, err := against(t, "http://h/v1", func(c net.Conn, _ string) {
		io.WriteString(c, "HTTP/1.1 500 Oh\r\nContent-Length: 1073741824\r\n\r\n")
		for chunk := make([]byte, 1<<10); wrote < 1<<30; wrote += len(chunk) {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	if err != nil || len(a.Body) != maxAnswer || cap(a.Body) > maxAnswer || wrote > maxAnswer+16<<10 {
		t.Errorf("%d bytes kept in %d, %d taken, error %v", len(a.Body), cap(a.Body), wrote, err)
	}
}

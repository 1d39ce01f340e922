// Package hostile is a DataWay that misbehaves, connection by connection, on a network in memory, and the proof that a graph loses
// nothing to it (D18).
package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"dataflow/engine/point"
)

// socketBuffer is small, so that bodies do not fit into it.
const socketBuffer = 4 << 10

// A Behaviour serves a request that has begun to arrive. It may read it, answer it, and end the connection.
type Behaviour func(l *Link)

// Server is a DataWay that behaves as it is told and keeps the account of what it was sent. Its zero value is healthy.
type Server struct {
	TLS *tls.Config // nil is plain HTTP

	mu       sync.Mutex
	serve    Behaviour                       // nil is Accept
	dial     func(ctx context.Context) error // in place of a connection
	stall    bool                            // nobody answers a TLS handshake
	age      int                             // how often it has changed
	requests []*Request
	links    map[*Conn]bool // with whether a request is on it
	serving  sync.WaitGroup
}

// Request is an attempt to deliver a body, as far as it came.
type Request struct {
	At, End time.Time
	Lane    string // category, "" if it did not come as far
	ID      string // X-Pkg-Id
	Points  []int64
	Stored  bool // the server has, or may have, taken the points
	Status  int  // that the server has answered with, 0 is none
}

// Behave tells the server how to serve from now on; nil is healthy. What is being served keeps its way, but no connection outlives
// the change, as with a restart.
func (s *Server) Behave(serve Behaviour, dial func(context.Context) error, stall bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve, s.dial, s.stall = serve, dial, stall
	s.age++
	for c, busy := range s.links {
		if !busy {
			_ = c.Close()
		}
	}
}

// Requests returns what the server was sent so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.requests))
	for i, r := range s.requests {
		out[i] = *r
	}
	return out
}

// Wait waits until nobody is served any more.
func (s *Server) Wait() { s.serving.Wait() }

// Dial connects a client. It is an engine.Env's Dial.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	dial, stall := s.dial, s.stall
	s.mu.Unlock()
	if dial != nil || stall {
		s.note(&Request{At: time.Now(), End: time.Now()})
	}
	if dial != nil {
		if err := dial(ctx); err != nil {
			return nil, err
		}
	}
	client, server := Pipe(socketBuffer)
	s.mu.Lock()
	if s.links == nil {
		s.links = map[*Conn]bool{}
	}
	s.links[server] = stall
	s.mu.Unlock()
	s.serving.Go(func() {
		if stall {
			server.AwaitGone()
		} else {
			s.connection(server)
		}
		_ = server.Close()
		s.mu.Lock()
		delete(s.links, server)
		s.mu.Unlock()
	})
	return client, nil
}

func (s *Server) note(r *Request) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	return r
}

func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// connection serves the requests of a connection until it ends.
func (s *Server) connection(raw *Conn) {
	var c net.Conn = raw
	if s.TLS != nil {
		c = tls.Server(raw, s.TLS)
	}
	r := bufio.NewReader(c)
	for {
		if _, err := r.Peek(1); err != nil {
			return
		}
		l := &Link{Conn: c, Raw: raw, server: s, r: r}
		s.mu.Lock()
		serve, age := s.serve, s.age
		s.links[raw] = true
		s.mu.Unlock()
		l.request = s.note(&Request{At: time.Now()})
		if serve == nil {
			serve = Accept
		}
		serve(l)
		s.change(func() {
			l.request.End = time.Now()
			s.links[raw] = false
			l.over = l.over || s.age != age
		})
		if l.over {
			return
		}
	}
}

// Link is a connection with a request on it.
type Link struct {
	net.Conn
	Raw     *Conn // below TLS
	server  *Server
	r       *bufio.Reader
	request *Request
	head    *http.Request
	over    bool // no more requests on this connection
}

// End says that the connection has served its last request.
func (l *Link) End() { l.over = true }

// Head reads the header of the request, nil if it does not come. It can be called again.
func (l *Link) Head() *http.Request {
	if l.head != nil {
		return l.head
	}
	req, err := http.ReadRequest(l.r)
	if err != nil {
		l.End()
		return nil
	}
	l.server.change(func() {
		l.request.ID = req.Header.Get("X-Pkg-Id")
		l.request.Lane = strings.TrimPrefix(req.URL.Path, "/v1/write/")
	})
	l.head = req
	return req
}

// Body reads the body of the request, and reports false if not all of it comes.
func (l *Link) Body(req *http.Request) bool {
	if req.Header.Get("Expect") != "" {
		if _, err := io.WriteString(l, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			l.End()
			return false
		}
	}
	text, err := io.ReadAll(req.Body)
	if err != nil {
		l.End()
		return false
	}
	ps, err := point.ParseLines(nil, new(point.Arena), text, point.ReadOptions{Precision: point.Nanoseconds})
	if err != nil || strconv.Itoa(len(ps)) != req.Header.Get("X-Points") {
		l.server.change(func() { l.request.Lane = fmt.Sprintf("a body that is no body: %v", err) })
	}
	ns := make([]int64, len(ps))
	for i := range ps {
		v, _ := ps[i].Get("message")
		n, _, _ := strings.Cut(v.Str(), " ")
		ns[i], _ = strconv.ParseInt(n, 10, 64)
	}
	l.server.change(func() { l.request.Points = ns })
	return true
}

// Read reads the whole request, and reports false if it does not come.
func (l *Link) Read() bool {
	req := l.Head()
	return req != nil && l.Body(req)
}

// Store takes the points of the request.
func (l *Link) Store() { l.server.change(func() { l.request.Stored = true }) }

// Answer writes an answer with further header lines and a body.
func (l *Link) Answer(status int, body string, header ...string) {
	text := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", status, http.StatusText(status), len(body))
	for _, h := range header {
		text += h + "\r\n"
	}
	if _, err := io.WriteString(l, text+"\r\n"+body); err != nil {
		l.End()
		return
	}
	l.server.change(func() { l.request.Status = status })
}

// Accept is the behaviour of a healthy DataWay.
func Accept(l *Link) {
	if l.Read() {
		l.Store()
		l.Answer(http.StatusOK, "")
	}
}

package sources

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"dataflow/engine"
)

const (
	maxHeader     = 16 << 10
	headerTimeout = 5 * time.Second
	idleTimeout   = 60 * time.Second
	maxStreams    = 100 // of an HTTP/2 connection
	// unixMode lets the group write to the socket.
	unixMode = 0o660
)

// Run serves until ctx ends. Requests that came before are answered, up to answer_timeout.
func (s *httpSource) Run(ctx context.Context, emit engine.Emit) error {
	s.started = s.env.Now()
	listener, err := s.listen(ctx)
	if err != nil {
		return engine.Permanent(err)
	}
	listener = newLimitedListener(listener, s.config.MaxConnections, s.counters)
	server := &http.Server{
		Handler: s.handler(ctx, emit), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.env.Log.Handler(), slog.LevelDebug), // what strangers send is no warning
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
	}
	if s.config.TLS.Cert != "" {
		config, err := s.tlsConfig()
		if err != nil {
			listener.Close()
			return engine.Permanent(err)
		}
		server.TLSConfig = config
		listener = tls.NewListener(listener, config)
	}
	if s.config.Insecure {
		s.env.Log.Warn("everybody who can reach this address may write: insecure is set", "address", s.config.Listen)
	}
	s.env.Log.Info("serving", "address", listener.Addr().String())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
		err = fmt.Errorf("serving %s: %w", s.config.Listen, err)
	case <-ctx.Done():
		err = ctx.Err()
	}
	// Answers that wait for the graph come within answer_timeout.
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.AnswerTimeout+time.Second)
	defer cancel()
	if server.Shutdown(stop) != nil {
		server.Close()
	}
	s.running.Wait()
	s.query.Close()
	return err
}

func (s *httpSource) listen(ctx context.Context) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(s.config.Listen, "unix:")
	if !isUnix {
		l, err := s.env.Listen(ctx, "tcp", s.config.Listen)
		if err != nil {
			return nil, fmt.Errorf("listening on %s: %w", s.config.Listen, err)
		}
		return l, nil
	}
	if err := s.env.FS.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of a process that was killed
		return nil, fmt.Errorf("listening on %s: %w", s.config.Listen, err)
	}
	l, err := s.env.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", s.config.Listen, err)
	}
	if err := os.Chmod(path, unixMode); err != nil {
		l.Close()
		return nil, fmt.Errorf("listening on %s: %w", s.config.Listen, err)
	}
	return l, nil
}

// handler returns the routes behind what every request passes: headers, access, the client's rate.
func (s *httpSource) handler(ctx context.Context, emit engine.Emit) http.Handler {
	mux := http.NewServeMux()
	has := func(route string) bool { return slices.Contains(s.config.Routes, route) }
	if has(routeWrite) {
		mux.HandleFunc("POST /v1/write/{category}", func(w http.ResponseWriter, r *http.Request) { s.write(ctx, emit, w, r) })
		mux.HandleFunc("POST /v1/lasterror", s.lastError)
		mux.HandleFunc("GET /v1/ping", s.ping)
		mux.HandleFunc("GET /v1/ntp", s.ntp)
	}
	if has(routeQuery) {
		mux.HandleFunc("POST /v1/query/raw", s.queryRaw)
		mux.HandleFunc("/v1/object/labels", s.objectLabels)
	}
	if has(routeDebug) {
		mux.HandleFunc("POST /v1/pipeline/debug", s.pipelineDebug)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1)
		defer s.running.Done()
		answer := &answer{ResponseWriter: w}
		handler, pattern := mux.Handler(r)
		defer func() { s.counters.request(routeOf(pattern), answer.status) }()
		defer s.recovered(answer, r)
		s.setHeaders(answer.Header())
		client := clientOf(r)
		switch {
		case !s.access.permits(r, client):
			s.writeError(answer, &apiError{status: http.StatusForbidden, code: "publicAccessDisabled",
				message: fmt.Sprintf("api %s disabled from external IP, only loopback(localhost) allowed", r.URL.Path)})
		case r.Method == http.MethodOptions:
			answer.WriteHeader(http.StatusNoContent)
		case pattern == "" || handler == nil:
			s.notFound(answer)
		case ctx.Err() != nil:
			answer.Header().Set("Connection", "close")
			s.writeError(answer, errStopping)
		case !s.clients.allow(client, s.env.Now()):
			s.writeError(answer, errClientRate)
		default:
			mux.ServeHTTP(answer, r)
		}
	})
}

// routeOf bounds the label of the counter.
func routeOf(pattern string) string {
	if pattern == "" {
		return "unknown"
	}
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}

// notFound answers what the engine does not serve, and wrong methods, as DataKit does.
func (s *httpSource) notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("<!DOCTYPE html><title>404</title><p>There is no such API.</p>\n"))
}

// recovered turns a panic, which is a fault of ours, into an answer.
func (s *httpSource) recovered(w *answer, r *http.Request) {
	x := recover()
	if x == nil {
		return
	}
	s.env.Log.Error("panic in a request", "path", r.URL.Path, "panic", x, "stack", string(debug.Stack()))
	if w.status == 0 {
		s.writeError(w, &apiError{status: http.StatusInternalServerError, code: "internal", message: "the engine failed on this request", reason: "panic"})
	}
}

// answer remembers the status.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader sends the status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

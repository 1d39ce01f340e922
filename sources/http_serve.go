package sources

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"dataflow/engine"
)

const (
	maxHeader     = 16 << 10
	headerTimeout = 5 * time.Second
	idleTimeout   = 60 * time.Second
	maxStreams    = 100 // of an HTTP/2 connection
)

// graces are how long slow clients are waited for. Tests have less of it.
type graces struct {
	header time.Duration // and for a handshake
	body   time.Duration // for slowBytes of a body
	answer time.Duration // for a client to take writePiece
}

// Run serves until ctx ends. Requests that came before are answered, up to answer_timeout.
func (s *httpSource) Run(ctx context.Context, emit engine.Emit) error {
	s.started = s.env.Now()
	defer s.query.Close()
	listener, certificates, err := s.open(ctx)
	if err != nil {
		s.env.Health(err)
		return engine.Permanent(err)
	}
	server := &http.Server{
		Handler: s.handler(ctx, emit), ConnContext: withConn,
		DisableGeneralOptionsHandler: true, ReadHeaderTimeout: s.graces.header, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.env.Log.Handler(), slog.LevelDebug), // what strangers send is no warning
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
	}
	listener = newLimitedListener(listener, s.config.MaxConnections, s.counters, s.env.Now)
	if certificates != nil {
		server.TLSConfig = certificates
		listener = newTLSListener(listener, certificates, s.graces.header)
	} else {
		listener = strictListener{listener}
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
		s.env.Health(err)
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
	return err
}

// open returns the listener and, for HTTPS, the certificates. Certificates come first: a socket that answers nothing but errors is worse than none.
func (s *httpSource) open(ctx context.Context) (l net.Listener, config *tls.Config, err error) {
	if s.config.TLS.Cert != "" {
		if config, err = s.tlsConfig(); err != nil {
			return nil, nil, err
		}
	}
	if l, err = s.listen(ctx); err != nil {
		return nil, nil, fmt.Errorf("listening on %s: %w", s.config.Listen, err)
	}
	return l, config, nil
}

// handler returns the routes behind what every request passes: headers, access, the client's rate.
func (s *httpSource) handler(ctx context.Context, emit engine.Emit) http.Handler {
	routes := s.routes(ctx, emit)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1)
		defer s.running.Done()
		conn := connOf(r.Context())
		conn.work(1)
		defer conn.answered(r)
		answer := newAnswer(w, s.graces.answer, conn)
		// What stands here from the answer before would cut "100 Continue" off.
		_ = answer.control.SetWriteDeadline(time.Time{})
		serve, route := routes.find(r)
		defer func() { s.counters.request(route, answer.status) }()
		defer s.recovered(answer, r)
		s.setHeaders(answer.Header())
		if e := s.serve(ctx, serve, answer, r); e != nil {
			s.writeError(answer, e)
		}
	})
}

func (s *httpSource) serve(ctx context.Context, serve serve, w http.ResponseWriter, r *http.Request) *apiError {
	client := peerOf(r)
	switch {
	case !s.access.permits(r, client):
		return &apiError{status: http.StatusForbidden, code: "publicAccessDisabled",
			message: fmt.Sprintf("api %s disabled from external IP, only loopback(localhost) allowed", clip(r.URL.Path))}
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case serve == nil:
		notFound(w)
	case ctx.Err() != nil:
		w.Header().Set("Connection", "close")
		return errStopping
	case !s.clients.allow(client.key(), s.env.Now()):
		s.limitHeaders(w.Header(), r)
		return errClientRate
	default:
		return serve(w, r)
	}
	return nil
}

// limitHeaders are those that DataKit adds when a client is above the rate.
func (s *httpSource) limitHeaders(h http.Header, r *http.Request) {
	h.Set("X-Rate-Limit-Limit", strconv.FormatFloat(s.config.ClientRate.Amount, 'f', 2, 64))
	h.Set("X-Rate-Limit-Duration", "1")
	h.Set("X-Rate-Limit-Request-Remote-Addr", r.RemoteAddr)
	h.Set("X-Rate-Limit-Request-Forwarded-For", r.Header.Get("X-Forwarded-For"))
}

// notFound answers what the engine does not serve, and wrong methods, as DataKit does.
func notFound(w http.ResponseWriter) {
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
	e := &apiError{status: http.StatusInternalServerError, code: "internal", message: "the engine failed on this request", reason: "panic"}
	if w.status != 0 { // half an answer must not look like a whole one
		s.counters.refused(e)
		panic(http.ErrAbortHandler)
	}
	s.writeError(w, e)
}

// Package admin serves what is seen of a running engine over HTTP: health, readiness and metrics.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dataflow/engine"
	"dataflow/engine/runtime"
)

// View is what the server reads.
type View interface {
	Snapshot() runtime.Snapshot
	Ready() []runtime.NodeHealth
}

// Server is a running admin server.
type Server struct {
	Addr net.Addr
	http http.Server
	done chan error
}

// Start listens on addr, which must be a loopback address: whoever reaches the server sees the graph.
func Start(env engine.Env, addr string, v View) (*Server, error) {
	if err := loopback(addr); err != nil {
		return nil, err
	}
	l, err := env.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for admin requests: %w", err)
	}
	s := &Server{Addr: l.Addr(), done: make(chan error, 1)}
	s.http = http.Server{
		Handler: Handler(v), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: nil,
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// Close stops the server and waits for it.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	return err
}

func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("admin address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("admin address %q is not a loopback address: the server has no access rules yet", addr)
}

// Handler serves /healthz, /readyz and /metrics.
func Handler(v View) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{v}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		failing := v.Ready()
		if len(failing) == 0 {
			fmt.Fprintln(w, "ready")
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, f := range failing {
			fmt.Fprintf(w, "%s: %v, since %s\n", f.Node, f.Err, f.Since.UTC().Format(time.RFC3339))
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

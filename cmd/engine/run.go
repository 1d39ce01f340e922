package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/admin"
	"dataflow/engine/runtime"
)

// runFlags are the flags of run.
type runFlags struct {
	graphFlags
	admin    string
	drain    time.Duration
	idle     time.Duration
	embedded bool
	logLevel string
	standIn  string
}

func runCommand(s streams) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run graph.yaml",
		Short: "Run a graph until it is stopped or its sources have ended",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return f.run(s, args[0]) },
	}
	f.add(c)
	c.Flags().StringVar(&f.admin, "admin", "", "serve health and metrics on a loopback `address`, over admin.listen")
	c.Flags().DurationVar(&f.drain, "drain-timeout", runtime.DefaultDrainTimeout, "how long stopping may take before what is not done is given up")
	c.Flags().DurationVar(&f.idle, "until-idle", 0, "stop once nothing has come in and nothing has been on its way for this long")
	c.Flags().BoolVar(&f.embedded, "embedded", false, "replace every Kafka and DataWay by in-process stand-ins; points are printed")
	c.Flags().StringVar(&f.logLevel, "log-level", "", "debug, info, warn or error, over log.level")
	c.Flags().StringVar(&f.standIn, "stand-in", "", "lead the connections of a role to `role=address`, without TLS and SASL")
	_ = c.Flags().MarkHidden("stand-in")
	return c
}

func (f *runFlags) run(s streams, path string) error {
	g, err := f.load(s, path)
	if err != nil {
		return err
	}
	log, err := newLog(s, g, f.logLevel)
	if err != nil {
		return err
	}
	o := runtime.Options{Log: log, Version: version, DrainTimeout: max(f.drain, time.Nanosecond), UntilIdle: f.idle}
	if f.standIn != "" {
		if o.DialFor, err = parseStandIn(f.standIn); err != nil {
			return err
		}
	}
	if f.embedded {
		stand, err := startEmbedded(s, g, log)
		if err != nil {
			return &exitError{runtime.ExitFailed, err}
		}
		defer stand.close()
		if _, err := stand.feedTests(g); err != nil {
			return &exitError{runtime.ExitFailed, err}
		}
		o.DialFor = stand.dialFor
	}
	return runGraph(s, g, o, f.admin)
}

// runGraph runs a graph that was read.
func runGraph(s streams, g *graph.Graph, o runtime.Options, adminAddr string) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		container := containerMemory(os.DirFS("/"))
		limit := memoryLimit(int64(g.Limits.Memory), container)
		if limit < int64(g.Limits.Memory) {
			o.Log.Info("the container allows less memory than limits.memory", "container_bytes", container, "limits_memory_bytes", int64(g.Limits.Memory), "limit_bytes", limit)
		}
		if limit > 0 {
			debug.SetMemoryLimit(limit)
		}
	}
	e, err := runtime.New(g, o)
	if err != nil {
		return badGraph(s, err, g.Source)
	}
	unlock, err := lockDataDir(g.DataDir, o.Log)
	if err != nil {
		return &exitError{exitConfig, err}
	}
	defer unlock()
	if adminAddr == "" {
		adminAddr = g.Admin.Listen
	}
	if adminAddr != "" {
		srv, err := admin.Start(engine.HostEnv(o.Log), adminAddr, e)
		if err != nil {
			return &exitError{exitConfig, err}
		}
		defer func() {
			if err := srv.Close(); err != nil {
				o.Log.Warn("stopping the admin server", "error", err)
			}
		}()
		o.Log.Info("serving health and metrics", "address", srv.Addr.String())
	}
	ctx, stop, hurry := signals()
	defer stop()
	o.Log.Info("running", "graph", g.Name, "nodes", len(g.Nodes))
	r := e.Run(ctx, hurry)
	if r.Err != nil {
		return &exitError{r.Code, r.Err}
	}
	o.Log.Info("stopped", "graph", g.Name)
	return nil
}

// signals returns a context that ends at the first SIGINT or SIGTERM and a channel that closes at the second.
func signals() (context.Context, func(), <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	hurry := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			if _, ok := <-c; !ok {
				return
			}
			if n == 0 {
				cancel()
			} else if n == 1 {
				close(hurry)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(c)
		close(c)
		<-done
		cancel()
	}, hurry
}

func newLog(s streams, g *graph.Graph, level string) (*slog.Logger, error) {
	if level == "" {
		level = g.Log.Level
	}
	var l slog.Level
	if level != "" {
		if err := l.UnmarshalText([]byte(level)); err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("log level %q: choose debug, info, warn or error", level)}
		}
	}
	o := &slog.HandlerOptions{Level: l}
	if g.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(s.err, o)), nil
	}
	return slog.New(slog.NewTextHandler(s.err, o)), nil
}

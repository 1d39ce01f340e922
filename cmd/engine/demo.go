package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"dataflow/engine/embedded"
	"dataflow/engine/runtime"
)

//go:embed demo
var demoFiles embed.FS

// demoCommand runs the graph of the KafkaMQ manual against stand-ins, with producers for its topics.
func demoCommand(s streams) *cobra.Command {
	var f runFlags
	var rate float64
	var count int
	c := &cobra.Command{
		Use: "demo", Short: "Run the KafkaMQ manual's graph on in-process stand-ins, with producers for its topics", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := os.MkdirTemp("", "engine-demo")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			files, err := fs.Sub(demoFiles, "demo")
			if err != nil {
				return err
			}
			if err := os.CopyFS(dir, files); err != nil {
				return err
			}
			return f.demo(s, filepath.Join(dir, "graph.yaml"), rate, count)
		},
	}
	c.Flags().Float64Var(&rate, "rate", 5, "messages a second and topic")
	c.Flags().IntVar(&count, "count", 0, "end after so many messages of each topic; 0 runs until it is stopped")
	c.Flags().StringVar(&f.admin, "admin", "", "serve health and metrics on a loopback `address`")
	c.Flags().StringVar(&f.logLevel, "log-level", "warn", "debug, info, warn or error")
	return c
}

func (f *runFlags) demo(s streams, path string, rate float64, count int) error {
	g, err := f.load(s, path)
	if err != nil {
		return err
	}
	log, err := newLog(s, g, f.logLevel)
	if err != nil {
		return err
	}
	stand, err := startEmbedded(s, g, log)
	if err != nil {
		return &exitError{runtime.ExitFailed, err}
	}
	defer stand.close()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	topics := topicsOf(g)
	for i, topic := range slices.Sorted(maps.Keys(topics)) {
		p := embedded.Producers()[map[string]string{"logging": "logs", "rum": "rum", "metric": "metrics"}[topics[topic]]]
		seed := uint64(i + 1) // the same messages in every run
		wg.Go(func() {
			if _, err := stand.kafka.Feed(ctx, topic, p, rate, count, seed); err != nil {
				log.Warn("producing", "topic", topic, "error", err)
			}
		})
	}
	fmt.Fprintf(s.err, "Kafka stands in at %s; points that reach DataWay are printed. Stop with ctrl-C.\n", stand.kafka.Addr())
	o := runtime.Options{Log: log, Version: version, DrainTimeout: runtime.DefaultDrainTimeout, DialFor: stand.dialFor}
	if count > 0 {
		o.UntilIdle = 3 * time.Second
	}
	return runGraph(s, g, o, f.admin)
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dataflow/bench"
	"dataflow/engine/embedded"
)

func benchCommand(s streams) *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure what graphs cost"}
	c.AddCommand(benchKafkaCommand(s), benchStandInCommand(s), profiled(benchFloorCommand()))
	return c
}

func benchKafkaCommand(s streams) *cobra.Command {
	var f graphFlags
	var counts string
	c := &cobra.Command{
		Use: "kafka graph.yaml", Short: "Measure a graph that consumes Kafka topics, against stand-ins in another process", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			n, err := bench.ParseCounts(counts)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			g, err := f.load(s, args[0])
			if err != nil {
				return err
			}
			topics := topicsOf(g)
			if len(topics) == 0 {
				return &exitError{exitUsage, fmt.Errorf("%s reads no topics", args[0])}
			}
			texts := map[string]string{}
			for _, in := range testInputs(g) {
				if texts[in.topic] == "" { // the first input is the typical one, later ones may be odd
					texts[in.topic] = in.body
				}
			}
			table := bench.KafkaTable{
				Topics:  slices.Sorted(maps.Keys(topics)),
				StandIn: standInProcess,
				Text:    func(topic string) string { return messageFor(topics[topic], texts[topic]) },
				Engine: func(a bench.StandInAddresses) *exec.Cmd {
					cmd := self("run", args[0], "--until-idle", "1s", "--log-level", "warn", "--stand-in", "kafka="+a.Kafka+",dataway="+a.DataWay)
					for _, x := range f.set {
						cmd.Args = append(cmd.Args, "--set", x)
					}
					for _, x := range f.vars {
						cmd.Args = append(cmd.Args, "--var", x)
					}
					cmd.Stderr = s.err
					return cmd
				},
			}
			return table.Write(s.out, n)
		},
	}
	f.add(c)
	c.Flags().StringVar(&counts, "messages", "100k,1M", "numbers of messages, one line of the table each")
	return c
}

// messageFor returns what is produced to a topic: the input of a test of the graph, or a typical message of the category.
func messageFor(category, text string) string {
	if text != "" {
		return text
	}
	kind := map[string]string{"logging": "logs", "rum": "rum"}[category]
	if kind == "" {
		return bench.MetricMessage
	}
	return embedded.Producers()[kind].Message(rand.New(rand.NewPCG(1, 1)), time.Unix(1700000000, 0), 1)
}

// self returns a command that runs this program again.
func self(args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	return exec.Command(exe, args...)
}

func standInProcess(topics map[string]int32) *exec.Cmd {
	var list []string
	for t, n := range topics {
		list = append(list, t+":"+strconv.Itoa(int(n)))
	}
	slices.Sort(list)
	return self("bench", "stand-in", "--topics", strings.Join(list, ","))
}

// benchStandInCommand is the stand-in process of benchmarks and tests.
func benchStandInCommand(s streams) *cobra.Command {
	var topics, dataDir, listen string
	c := &cobra.Command{
		Use: "stand-in", Short: "Serve a Kafka and a DataWay until standard input ends", Args: cobra.NoArgs, Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			m := map[string]int32{}
			for _, t := range strings.Split(topics, ",") {
				name, n, _ := strings.Cut(t, ":")
				count, err := strconv.Atoi(n)
				if err != nil || name == "" {
					return &exitError{exitUsage, fmt.Errorf("--topics %q: write name:partitions", topics)}
				}
				m[name] = int32(count)
			}
			return bench.ServeStandIn(s.in, s.out, embedded.KafkaOptions{DataDir: dataDir, Listen: listen}, m)
		},
	}
	c.Flags().StringVar(&topics, "topics", "metric_topic:12", "topics with their numbers of partitions")
	c.Flags().StringVar(&dataDir, "data-dir", "", "keep topics and offsets in a folder")
	c.Flags().StringVar(&listen, "listen", "", "address of the Kafka")
	return c
}

// benchFloorCommand is the hand-written consumer that the engine is measured against.
func benchFloorCommand() *cobra.Command {
	var o bench.FloorOptions
	c := &cobra.Command{
		Use: "floor", Short: "Consume a topic by a hand-written loop", Args: cobra.NoArgs, Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			slog.SetDefault(slog.New(slog.DiscardHandler))
			return bench.Floor(context.Background(), o)
		},
	}
	c.Flags().StringVar(&o.Kafka, "kafka", "", "address of the broker")
	c.Flags().StringVar(&o.Topic, "topic", "metric_topic", "topic")
	c.Flags().StringVar(&o.Group, "group", "floor", "consumer group")
	c.Flags().StringVar(&o.DataWay, "dataway", "", "URL of the DataWay; without it the loop only polls")
	c.Flags().IntVar(&o.Count, "count", 0, "records after which it ends")
	return c
}

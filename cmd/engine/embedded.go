package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"dataflow/dsl/graph"
	"dataflow/engine/embedded"
	"dataflow/engine/runtime"
)

// subscriber is implemented by the configurations of sources that read topics.
type subscriber interface {
	// Subscribed returns the topics and the category that each is read as.
	Subscribed() map[string]string
}

// embeddedPartitions is how many partitions a topic of the stand-in has.
const embeddedPartitions = 3

// topicsOf returns the Kafka topics that a graph reads, with their categories.
func topicsOf(g *graph.Graph) map[string]string {
	topics := map[string]string{}
	for _, n := range g.Nodes {
		if s, ok := n.Config.(subscriber); ok {
			for topic, category := range s.Subscribed() {
				topics[topic] = category
			}
		}
	}
	return topics
}

// standIns are the in-process Kafka and DataWay of --embedded.
type standIns struct {
	kafka   *embedded.Kafka
	dataway *embedded.DataWay
}

// startEmbedded starts stand-ins for what the graph talks to. The Kafka has the graph's topics, with the inputs of the
// graph's tests in them; the DataWay prints points.
func startEmbedded(s streams, g *graph.Graph, log *slog.Logger) (*standIns, error) {
	topics := map[string]int32{}
	for topic := range topicsOf(g) {
		topics[topic] = embeddedPartitions
	}
	kafka, err := embedded.StartKafka(topics, embedded.KafkaOptions{})
	if err != nil {
		return nil, err
	}
	dataway, err := embedded.StartDataWay(embedded.DataWayOptions{Print: s.out})
	if err != nil {
		kafka.Close()
		return nil, err
	}
	log.Info("stand-ins are running", "kafka", kafka.Addr(), "dataway", dataway.URL())
	return &standIns{kafka, dataway}, nil
}

func (e *standIns) close() {
	e.kafka.Close()
	_ = e.dataway.Close()
}

// dialFor leads every connection of a role to its stand-in.
func (e *standIns) dialFor(role string) runtime.Dial {
	u, _ := url.Parse(e.dataway.URL())
	return dialTo(role, map[string]string{"kafka": e.kafka.Addr(), "dataway": u.Host})
}

func dialTo(role string, addrs map[string]string) runtime.Dial {
	addr := addrs[role]
	if addr == "" {
		return nil
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
}

// feedTests produces the inputs of the graph's tests to the topics that they name.
func (e *standIns) feedTests(g *graph.Graph) (int, error) {
	n := 0
	for _, input := range testInputs(g) {
		if err := e.kafka.ProduceText(context.Background(), input.topic, embedded.AnyPartition, input.body); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

type testInput struct{ topic, body string }

// testInputs returns the inputs of the graph's tests that have a topic.
func testInputs(g *graph.Graph) []testInput {
	var out []testInput
	for _, test := range g.Tests {
		for _, input := range listOf(member(test, "input")) {
			topic, body := textOf(member(input, "topic")), textOf(member(input, "body"))
			if _, known := topicsOf(g)[topic]; known {
				out = append(out, testInput{topic, body})
			}
		}
	}
	return out
}

// parseStandIn reads --stand-in role=address,role=address.
func parseStandIn(text string) (func(role string) runtime.Dial, error) {
	addrs := map[string]string{}
	for _, s := range strings.Split(text, ",") {
		role, addr, ok := strings.Cut(s, "=")
		if !ok {
			return nil, &exitError{exitUsage, errors.New("--stand-in: write role=address")}
		}
		if u, err := url.Parse(addr); err == nil && u.Host != "" {
			addr = u.Host
		}
		addrs[role] = addr
	}
	if len(addrs) == 0 {
		return nil, &exitError{exitUsage, fmt.Errorf("--stand-in %q names nothing", text)}
	}
	return func(role string) runtime.Dial { return dialTo(role, addrs) }, nil
}

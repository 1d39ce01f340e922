package bench

import (
	"fmt"
	"io"
	"math"
	"os/exec"
	"strconv"
	"strings"
)

// KafkaTable measures a graph that consumes Kafka topics, against stand-ins in another process, and writes the
// table of the KafkaMQ manual: number of messages, time, messages a second, CPU per message, peak memory.
type KafkaTable struct {
	// StandIn returns the command of a stand-in process with the given topics.
	StandIn func(topics map[string]int32) *exec.Cmd
	// Engine returns the command that runs the graph against it and ends when it is idle.
	Engine func(a StandInAddresses) *exec.Cmd
	Topics []string
	Text   func(topic string) string // of the messages
}

// benchPartitions is how many partitions a topic gets.
const benchPartitions = 12

// idleTime is what the engine waits for before it ends, in seconds; it is taken off the wall time.
const idleTime = 1.0

// Write measures each count, which is of messages over all topics.
func (t KafkaTable) Write(w io.Writer, counts []int) error {
	fmt.Fprintf(w, "%10s %9s %12s %12s %9s\n", "messages", "time", "messages/s", "CPU/message", "peak RSS")
	for _, count := range counts {
		u, err := t.measure(count)
		if err != nil {
			return err
		}
		seconds := max(u.Wall.Seconds()-idleTime, 1e-3)
		fmt.Fprintf(w, "%10d %7.2f s %12.0f %9.3f us %5d MiB\n", count, seconds, float64(count)/seconds,
			float64(u.CPU.Nanoseconds())/1e3/float64(count), u.MaxRSS>>20)
	}
	return nil
}

func (t KafkaTable) measure(count int) (Usage, error) {
	topics := map[string]int32{}
	for _, topic := range t.Topics {
		topics[topic] = benchPartitions
	}
	s, err := StartStandIn(t.StandIn(topics))
	if err != nil {
		return Usage{}, err
	}
	defer s.Close()
	for i, topic := range t.Topics {
		n := count*(i+1)/len(t.Topics) - count*i/len(t.Topics)
		if err := s.Produce(topic, n, t.Text(topic)); err != nil {
			return Usage{}, err
		}
	}
	return Measure(t.Engine(s.StandInAddresses))
}

// ParseCounts reads "100k,1M".
func ParseCounts(text string) ([]int, error) {
	var out []int
	for _, s := range strings.Split(text, ",") {
		s = strings.TrimSpace(s)
		mult := 1.0
		switch {
		case strings.HasSuffix(s, "k"):
			mult, s = 1e3, strings.TrimSuffix(s, "k")
		case strings.HasSuffix(s, "M"):
			mult, s = 1e6, strings.TrimSuffix(s, "M")
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f*mult < 1 || f*mult > math.MaxInt32 {
			return nil, fmt.Errorf("%q: %w", text, ErrNoCount)
		}
		out = append(out, int(f*mult))
	}
	return out, nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/bench"
	"dataflow/test/harness"
	"dataflow/test/kafka"
)

const (
	timesFloor = 1.3       // CPU per message, at most, of the hand-written loop
	mostMemory = 200 << 20 // of the process, with limits.memory 160MiB
	sameCost   = 1.1       // what more messages, or partitions, may cost each
	twoWorkers = 1.6       // rate of one
)

// job is one of the two that the engine is measured with.
type job struct{ name, topic, graph, script string }

var jobs = []job{
	{"metric, 132 bytes, three values", "metric_topic", harness.MetricGraph("start: earliest"), harness.MetricScript},
	{"log, 500 bytes, six values", bench.LogTopic, harness.LogGraph("start: earliest"), harness.LogScript},
}

// measure is what a job is measured against.
type measure struct {
	show
	job
	bench.StandInAddresses
	path   string // of the graph
	groups int
	env    []string // of the measured processes, on top of ours
}

// on writes the graph of the job to a folder.
func (s show) on(j job, a bench.StandInAddresses) (m *measure, remove func(), err error) {
	script := "metric.p"
	if j.topic == bench.LogTopic {
		script = "log.p"
	}
	m = &measure{show: s, job: j, StandInAddresses: a}
	m.path, remove, err = s.Folder("graph.yaml", j.graph, script, j.script)
	return m, remove, err
}

// floor is the hand-written loop; without a DataWay it only polls.
func (m *measure) floor(name, dataway string, count int) bench.Job {
	return bench.Job{Name: name, Count: count, Run: func(int) (bench.Usage, error) {
		m.groups++
		cmd := exec.Command(m.Binary, "bench", "floor", "--kafka", m.Kafka, "--topic", m.topic, "--count", fmt.Sprint(count), "--group", fmt.Sprintf("floor-%d", m.groups), "--dataway", dataway)
		cmd.Env = append(os.Environ(), m.env...)
		return bench.Measure(cmd)
	}}
}

func (m *measure) engine(name string, count int) bench.Job {
	return bench.Job{Name: name, Count: count, Run: func(int) (bench.Usage, error) {
		m.groups++
		var log strings.Builder
		cmd := harness.Command(m.Binary, m.path, m.StandInAddresses, "--until-idle", "1s", "--set", fmt.Sprintf("mq.group=engine-%d", m.groups))
		cmd.Stderr, cmd.Env = &log, append(os.Environ(), m.env...)
		u, err := bench.Measure(cmd)
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, log.String())
		}
		u.Wall -= time.Second // of idling
		return u, err
	}}
}

// beside measures the engine beside the loop, and the loop beside itself.
func (m *measure) beside(count, turns int) error {
	costs, err := bench.Compare(m.Out, []bench.Job{
		m.floor("hand-written loop", m.DataWay, count), m.floor("the same again (A/A)", m.DataWay, count), m.floor("bare poll", "", count), m.engine("engine", count),
	}, turns, count)
	if err != nil {
		return err
	}
	ratio := costs[3].Median / costs[0].Median
	m.Printf("%.2f times the hand-written loop, at most %.1f; peak RSS %d MiB, at most %d", ratio, timesFloor, costs[3].RSS>>20, mostMemory>>20)
	if m.Short {
		return nil
	}
	if ratio > timesFloor || costs[3].RSS > mostMemory {
		return fmt.Errorf("it costs too much")
	}
	return nil
}

// speed measures CPU per message of the process (getrusage) in turns; the wall clock includes start and joining the group.
func (s show) speed() error {
	count, turns := s.Scale(1_000_000, 50_000), s.Scale(7, 1)
	for _, j := range jobs {
		if err := s.onStandIn(j, count, turns); err != nil {
			return err
		}
	}
	if !s.Short {
		for _, j := range jobs {
			if err := s.onKafka(j, count, turns); err != nil {
				return err
			}
		}
	}
	for _, f := range []func() error{s.more, s.large, s.workers, s.table} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// posting is how many jobs of [measure.beside] send what they read.
const posting = 3

// arrived checks that the jobs have delivered so many points to the DataWay of a stand-in: what does less than its job costs less.
func arrived(stand *bench.StandIn, want int) error {
	seen, err := stand.Seen()
	if err != nil {
		return err
	}
	if seen.Points != int64(want) || seen.Missing != 0 {
		return fmt.Errorf("the jobs did not deliver what they should: %+v, want %d points", seen, want)
	}
	return nil
}

// onStandIn measures a job on kfake in another process.
func (s show) onStandIn(j job, count, turns int) error {
	stand, err := harness.StandIn(s.Binary, j.topic+":12")
	if err != nil {
		return err
	}
	defer stand.Close()
	if err := stand.Produce(j.topic, count, ""); err != nil {
		return err
	}
	m, remove, err := s.on(j, stand.StandInAddresses)
	if err != nil {
		return err
	}
	defer remove()
	for _, processors := range []string{"all processors", "one processor (GOMAXPROCS=1)"} {
		s.Printf("\n### %s: %d messages on kfake in another process, %s, %d turns", j.name, count, processors, turns)
		if err := m.beside(count, turns); err != nil {
			return err
		}
		m.env = []string{"GOMAXPROCS=1"}
	}
	if err := arrived(stand, 2*posting*turns*count); err != nil {
		return err
	}
	return s.Profile(stand.StandInAddresses, m.path, j.topic, count)
}

// onKafka measures a job on Apache Kafka.
func (s show) onKafka(j job, count, turns int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "engine-show-kafka")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cluster, err := kafka.Start(ctx, dir, kafka.Options{Version: kafka.Kafka4, Properties: []string{"num.partitions=12", "auto.create.topics.enable=true"}})
	if err != nil {
		return err
	}
	defer cluster.Close()
	brokers := cluster.Brokers("PLAINTEXT")
	if err := produce(ctx, brokers, j.topic, count); err != nil {
		return err
	}
	stand, err := harness.StandIn(s.Binary, j.topic+":1") // for its DataWay
	if err != nil {
		return err
	}
	defer stand.Close()
	a := stand.StandInAddresses
	a.Kafka = brokers[0]
	m, remove, err := s.on(j, a)
	if err != nil {
		return err
	}
	defer remove()
	s.Printf("\n### %s: %d messages on Apache Kafka %s, %d turns", j.name, count, kafka.Kafka4, turns)
	if err := m.beside(count, turns); err != nil {
		return err
	}
	return arrived(stand, posting*turns*count)
}

// produce writes the messages of a job to a topic, which the broker creates.
func produce(ctx context.Context, brokers []string, topic string, count int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.AllowAutoTopicCreation(), kgo.MaxBufferedRecords(100_000), kgo.UnknownTopicRetries(20))
	if err != nil {
		return err
	}
	defer client.Close()
	failed := make(chan error, 1)
	for n := range count {
		text := bench.MetricMessage
		if topic == bench.LogTopic {
			text = bench.LogMessage(n % 4096)
		}
		client.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(text)}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// more compares what a message costs of ten million with one of one million, and on 100 partitions with 8. The broker makes the messages up.
func (s show) more() error {
	stand, err := harness.StandIn(s.Binary, "million:12,millions:12,few:8,many:100")
	if err != nil {
		return err
	}
	defer stand.Close()
	million, turns, want := s.Scale(1_000_000, 20_000), s.Scale(5, 1), 0
	for _, pair := range [][2]struct {
		topic, name string
		count       int
	}{
		{{"million", "1M messages", million}, {"millions", "10M messages", 10 * million}},
		{{"few", "8 partitions", 2 * million}, {"many", "100 partitions", 2 * million}},
	} {
		var list []bench.Job
		for _, x := range pair {
			made, err := stand.MakeUp(x.topic, x.count, bench.MetricMessage)
			if err != nil {
				return err
			}
			m, remove, err := s.on(job{topic: x.topic, graph: strings.Replace(jobs[0].graph, "metric_topic", x.topic, 1), script: jobs[0].script}, stand.StandInAddresses)
			if err != nil {
				return err
			}
			defer remove()
			list = append(list, m.engine(x.name, made))
			want += turns * made
		}
		s.Printf("\n### %s beside %s, metric, made up by the broker", pair[1].name, pair[0].name)
		costs, err := bench.Compare(s.Out, list, turns, million)
		if err != nil {
			return err
		}
		if err := arrived(stand, want); err != nil {
			return err
		}
		ratio := costs[1].Median / costs[0].Median
		s.Printf("%.2f times, at most %.1f; peak RSS %d MiB, at most %d", ratio, sameCost, costs[1].RSS>>20, mostMemory>>20)
		if !s.Short && (ratio > sameCost || costs[1].RSS > mostMemory) {
			return fmt.Errorf("a message of many costs more")
		}
	}
	return nil
}

// large reads messages of 10 KiB in the memory of those of 132 bytes.
func (s show) large() error {
	stand, err := harness.StandIn(s.Binary, "large:12")
	if err != nil {
		return err
	}
	defer stand.Close()
	// What is not read out of the message makes it long.
	text := strings.TrimSuffix(bench.MetricMessage, "}") + `, "more": "` + strings.Repeat("0123456789abcdef", 640) + `"}`
	made, err := stand.MakeUp("large", s.Scale(1_000_000, 10_000), text)
	if err != nil {
		return err
	}
	m, remove, err := s.on(job{topic: "large", graph: strings.Replace(jobs[0].graph, "metric_topic", "large", 1), script: jobs[0].script}, stand.StandInAddresses)
	if err != nil {
		return err
	}
	defer remove()
	s.Printf("\n### %d messages of %d bytes, made up by the broker", made, len(text))
	costs, err := bench.Compare(s.Out, []bench.Job{m.engine("engine", made)}, 1, made)
	if err != nil {
		return err
	}
	if err := arrived(stand, made); err != nil {
		return err
	}
	s.Printf("peak RSS %d MiB, at most %d", costs[0].RSS>>20, mostMemory>>20)
	if costs[0].RSS > mostMemory {
		return fmt.Errorf("large messages take more memory")
	}
	return nil
}

// workers compares the rates of one worker and of two: of the access log of nginx, and of the lighter log job, where the source and the
// sink take more of the two processors that the workers share with them.
func (s show) workers() error {
	script, err := os.ReadFile("examples/nginx/nginx.p")
	if err != nil {
		return err
	}
	lines, err := os.ReadFile("examples/nginx/access.log")
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(lines), "\n")
	ratio, err := s.twoBesideOne("access log of nginx", s.Scale(2_000_000, 50_000), line, string(script))
	if err != nil {
		return err
	}
	if ratio < twoWorkers && !s.Short {
		return fmt.Errorf("two workers do too little")
	}
	_, err = s.twoBesideOne("log", s.Scale(4_000_000, 100_000), bench.LogMessage(1), harness.LogScript)
	return err
}

// twoBesideOne runs a job of texts that are made up with one worker and with two, in turns, and returns the ratio of the rates.
func (s show) twoBesideOne(name string, count int, text, script string) (ratio float64, err error) {
	var list []bench.Job
	for n := 1; n <= 2; n++ {
		path, remove, err := s.Folder("graph.yaml", fmt.Sprintf(workersGraph, count, strings.ReplaceAll(text, "'", "''"), n), "job.p", script)
		if err != nil {
			return 0, err
		}
		defer remove()
		list = append(list, bench.Job{Name: fmt.Sprintf("%d of the stage's workers", n), Run: func(int) (bench.Usage, error) {
			return bench.Measure(exec.Command(s.Binary, "run", path, "--log-level", "warn"))
		}})
	}
	s.Printf("\n### generate -> pipeline (%s) -> discard, %d messages", name, count)
	costs, err := bench.Compare(s.Out, list, s.Scale(7, 1), count)
	if err != nil {
		return 0, err
	}
	ratio = costs[1].Rate / costs[0].Rate
	s.Printf("two workers do %.2f times what one does, at least %.1f of the access log", ratio, twoWorkers)
	return ratio, nil
}

const workersGraph = `version: 1
name: workers
sources:
  in: {type: generate, count: %d, category: logging, template: '%s'}
operators:
  points: {type: pipeline, from: in, script: job.p, workers: %d}
sinks:
  out: {type: discard, from: points}
`

// table prints the table of the KafkaMQ manual for its metric job.
func (s show) table() error {
	counts := "100k,1M"
	if s.Short {
		counts = "20k"
	}
	args := []string{"bench", "kafka", "examples/kafka-metric/graph.yaml", "--messages", counts}
	s.Printf("\n$ engine %s", strings.Join(args, " "))
	out, err := exec.Command(s.Binary, args...).CombinedOutput()
	s.Printf("%s", strings.TrimRight(string(out), "\n"))
	if err != nil {
		return fmt.Errorf("measuring: %w", err)
	}
	return nil
}

// Package bench holds the benchmarks that need more than one process: the stand-ins for Kafka and DataWay, the
// hand-written consumers that are the floor, and the tables. The command engine runs them as "engine bench".
package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine/embedded"
	"dataflow/engine/point"
)

// MetricMessage is the message of the KafkaMQ manual's metric, 132 bytes.
const MetricMessage = `{"time": 1666492218, "dimensions": {"bk_biz_id": 225,"ip": "10.200.64.45" },  "metrics": { "cpu_usage_pct": 0.01}, "exemplar": null}`

// StandInAddresses is what a stand-in process prints, as JSON, when it is ready.
type StandInAddresses struct {
	Kafka   string `json:"kafka"`   // host:port
	DataWay string `json:"dataway"` // URL with a token
	Control string `json:"control"` // URL
}

// Seen is what the DataWay stand-in has received of what was produced: points are told apart by their fields
// partition and offset, and by their name, which is the topic.
type Seen struct {
	Points   int64 `json:"points"`   // received, repeated ones included
	Distinct int64 `json:"distinct"` //
	Missing  int64 `json:"missing"`  // produced behind the group's first commit and never received
	Skipped  int64 `json:"skipped"`  // produced before the group's first commit and never received
	Rewinds  int64 `json:"rewinds"`  // commits of less than was committed before
	Ghosts   int64 `json:"ghosts"`   // received and never produced, or without a number
	Bodies   int64 `json:"bodies"`   // accepted
	Refused  int64 `json:"refused"`  //
}

// standIn is the state of a stand-in process.
type standIn struct {
	kafka     *embedded.Kafka
	synthetic *synthetic
	topics    map[[16]byte]string // names by id: newer requests have no names

	mu   sync.Mutex
	seen map[string]map[int64][]uint32 // times received, by topic, partition and offset
	odd  int64
	all  int64

	first   map[string]map[int32]int64 // first offset committed, by topic and partition
	last    map[string]map[int32]int64
	rewinds int64
}

// ServeStandIn runs a Kafka broker and a DataWay until in is closed. It prints its addresses to out first.
func ServeStandIn(in io.Reader, out io.Writer, o embedded.KafkaOptions, topics map[string]int32) error {
	kafka, err := embedded.StartKafka(topics, o)
	if err != nil {
		return err
	}
	defer kafka.Close()
	s := &standIn{kafka: kafka, synthetic: newSynthetic(kafka), topics: map[[16]byte]string{}}
	s.forget()
	for topic := range topics {
		if info := kafka.Cluster().TopicInfo(topic); info != nil {
			s.topics[info.TopicID] = topic
		}
	}
	kafka.Cluster().ControlKey(int16(kmsg.OffsetCommit), s.committed)
	dataway, err := embedded.StartDataWay(embedded.DataWayOptions{OnPoint: s.point})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /produce", s.produce)
	mux.HandleFunc("GET /lag", s.lag)
	mux.HandleFunc("GET /seen", func(w http.ResponseWriter, _ *http.Request) {
		st := dataway.Stats()
		seen := s.count()
		seen.Bodies, seen.Refused = st.Bodies, st.Refused
		_ = json.NewEncoder(w).Encode(seen)
	})
	mux.HandleFunc("POST /reset", func(http.ResponseWriter, *http.Request) {
		dataway.Reset()
		s.forget()
	})
	mux.HandleFunc("POST /fault", func(w http.ResponseWriter, r *http.Request) {
		var f *embedded.Fault
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		dataway.SetFault(f)
	})
	server := http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	if err := json.NewEncoder(out).Encode(StandInAddresses{kafka.Addr(), dataway.URL(), "http://" + l.Addr().String()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	_ = server.Close()
	<-served
	_ = dataway.Close()
	return err
}

func (s *standIn) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen, s.odd, s.all = map[string]map[int64][]uint32{}, 0, 0
	s.first, s.last, s.rewinds = map[string]map[int32]int64{}, map[string]map[int32]int64{}, 0
}

// committed looks at a commit on its way to the broker.
func (s *standIn) committed(r kmsg.Request) (kmsg.Response, error, bool) {
	s.kafka.Cluster().KeepControl()
	req, ok := r.(*kmsg.OffsetCommitRequest)
	if !ok {
		return nil, nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range req.Topics {
		if t.Topic == "" {
			t.Topic = s.topics[t.TopicID]
		}
		if s.first[t.Topic] == nil {
			s.first[t.Topic], s.last[t.Topic] = map[int32]int64{}, map[int32]int64{}
		}
		for _, p := range t.Partitions {
			if _, ok := s.first[t.Topic][p.Partition]; !ok {
				s.first[t.Topic][p.Partition] = p.Offset
			}
			if p.Offset < s.last[t.Topic][p.Partition] {
				s.rewinds++
			}
			s.last[t.Topic][p.Partition] = p.Offset
		}
	}
	return nil, nil, false
}

// point notes a point that was received.
func (s *standIn) point(p *point.Point) {
	partition, ok1 := p.Get("partition")
	offset, ok2 := p.Get("offset")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all++
	if !ok1 || !ok2 || offset.Int() < 0 || offset.Int() > 1<<28 {
		s.odd++
		return
	}
	topic := s.seen[p.Name]
	if topic == nil {
		topic = map[int64][]uint32{}
		s.seen[string(append([]byte(nil), p.Name...))] = topic
	}
	counts := topic[partition.Int()]
	for int64(len(counts)) <= offset.Int() {
		counts = append(counts, 0)
	}
	counts[offset.Int()]++
	topic[partition.Int()] = counts
}

func (s *standIn) count() Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Seen{Points: s.all, Ghosts: s.odd, Rewinds: s.rewinds}
	for topic, partitions := range s.seen {
		for p := int32(0); s.synthetic.end(topic, p) >= 0; p++ {
			end := s.synthetic.end(topic, p)
			counts := partitions[int64(p)]
			for o := int64(0); o < max(end, int64(len(counts))); o++ {
				n := uint32(0)
				if o < int64(len(counts)) {
					n = counts[o]
				}
				switch {
				case n > 0 && o >= end:
					out.Ghosts++
				case n > 0:
					out.Distinct++
				case o < s.first[topic][p]:
					out.Skipped++
				default:
					out.Missing++
				}
			}
		}
	}
	return out
}

// produce writes count messages to a topic, spread over its partitions; the text is the request's body, or that of the job
// that the topic belongs to. With made they are made up when they are fetched, and it answers how many.
func (s *standIn) produce(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	topic := r.FormValue("topic")
	texts := [][]byte{text}
	switch {
	case len(text) > 0:
	case topic == LogTopic:
		texts = make([][]byte, logMessages)
		for n := range texts {
			texts[n] = []byte(LogMessage(n))
		}
	default:
		texts[0] = []byte(MetricMessage)
	}
	count, err := strconv.Atoi(r.FormValue("count"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	partitions := int32(0)
	for s.synthetic.end(topic, partitions) >= 0 {
		partitions++
	}
	if partitions == 0 {
		http.Error(w, "no such topic", http.StatusBadRequest)
		return
	}
	if r.FormValue("made") != "" {
		made, err := s.synthetic.fill(r.Context(), topic, partitions, texts, count)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, made)
		return
	}
	const chunk = 5000
	for n := 0; n < count; n += chunk {
		records := make([]*kgo.Record, min(chunk, count-n))
		for i := range records {
			records[i] = &kgo.Record{Topic: topic, Partition: int32(n+i) % partitions, Value: texts[(n+i)%len(texts)]}
		}
		if err := s.kafka.Produce(r.Context(), records...); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}

// lag answers how many records of a topic a group has not committed.
func (s *standIn) lag(w http.ResponseWriter, r *http.Request) {
	group, topic := r.FormValue("group"), r.FormValue("topic")
	lag := int64(0)
	for p := int32(0); s.synthetic.end(topic, p) >= 0; p++ {
		lag += s.synthetic.end(topic, p) - max(s.kafka.Committed(group, topic, p), 0)
	}
	fmt.Fprintln(w, lag)
}

// StandIn is a stand-in process.
type StandIn struct {
	StandInAddresses
	cmd *exec.Cmd
	in  io.Closer
}

// StartStandIn starts the command, which must end in [ServeStandIn], and waits until it is ready.
func StartStandIn(cmd *exec.Cmd) (*StandIn, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the stand-ins: %w", err)
	}
	s := &StandIn{cmd: cmd, in: in}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.StandInAddresses)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("starting the stand-ins: %w", err)
	}
	return s, nil
}

// Close ends the process.
func (s *StandIn) Close() error {
	_ = s.in.Close()
	return s.cmd.Wait()
}

func (s *StandIn) call(method, path string, body io.Reader, answer any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.Control+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("stand-in: %s: %s", resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

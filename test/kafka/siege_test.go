package kafka

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dataflow/engine/embedded"
	"dataflow/engine/point"
	"dataflow/test/harness"
)

var moments = flag.Uint64("moments", 1, "seed of the moments and nodes that tests against several brokers choose")

const (
	siegePartitions = 12
	siegeRate       = 1000 // messages a second
	siegeInFlight   = 256  // partition_in_flight of the graphs: small, so that the window of duplicates is
)

// siege is a topic under load, engines that share it as processes of their own, and what became of every message. The engines' processes are
// killed, those of the brokers, too; the DataWay and the producer live in the test's process and go on.
type siege struct {
	t       *testing.T
	cluster *Cluster
	binary  string // of the command engine
	name    string // of topic and group
	options []string
	dir     string
	dataway *embedded.DataWay
	ledger  *harness.Ledger
	random  *rand.Rand

	mu      sync.Mutex
	engines []*harness.Engine // by slot, nil where none runs
	started int

	traffic  *traffic
	commits  *commits
	last     atomic.Int64  // when the DataWay got a point, as UnixNano
	silence  atomic.Int64  // the longest time without one
	byEngine sync.Map      // slot, as the tag engine says it: points, an *atomic.Int64
	events   int           // that may take partitions from a member: so often the window may come again
	unheard  time.Duration // the longest time without a commit that is let pass, 0 for any
	told     strings.Builder
}

// newSiege makes a topic with replicas on all nodes, and writes to it. Options are further lines of the graphs' sources.
func newSiege(t *testing.T, c *Cluster, binary, name string, options ...string) *siege {
	t.Helper()
	s := &siege{t: t, cluster: c, binary: binary, name: name, options: options, dir: t.TempDir(), ledger: &harness.Ledger{}, random: rand.New(rand.NewPCG(*moments, nameHash(name)))}
	var err error
	s.dataway, err = embedded.StartDataWay(embedded.DataWayOptions{OnPoint: s.see})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.dataway.Close() })
	topic(t, c, name, siegePartitions, 0)
	if err := c.AwaitInSync(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for i := range s.engines {
			s.killEngine(i)
		}
	})
	s.traffic = startTraffic(t, c, name, s.ledger)
	s.commits = watchCommits(t, c, name, name)
	return s
}

// nameHash gives every siege a chance of its own.
func nameHash(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}

func (s *siege) see(p *point.Point) {
	s.ledger.See(p)
	if tag, ok := p.Get("engine"); ok {
		s.points(tag.Str()).Add(1)
	}
	now := time.Now().UnixNano()
	before := s.last.Swap(now)
	for gap := now - before; before != 0; {
		longest := s.silence.Load()
		if gap <= longest || s.silence.CompareAndSwap(longest, gap) {
			break
		}
	}
}

// points counts those that came from a slot.
func (s *siege) points(slot string) *atomic.Int64 {
	if n, ok := s.byEngine.Load(slot); ok {
		return n.(*atomic.Int64)
	}
	n, _ := s.byEngine.LoadOrStore(strings.Clone(slot), &atomic.Int64{})
	return n.(*atomic.Int64)
}

// startEngine runs an engine in a slot.
func (s *siege) startEngine(slot int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var brokers []string
	for _, b := range s.cluster.Brokers("PLAINTEXT") {
		brokers = append(brokers, fmt.Sprintf("%q", b))
	}
	lines := append([]string{
		"brokers: [" + strings.Join(brokers, ", ") + "]", "group: " + s.name, "topics: [" + s.name + "]", "category: metric", "decode: json", "start: earliest",
		fmt.Sprintf("partition_in_flight: %d", siegeInFlight),
	}, s.options...)
	text := fmt.Sprintf(`version: 1
name: siege
data_dir: %q
limits: {memory: 160MiB}
sources:
  mq:
    type: kafka
    %s
sinks:
  out: {type: dataway, from: mq, url: %q, global_tags: {engine: slot%d}}
`, filepath.Join(s.dir, fmt.Sprint("data", slot)), strings.Join(lines, "\n    "), s.dataway.URL(), slot)
	graph, err := harness.Graph(s.dir, fmt.Sprintf("graph%d.yaml", slot), text)
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := harness.Run(s.binary, graph)
	if err != nil {
		s.t.Fatal(err)
	}
	for len(s.engines) <= slot {
		s.engines = append(s.engines, nil)
	}
	s.engines[slot] = e
	s.started++
}

// take empties a slot. No engine may have ended by itself.
func (s *siege) take(slot int) *harness.Engine {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.engines[slot]
	s.engines[slot] = nil
	if e != nil && e.Ended() {
		s.t.Errorf("engine %d has ended by itself:\n%s", slot, tailOf(e.Log()))
	}
	return e
}

// killEngine ends an engine as a crash does.
func (s *siege) killEngine(slot int) {
	if e := s.take(slot); e != nil {
		e.Kill()
	}
}

// stopEngine ends an engine in order. Past the deadline for what is in flight it ends with 8, as it says it does; that is let pass where the
// brokers are away.
func (s *siege) stopEngine(slot int, late bool) {
	e := s.take(slot)
	if e == nil {
		return
	}
	const pastDeadline = 8
	if code := e.Stop(); code != 0 && (!late || code != pastDeadline) {
		s.t.Errorf("engine %d ended with %d:\n%s", slot, code, tailOf(e.Log()))
	}
}

func tailOf(log string) string { return log[max(0, len(log)-4000):] }

// awaitMore waits until n more messages have reached the DataWay.
func (s *siege) awaitMore(n int64) {
	s.t.Helper()
	before := s.ledger.Sum().Seen
	s.until(90*time.Second, fmt.Sprintf("%d more messages at the DataWay", n), func() bool { return s.ledger.Sum().Seen >= before+n })
}

// awaitShare waits until the engine of a slot delivers, and returns how long that took.
func (s *siege) awaitShare(slot int) time.Duration {
	s.t.Helper()
	began, n := time.Now(), s.points(fmt.Sprint("slot", slot))
	before := n.Load()
	s.until(90*time.Second, fmt.Sprintf("points of engine %d", slot), func() bool { return n.Load() >= before+siegeRate/10 })
	return time.Since(began).Round(100 * time.Millisecond)
}

func (s *siege) until(limit time.Duration, what string, cond func() bool) {
	s.t.Helper()
	err := harness.Until(limit, func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, e := range s.engines {
			if e != nil && e.Ended() {
				return false, fmt.Errorf("engine %d has ended by itself:\n%s", i, tailOf(e.Log()))
			}
		}
		return cond(), nil
	})
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, e := range s.engines {
			if e != nil {
				s.t.Logf("engine %d:\n%s", i, tailOf(e.Log()))
			}
		}
		s.t.Fatalf("waiting for %s: %v; %+v", what, err, s.ledger.Sum())
	}
}

// wait lets time pass; the engines must live through it.
func (s *siege) wait(d time.Duration) {
	s.t.Helper()
	end := time.Now().Add(d)
	s.until(d+time.Minute, "time to pass", func() bool { return time.Now().After(end) })
}

// tell adds to the line of figures.
func (s *siege) tell(format string, a ...any) { fmt.Fprintf(&s.told, format+"; ", a...) }

// end stops the producer, waits until everything has arrived, stops the engines and holds what came of it to the promise.
func (s *siege) end() {
	s.t.Helper()
	if err := s.traffic.stop(); err != nil {
		s.t.Fatal(err)
	}
	stopped := time.Now()
	s.until(90*time.Second, "everything to arrive", func() bool {
		sum := s.ledger.Sum()
		return sum.Lost == 0 && sum.Acknowledged > 0
	})
	drained := time.Since(stopped)
	for i := range s.engines {
		s.stopEngine(i, false)
	}
	s.commits.stop()
	log := readCommits(s.t, s.cluster, s.name)
	sum := s.ledger.Sum()
	// Each time what the partitions have in flight and what a commit interval brings, and besides what came in while nothing could be committed.
	const interval = time.Second // 500 ms, a tenth of jitter, and the commit's own time
	allowed := int64(s.events)*(siegePartitions*siegeInFlight+siegeRate*int64(interval/time.Second)) + int64(siegeRate*log.paused.Seconds())
	rounded := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	s.t.Logf("figure: %s %s: %swritten %d, at DataWay %d, lost %d, ghosts %d, duplicates %d of %d allowed (%d events); commits %d, back %d, no commits for %v, "+
		"at most %v at a time; longest silence at DataWay %v; %d engine processes; drained in %v",
		s.cluster.options.Version, s.name, s.told.String(), sum.Acknowledged, sum.Seen, sum.Lost, sum.Ghosts, sum.Duplicates, allowed, s.events,
		log.commits, log.back, rounded(log.paused), rounded(log.longest), rounded(time.Duration(s.silence.Load())), s.started, rounded(drained))
	s.t.Logf("figure: %s %s: %s", s.cluster.options.Version, s.name, s.commits)
	switch lag := sum.Given - s.committed(); {
	case sum.Lost > 0 || sum.Ghosts > 0:
		s.t.Errorf("lost %d, ghosts %d", sum.Lost, sum.Ghosts)
	case sum.Duplicates > allowed:
		s.t.Errorf("%d duplicates, %d are allowed", sum.Duplicates, allowed)
	case log.back > 0:
		s.t.Errorf("%d commits went back", log.back)
	case log.commits == 0:
		s.t.Error("nothing was committed")
	case s.unheard > 0 && log.longest > s.unheard:
		s.t.Errorf("nothing was committed for %v, %v is the limit", log.longest, s.unheard)
	case lag > 0:
		s.t.Errorf("the group lags %d messages", lag)
	}
}

// committed is the sum of the group's offsets. A broker that is away is asked in vain at first.
func (s *siege) committed() (sum int64) {
	s.t.Helper()
	s.until(time.Minute, "the group's offsets", func() bool {
		offsets, err := s.cluster.Committed(s.t.Context(), s.name)
		if err != nil {
			return false
		}
		sum = 0
		for _, offset := range offsets[s.name] {
			sum += offset
		}
		return true
	})
	return sum
}

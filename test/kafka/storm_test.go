package kafka

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine/embedded"
	"dataflow/test/harness"
)

var (
	minutes = flag.Float64("minutes", 0, "how long each storm of rebalances takes; seconds if nothing is said. It ends before the test's -timeout")
	seed    = flag.Uint64("seed", 1, "seed of the storms")
)

// weather is one kind of storm: how the group shares its partitions.
type weather struct {
	name    string
	options string
}

var storms = []weather{
	{"eager", "assignor: roundrobin"},
	{"cooperative", "assignor: cooperative_sticky"},
	{"consumer", "{group_protocol: consumer, assignor: sticky}"},
}

const (
	stormPartitions = 12
	stormWindow     = 1000 // partition_in_flight
	stormRate       = 3000 // messages in a second
	stormTick       = 50 * time.Millisecond
	stormInterval   = 500 * time.Millisecond // commit_interval, the default
)

// TestStorm lets engines, each a process of its own, join a group, leave it by SIGTERM and be killed by SIGKILL every half to three seconds, while
// messages come in: nothing is lost, nothing is made up, no committed offset goes back or is moved by a member that does not have the partition, and what comes twice is within
// the window of each rebalance. Without -minutes the three storms blow at once, for seconds.
func TestStorm(t *testing.T) {
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deadline, bounded := t.Deadline()
	for i, w := range storms {
		t.Run(w.name, func(t *testing.T) {
			s := &storm{weather: w, binary: binary, least: 3, most: 12, lasts: time.Duration(*minutes * float64(time.Minute))}
			if *minutes == 0 {
				t.Parallel()
				s.least, s.most, s.lasts = 2, 4, 9*time.Second
			} else if bounded {
				const end = time.Minute // for what follows the storm
				s.lasts = min(s.lasts, time.Until(deadline)/time.Duration(len(storms)-i)-end)
			}
			s.blow(t, rand.New(rand.NewPCG(*seed, uint64(i))))
		})
	}
}

// storm is one storm.
type storm struct {
	weather
	binary      string
	least, most int // members
	lasts       time.Duration

	kafka   *embedded.Kafka
	dataway *embedded.DataWay
	watch   *embedded.CommitWatch
	ledger  textLedger

	members []*stormMember
	joined  int
	held    atomic.Int32 // rebalances of which the stand-in would not have made an end
	peak    int          // members at once
	asked   int          // members that were asked to leave
	events  map[string]int
	leaving sync.WaitGroup

	mu    sync.Mutex
	codes map[int]int // exit codes of those that were asked to leave
	said  string      // the log of the first that left in another way than it should
}

// stormMember is an engine of the group.
type stormMember struct {
	*harness.Engine
	since time.Time
}

func (s *storm) blow(t *testing.T, r *rand.Rand) {
	s.events, s.codes = map[string]int{}, map[int]int{}
	s.ledger.run = fmt.Sprintf("storm-%s-%d", s.name, *seed)
	var err error
	s.kafka, err = embedded.StartKafka(map[string]int32{"storm": stormPartitions}, embedded.KafkaOptions{More: []kfake.Opt{kfake.BrokerConfigs(map[string]string{
		"group.consumer.heartbeat.interval.ms": "300", "group.consumer.session.timeout.ms": "3000",
	})}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.kafka.Close()
	s.watch = s.kafka.WatchCommits("storm")
	looking, look := context.WithCancel(t.Context())
	var looks sync.WaitGroup
	looks.Go(func() { s.holdJoins(looking) })
	defer func() { look(); looks.Wait() }()
	if s.dataway, err = embedded.StartDataWay(embedded.DataWayOptions{OnPoint: s.ledger.see}); err != nil {
		t.Fatal(err)
	}
	defer s.dataway.Close()
	s.dataway.SetFault(&embedded.Fault{Delay: 20 * time.Millisecond}) // so that something is always on its way
	defer func() {
		for _, m := range s.members {
			m.Kill()
		}
		s.leaving.Wait()
	}()

	for range s.least {
		s.join(t)
	}
	ctx, calm := context.WithCancel(t.Context())
	produced := make(chan error, 1)
	go func() { produced <- s.produce(ctx) }()
	for end := time.Now().Add(s.lasts); time.Now().Before(end); {
		next := time.NewTimer(500*time.Millisecond + time.Duration(r.Int64N(int64(2500*time.Millisecond))))
		<-next.C
		s.event(t, r)
	}
	calm()
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	s.settle(t)
}

// holdJoins makes the stand-in end a rebalance within a while of the rebalance timeout, as Kafka does. It begins to wait anew at every join, and can count a member that it has
// expelled from its sync, so that a group of many that come and go would never get to its end: while one takes too long, joins are held up.
func (s *storm) holdJoins(ctx context.Context) {
	const most = 9 * time.Second // the rebalance timeout is 6 s
	cluster := s.kafka.Cluster()
	var late atomic.Bool
	cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if late.Load() {
			cluster.SleepControl(func() {
				_ = harness.Until(most, func() (bool, error) { return !late.Load() || ctx.Err() != nil, nil })
			})
		}
		return nil, nil, false
	})
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	epoch, since := int32(-1), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		info := cluster.GroupInfo("storm")
		if info == nil || info.State != "PreparingRebalance" || info.Epoch != epoch {
			since = time.Now()
			late.Store(false)
			if info != nil {
				epoch = info.Epoch
			}
			continue
		}
		if time.Since(since) > most && !late.Swap(true) {
			s.held.Add(1)
		}
	}
}

// event lets one member come or go.
func (s *storm) event(t *testing.T, r *rand.Rand) {
	n := len(s.members)
	kind := r.IntN(10)
	switch {
	case n <= s.least || n < s.most && kind < 5:
		s.join(t)
		return
	}
	i := r.IntN(n)
	m := s.members[i]
	s.members = append(s.members[:i], s.members[i+1:]...)
	if m.Ended() {
		t.Errorf("an engine ended by itself:\n%s", m.Log())
		return
	}
	if kind < 7 {
		s.events["SIGTERM"]++
		s.leave(m)
		return
	}
	s.events["SIGKILL"]++
	m.Kill()
}

func (s *storm) join(t *testing.T) {
	t.Helper()
	s.joined++
	s.events["joined"]++
	dir := t.TempDir()
	options := strings.NewReplacer("{", "", "}", "", ", ", "\n    ").Replace(s.options)
	graph, err := harness.Graph(dir, "graph.yaml", fmt.Sprintf(`version: 1
name: storm
limits: {memory: 64MiB, in_flight: 16MiB}
sources:
  mq:
    type: kafka
    brokers: [%q]
    group: storm
    client_id: member-%d
    topics: [storm]
    category: logging
    start: earliest
    session_timeout: 3s
    rebalance_timeout: 6s
    partition_in_flight: %d
    %s
sinks:
  out: {type: dataway, from: mq, url: %q, encoding: line}
`, s.kafka.Addr(), s.joined, stormWindow, options, s.dataway.URL()))
	if err != nil {
		t.Fatal(err)
	}
	e, err := harness.Run(s.binary, graph, "--log-level", "warn")
	if err != nil {
		t.Fatal(err)
	}
	s.members = append(s.members, &stormMember{e, time.Now()})
	s.peak = max(s.peak, len(s.members))
}

// leave asks a member to end, and notes how it did.
func (s *storm) leave(m *stormMember) {
	s.asked++
	young := time.Since(m.since) < 2*time.Second // it may not have come to the point where it listens to signals
	s.leaving.Go(func() {
		code := m.Stop()
		if code < 0 && young {
			code = 0
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.codes[code]++; code != 0 && s.said == "" {
			s.said = m.Log()
		}
	})
}

// produce writes messages at a steady pace until ctx ends.
func (s *storm) produce(ctx context.Context) error {
	tick := time.NewTicker(stormTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.ledger.produce(s.kafka, "storm", stormPartitions, int(stormRate*stormTick/time.Second)); err != nil {
			return err
		}
	}
}

// settle waits until everything has arrived and is committed, lets all members leave and adds up.
func (s *storm) settle(t *testing.T) {
	began := time.Now()
	lag := func() (n int64) {
		for p := range int32(stormPartitions) {
			n += s.kafka.End("storm", p) - max(0, s.kafka.Committed("storm", "storm", p))
		}
		return n
	}
	told := time.Now()
	err := harness.Until(90*time.Second, func() (bool, error) {
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			info := s.kafka.Cluster().GroupInfo("storm")
			t.Logf("still waiting: lag %d, group %s %d, %d live members, members %v", lag(), info.State, info.Epoch, len(s.members), info.Members)
		}
		return lag() == 0, nil
	})
	settled := time.Since(began)
	info := s.kafka.Cluster().GroupInfo("storm")
	for _, m := range s.members {
		s.leave(m)
	}
	s.leaving.Wait()
	s.mu.Lock()
	codes, said := s.codes, s.said
	s.mu.Unlock()
	logs := ""
	if err != nil {
		for _, m := range s.members {
			logs += m.Log() + "\n"
		}
	}
	s.members = nil
	sum, commits := s.ledger.sum(), s.watch.Report()
	rebalances := 0
	if info != nil {
		rebalances = int(info.Epoch)
	}
	// What a partition has in flight, and what it delivers between two commits.
	window := stormPartitions*stormWindow + int(stormRate*stormInterval/time.Second)
	t.Logf("figure: %s, seed %d, %v: events %v, up to %d members at once; rebalances %d (%d helped to their end); messages %d, lost %d, ghosts %d, twice %d (allowed %d x %d); commits %d, of these refused %d; back %d, foreign %d; all committed %v after the storm; exit codes %v",
		s.name, *seed, s.lasts.Round(time.Second), s.events, s.peak, rebalances, s.held.Load(), sum.given, sum.lost, sum.ghosts, sum.twice, rebalances, window,
		commits.Requests, commits.Refused, commits.Rewinds, commits.Foreign, settled.Round(10*time.Millisecond), codes)
	if err != nil {
		t.Errorf("%d messages are not committed: %v; the group is %+v\n%s", lag(), err, info, logs)
	}
	if sum.lost > 0 || sum.ghosts > 0 || sum.damaged > 0 {
		t.Errorf("lost %d, ghosts %d, damaged %d; the first lost: %v", sum.lost, sum.ghosts, sum.damaged, sum.firstLost)
	}
	if sum.twice > rebalances*window {
		t.Errorf("%d messages came twice, %d are allowed", sum.twice, rebalances*window)
	}
	if commits.Rewinds > 0 || commits.Foreign > 0 {
		t.Errorf("commits went back %d times, %d were of a partition of another member:\n%s", commits.Rewinds, commits.Foreign, strings.Join(commits.First, "\n"))
	}
	if codes[0] != s.asked {
		t.Errorf("exit codes %v of those that were asked to leave; the first log:\n%s", codes, said)
	}
}

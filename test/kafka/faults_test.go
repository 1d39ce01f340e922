package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/embedded"
	"dataflow/engine/runtime"
)

// A brokerFault is a row of the table: what a broker does wrong, once or for a while, to a graph that reads.
type brokerFault struct {
	name   string
	fresh  bool // the fault is there before the graph is
	second bool // another member joins and leaves in the fault
	hangs  bool // a request stays without an answer: the fault ends when the client gives it up
	inject func(f *faulty) (heal func())
}

// faulty is a cluster with a graph that reads from it.
type faulty struct {
	t      *testing.T
	kafka  *embedded.Kafka
	dir    string
	ports  []int
	watch  *embedded.CommitWatch
	past   embedded.CommitReport // of clusters that are gone
	wire   corruptible
	ledger textLedger
}

const (
	faultTopic      = "t"
	faultPartitions = 6
	faultWindow     = 200
	faultLasts      = 2 * time.Second
	faultRate       = 10 // messages every tick
	faultTick       = 20 * time.Millisecond
	recovery        = 10 * time.Second
	requestTimeout  = 10 * time.Second // of the client
)

func (f *faulty) cluster() *kfake.Cluster { return f.kafka.Cluster() }

// start starts three brokers, again on the ports and data of before if there were any.
func (f *faulty) start() {
	f.t.Helper()
	if f.ports == nil {
		f.ports = []int{0, 0, 0}
	}
	listen := "127.0.0.1:" + strconv.Itoa(f.ports[0])
	var err error
	f.kafka, err = embedded.StartKafka(map[string]int32{faultTopic: faultPartitions}, embedded.KafkaOptions{Listen: listen, DataDir: f.dir, Sync: true, More: []kfake.Opt{
		kfake.NumBrokers(len(f.ports)), kfake.Ports(f.ports...),
		kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": "500", "group.consumer.session.timeout.ms": "3000"}),
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.ports = nil
	for _, a := range f.cluster().ListenAddrs() {
		_, port, _ := net.SplitHostPort(a)
		n, _ := strconv.Atoi(port)
		f.ports = append(f.ports, n)
	}
	f.watch = f.kafka.WatchCommits("g")
	f.cluster().ControlKey(int16(kmsg.OffsetForLeaderEpoch), f.epochs)
}

// stop stops the brokers.
func (f *faulty) stop() {
	r := f.commits()
	f.past = r
	f.kafka.Close()
}

// commits is what has been committed, to all clusters.
func (f *faulty) commits() embedded.CommitReport {
	sum, r := f.past, f.watch.Report()
	sum.Requests, sum.Refused, sum.Rewinds, sum.Foreign = sum.Requests+r.Requests, sum.Refused+r.Refused, sum.Rewinds+r.Rewinds, sum.Foreign+r.Foreign
	sum.First = append(sum.First, r.First...)
	return sum
}

// epochs answers where an epoch ends as a broker does, which knows an epoch since its election. The stand-in knows it since something was written in it, and says until
// then that the log of before is gone.
func (f *faulty) epochs(r kmsg.Request) (kmsg.Response, error, bool) {
	cluster := f.cluster()
	cluster.KeepControl()
	req := r.(*kmsg.OffsetForLeaderEpochRequest)
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for _, rt := range req.Topics {
		st := kmsg.NewOffsetForLeaderEpochResponseTopic()
		st.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			sp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			sp.Partition = rp.Partition
			switch info := cluster.PartitionInfo(rt.Topic, rp.Partition); {
			case info == nil:
				sp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case info.Leader != cluster.CurrentNode():
				sp.ErrorCode = kerr.NotLeaderForPartition.Code
			case rp.CurrentLeaderEpoch < info.Epoch:
				sp.ErrorCode = kerr.FencedLeaderEpoch.Code
			case rp.CurrentLeaderEpoch > info.Epoch:
				sp.ErrorCode = kerr.UnknownLeaderEpoch.Code
			default:
				sp.LeaderEpoch, sp.EndOffset = rp.LeaderEpoch, info.HighWatermark
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil, true
}

// once and long make two rows of an error code: for one request, and for all within a while.
func answers(key kmsg.Key, err *kerr.Error, change func(*brokerFault, *kfake.Fault)) []brokerFault {
	var rows []brokerFault
	for _, count := range []int{1, -1} {
		fault := kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: count}
		row := brokerFault{name: fmt.Sprintf("%s answers %s %s", key.Name(), err.Message, said(count == 1))}
		if change != nil {
			change(&row, &fault)
		}
		row.inject = func(f *faulty) func() {
			h := f.cluster().Fault(fault)
			return h.Remove
		}
		rows = append(rows, row)
	}
	return rows
}

func said(once bool) string {
	if once {
		return "once"
	}
	return "for " + faultLasts.String()
}

// control makes two rows of what becomes of a connection at a request.
func control(key kmsg.Key, what string, act func(f *faulty, healed <-chan struct{}) (kmsg.Response, error, bool)) []brokerFault {
	var rows []brokerFault
	for _, once := range []bool{true, false} {
		rows = append(rows, brokerFault{
			name: fmt.Sprintf("%s %s %s", key.Name(), what, said(once)),
			inject: func(f *faulty) func() {
				cluster, healed := f.cluster(), make(chan struct{})
				var used atomic.Bool
				cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
					cluster.KeepControl()
					select {
					case <-healed:
						return nil, nil, false
					default:
					}
					if once && used.Swap(true) {
						return nil, nil, false
					}
					return act(f, healed)
				})
				return sync.OnceFunc(func() { close(healed) })
			},
		})
	}
	return rows
}

var errCut = errors.New("cut")

func closed(*faulty, <-chan struct{}) (kmsg.Response, error, bool) { return nil, errCut, true }
func silent(*faulty, <-chan struct{}) (kmsg.Response, error, bool) { return nil, nil, true }

// delayed answers a second late.
func delayed(f *faulty, healed <-chan struct{}) (kmsg.Response, error, bool) {
	f.cluster().SleepControl(func() {
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-healed:
		}
	})
	return nil, nil, false
}

// brokerFaults is the table.
func brokerFaults() []brokerFault {
	var rows []brokerFault
	codes := func(key kmsg.Key, change func(*brokerFault, *kfake.Fault), errs ...*kerr.Error) {
		for _, err := range errs {
			rows = append(rows, answers(key, err, change)...)
		}
	}
	top := func(_ *brokerFault, f *kfake.Fault) { f.TopLevel = true }
	joined := func(r *brokerFault, f *kfake.Fault) { r.second, f.TopLevel = true, true }
	fresh := func(r *brokerFault, _ *kfake.Fault) { r.fresh = true }
	codes(kmsg.Heartbeat, top, kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID)
	codes(kmsg.OffsetCommit, nil, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RequestTimedOut, kerr.UnknownTopicOrPartition)
	codes(kmsg.Fetch, nil, kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.OffsetOutOfRange, kerr.KafkaStorageError, kerr.UnknownTopicOrPartition, kerr.UnknownServerError, kerr.OffsetNotAvailable)
	codes(kmsg.Fetch, top, kerr.FetchSessionIDNotFound, kerr.InvalidFetchSessionEpoch)
	codes(kmsg.JoinGroup, joined, kerr.NotCoordinator, kerr.UnknownMemberID, kerr.GroupMaxSizeReached)
	codes(kmsg.SyncGroup, joined, kerr.RebalanceInProgress, kerr.NotCoordinator, kerr.IllegalGeneration)
	codes(kmsg.OffsetFetch, func(r *brokerFault, f *kfake.Fault) { r.fresh, f.TopLevel = true, false }, kerr.NotCoordinator, kerr.UnstableOffsetCommit, kerr.CoordinatorLoadInProgress)
	codes(kmsg.FindCoordinator, fresh, kerr.CoordinatorNotAvailable)
	codes(kmsg.ListOffsets, fresh, kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.OffsetNotAvailable)
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.Heartbeat, kmsg.OffsetCommit, kmsg.Metadata} {
		rows = append(rows, control(key, "ends the connection", closed)...)
	}
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.Heartbeat, kmsg.OffsetCommit} {
		for _, r := range control(key, "is not answered", silent) {
			r.hangs = true
			rows = append(rows, r)
		}
		rows = append(rows, control(key, "is answered late", delayed)...)
	}
	const often = 100 * time.Millisecond
	again := func(name string, every time.Duration, do func(f *faulty)) {
		rows = append(rows,
			brokerFault{name: name + " once", inject: func(f *faulty) func() { do(f); return func() {} }},
			brokerFault{name: name + " " + said(false), inject: func(f *faulty) func() {
				ctx, cancel := context.WithCancel(f.t.Context())
				var wg sync.WaitGroup
				wg.Go(func() {
					tick := time.NewTicker(every)
					defer tick.Stop()
					for ctx.Err() == nil {
						do(f)
						select {
						case <-tick.C:
						case <-ctx.Done():
						}
					}
				})
				return func() { cancel(); wg.Wait() }
			}})
	}
	again("all leaders move", often, func(f *faulty) { f.cluster().ShufflePartitionLeaders() })
	again("one leader moves", often, func(f *faulty) {
		_ = f.cluster().MoveTopicPartition(faultTopic, 0, (f.cluster().LeaderFor(faultTopic, 0)+1)%3)
	})
	again("the coordinator moves", often, func(f *faulty) { f.cluster().RehashCoordinators() })
	// Not oftener: what arrives corrupt twice in a row is taken to be so on the broker, and goes to the dead letters.
	again("a corrupt fetch arrives", time.Second, func(f *faulty) { f.wire.corrupt() })
	one := func(name string, inject func(f *faulty) func()) {
		rows = append(rows, brokerFault{name: name, inject: inject})
	}
	remove := func(f *faulty, node int32) {
		if err := f.cluster().RemoveNode(node); err != nil {
			f.t.Error(err)
		}
	}
	one("the coordinator is removed", func(f *faulty) func() { remove(f, f.cluster().CoordinatorFor("g")); return func() {} })
	one("a leader is removed", func(f *faulty) func() { remove(f, f.cluster().LeaderFor(faultTopic, 0)); return func() {} })
	one("a node is removed and another comes in its place", func(f *faulty) func() {
		remove(f, 1)
		return func() {
			if _, _, err := f.cluster().AddNode(-1, f.ports[1]); err != nil {
				f.t.Error(err)
			}
		}
	})
	one("a node is added", func(f *faulty) func() {
		if _, _, err := f.cluster().AddNode(-1, 0); err != nil {
			f.t.Error(err)
		}
		return func() {}
	})
	one("the cluster restarts", func(f *faulty) func() { f.stop(); f.start(); return func() {} })
	one("the cluster is away for "+faultLasts.String(), func(f *faulty) func() { f.stop(); return f.start })
	one("the network is away for "+faultLasts.String(), func(f *faulty) func() { f.wire.cut(); return f.wire.mend })
	return rows
}

// away reports whether a row leaves nobody to produce to while it lasts.
func (r brokerFault) away() bool { return strings.HasPrefix(r.name, "the cluster") }

// TestBrokerFaults lets brokers fail in every way that the stand-in knows, once or for 2 s, under a graph that reads: within 10 s of the fault's end it has all that was
// written, nothing is lost, committed offsets do not go back, what comes twice is within the window of each rebalance. Without -long it is every ninth row.
func TestBrokerFaults(t *testing.T) {
	rows := brokerFaults()
	const together = 10 // they mostly wait
	slots := make(chan struct{}, together)
	var wg sync.WaitGroup
	var slowest atomic.Int64
	var twice, ran atomic.Int64
	for i, r := range rows {
		if !*long && i%9 != 0 {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			t.Run(r.name, func(t *testing.T) {
				took, again := r.hold(t)
				ran.Add(1)
				twice.Add(int64(again))
				for {
					old := slowest.Load()
					if int64(took) <= old || slowest.CompareAndSwap(old, int64(took)) {
						break
					}
				}
			})
		})
	}
	wg.Wait()
	t.Logf("figure: %d of %d rows; the slowest had recovered after %v; %d messages came twice in all", ran.Load(), len(rows), time.Duration(slowest.Load()).Round(time.Millisecond), twice.Load())
}

// hold runs the row. It returns how long the recovery took and how many messages came twice.
func (r brokerFault) hold(t *testing.T) (time.Duration, int) {
	f := &faulty{t: t, dir: t.TempDir(), ledger: textLedger{run: "faults"}}
	f.wire.mark = []byte("faults ")
	f.start()
	defer func() { f.kafka.Close() }()
	produce := func(n int) {
		if err := f.ledger.produce(f.kafka, faultTopic, faultPartitions, n); err != nil {
			t.Error(err)
		}
	}
	produce(300)
	var heal func()
	if r.fresh {
		heal = r.inject(f)
	}
	all := newBasket()
	e := f.graph(t, all)
	e.start(t)
	if !r.fresh {
		f.await(t, e, time.Minute)
		heal = r.inject(f)
	}
	var other *runner
	if r.second {
		other = f.graph(t, all).start(t)
	}
	tick := time.NewTicker(faultTick)
	for end := time.Now().Add(faultLasts); time.Now().Before(end); {
		<-tick.C
		if !r.away() {
			produce(faultRate)
		}
	}
	tick.Stop()
	heal()
	healed := time.Now()
	if r.hangs {
		healed = healed.Add(requestTimeout - faultLasts)
	}
	if other != nil {
		other.stop(t)
	}
	produce(100)
	f.await(t, e, 30*time.Second)
	took := max(0, time.Since(healed))
	if took > recovery {
		t.Errorf("recovered %v after the end of the fault\n%s", took, e.log.String())
	}
	rebalances := rebalances(e)
	if other != nil {
		rebalances += 2
	}
	e.stop(t)
	e.basket.mu.Lock()
	for text, n := range e.basket.got {
		for range n {
			f.ledger.note(text)
		}
	}
	e.basket.mu.Unlock()
	sum := f.ledger.sum()
	commits := f.commits()
	allowed := int(rebalances) * faultPartitions * faultWindow
	t.Logf("figure: %-60s recovered after %6v; messages %d, lost %d, twice %d (allowed %d); rebalances %d, commits %d", r.name, took.Round(time.Millisecond), sum.given, sum.lost, sum.twice, allowed, rebalances, commits.Requests)
	if sum.lost > 0 || sum.ghosts > 0 || sum.damaged > 0 || sum.twice > allowed {
		t.Errorf("lost %d, ghosts %d, damaged %d, twice %d\n%s", sum.lost, sum.ghosts, sum.damaged, sum.twice, e.log.String())
	}
	if commits.Rewinds > 0 || commits.Foreign > 0 {
		t.Errorf("commits went back %d times, %d were of a partition of another member:\n%s", commits.Rewinds, commits.Foreign, strings.Join(commits.First, "\n"))
	}
	return took, sum.twice
}

// await waits until all that was produced has arrived and is committed.
func (f *faulty) await(t *testing.T, e *runner, limit time.Duration) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(limit)
	done := func() bool {
		f.ledger.mu.Lock()
		n := len(f.ledger.seen)
		f.ledger.mu.Unlock()
		if e.basket.count() < n {
			return false
		}
		for p := range int32(faultPartitions) {
			if f.kafka.Committed("g", faultTopic, p) != f.kafka.End(faultTopic, p) {
				return false
			}
		}
		return true
	}
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			stacks := ""
			for p := range int32(faultPartitions) {
				stacks += fmt.Sprintf(" %d/%d", f.kafka.Committed("g", faultTopic, p), f.kafka.End(faultTopic, p))
			}
			t.Fatalf("%d messages have arrived; committed%s; the state is %v\n%s", e.basket.count(), stacks, e.engine.Ready(), e.log.String())
		}
	}
}

func newBasket() *basket { return &basket{got: map[string]int{}, more: make(chan struct{}, 1)} }

// graph builds a graph that reads from the cluster over the wire.
func (f *faulty) graph(t *testing.T, b *basket) *runner {
	t.Helper()
	var brokers []string
	for _, p := range f.ports {
		brokers = append(brokers, fmt.Sprintf("%q", "127.0.0.1:"+strconv.Itoa(p)))
	}
	name := "faults" + fmt.Sprint(time.Now().UnixNano())
	baskets.Store(name, b)
	t.Cleanup(func() { baskets.Delete(name) })
	text := fmt.Sprintf(`version: 1
name: job
sources:
  mq: {type: kafka, brokers: [%s], group: g, topics: [%s], category: logging, start: earliest, session_timeout: 3s, rebalance_timeout: 3s, commit_interval: 100ms, partition_in_flight: %d}
sinks:
  out: {type: test_basket, from: mq, name: %s}
`, strings.Join(brokers, ", "), faultTopic, faultWindow, name)
	path := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := graph.Load(path, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log := &logText{}
	e, err := runtime.New(g, runtime.Options{Log: slog.New(slog.NewTextHandler(log, nil)), DrainTimeout: 10 * time.Second, Env: engine.Env{Dial: f.wire.Dial}})
	if err != nil {
		t.Fatal(err)
	}
	return &runner{engine: e, basket: b, log: log, ended: make(chan runtime.Result, 1)}
}

// corruptible are connections of which a byte can be changed on the way, and which can be cut.
type corruptible struct {
	mark []byte // stands in the messages
	next atomic.Bool

	mu    sync.Mutex
	gone  bool
	conns []net.Conn
}

// corrupt changes the next message that comes by.
func (c *corruptible) corrupt() { c.next.Store(true) }

func (c *corruptible) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func (c *corruptible) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = false
}

// Dial connects, unless the wire is cut.
func (c *corruptible) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		conn.Close()
		return nil, &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
	}
	c.conns = append(c.conns, conn)
	return corruptConn{conn, c}, nil
}

type corruptConn struct {
	net.Conn
	wire *corruptible
}

// Read reads, and changes a byte of a message if that is wished.
func (c corruptConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.wire.next.Load() {
		if i := bytes.Index(p[:n], c.wire.mark); i >= 0 && c.wire.next.CompareAndSwap(true, false) {
			p[i] ^= 1
		}
	}
	return n, err
}

package runtime

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/flow"
	"go.uber.org/goleak"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/deadletter"
	"dataflow/engine/internal/batch"
	"dataflow/engine/point"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A lab is what the components of a test's graph do, by node, and what was seen of them. A component finds
// its lab by the name of its graph.
type lab struct {
	t    *testing.T
	name string
	dir  string

	sources              map[string]func(ctx context.Context, emit engine.Emit) error
	ports                map[string][]engine.Port
	process              map[string]func(ctx context.Context, b *engine.Batch) error
	stream               map[string]func(ctx context.Context, b *engine.Batch, emit engine.Emit) error
	tick                 map[string]func(ctx context.Context, emit engine.Emit) error
	write                map[string]func(ctx context.Context, b *engine.Batch) error
	encode               map[string]func(p *point.Point) error
	send                 map[string]func(ctx context.Context, body engine.Body) error
	perBody, concurrency map[string]int
	undecodable, panics  bool                // of stored bodies
	keeps                func(*graph.Buffer) // changes what sinks keep on the disk, below what a user may write

	between  func() streams.Flow
	options  Options
	category func(n int) point.Category // of a point, logging if nil
	onAck    func()
	log      syncBuffer

	mu       sync.Mutex
	acks     []int // of each armed batch
	open     int   // bytes
	peak     int
	got      map[string][]int64 // what sinks have delivered, by the points' numbers
	attempts map[string][]attempt
	bodies   int
	envs     map[string]engine.Env // of sources
	topics   map[string]bool       // that encoders saw
}

// An attempt is a body that an encoder sent.
type attempt struct {
	id  string
	ns  []int64
	at  time.Duration // since the start of the test
	err error
}

var labs sync.Map // of *lab by name

// newLab makes a lab, inside a bubble or not.
func newLab(t *testing.T) *lab {
	l := &lab{
		t: t, name: strings.ReplaceAll(t.Name(), "/", "_"), dir: t.TempDir(),
		sources: map[string]func(context.Context, engine.Emit) error{}, ports: map[string][]engine.Port{},
		process: map[string]func(context.Context, *engine.Batch) error{},
		stream:  map[string]func(context.Context, *engine.Batch, engine.Emit) error{},
		tick:    map[string]func(context.Context, engine.Emit) error{},
		write:   map[string]func(context.Context, *engine.Batch) error{},
		encode:  map[string]func(*point.Point) error{}, send: map[string]func(context.Context, engine.Body) error{},
		perBody: map[string]int{}, concurrency: map[string]int{},
		got: map[string][]int64{}, attempts: map[string][]attempt{}, envs: map[string]engine.Env{}, topics: map[string]bool{},
	}
	labs.Store(l.name, l)
	t.Cleanup(func() { labs.Delete(l.name) })
	return l
}

func labOf(env engine.Env) *lab {
	l, _ := labs.Load(env.Graph)
	return l.(*lab)
}

// bubble runs f in a bubble with a lab of its own.
func bubble(t *testing.T, f func(t *testing.T, l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newLab(t)) })
}

// everyWiring runs f with the stages wired directly, and with stock flows of go-streams between them.
func everyWiring(t *testing.T, f func(t *testing.T, l *lab)) {
	t.Helper()
	for name, between := range map[string]func() streams.Flow{
		"direct":       nil,
		"pass through": func() streams.Flow { return flow.NewPassThrough() },
		"map": func() streams.Flow {
			return flow.NewMap(func(b *engine.Batch) *engine.Batch { return b }, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.between = between
				f(t, l)
			})
		})
	}
}

// bubbleStart is when the clock of every bubble begins.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (l *lab) clock() time.Duration { return time.Since(bubbleStart) }

func bodyNumbers(body engine.Body) []int64 {
	var ns []int64
	for _, text := range strings.Fields(string(body.Data)) {
		n, _ := strconv.ParseInt(text, 10, 64)
		ns = append(ns, n)
	}
	return ns
}

func number(p *point.Point) int64 {
	v, _ := p.Get("n")
	return v.Int()
}

func numbers(ps []point.Point) []int64 {
	ns := make([]int64, len(ps))
	for i := range ps {
		ns[i] = number(&ps[i])
	}
	return ns
}

func (l *lab) deliver(node string, ns ...int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[node] = append(l.got[node], ns...)
}

// delivered returns the numbers that a sink has delivered so far, in order of delivery.
func (l *lab) delivered(node string) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got[node])
}

func (l *lab) sent(node string) []attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.attempts[node])
}

// arm makes the lab count the acks of a batch.
func (l *lab) arm(b *engine.Batch, bytes int) *engine.Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.acks)
	l.acks = append(l.acks, 0)
	b.Arm(bytes, func() {
		if l.onAck != nil {
			l.onAck()
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.acks[i]++
		l.open -= bytes
	})
	return b
}

// acked returns how many batches were made, and how many acks have come.
func (l *lab) acked() (made, acks int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.acks {
		acks += n
	}
	return len(l.acks), acks
}

const pointBytes = 100

// points returns an armed batch of count points from first on.
func (l *lab) points(o *engine.Origin, first, count int) *engine.Batch {
	b := engine.Reserve(count, 2)
	b.Origin = o
	for n := first; n < first+count; n++ {
		b.Records = append(b.Records, engine.Record{Origin: o, Offset: int64(n), Value: []byte(strconv.Itoa(n))})
		p := b.Add()
		p.Name, p.Category, p.Record = "p", point.Logging, int32(n-first)
		if l.category != nil {
			p.Category = l.category(n)
		}
		p.Fields = append(p.Fields, point.Field{Key: "n", Value: point.Int(int64(n))})
	}
	return l.arm(b, count*pointBytes)
}

// emit emits a batch and keeps the account of the bytes in flight.
func (l *lab) emit(ctx context.Context, emit engine.Emit, b *engine.Batch, bytes int) error {
	err := emit(ctx, b)
	if err == nil {
		l.mu.Lock()
		l.open += bytes
		l.peak = max(l.peak, l.open)
		l.mu.Unlock()
	}
	return err
}

// source makes a node emit batches of the given sizes, numbered on, and end.
func (l *lab) source(node string, sizes ...int) {
	l.sources[node] = func(ctx context.Context, emit engine.Emit) error {
		o := &engine.Origin{Node: node, Topic: "t"}
		first := 0
		for _, n := range sizes {
			if err := l.emit(ctx, emit, l.points(o, first, n), n*pointBytes); err != nil {
				return err
			}
			first += n
		}
		return nil
	}
}

// build makes the engine of a graph.
func (l *lab) build(text string) *Engine {
	l.t.Helper()
	e, err := l.tryBuild(text)
	if err != nil {
		l.t.Fatal(err)
	}
	e.between = l.between
	for _, s := range e.sinks {
		if l.keeps != nil {
			l.keeps(&s.keeps)
		}
	}
	return e
}

func (l *lab) tryBuild(text string) (*Engine, error) {
	l.t.Helper()
	g, err := graph.Parse(l.dir+"/graph.yaml", []byte("version: 1\nname: "+l.name+"\n"+text), graph.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	o := l.options
	o.Log = slog.New(slog.NewTextHandler(io.MultiWriter(&l.log), nil))
	return New(g, o)
}

// A trial is an engine that runs.
type trial struct {
	*Engine
	stopSources func()
	hurry       chan struct{}
	result      chan Result
}

// start runs a graph.
func (l *lab) start(text string) *trial {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	x := &trial{Engine: l.build(text), stopSources: cancel, hurry: make(chan struct{}), result: make(chan Result, 1)}
	go func() { x.result <- x.Run(ctx, x.hurry) }()
	return x
}

// wait returns how the run ended.
func (x *trial) wait() Result {
	r := <-x.result
	x.stopSources()
	return r
}

// finish runs a graph until its sources have ended and checks that nothing is left.
func (l *lab) finish(text string) *Engine {
	l.t.Helper()
	x := l.start(text)
	l.clean(x)
	return x.Engine
}

// clean waits for the end of a run that must have lost nothing.
func (l *lab) clean(x *trial) {
	l.t.Helper()
	if r := x.wait(); r.Code != ExitDone || r.Err != nil {
		l.t.Errorf("the run ended with %d: %v", r.Code, r.Err)
	}
	l.allAcked()
	if err := x.Balanced(); err != nil {
		l.t.Error(err)
	}
	if live := batch.Live(); len(live) > 0 {
		l.t.Errorf("%d batches are still live", len(live))
	}
}

// allAcked checks that each batch was acknowledged once.
func (l *lab) allAcked() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, n := range l.acks {
		if n != 1 {
			l.t.Errorf("batch %d was acknowledged %d times", i, n)
		}
	}
}

// letters reads the dead letters.
func (l *lab) letters() []deadletter.Entry {
	l.t.Helper()
	var out []deadletter.Entry
	dir := l.dir + "/data/" + l.name + "/dead_letters"
	damage, err := deadletter.Read(engine.OS{}, dir, func(e deadletter.Entry) error {
		e.Error, e.Node = strings.Clone(e.Error), strings.Clone(e.Node)
		e.Value = bytes.Clone(e.Value)
		if e.Kind == deadletter.Point {
			e.Point = e.Point.Clone()
		}
		out = append(out, e)
		return nil
	})
	if err != nil || damage.Places > 0 {
		l.t.Errorf("reading the dead letters: %v %v", damage, err)
	}
	return out
}

// letterNumbers returns the numbers of the points, or records, in the dead letters, sorted.
func (l *lab) letterNumbers() []int64 {
	l.t.Helper()
	var ns []int64
	for _, e := range l.letters() {
		n, _ := strconv.ParseInt(string(e.Value), 10, 64)
		if e.Kind == deadletter.Point {
			n = number(&e.Point)
		}
		ns = append(ns, n)
	}
	slices.Sort(ns)
	return ns
}

// wantDelivered checks what a sink has delivered, in any order.
func (l *lab) wantDelivered(node string, want []int64) {
	l.t.Helper()
	got := l.delivered(node)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		l.t.Errorf("sink %s delivered %s, want %s", node, brief(got), brief(want))
	}
}

func brief(ns []int64) string {
	if len(ns) > 20 {
		return fmt.Sprintf("%d numbers %v...", len(ns), ns[:20])
	}
	return fmt.Sprint(ns)
}

// upTo returns the numbers below n but those left out.
func upTo(n int64, leaveOut ...int64) []int64 {
	var out []int64
	for i := range n {
		if !slices.Contains(leaveOut, i) {
			out = append(out, i)
		}
	}
	return out
}

// statsOf returns the counters of a node or step.
func statsOf(e *Engine, node string) NodeStats {
	for _, s := range e.Snapshot().Nodes {
		if s.Node == node {
			return s
		}
	}
	return NodeStats{}
}

func total(cs []Count) (n int64) {
	for _, c := range cs {
		n += c.N
	}
	return n
}

// untilClosed blocks a component until the gate is closed or the engine discards.
func untilClosed(ctx context.Context, gate <-chan struct{}) error {
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// advance lets the clock of the bubble run.
func advance(d time.Duration) { time.Sleep(d) }

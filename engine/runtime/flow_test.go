package runtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// partitions makes a node emit count batches of size points of each of several partitions in turns, as fast as
// they are taken. The points of partition p are numbered from p million on.
func (l *lab) partitions(node string, partitions, count, size int) {
	l.sources[node] = func(ctx context.Context, emit engine.Emit) error {
		origins := make([]*engine.Origin, partitions)
		for p := range origins {
			origins[p] = &engine.Origin{Node: node, Topic: "t", Partition: int32(p)}
		}
		for i := range count {
			for p, o := range origins {
				b := l.points(o, p*1_000_000+i*size, size)
				if err := l.emit(ctx, emit, b, size*pointBytes); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func jitter(ctx context.Context) {
	_ = pause(ctx, nil, nil, time.Duration(rand.IntN(50))*time.Millisecond)
}

// inOrder reports the first point of a partition that came before one with a lower number.
func inOrder(ns []int64) error {
	last := map[int64]int64{}
	for _, n := range ns {
		p := n / 1_000_000
		if before, ok := last[p]; ok && n <= before {
			return fmt.Errorf("partition %d: %d came after %d", p, n, before)
		}
		last[p] = n
	}
	return nil
}

// The batches of a partition stay in order through pools of workers that take their time; partitions pass each other.
func TestOrderPerPartition(t *testing.T) {
	text := func(order string) string {
		return `
sources: {in: {type: test_source}}
operators:
  a: {type: test_process, from: in, workers: 4, order: ` + order + `}
  b: {from: a, workers: 3, order: ` + order + `, steps: [test_process: {}, test_stream: {}, test_process: {}]}
sinks: {out: {type: test_encoder, from: b, order: partition, batch: {max_points: 7}}}
`
	}
	slow := func(l *lab) {
		for _, name := range []string{"a", "b/1:test_process", "b/3:test_process"} {
			l.process[name] = func(ctx context.Context, b *engine.Batch) error {
				jitter(ctx)
				if number(&b.Points[0])%5 == 0 {
					b.Points = slices.Insert(b.Points, 0, make([]point.Point, maxPoints)...)
					for i := range maxPoints {
						b.Drop(i, "made to cut the batch")
					}
				}
				return nil
			}
		}
		l.stream["b/2:test_stream"] = func(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
			jitter(ctx)
			half := len(b.Points) / 2
			if err := emit(ctx, b.Split(b.Points[:half:half])); err != nil {
				return err
			}
			return emit(ctx, b.Split(b.Points[half:]))
		}
		l.send["out"] = func(ctx context.Context, _ engine.Body) error {
			jitter(ctx)
			return nil
		}
	}
	everyWiring(t, func(t *testing.T, l *lab) {
		l.partitions("in", 5, 40, 3)
		slow(l)
		l.finish(text("partition"))
		got := l.delivered("out")
		if err := inOrder(got); err != nil {
			t.Error(err)
		}
		if len(got) != 5*40*3 {
			t.Errorf("delivered %d points", len(got))
		}
	})
	t.Run("order none", func(t *testing.T) {
		bubble(t, func(t *testing.T, l *lab) {
			l.partitions("in", 1, 40, 3)
			slow(l)
			l.finish(text("none"))
			l.wantDelivered("out", upTo(120))
			if inOrder(l.delivered("out")) == nil {
				t.Error("one partition did not spread over the workers")
			}
		})
	})
}

// Partitions that come and go do not pile up in a stage.
func TestSeatsAreBounded(t *testing.T) {
	s := newStage("a", &chain{}, 2, false)
	desks := []*desk{{}, {}}
	seats := map[*engine.Origin]*seat{}
	for range 3 * maxSeats {
		s.seat(seats, desks, &engine.Origin{})
	}
	if len(seats) > maxSeats {
		t.Errorf("%d seats", len(seats))
	}
}

// A port whose sink hangs stops when its share of the window is full; the other port of the source goes on.
func TestBackpressureIsPerPort(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.ports["in"] = []engine.Port{{Name: "good"}, {Name: "stuck"}}
		const rounds = 2000
		gate := make(chan struct{})
		var emitted [2]atomic.Int64
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			done := make(chan error)
			for i, port := range []string{"good", "stuck"} {
				go func() {
					for n := range rounds {
						b := l.points(&engine.Origin{Partition: int32(i)}, n*10, 10)
						b.Port = port
						if err := emit(ctx, b); err != nil {
							done <- err
							return
						}
						emitted[i].Add(1)
					}
					done <- nil
				}()
			}
			return errors.Join(<-done, <-done)
		}
		l.write["out_stuck"] = func(ctx context.Context, _ *engine.Batch) error { return untilClosed(ctx, gate) }
		// 10 batches of 10 points of 100 bytes fit a share.
		x := l.start(`
limits: {in_flight: 20KB}
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in.stuck}}
sinks: {out: {type: test_encoder, from: in.good}, out_stuck: {type: test_writer, from: a}}
`)
		// The last batches of the free port may wait for more: those of the stuck one are open, too.
		time.Sleep(time.Second)
		synctest.Wait()
		if n := emitted[0].Load(); n != rounds {
			t.Errorf("the free port emitted %d of %d batches", n, rounds)
		}
		if n := emitted[1].Load(); n != 10 {
			t.Errorf("the stuck port emitted %d batches", n)
		}
		for _, p := range x.Snapshot().Sources {
			if want := map[string]int{"good": 0, "stuck": 100}[p.Port]; p.Unacked != want {
				t.Errorf("port %s has %d points in flight, want %d", p.Port, p.Unacked, want)
			}
		}
		close(gate)
		l.clean(x)
		l.wantDelivered("out_stuck", upTo(rounds*10))
	})
}

// The bytes of open batches stay within the share, whatever their sizes; a larger batch goes alone.
func TestMemoryBound(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		const limit = 5000
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			first := 0
			for i := range 300 {
				n := rand.IntN(20)
				if i%50 == 49 {
					n = 80 // 8000 bytes
				}
				b := l.points(&engine.Origin{}, first, n)
				if err := emit(ctx, b); err != nil {
					return err
				}
				first += n
			}
			return nil
		}
		l.process["a"] = func(ctx context.Context, b *engine.Batch) error {
			jitter(ctx)
			return nil
		}
		var x *trial
		check := func() {
			used, open := x.window.used.Load(), x.window.open.Load()
			if used > limit && open > 1 {
				t.Errorf("%d bytes in %d batches are in flight", used, open)
			}
		}
		l.send["out"] = func(ctx context.Context, _ engine.Body) error {
			check()
			jitter(ctx)
			return nil
		}
		x = &trial{result: make(chan Result, 1), stopSources: func() {}, Engine: l.build(fmt.Sprintf(`
limits: {in_flight: %d}
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in, workers: 3}}
sinks: {out: {type: test_encoder, from: a, batch: {max_points: 30}}}
`, limit))}
		x.result <- x.Run(context.Background(), nil)
		l.clean(x)
		if used, pressure := x.window.used.Load(), x.window.pressure(); used != 0 || pressure != 0 {
			t.Errorf("%d bytes were not given back, pressure %v", used, pressure)
		}
	})
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(300)
		s := w.addShare()
		ctx, cancel := context.WithCancel(context.Background())
		first, err := s.take(ctx, 250, 2, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		refused := make(chan error)
		go func() {
			_, err := s.take(ctx, 100, 1, time.Now())
			refused <- err
		}()
		advance(time.Second)
		cancel()
		if err := <-refused; !errors.Is(err, context.Canceled) {
			t.Errorf("a wait that is given up says %v", err)
		}
		if s.used != 250 || w.open.Load() != 1 {
			t.Errorf("%d bytes, %d batches after a refusal", s.used, w.open.Load())
		}
		taken := make(chan *flight)
		go func() {
			f, _ := s.take(context.Background(), 1000, 7, time.Now())
			taken <- f
		}()
		advance(time.Second)
		s.land(first)
		alone := <-taken
		points, oldest, blocked := s.unacked()
		if points != 7 || oldest.IsZero() || blocked < time.Second {
			t.Errorf("unacked: %d points since %v, blocked %v", points, oldest, blocked)
		}
		s.land(alone)
		if points, oldest, _ := s.unacked(); points != 0 || !oldest.IsZero() || w.used.Load() != 0 {
			t.Error("something is left")
		}
	})
}

// A branch that is not required drops what it cannot take, counted, and the other gets everything.
func TestNotRequired(t *testing.T) {
	for name, text := range map[string]string{
		"sink":     "sinks: {out: {type: test_writer, from: in}, maybe: {type: test_writer, from: {node: in, required: false}}}",
		"operator": "operators: {a: {type: test_process, from: {node: in, required: false}}}\nsinks: {out: {type: test_writer, from: in}, maybe: {type: test_writer, from: a}}",
	} {
		t.Run(name, func(t *testing.T) {
			everyWiring(t, func(t *testing.T, l *lab) {
				const count, size = 500, 5
				l.partitions("in", 1, count, size)
				gate := make(chan struct{})
				l.write["maybe"] = func(ctx context.Context, _ *engine.Batch) error { return untilClosed(ctx, gate) }
				l.process["a"] = func(ctx context.Context, _ *engine.Batch) error { return untilClosed(ctx, gate) }
				// The window is far smaller than what the hanging branch gets.
				x := l.start("limits: {in_flight: 5KB}\nsources: {in: {type: test_source}}\n" + text + "\n")
				synctest.Wait()
				l.wantDelivered("out", upTo(count*size))
				close(gate)
				l.clean(x)
				var dropped int64
				for _, e := range x.Snapshot().Edges {
					if e.To == "maybe" && name == "sink" || e.To == "a" {
						dropped = e.Dropped
					}
					if e.To == "out" && e.Dropped > 0 {
						t.Errorf("the required branch dropped %d", e.Dropped)
					}
				}
				if got := int64(len(l.delivered("maybe"))); dropped == 0 || got+dropped != count*size {
					t.Errorf("the other branch delivered %d and dropped %d of %d", got, dropped, count*size)
				}
			})
		})
	}
}

// A branch that is not required holds up nothing, the end of the graph included: what it has not taken is dropped.
func TestNotRequiredAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.partitions("in", 1, 20, 5)
		l.write["maybe"] = func(ctx context.Context, _ *engine.Batch) error {
			<-ctx.Done()
			return ctx.Err()
		}
		x := l.start("sources: {in: {type: test_source}}\nsinks: {out: {type: test_writer, from: in}, maybe: {type: test_writer, from: {node: in, required: false}}}\n")
		l.clean(x)
		l.wantDelivered("out", upTo(100))
		for _, n := range x.Snapshot().Nodes {
			if n.Node == "maybe" && (len(n.Dropped) != 1 || n.Dropped[0].Label != "stopped" || n.In != n.Dropped[0].N) {
				t.Errorf("%+v", n)
			}
		}
	})
}

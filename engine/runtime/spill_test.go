package runtime

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/buffer"
	"dataflow/engine/point"
)

// TestSpillFillsUp: senders whose bodies wait for room on the disk leave their slots to the bodies that make it.
func TestSpillFillsUp(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.options.BufferFS, _ = buffer.NewMemoryFS()
		l.concurrency["out"] = 2
		var healthy atomic.Bool
		l.send["out"] = func(ctx context.Context, b engine.Body) error {
			if healthy.Load() {
				return nil
			}
			if err := pause(ctx, nil, nil, time.Minute); err != nil {
				return err
			}
			return errDown
		}
		l.source("in", slices.Repeat([]int{5}, 60)...)
		l.keeps = func(b *graph.Buffer) { b.MaxBytes = 2000 }
		x := l.start(strings.Replace(toSpill, "ORDER", "", 1))
		advance(90 * time.Second)
		if b := x.Snapshot().Buffers[0]; b.Waits < 3 {
			t.Errorf("%d bodies have waited for room, the test wants more: %+v", b.Waits, b)
		}
		healthy.Store(true)
		advance(10 * time.Minute)
		l.wantDelivered("out", upTo(300))
		if t.Failed() {
			close(x.hurry)
			x.stopSources()
			x.wait()
			return
		}
		l.clean(x)
	})
}

// TestSpillKeepsItsTurn: a body that is moved, and waits for room on the disk, is not overtaken by smaller ones that come behind it
// in a lane with an order.
func TestSpillKeepsItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.options.BufferFS, _ = buffer.NewMemoryFS()
		l.category = func(n int) point.Category {
			if n >= 1000 {
				return point.Metric
			}
			return point.Logging
		}
		var healthy atomic.Bool
		l.send["out"] = func(ctx context.Context, b engine.Body) error {
			if !healthy.Load() {
				return errDown
			}
			return nil
		}
		engines := make(chan *Engine, 1)
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			o := &engine.Origin{Node: "in", Topic: "t"}
			put := func(first, count int) {
				if err := l.emit(ctx, emit, l.points(o, first, count), count*pointBytes); err != nil {
					t.Error(err)
				}
			}
			kept := (<-engines).sinks[0].shelf.buffer
			put(1000, 5) // of another lane
			advance(time.Second)
			kept.Configure(buffer.BufferOptions{MaxBytes: 2*kept.Stats().LiveBytes + 5})
			put(0, 20) // has no room
			advance(time.Second)
			for n := range 20 {
				put(20+n, 1) // five of them have
			}
			advance(time.Second)
			kept.Configure(buffer.BufferOptions{})
			advance(time.Second)
			healthy.Store(true)
			return nil
		}
		x := l.start(strings.Replace(toSpill, "ORDER", "order: partition,", 1))
		advance(time.Millisecond)
		engines <- x.Engine
		l.clean(x)
		got := slices.DeleteFunc(l.delivered("out"), func(n int64) bool { return n >= 1000 })
		if !slices.Equal(got, upTo(40)) {
			t.Errorf("out of order: %v", got)
		}
	})
}

// TestSpillTakesASlot: a group of a lane with an order that is to be sent from memory has its slot before what is behind it can go
// to the disk, and come from there.
func TestSpillTakesASlot(t *testing.T) {
	l := newLane(&sinkNode{shelf: &shelf{spills: true}, crowded: func() bool { return true }}, "logging", 1)
	l.queue, l.active = []*group{{points: 1}, {points: 1}}, 1
	g, shelve := l.take()
	l.mu.Lock()
	defer l.mu.Unlock()
	if overflows := l.overflows(); g == nil || overflows && (shelve || len(l.slots) == 0) {
		t.Errorf("the second group goes to the disk while the first one, in hand, may be overtaken: %v, %d slots", shelve, len(l.slots))
	}
}

// TestSpillResumes: what comes after a restart goes behind what the last run has left on the disk.
func TestSpillResumes(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, _ := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.source("in", 5, 5)
		l.send["out"] = down
		text := strings.Replace(toSpill, "ORDER", "order: partition,", 1)
		x := l.start(text)
		l.wantAcked(2)
		x.stopSources()
		l.clean(x)
		e := again(t, l, fs).build(text)
		if _, err := e.openStore(); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bool{"logging": true, "metric": false} {
			x := e.sinks[0].lane(name)
			x.mu.Lock()
			if got := x.shelve(); got != want {
				t.Errorf("a group of lane %s goes to the disk: %v", name, got)
			}
			x.mu.Unlock()
		}
		if err := e.closeStore(); err != nil {
			t.Error(err)
		}
	})
}

// TestSpillHangs: what a destination has accepted and does not answer goes to the disk when the engine stops, and the stop is a clean one.
func TestSpillHangs(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, _ := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			if err := l.emit(ctx, emit, l.points(&engine.Origin{Node: "in", Topic: "t"}, 0, 5), 500); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}
		l.send["out"] = func(ctx context.Context, _ engine.Body) error { <-ctx.Done(); return ctx.Err() }
		text := strings.Replace(toSpill, "ORDER", "", 1)
		x := l.start(text)
		advance(time.Second)
		x.stopSources()
		l.clean(x)
		l = again(t, l, fs)
		l.source("in", 0)
		l.clean(l.start(text))
		l.wantDelivered("out", upTo(5))
	})
}

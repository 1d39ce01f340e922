package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/buffer"
	"dataflow/engine/deadletter"
)

var errDown = &engine.SendError{Class: engine.Retry, Err: errors.New("no luck")}

func down(context.Context, engine.Body) error { return errDown }

const toDisk = `
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, batch: {max_points: 5}, retry: {initial: 1s, max: 10s}, buffer: {type: disk}}}
`

// again is a lab for a second run of the same graph on the same disk.
func again(t *testing.T, l *lab, fs buffer.FS) *lab {
	next := newLab(t)
	next.dir, next.options.BufferFS = l.dir, fs
	return next
}

// wantAcked waits until every batch that was made is acknowledged.
func (l *lab) wantAcked(batches int) {
	l.t.Helper()
	for range 100 {
		if made, acks := l.acked(); made == batches && acks == batches {
			return
		}
		advance(100 * time.Millisecond)
	}
	made, acks := l.acked()
	l.t.Fatalf("%d batches, %d acks", made, acks)
}

// TestDiskIsDone: what is on the disk is done for its source, whatever the destination does, and the next start delivers it.
func TestDiskIsDone(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, _ := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.source("in", 5, 5, 5, 5)
		l.send["out"] = down
		x := l.start(toDisk)
		l.wantAcked(4)
		if got := x.Snapshot().Buffers; len(got) != 1 || got[0].LivePoints != 20 || got[0].Node != "out" {
			t.Errorf("buffers: %+v", got)
		}
		if len(l.sent("out")) == 0 || len(l.delivered("out")) > 0 {
			t.Error("the destination is down, and was asked")
		}
		x.stopSources()
		l.clean(x)
		tried := l.sent("out")[0].id

		l = again(t, l, fs)
		l.source("in", 0)
		x = l.start(toDisk)
		l.clean(x)
		l.wantDelivered("out", upTo(20))
		if first := l.sent("out")[0].id; first != tried {
			t.Errorf("the id of the first body is %s after the restart, was %s", first, tried)
		}
		if s := statsOf(x.Engine, "out"); s.Created != 20 || s.Out != 20 || s.Imbalance != 0 {
			t.Errorf("the ledger of the sink: %+v", s)
		}
	})
}

// TestDiskSurvivesPowerCut: what was acknowledged before a power cut is delivered after it.
func TestDiskSurvivesPowerCut(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, crash := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.source("in", 5, 5, 5, 5)
		l.send["out"] = down
		x := l.start(toDisk)
		l.wantAcked(4)
		left := crash()
		x.stopSources()
		l.clean(x)

		l = again(t, l, left)
		l.source("in", 0)
		l.clean(l.start(toDisk))
		l.wantDelivered("out", upTo(20))
	})
}

// TestDiskDrains: a graph whose sources end delivers what is on the disk before it ends.
func TestDiskDrains(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.options.BufferFS, _ = buffer.NewMemoryFS()
		l.concurrency["out"] = 3
		l.source("in", 5, 5, 5, 5)
		l.send["out"] = failing(7, engine.Retry, 0)
		l.finish(toDisk)
		l.wantDelivered("out", upTo(20))
	})
}

// TestDiskNarrows: a stored body that is refused is searched for its guilty points.
func TestDiskNarrows(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.options.BufferFS, _ = buffer.NewMemoryFS()
		l.source("in", 5, 5, 5, 5)
		l.send["out"] = func(_ context.Context, b engine.Body) error {
			if slices.Contains(bodyNumbers(b), 7) {
				return &engine.SendError{Class: engine.BadData, Err: errors.New("seven")}
			}
			return nil
		}
		e := l.finish(toDisk)
		l.wantDelivered("out", upTo(20, 7))
		if got := l.letterNumbers(); !slices.Equal(got, []int64{7}) {
			t.Errorf("dead letters: %v", got)
		}
		if s := statsOf(e, "out"); s.Out != 19 || total(s.Failed) != 1 || s.Imbalance != 0 {
			t.Errorf("the ledger of the sink: %+v", s)
		}
	})
}

// TestDiskUndecodable: a stored body that is refused, and that the sink of today cannot read, is kept as it is.
func TestDiskUndecodable(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.options.BufferFS, _ = buffer.NewMemoryFS()
		l.undecodable = true
		l.source("in", 5)
		l.send["out"] = func(context.Context, engine.Body) error {
			return &engine.SendError{Class: engine.BadData, Err: errors.New("what is this")}
		}
		l.finish(toDisk)
		letters := l.letters()
		if len(letters) != 1 || letters[0].Kind != deadletter.Record || strings.TrimSpace(string(letters[0].Value)) != "0 1 2 3 4" || letters[0].Node != "out" {
			t.Errorf("dead letters: %+v", letters)
		}
	})
}

// TestDiskGivesUp: a stored body that fails for too long becomes dead letters, point by point.
func TestDiskGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.options.BufferFS, _ = buffer.NewMemoryFS()
		l.source("in", 3)
		l.send["out"] = down
		l.finish(strings.Replace(toDisk, "max: 10s", "max: 10s, give_up: 1m", 1))
		if got := l.letterNumbers(); !slices.Equal(got, upTo(3)) {
			t.Errorf("dead letters: %v", got)
		}
	})
}

const toSpill = `
sources: {in: {type: test_source}}
limits: {in_flight: 4KiB}
sinks: {out: {type: test_encoder, from: in, ORDER batch: {max_points: 5}, retry: {initial: 1s, max: 10s}, buffer: {type: spill}}}
`

// TestSpillKeepsUp: a sink that keeps up touches no disk, and its sources wait for the answer.
func TestSpillKeepsUp(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.options.BufferFS, _ = buffer.NewMemoryFS()
		l.source("in", 5, 5, 5, 5)
		e := l.finish(strings.Replace(toSpill, "ORDER", "", 1))
		l.wantDelivered("out", upTo(20))
		if b := e.Snapshot().Buffers[0]; b.InBodies != 0 {
			t.Errorf("%d bodies went to the disk", b.InBodies)
		}
	})
}

// TestSpillFails: what the destination does not take goes to the disk, what comes behind it too, and once that is sent the disk
// is left alone. A lane with an order keeps it.
func TestSpillFails(t *testing.T) {
	for _, order := range []string{"none", "partition"} {
		t.Run(order, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.options.BufferFS, _ = buffer.NewMemoryFS()
				l.concurrency["out"] = 3
				var healthy atomic.Bool
				l.send["out"] = func(ctx context.Context, b engine.Body) error {
					if !healthy.Load() {
						return errDown
					}
					return pause(ctx, nil, nil, 10*time.Millisecond)
				}
				gate := make(chan struct{})
				l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
					o := &engine.Origin{Node: "in", Topic: "t"}
					for n := 0; n < 200; n += 5 {
						if n == 100 {
							if err := untilClosed(ctx, gate); err != nil {
								return err
							}
						}
						if err := l.emit(ctx, emit, l.points(o, n, 5), 500); err != nil {
							return err
						}
					}
					return nil
				}
				text := strings.Replace(toSpill, "4KiB", "1MiB", 1) // which is never half full
				x := l.start(strings.Replace(text, "ORDER", "order: "+order+",", 1))
				l.wantAcked(20)
				stored := x.Snapshot().Buffers[0].InBodies
				if stored == 0 || len(l.delivered("out")) > 0 {
					t.Errorf("%d bodies on the disk, %d points delivered", stored, len(l.delivered("out")))
				}
				healthy.Store(true)
				advance(time.Minute)
				close(gate)
				l.clean(x)
				l.wantDelivered("out", upTo(200))
				if order == "partition" && !slices.IsSorted(l.delivered("out")) {
					t.Errorf("out of order: %v", l.delivered("out"))
				}
				if now := x.Snapshot().Buffers[0].InBodies; now != stored {
					t.Errorf("%d bodies went to the disk although the sink keeps up again", now-stored)
				}
			})
		})
	}
}

// TestSpillSlow: a sink that is slow and does not fail has its queue on the disk, so that its source goes on.
func TestSpillSlow(t *testing.T) {
	for _, order := range []string{"none", "partition"} {
		t.Run(order, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.options.BufferFS, _ = buffer.NewMemoryFS()
				l.send["out"] = func(ctx context.Context, b engine.Body) error { return pause(ctx, nil, nil, time.Minute) }
				l.source("in", slices.Repeat([]int{5}, 40)...)
				x := l.start(strings.Replace(toSpill, "ORDER", "order: "+order+",", 1))
				advance(30 * time.Second)
				if made, acks := l.acked(); made != 40 || acks < 30 {
					t.Errorf("%d of %d batches are done while the first body is on its way", acks, made)
				}
				l.clean(x)
				l.wantDelivered("out", upTo(200))
				if order == "partition" && !slices.IsSorted(l.delivered("out")) {
					t.Errorf("out of order: %v", l.delivered("out"))
				}
			})
		})
	}
}

// TestSpillStops: what waits in memory for a destination that is down goes to the disk, and is sent after the next start.
func TestSpillStops(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, _ := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.source("in", 5, 5)
		l.send["out"] = down
		text := strings.Replace(toSpill, "ORDER", "", 1)
		x := l.start(text)
		l.wantAcked(2)
		x.stopSources()
		l.clean(x)
		l = again(t, l, fs)
		l.source("in", 0)
		l.clean(l.start(text))
		l.wantDelivered("out", upTo(10))
	})
}

// TestStoreInUse: a second engine on the same data directory ends at once with the code of a wrong configuration.
func TestStoreInUse(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, _ := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.sources["in"] = func(ctx context.Context, _ engine.Emit) error { <-ctx.Done(); return nil }
		x := l.start(toDisk)
		advance(time.Second)
		other := again(t, l, fs)
		other.source("in", 0)
		if r := other.start(toDisk).wait(); r.Code != ExitConfig || !errors.Is(r.Err, buffer.ErrInUse) {
			t.Errorf("the second engine ended with %d: %v", r.Code, r.Err)
		}
		x.stopSources()
		l.clean(x)
	})
}

// TestBufferNeedsBodies: a sink that writes at once has nothing to keep.
func TestBufferNeedsBodies(t *testing.T) {
	l := newLab(t)
	_, err := l.tryBuild(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_writer, from: in, buffer: {type: disk}}}
`)
	if err == nil || !strings.Contains(err.Error(), "has nothing to keep on the disk") {
		t.Errorf("err = %v", err)
	}
}

const toDiskAndFailed = `
sources: {in: {type: test_source}}
sinks:
  out: {type: test_encoder, from: in, retry: {initial: 1s, max: 10s}, buffer: {type: disk}}
  bad: {type: test_writer, from: out.failed}
`

// TestDiskFailed: the guilty points of a stored body go to those who read .failed, and the body is done when these are.
func TestDiskFailed(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, crash := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			if err := l.emit(ctx, emit, l.points(&engine.Origin{Node: "in", Topic: "t"}, 0, 5), 500); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}
		refuse := func(_ context.Context, b engine.Body) error {
			if slices.Contains(bodyNumbers(b), 3) {
				return &engine.SendError{Class: engine.BadData, Err: errors.New("three")}
			}
			return nil
		}
		l.send["out"] = refuse
		gate := make(chan struct{})
		l.write["bad"] = func(ctx context.Context, _ *engine.Batch) error { return untilClosed(ctx, gate) }
		x := l.start(toDiskAndFailed)
		advance(time.Minute)
		left := crash()
		close(gate)
		advance(time.Minute)
		if b := x.Snapshot().Buffers[0]; b.LivePoints != 0 {
			t.Errorf("%d points are not done", b.LivePoints)
		}
		x.stopSources()
		l.clean(x)
		l.wantDelivered("out", upTo(5, 3))
		l.wantDelivered("bad", []int64{3})

		l = again(t, l, left)
		l.source("in", 0)
		l.send["out"] = refuse
		l.clean(l.start(toDiskAndFailed))
		l.wantDelivered("bad", []int64{3})
	})
}

// TestDiskStopsInOrder: when the engine stops while the destination is down, the bodies on the disk stay there, in order, however long
// the sources take to end and whatever becomes of the destination meanwhile.
func TestDiskStopsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, _ := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			o := &engine.Origin{Node: "in", Topic: "t"}
			for n := 0; n < 500; n += 5 {
				if err := l.emit(ctx, emit, l.points(o, n, 5), 500); err != nil {
					return err
				}
			}
			<-ctx.Done()
			advance(20 * time.Second)
			defer advance(time.Second)
			return l.emit(context.WithoutCancel(ctx), emit, l.points(o, 500, 5), 500)
		}
		var healthy atomic.Bool
		l.send["out"] = func(ctx context.Context, b engine.Body) error {
			if !healthy.Load() {
				return errDown
			}
			return nil
		}
		x := l.start(toDisk)
		l.wantAcked(100)
		x.stopSources()
		advance(time.Second)
		healthy.Store(true)
		if b, err := x.sinks[0].shelf.buffer.Lane("logging").TryNext(t.Context()); b == nil {
			t.Errorf("all bodies were taken off the disk and into memory: %v", err)
		}
		l.clean(x)
		first := l.delivered("out")

		l = again(t, l, fs)
		l.source("in", 0)
		l.clean(l.start(toDisk))
		if all := slices.Concat(first, l.delivered("out")); !slices.Equal(all, upTo(505)) {
			t.Errorf("out of order, or twice: %d points before the restart and %d after it: %v", len(first), len(all)-len(first), all)
		}
	})
}

// TestDiskNotRequired: what a branch that is not required has on the disk, or on its way there, holds up nobody's end.
func TestDiskNotRequired(t *testing.T) {
	for _, kind := range []string{"disk", "spill"} {
		for _, hangs := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, hangs), func(t *testing.T) {
				bubble(t, func(t *testing.T, l *lab) {
					l.options.BufferFS, _ = buffer.NewMemoryFS()
					l.options.UntilIdle = 10 * time.Second
					l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
						if err := l.emit(ctx, emit, l.points(&engine.Origin{Node: "in", Topic: "t"}, 0, 5), 500); err != nil {
							return err
						}
						<-ctx.Done()
						return nil
					}
					l.send["aside"] = func(ctx context.Context, _ engine.Body) error {
						if hangs {
							<-ctx.Done()
						}
						return errDown
					}
					x := l.start(`
sources: {in: {type: test_source}}
sinks:
  out: {type: test_writer, from: in}
  aside: {type: test_encoder, from: {node: in, required: false}, buffer: {type: ` + kind + `}}
`)
					advance(time.Minute)
					select {
					case r := <-x.result:
						x.result <- r
					default:
						t.Error("still running")
						x.stopSources()
					}
					l.clean(x)
				})
			})
		}
	}
}

// TestDiskPoison: a stored body that makes its decoder panic, or that the dead letters can never hold, does not end every start anew.
func TestDiskPoison(t *testing.T) {
	for _, limit := range []string{"1MiB", "100B"} {
		t.Run(limit, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.options.BufferFS, _ = buffer.NewMemoryFS()
				l.undecodable, l.panics = true, limit == "1MiB"
				l.source("in", 50)
				l.send["out"] = func(context.Context, engine.Body) error {
					return &engine.SendError{Class: engine.BadData, Err: errors.New("what is this")}
				}
				e := l.finish("dead_letter: {max_bytes: " + limit + "}" + toDisk)
				if s := statsOf(e, "out"); total(s.Failed) != 50 || s.Imbalance != 0 {
					t.Errorf("the ledger of the sink: %+v", s)
				}
			})
		})
	}
}

// TestDiskLeavesLate: a stop that is asked for once the graph is about to end by itself leaves on the disk what is there.
func TestDiskLeavesLate(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, _ := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.source("in", 5, 5)
		l.send["out"] = down
		x := l.start(toDisk)
		l.wantAcked(2)
		advance(time.Minute) // the source has ended, the disk is not empty
		before := l.clock()
		x.stopSources()
		l.clean(x)
		if took := l.clock() - before; took > 10*time.Second {
			t.Errorf("stopping took %v", took)
		}
	})
}

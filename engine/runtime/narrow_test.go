package runtime

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/buffer"
)

// narrowed sends one body of n points of which some are guilty and returns the requests behind the first one.
func narrowed(t *testing.T, n int, guilty ...int64) (requests int) {
	t.Helper()
	bubble(t, func(t *testing.T, l *lab) {
		l.name = fmt.Sprintf("%s_%d_%v", l.name, n, len(guilty))
		labs.Store(l.name, l)
		defer labs.Delete(l.name)
		l.source("in", n)
		l.send["out"] = refuse(engine.BadData, guilty...)
		l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, batch: {max_points: 100000}}}
`)
		if got := l.delivered("out"); !slices.Equal(got, upTo(int64(n), guilty...)) {
			t.Errorf("%d points, guilty %v: delivered %s, in order", n, guilty, brief(got))
		}
		if got := l.letterNumbers(); !slices.Equal(got, guilty) {
			t.Errorf("%d points, guilty %v: dead letters of %v", n, guilty, got)
		}
		ids := map[string]bool{}
		for _, a := range l.sent("out") {
			ids[a.id] = true
		}
		if len(ids) != len(l.sent("out")) {
			t.Errorf("%d points, guilty %v: %d ids for %d requests", n, guilty, len(ids), len(l.sent("out")))
		}
		requests = len(l.sent("out")) - 1
	})
	return requests
}

// One guilty point costs at most log2(n) requests, and one that brings what was set aside; it alone is lost to
// the dead letters, and nothing is delivered twice or out of order.
func TestOneGuiltyPointCostsALogarithm(t *testing.T) {
	for n := 1; n <= 33; n++ {
		most := bits.Len(uint(n-1)) + 1
		for guilty := range int64(n) {
			if got := narrowed(t, n, guilty); got > most {
				t.Errorf("%d points, the guilty one at %d: %d more requests, at most %d are right", n, guilty, got, most)
			}
		}
	}
	for _, guilty := range []int64{0, 1, 511, 512, 777, 1023} {
		if got := narrowed(t, 1024, guilty); got > 11 {
			t.Errorf("1024 points, the guilty one at %d: %d more requests, at most 11 are right", guilty, got)
		}
	}
}

// More guilty points cost a logarithm each; if all are guilty, every point costs about two requests.
func TestManyGuiltyPoints(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for k := 2; k <= 10; k += 4 {
		var guilty []int64
		for _, i := range random.Perm(1000)[:k] {
			guilty = append(guilty, int64(i))
		}
		slices.Sort(guilty)
		if got := narrowed(t, 1000, guilty...); got > 2*k*11 {
			t.Errorf("%d of 1000 are guilty: %d requests", k, got)
		}
	}
	if got := narrowed(t, 500, upTo(500)...); got > 1200 {
		t.Errorf("all of 500 are guilty: %d requests", got)
	}
}

// A refusal that does not come again, as a proxy gives now and then, costs no point.
func TestStrayRefusal(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 64)
		var calls atomic.Int64
		l.send["out"] = func(context.Context, engine.Body) error {
			if calls.Add(1) == 1 {
				return &engine.SendError{Class: engine.BadData, Err: errors.New("bad gateway page")}
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in}}
`)
		l.wantDelivered("out", upTo(64))
		if got := l.letterNumbers(); len(got) > 0 {
			t.Errorf("dead letters of %v", got)
		}
	})
}

// While a body is narrowed anything else may go wrong: transient failures, bodies that are too large, halves that are cut
// into several bodies. Nothing is lost or sent twice.
func TestNarrowingSurvivesOtherFailures(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				random := rand.New(rand.NewPCG(seed, 7))
				var guilty []int64
				for _, i := range random.Perm(200)[:random.IntN(12)] {
					guilty = append(guilty, int64(i))
				}
				slices.Sort(guilty)
				l.source("in", 130, 70)
				l.perBody["out"] = random.IntN(60) // 0 is no limit
				most, giant := 20+random.IntN(200), int64(random.IntN(200))
				check := refuse(engine.BadData, guilty...)
				l.send["out"] = func(ctx context.Context, body engine.Body) error {
					ns := bodyNumbers(body)
					switch {
					case random.IntN(5) == 0:
						return &engine.SendError{Class: engine.Retry, Err: errors.New("busy")}
					case len(ns) > most || len(ns) > 1 && slices.Contains(ns, giant):
						return &engine.SendError{Class: engine.TooLarge, Err: errors.New("too large")}
					}
					return check(ctx, body)
				}
				l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, order: partition, batch: {max_points: 200, wait: 1s}}}
`)
				if got := l.delivered("out"); !slices.Equal(got, upTo(200, guilty...)) {
					t.Errorf("guilty %v: delivered %v", guilty, got)
				}
				if got := l.letterNumbers(); !slices.Equal(got, guilty) {
					t.Errorf("dead letters of %v, want %v", got, guilty)
				}
				// A receiver that knows an id takes it for a repetition.
				held := map[string]string{}
				for _, a := range l.sent("out") {
					if ns := fmt.Sprint(a.ns); held[a.id] == "" {
						held[a.id] = ns
					} else if held[a.id] != ns {
						t.Errorf("%s is the id of %s and of %s", a.id, held[a.id], ns)
					}
				}
			})
		})
	}
}

// TestNarrowGivesUp: what a search sends and the destination fails to take for too long becomes dead letters, too.
func TestNarrowGivesUp(t *testing.T) {
	for _, kind := range []string{"memory", "disk"} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.options.BufferFS, _ = buffer.NewMemoryFS()
				l.source("in", 4)
				l.send["out"] = refusedThenDown()
				e := l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in, retry: {initial: 1s, max: 10s, give_up: 1m}, buffer: {type: ` + kind + `}}}
`)
				if got := l.letterNumbers(); !slices.Equal(got, upTo(4)) {
					t.Errorf("dead letters: %v", got)
				}
				if s := statsOf(e, "out"); total(s.Failed) != 4 || s.Imbalance != 0 {
					t.Errorf("the ledger of the sink: %+v", s)
				}
			})
		})
	}
}

// TestNarrowStops: a stored body whose search is cut short by a stop is not done: the next start begins with it.
func TestNarrowStops(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		fs, _ := buffer.NewMemoryFS()
		l.options.BufferFS = fs
		l.send["out"] = refusedThenDown()
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			if err := l.emit(ctx, emit, l.points(&engine.Origin{Node: "in", Topic: "t"}, 0, 4), 400); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}
		x := l.start(toDisk)
		advance(time.Minute)
		x.stopSources()
		l.clean(x)

		l = again(t, l, fs)
		l.source("in", 0)
		l.clean(l.start(toDisk))
		l.wantDelivered("out", upTo(4))
	})
}

// refusedThenDown is a destination that refuses the first body, and is down from then on.
func refusedThenDown() func(context.Context, engine.Body) error {
	var sent atomic.Int32
	return func(context.Context, engine.Body) error {
		if sent.Add(1) == 1 {
			return &engine.SendError{Class: engine.BadData, Err: errors.New("no")}
		}
		return errDown
	}
}

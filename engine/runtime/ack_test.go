package runtime

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"dataflow/engine"
	"dataflow/engine/point"
)

func TestAckLinear(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.source("in", 3, 1, 0, 100)
		e := l.finish(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in}, b: {from: a, steps: [test_process: {}, test_process: {}]}}
sinks: {out: {type: test_encoder, from: b}}
`)
		l.wantDelivered("out", upTo(104))
		if got := statsOf(e, "out"); got.In != 104 || got.Out != 104 {
			t.Errorf("the sink counted %d in, %d out", got.In, got.Out)
		}
	})
}

// A batch is not acknowledged before the last of its branches is done.
func TestAckWaitsForEveryBranch(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.source("in", 10, 10)
		gate := make(chan struct{})
		l.write["slow"] = func(ctx context.Context, _ *engine.Batch) error { return untilClosed(ctx, gate) }
		x := l.start(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in}, b: {type: test_process, from: in}, c: {type: test_process, from: [a, b]}}
sinks:
  fast: {type: test_writer, from: [in, a]}
  merged: {type: test_encoder, from: [c, in]}
  slow: {type: test_writer, from: b}
`)
		synctest.Wait()
		if made, acks := l.acked(); made != 2 || acks != 0 {
			t.Errorf("%d of %d batches were acknowledged while a branch was not done", acks, made)
		}
		close(gate)
		l.clean(x)
		l.wantDelivered("slow", upTo(20))
		for sink, times := range map[string]int{"fast": 2, "merged": 3} {
			var want []int64
			for range times {
				want = append(want, upTo(20)...)
			}
			slices.Sort(want)
			l.wantDelivered(sink, want)
		}
	})
}

// Writing in place in one branch is not seen in another.
func TestBranchesDoNotSeeEachOther(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.source("in", 50, 50)
		l.process["a"] = func(_ context.Context, b *engine.Batch) error {
			for i := range b.Points {
				b.Points[i].Set("n", point.Int(number(&b.Points[i])+1000))
			}
			return nil
		}
		l.process["b"] = func(_ context.Context, b *engine.Batch) error {
			for i := range b.Points {
				b.Points[i].Set("n", point.Int(number(&b.Points[i])+5000))
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in}, b: {type: test_process, from: in}}
sinks: {plain: {type: test_writer, from: in}, too: {type: test_writer, from: in}, a_out: {type: test_writer, from: a}, b_out: {type: test_writer, from: b}}
`)
		l.wantDelivered("plain", upTo(100))
		l.wantDelivered("too", upTo(100))
		l.wantDelivered("a_out", shift(upTo(100), 1000))
		l.wantDelivered("b_out", shift(upTo(100), 5000))
	})
}

func shift(ns []int64, d int64) []int64 {
	for i := range ns {
		ns[i] += d
	}
	return ns
}

func TestAckPorts(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.source("in", 30, 30)
		l.process["r"] = func(_ context.Context, b *engine.Batch) error {
			for i := range b.Points {
				switch n := number(&b.Points[i]); {
				case n%5 == 0:
					b.Route(i, "fives")
				case n%5 == 1:
					b.Fail(i, errors.New("one"))
				case n%5 == 2:
					b.Drop(i, "two")
					b.Fail(i, errors.New("the first verdict holds"))
				}
			}
			b.Fail(-1, errors.New("out of range"))
			b.Fail(len(b.Points), errors.New("out of range"))
			return nil
		}
		e := l.finish(`
sources: {in: {type: test_source}}
operators: {r: {type: test_process, from: in}}
sinks:
  out: {type: test_writer, from: r}
  fives: {type: test_encoder, from: r.fives}
  failed: {type: test_writer, from: r.failed}
  dropped: {type: test_writer, from: r.dropped}
`)
		mod := func(k ...int64) []int64 {
			return slices.DeleteFunc(upTo(60), func(n int64) bool { return !slices.Contains(k, n%5) })
		}
		l.wantDelivered("out", mod(3, 4))
		l.wantDelivered("fives", mod(0))
		l.wantDelivered("failed", mod(1))
		l.wantDelivered("dropped", mod(2))
		s := statsOf(e, "r")
		if s.In != 60 || s.Out != 24 || total(s.Dropped) != 12 || total(s.Failed) != 12 || total(s.Ports) != 12 {
			t.Errorf("the router counted %+v", s)
		}
	})
}

// A condition is asked once for a batch, or for every point; the points that it leaves out keep their places.
func TestWhen(t *testing.T) {
	for name, when := range map[string]string{"per batch": `meta.topic == "t"`, "per point": `fields.n >= 10 && fields.n < 20`} {
		t.Run(name, func(t *testing.T) {
			everyWiring(t, func(t *testing.T, l *lab) {
				l.source("in", 7, 5, 18)
				double := func(_ context.Context, b *engine.Batch) error {
					for i := range b.Points {
						p := b.Points[i].Clone()
						p.Set("n", point.Int(number(&p)+100))
						b.Points = append(b.Points, p)
					}
					return nil
				}
				l.process["a/1:test_process"] = double
				l.stream["b"] = func(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
					half := len(b.Points) / 2
					if err := emit(ctx, b.Split(b.Points[:half])); err != nil {
						return err
					}
					return emit(ctx, b.Split(b.Points[half:]))
				}
				l.finish(`
sources: {in: {type: test_source}}
operators:
  a: {from: in, steps: [test_process: {when: '` + when + `'}, test_process: {when: 'meta.topic == "no"'}]}
  b: {type: test_stream, from: a, when: '` + when + `'}
sinks: {out: {type: test_writer, from: b}}
`)
				want := upTo(30)
				if name == "per batch" {
					want = append(want, shift(upTo(30), 100)...)
				} else {
					for n := int64(110); n < 120; n++ {
						want = append(want, n)
					}
				}
				l.wantDelivered("out", want)
			})
		})
	}
}

// What grew beyond the largest batch goes on in pieces, whatever stands behind.
func TestAckExpansion(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.source("in", 10, 3)
		const times = 1000
		l.process["a"] = func(_ context.Context, b *engine.Batch) error {
			var out []point.Point
			for i := range b.Points {
				n := number(&b.Points[i])
				for k := range int64(times) {
					out = append(out, point.Point{Name: "p", Category: point.Logging, Record: -1,
						Fields: []point.Field{{Key: "n", Value: point.Int(n*times + k)}}})
				}
			}
			b.Points = out
			return nil
		}
		var sizes []int
		check := func(_ context.Context, b *engine.Batch) error {
			l.mu.Lock()
			sizes = append(sizes, len(b.Points))
			l.mu.Unlock()
			return nil
		}
		l.process["b"] = check
		l.write["out"] = check
		e := l.finish(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in}, b: {type: test_process, from: a, when: 'fields.n >= 0'}}
sinks: {out: {type: test_writer, from: b}}
`)
		l.wantDelivered("out", upTo(13*times))
		if most := slices.Max(sizes); most > maxPoints {
			t.Errorf("a batch of %d points was not cut", most)
		}
		if s := statsOf(e, "a"); s.Created != 13*(times-1) {
			t.Errorf("created %d", s.Created)
		}
	})
}

// An operator that removes points merges them; a batch of which nothing is left is done at once.
func TestAckShrinking(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.source("in", 10, 10)
		l.process["a"] = func(_ context.Context, b *engine.Batch) error {
			b.Points = b.Points[:0]
			return nil
		}
		e := l.finish(`
sources: {in: {type: test_source}}
operators: {a: {type: test_process, from: in}}
sinks: {out: {type: test_writer, from: a}}
`)
		l.wantDelivered("out", nil)
		if s := statsOf(e, "a"); s.Merged != 20 {
			t.Errorf("merged %d", s.Merged)
		}
	})
}

// What a holder keeps is not acknowledged before what became of it is, across several batches.
func TestAckHeld(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		release := make(chan struct{})
		l.source("in", 5, 5, 5)
		all := l.sources["in"]
		l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
			if err := all(ctx, emit); err != nil {
				return err
			}
			return untilClosed(ctx, release)
		}
		x := l.start(`
sources: {in: {type: test_source}}
operators: {hold: {type: test_hold, from: in}}
sinks: {out: {type: test_encoder, from: hold}, too: {type: test_writer, from: in}}
`)
		synctest.Wait()
		if _, acks := l.acked(); acks != 0 {
			t.Errorf("%d acks for what is held", acks)
		}
		close(release)
		l.clean(x)
		l.wantDelivered("out", upTo(15))
	})
}

// What one holder lets go when the graph drains reaches the next one before that empties itself for the last time.
func TestAckHoldersInARow(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.source("in", 5, 5, 5)
		l.finish(`
sources: {in: {type: test_source}}
operators: {hold: {from: in, steps: [test_hold: {}, test_hold: {}, test_process: {}, test_hold: {}]}}
sinks: {out: {type: test_encoder, from: hold}}
`)
		l.wantDelivered("out", upTo(15))
	})
}

// State that outlives its input: the points go in, a sum comes out when the graph drains.
func TestStateThatOutlivesItsInput(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 5, 5)
		var sum int64
		l.process["sum"] = func(_ context.Context, b *engine.Batch) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			for i := range b.Points {
				sum += number(&b.Points[i])
			}
			b.Points = b.Points[:0]
			return nil
		}
		l.tick["sum"] = func(ctx context.Context, emit engine.Emit) error {
			b := engine.Reserve(1, 1)
			p := b.Add()
			p.Fields = append(p.Fields, point.Field{Key: "n", Value: point.Int(sum)})
			return emit(ctx, b)
		}
		l.finish(`
sources: {in: {type: test_source}}
operators: {sum: {type: test_sum, from: in}}
sinks: {out: {type: test_writer, from: sum}}
`)
		l.wantDelivered("out", []int64{45})
	})
}

// A streamer may emit more than it got.
func TestStreamerExpands(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 5)
		l.stream["s"] = func(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
			for range 3 {
				ps := make([]point.Point, len(b.Points))
				for i := range ps {
					ps[i] = b.Points[i].Clone()
				}
				if err := emit(ctx, b.Split(ps)); err != nil {
					return err
				}
			}
			return nil
		}
		e := l.finish(`
sources: {in: {type: test_source}}
operators: {s: {type: test_stream, from: in}}
sinks: {out: {type: test_writer, from: s}}
`)
		if s := statsOf(e, "s"); s.In != 5 || s.Created != 10 || s.Out != 15 {
			t.Errorf("counted %+v", s)
		}
	})
}

// Pieces of a batch do not grow into each other.
func TestPiecesDoNotOverlap(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 10)
		l.stream["s/1:test_stream"] = func(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
			if err := emit(ctx, b.Split(b.Points[:5])); err != nil {
				return err
			}
			return emit(ctx, b.Split(b.Points[5:]))
		}
		l.process["s/2:test_process"] = func(_ context.Context, b *engine.Batch) error {
			for i := range b.Points {
				p := b.Points[i].Clone()
				p.Set("n", point.Int(number(&p)+10))
				b.Points = append(b.Points, p)
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
operators: {s: {from: in, steps: [test_stream: {}, test_process: {}]}}
sinks: {out: {type: test_writer, from: s}}
`)
		l.wantDelivered("out", upTo(20))
	})
}

// A streamer gives verdicts on what it does not emit.
func TestStreamerVerdicts(t *testing.T) {
	everyWiring(t, func(t *testing.T, l *lab) {
		l.source("in", 10, 10)
		l.stream["s"] = func(ctx context.Context, b *engine.Batch, emit engine.Emit) error {
			for i := range b.Points {
				switch n := number(&b.Points[i]); n % 4 {
				case 0:
					b.Drop(i, "four")
				case 1:
					b.Fail(i, errors.New("one"))
				default:
					if err := emit(ctx, b.Split(b.Points[i:i+1:i+1])); err != nil {
						return err
					}
				}
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
operators: {s: {type: test_stream, from: in}}
sinks: {out: {type: test_writer, from: s}, failed: {type: test_writer, from: s.failed}}
`)
		l.wantDelivered("failed", []int64{1, 5, 9, 13, 17})
		l.wantDelivered("out", []int64{2, 3, 6, 7, 10, 11, 14, 15, 18, 19})
	})
}

// Decoding is a stage of its own, or fused with the only reader.
func TestDecoding(t *testing.T) {
	for name, text := range map[string]string{
		"fused":     "operators: {a: {type: test_process, from: in}}\nsinks: {out: {type: test_writer, from: a}}\n",
		"own stage": "operators: {a: {type: test_process, from: in}}\nsinks: {out: {type: test_writer, from: a}, raw: {type: test_writer, from: in}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			everyWiring(t, func(t *testing.T, l *lab) {
				l.source("in", 10, 10)
				l.process["in"] = func(_ context.Context, b *engine.Batch) error {
					for i := range b.Points {
						if number(&b.Points[i])%7 == 3 {
							b.Fail(i, errors.New("three"))
						}
					}
					return nil
				}
				l.finish("sources: {in: {type: test_raw}}\n" + text)
				bad := []int64{3, 10, 17}
				l.wantDelivered("out", upTo(20, bad...))
				if name == "own stage" {
					l.wantDelivered("raw", upTo(20, bad...))
				}
				if got := l.letterNumbers(); !slices.Equal(got, bad) {
					t.Errorf("dead letters of %v", got)
				}
			})
		})
	}
}

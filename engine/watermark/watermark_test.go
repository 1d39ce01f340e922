package watermark

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestModel compares the tracker with a list: ranges with random gaps, done in random order.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type open struct {
			first, points int64
			end           Position
			entry         *Entry
			done          bool
		}
		start := Position{Offset: rapid.Int64Range(0, 1000).Draw(t, "start"), Epoch: 1}
		calls := 0
		tracker := New(start, func(int, bool) { calls++ })
		var model []*open // everything handed out
		next, dones := start.Offset, 0
		check := func() {
			want, points, oldest := start, int64(0), int64(0)
			passed := true
			for i, o := range model {
				if passed = passed && o.done; passed {
					want = o.end
				} else if oldest == 0 {
					oldest = int64(i + 1)
				}
				if !o.done {
					points += o.points
				}
			}
			got := tracker.Head()
			if got != want {
				t.Fatalf("head is %v, want %v", got, want)
			}
			for _, o := range model {
				if !o.done && got.Offset > o.first {
					t.Fatalf("head %d passed the open range that begins at %d", got.Offset, o.first)
				}
			}
			if n := tracker.Open(); int64(n) != points {
				t.Fatalf("%d points are open, want %d", n, points)
			}
			if o := tracker.Oldest(); o != oldest {
				t.Fatalf("the oldest is from %d, want %d", o, oldest)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				o := &open{first: next + rapid.Int64Range(0, 5).Draw(t, "gap"), points: rapid.Int64Range(0, 9).Draw(t, "points")}
				o.end = Position{Offset: o.first + o.points + rapid.Int64Range(1, 5).Draw(t, "hole"), Epoch: int32(len(model) / 4)}
				next = o.end.Offset
				model = append(model, o)
				o.entry = tracker.Add(o.end, int(o.points), int64(len(model)))
			},
			"done": func(t *rapid.T) {
				var todo []*open
				for _, o := range model {
					if !o.done {
						todo = append(todo, o)
					}
				}
				if len(todo) == 0 {
					return
				}
				o := todo[rapid.IntRange(0, len(todo)-1).Draw(t, "which")]
				o.done = true
				o.entry.Ack()()
				dones++
			},
			"withdraw": func(t *rapid.T) {
				if len(model) == 0 {
					return
				}
				o := model[rapid.IntRange(max(0, len(model)-2), len(model)-1).Draw(t, "which")]
				if o.done {
					return
				}
				newest := o == model[len(model)-1]
				if got := o.entry.Withdraw(); got != newest {
					t.Fatalf("withdrawing says %v, want %v", got, newest)
				}
				if newest {
					model = model[:len(model)-1]
					next = start.Offset
					if len(model) > 0 {
						next = model[len(model)-1].end.Offset
					}
				}
			},
			"": func(*rapid.T) { check() },
		})
		for _, o := range model {
			if !o.done {
				o.done = true
				o.entry.Done()
				dones++
			}
		}
		check()
		if calls != dones {
			t.Fatalf("%d calls of onDone, want %d", calls, dones)
		}
	})
}

func TestRevoke(t *testing.T) {
	var late, points int
	tracker := New(Position{Offset: 10, Epoch: -1}, func(n int, l bool) {
		points += n
		if l {
			late += n
		}
	})
	a := tracker.Add(Position{Offset: 20, Epoch: 1}, 10, 1)
	b := tracker.Add(Position{Offset: 30, Epoch: 2}, 7, 2)
	a.Done()
	if got := tracker.Revoke(); got != (Position{Offset: 20, Epoch: 1}) {
		t.Fatalf("revoked at %v", got)
	}
	b.Done()
	if got := tracker.Head(); got.Offset != 20 {
		t.Errorf("a late done moved the head to %d", got.Offset)
	}
	if late != 7 || tracker.Late() != 7 || points != 17 {
		t.Errorf("late %d and %d, all %d; want 7, 7, 17", late, tracker.Late(), points)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := New(Position{}, nil)
		if err := tracker.Wait(t.Context()); err != nil {
			t.Fatalf("waiting for nothing: %v", err)
		}
		e := tracker.Add(Position{Offset: 1}, 1, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := tracker.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("waiting for an open entry: %v", err)
		}
		var wg sync.WaitGroup
		results := make(chan error, 2)
		for range 2 {
			wg.Go(func() { results <- tracker.Wait(t.Context()) })
		}
		synctest.Wait()
		e.Done()
		wg.Wait()
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestConcurrentDone(t *testing.T) {
	tracker := New(Position{}, nil)
	var wg sync.WaitGroup
	for i := range int64(1000) {
		e := tracker.Add(Position{Offset: i + 1}, 1, 1)
		wg.Go(e.Done)
	}
	wg.Wait()
	if got := tracker.Head(); got.Offset != 1000 || tracker.Open() != 0 || tracker.Oldest() != 0 {
		t.Errorf("head %d, open %d, oldest %d after everything was done", got.Offset, tracker.Open(), tracker.Oldest())
	}
}

func TestAllocations(t *testing.T) {
	tracker := New(Position{}, func(int, bool) {})
	var off int64
	var acks [40]func()
	if n := testing.AllocsPerRun(100, func() {
		for i := range acks {
			off += 1024
			acks[i] = tracker.Add(Position{Offset: off}, 1024, off).Ack()
		}
		for i := range acks {
			acks[(i+7)%len(acks)]()
		}
	}); n != 0 {
		t.Errorf("%v allocations in a steady state", n)
	}
}

func BenchmarkAddDone(b *testing.B) {
	tracker := New(Position{}, nil)
	var off int64
	for b.Loop() {
		off += 1024
		x := tracker.Add(Position{Offset: off}, 1024, off)
		off += 1024
		y := tracker.Add(Position{Offset: off}, 1024, off)
		y.Done()
		x.Done()
	}
}

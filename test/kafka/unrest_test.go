package kafka

import (
	"context"
	"flag"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/test/harness"
)

var unrest = flag.Duration("unrest", time.Minute, "how long brokers and engines come and go in TestUnrest, for each version")

// TestUnrest is the storm of rebalances against real brokers: engines of one group join, leave in order and are killed every few seconds, while one
// broker after the other is killed, held, restarted, or leaves too few replicas for a commit.
func TestUnrest(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	binary, err := harness.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("figure: seed %d, three brokers, up to three engines, %v for each", *moments, *unrest)
	for _, v := range []string{Kafka3, Kafka4} {
		t.Run(v, func(t *testing.T) {
			c := startThree(t, v)
			for _, way := range waysOf(v) {
				t.Run(way.name, func(t *testing.T) {
					if err := c.Mend(t.Context()); err != nil {
						t.Fatal(err)
					}
					s := newSiege(t, c, binary, "unrest-"+way.name, way.options...)
					s.startEngine(0)
					s.awaitMore(siegeRate)
					s.storm(*unrest / time.Duration(len(waysOf(v))))
					for slot := range s.engines { // whoever is there in the end, one must be
						s.killEngine(slot)
					}
					s.startEngine(0)
					for _, topic := range []string{s.name, offsetsTopic} {
						if err := c.AwaitInSync(t.Context(), topic); err != nil {
							t.Fatal(err)
						}
					}
					s.awaitMore(3 * siegeRate)
					s.end()
				})
			}
		})
	}
}

// storm lets engines and brokers come and go. Chance is drawn from the seed; what the machine makes of it is not.
func (s *siege) storm(d time.Duration) {
	ctx, cancel := context.WithTimeout(s.t.Context(), d)
	defer cancel()
	// Each has a chance of its own: what one draws does not hang on how long the other takes.
	ofBrokers, ofEngines := rand.New(rand.NewPCG(s.random.Uint64(), 1)), rand.New(rand.NewPCG(s.random.Uint64(), 2))
	var wg sync.WaitGroup
	var did []string
	wg.Go(func() {
		for pause(ctx, ofBrokers, 2*time.Second, 6*time.Second) {
			what, err := s.disturb(ctx, ofBrokers)
			if err != nil {
				s.t.Errorf("disturbing the brokers: %s: %v", what, err)
				return
			}
			did = append(did, what)
		}
	})
	engines := 0
	for pause(ctx, ofEngines, 500*time.Millisecond, 4*time.Second) {
		s.comeAndGo(ofEngines)
		engines++
	}
	wg.Wait()
	s.events += 2*engines + 2*len(did)
	s.tell("%d times engines came or went; brokers: %s", engines, strings.Join(did, ", "))
}

// pause waits for a random time; it reports false once the storm is over.
func pause(ctx context.Context, r *rand.Rand, least, most time.Duration) bool {
	timer := time.NewTimer(least + time.Duration(r.Int64N(int64(most-least))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// comeAndGo starts or ends an engine of three.
func (s *siege) comeAndGo(r *rand.Rand) {
	slot, gently := r.IntN(3), r.IntN(2) == 0
	s.mu.Lock()
	free := slot >= len(s.engines) || s.engines[slot] == nil
	s.mu.Unlock()
	switch {
	case free:
		s.startEngine(slot)
	case gently:
		s.stopEngine(slot, true)
	default:
		s.killEngine(slot)
	}
}

// disturb does one thing to a broker, and undoes it: the others need a majority. It does not stop half-way when the storm is over.
func (s *siege) disturb(storm context.Context, r *rand.Rand) (string, error) {
	ctx, node := context.WithoutCancel(storm), 1+r.IntN(3)
	away := 1*time.Second + time.Duration(r.Int64N(int64(11*time.Second)))
	switch r.IntN(5) {
	case 0:
		if err := s.cluster.Kill(node); err != nil {
			return "kill", err
		}
		pause(ctx, r, away, away+time.Second)
		return "kill", s.cluster.Restart(ctx, node)
	case 1:
		if err := s.cluster.Hold(node); err != nil {
			return "hold", err
		}
		pause(ctx, r, away, away+time.Second)
		return "hold", s.cluster.Release(node)
	case 2:
		if err := s.cluster.Stop(node); err != nil {
			return "restart", err
		}
		return "restart", s.cluster.Restart(ctx, node)
	case 3:
		other := node%3 + 1
		for _, n := range []int{node, other} {
			if err := s.cluster.Kill(n); err != nil {
				return "kill two", err
			}
		}
		pause(ctx, r, time.Second, 3*time.Second)
		if err := s.cluster.Restart(ctx, node); err != nil {
			return "kill two", err
		}
		return "kill two", s.cluster.Restart(ctx, other)
	default:
		if err := s.cluster.SetMinInSync(ctx, 3, s.name, offsetsTopic); err != nil {
			return "min.insync", err
		}
		if err := s.cluster.Kill(node); err != nil {
			return "min.insync", err
		}
		pause(ctx, r, away, away+time.Second)
		if err := s.cluster.Restart(ctx, node); err != nil {
			return "min.insync", err
		}
		if err := s.cluster.AwaitInSync(ctx, s.name); err != nil {
			return "min.insync", err
		}
		return "min.insync", s.cluster.SetMinInSync(ctx, 2, s.name, offsetsTopic)
	}
}

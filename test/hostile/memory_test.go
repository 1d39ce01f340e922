package hostile

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// heap returns what lives.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A DataWay that takes 1 KiB a second does not fill the memory: the window holds the source back, and what waits is bounded.
func TestSlowDataWayLeavesMemoryFlat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, minutes = 16 << 20, 30
		s := &Server{}
		s.Behave(Slowly(1<<10), nil, false)
		e, _, ended := start(t, fmt.Sprintf(`version: 1
name: hostile
limits: {in_flight: %d}
sources:
  logging: {type: generate, rate: 20000/s, count: 400000, category: logging, template: "$${n} of many"}
  metric: {type: generate, rate: 20000/s, count: 400000, category: metric, template: "$${n} of many"}
sinks:
  out: {type: dataway, from: [logging, metric], url: "http://dataway.example", encoding: line, gzip: 0, retry: {initial: 1s, max: 8s}}
`, window), s)
		time.Sleep(time.Minute) // in the bubble: the clock moves
		var least, most int64 = 1 << 62, 0
		for range minutes {
			time.Sleep(time.Minute)
			now := heap()
			least, most = min(least, now), max(most, now)
			x := e.Snapshot()
			if x.InFlight > x.InFlightLimit {
				t.Errorf("%d bytes are in flight, %d are the limit", x.InFlight, x.InFlightLimit)
			}
		}
		held := int64(0)
		for _, x := range e.Snapshot().Sinks {
			held += x.Held
		}
		t.Logf("figure: DataWay that takes 1 KiB/s, %d minutes: heap %.1f to %.1f MiB, %d points held, %d requests", minutes, float64(least)/(1<<20), float64(most)/(1<<20), held, len(s.Requests()))
		if held == 0 {
			t.Error("nothing waits: the DataWay was not slow")
		}
		const body = 4 << 20 // max_body: one that is being packed, split or read by the stand-in is there at one look and not at the next
		if most-least > body || most > 6*window {
			t.Errorf("the heap is between %d and %d bytes, with a window of %d", least, most, window)
		}
		s.Behave(nil, nil, false)
		if r := <-ended; r.Err != nil {
			t.Errorf("exit %d: %v", r.Code, r.Err)
		}
		s.Wait()
		seen := map[string]map[int64]bool{"logging": {}, "metric": {}}
		for _, r := range s.Requests() {
			for _, n := range r.Points {
				if r.Stored {
					seen[r.Lane][n] = true
				}
			}
		}
		for lane, ns := range seen {
			if len(ns) != 400_000 {
				t.Errorf("%d points of %s arrived", len(ns), lane)
			}
		}
	})
}

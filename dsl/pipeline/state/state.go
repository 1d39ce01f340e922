// Package state is what a script keeps from point to point: its cache, its aggregations and its windows of points.
// It holds copies, so that nothing waits for it, and is lost when the process ends. It never reads the clock: whoever calls it
// says what time it is.
//
// Each of the three is bounded by an estimate of its bytes. What does not fit is lost, and counted ([State.Lost]).
package state

import "dataflow/engine/point"

// limit is how many bytes each part of a state may hold.
const limit = 64 << 20

// State is the state of one loaded script, as one of its runners sees it. The parts are shared by all runners and are safe for
// use by several goroutines; the registration of the running point is the runner's own.
type State struct {
	Cache   *Cache
	Buckets *Buckets
	Windows *Windows

	at registration
}

// New returns an empty state.
func New() *State {
	return &State{Cache: &Cache{limit: limit}, Buckets: &Buckets{limit: limit}, Windows: &Windows{limit: limit}}
}

// View returns the state for a further goroutine.
func (s *State) View() *State { return &State{Cache: s.Cache, Buckets: s.Buckets, Windows: s.Windows} }

// Begin is called before p is run: it is registered with no window.
func (s *State) Begin(p *point.Point) { s.at.point, s.at.done, s.at.hit = p, false, false }

// Register registers p with the window of the values of some keys, unless it is registered already, or is not the point of the run
// but one that the run is making. Names tell the lists of keys apart. The sizes count for the first point of a window; negative
// ones are 0.
func (s *State) Register(p *point.Point, names string, values []point.Value, before, after int64) {
	if s.at.done || s.at.point != p {
		return
	}
	key := appendText(s.at.key[:0], names)
	for _, v := range values {
		key = appendText(key, v.Str())
	}
	s.at = registration{point: p, done: true, key: key, before: max(before, 0), after: max(after, 0)}
}

// Hit makes the window of p hand back what it stores. It does nothing if p is not registered.
func (s *State) Hit(p *point.Point) { s.at.hit = s.at.hit || s.at.done && s.at.point == p }

// Settle is called after the point was run without an error; dropped says what the script did. It appends to created what comes
// out of buckets that are full, and what the point's window hands back. stays is false if the point itself is dropped.
func (s *State) Settle(dropped bool, created []point.Point) (out []point.Point, stays bool) {
	out, stays = s.Buckets.takeReady(created), !dropped
	if s.at.done {
		out, stays = s.Windows.settle(&s.at, dropped, out)
	}
	s.at.point = nil
	return out, stays
}

// Lost counts what did not fit.
type Lost struct {
	Cached   int64 // entries of the cache that went before their time
	Measured int64 // values of groups for which there was no room
	Stored   int64 // dropped points of windows that can no longer be handed back
}

// Lost returns what did not fit so far.
func (s *State) Lost() Lost {
	return Lost{Cached: s.Cache.lost.Load(), Measured: s.Buckets.lost.Load(), Stored: s.Windows.lost.Load()}
}

// appendText appends s so that different lists of texts never look alike.
func appendText(key []byte, s string) []byte {
	n := len(s)
	for n >= 0x80 {
		key = append(key, byte(n)|0x80)
		n >>= 7
	}
	return append(append(key, byte(n)), s...)
}

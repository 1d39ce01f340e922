package state

import (
	"container/list"
	"sync"
	"sync/atomic"

	"dataflow/engine/point"
)

// Windows keep the last dropped points of each stream, to bring them back around a hit. When they are full the window that was
// used the longest time ago goes, with its points.
type Windows struct {
	mu    sync.Mutex
	byKey map[string]*list.Element // of *window
	order list.List                // the window that was used the longest time ago in front
	bytes int
	limit int
	lost  atomic.Int64
}

// registration is where the running point belongs.
type registration struct {
	point         *point.Point
	done, hit     bool
	key           []byte
	before, after int64
}

// window is a ring of places. Points come back by place, not by age: that is how scripts know it.
type window struct {
	key           string
	before, after int64
	left          int64 // points that are still to be handed back after a hit
	ring          []place
	next          int // place of the next point
	bytes         int
}

// place holds a dropped point, or nothing if bytes is 0: a point that was not dropped takes one, too.
type place struct {
	point point.Point
	bytes int
}

const (
	windowBytes = 256 // of a window without places, estimated
	placeBytes  = 128
	keptBytes   = 64 // of a stored point without fields
	fieldSize   = 48
)

// settle puts the point into its window, or hands back what that holds.
func (w *Windows) settle(at *registration, dropped bool, out []point.Point) (_ []point.Point, stays bool) {
	var kept place
	if dropped && !at.hit { // most of them are stored: copied before the lock
		kept.point, kept.bytes = keep(at.point)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	win := w.get(at)
	if at.hit {
		win.left = win.after
		if win.left == 0 && dropped {
			kept.point, kept.bytes = keep(at.point)
		}
	}
	before := win.bytes
	defer func() {
		w.bytes += win.bytes - before
		w.shrink()
	}()
	if win.left > 0 {
		win.left--
		return win.empty(out), true
	}
	win.put(kept)
	return out, !dropped
}

// get returns the window of a registration.
func (w *Windows) get(at *registration) *window {
	if e := w.byKey[string(at.key)]; e != nil {
		w.order.MoveToBack(e)
		return e.Value.(*window)
	}
	if w.byKey == nil {
		w.byKey = map[string]*list.Element{}
	}
	win := &window{key: string(at.key), before: at.before, after: at.after, bytes: windowBytes + 2*len(at.key)}
	w.byKey[win.key] = w.order.PushBack(win)
	w.bytes += win.bytes
	return win
}

// put stores a point in the next place, over the oldest.
func (win *window) put(kept place) {
	switch {
	case win.before == 0:
		return
	case int64(len(win.ring)) < win.before && win.next == len(win.ring):
		win.ring = append(win.ring, kept)
		win.bytes += placeBytes
	default:
		win.bytes -= win.ring[win.next].bytes
		win.ring[win.next] = kept
	}
	win.bytes += kept.bytes
	if win.next++; int64(win.next) == win.before {
		win.next = 0
	}
}

// empty appends the stored points to out, by place.
func (win *window) empty(out []point.Point) []point.Point {
	for i := range win.ring {
		if win.ring[i].bytes > 0 {
			out = append(out, win.ring[i].point)
			win.bytes -= win.ring[i].bytes
		}
	}
	win.bytes -= placeBytes * len(win.ring)
	win.ring, win.next = nil, 0
	return out
}

// shrink removes windows until the others fit.
func (w *Windows) shrink() {
	for w.bytes > w.limit {
		win := w.order.Remove(w.order.Front()).(*window)
		delete(w.byKey, win.key)
		w.bytes -= win.bytes
		for i := range win.ring {
			if win.ring[i].bytes > 0 {
				w.lost.Add(1)
			}
		}
	}
}

// keep returns a copy of p that shares no memory with it, and its bytes. The texts lie in one piece.
func keep(p *point.Point) (kept point.Point, bytes int) {
	size := len(p.Name)
	for i := range p.Fields {
		size += len(p.Fields[i].Key) + len(p.Fields[i].Value.Raw())
	}
	text := make([]byte, 0, size)
	add := func(s []byte) []byte {
		text = append(text, s...)
		return text[len(text)-len(s) : len(text) : len(text)]
	}
	kept = *p
	kept.Record = -1 // its batch is gone when it comes back
	kept.Name = point.StringOf(add([]byte(p.Name))).Str()
	kept.Fields = make([]point.Field, len(p.Fields))
	for i := range p.Fields {
		f := &p.Fields[i]
		v := f.Value
		switch v.Kind() {
		case point.KindString:
			v = point.StringOf(add(v.Raw()))
		case point.KindBytes:
			v = point.Bytes(add(v.Raw()))
		default:
			v = v.Clone()
			bytes += treeBytes(v)
		}
		kept.Fields[i] = point.Field{Key: point.StringOf(add([]byte(f.Key))).Str(), Value: v, Tag: f.Tag}
	}
	return kept, bytes + size + keptBytes + fieldSize*len(p.Fields)
}

// treeBytes estimates the bytes of a list or map.
func treeBytes(v point.Value) int {
	const valueBytes, entryBytes = 24, 64
	n := 0
	for _, x := range v.Items() {
		n += valueBytes + len(x.Raw()) + treeBytes(x)
	}
	for k, x := range v.Map() {
		n += entryBytes + len(k) + len(x.Raw()) + treeBytes(x)
	}
	return n
}

package buffer

import (
	"errors"
	"fmt"
	"math"
)

// Item is a body that is not done, or a place where bodies should be and are not.
type Item struct {
	Entry
	Sequence uint64 // of its first point
	Bytes    int64  // that it takes, its key included
	Fault    error  // what is wrong with the place, nil for a body
	Lost     int64  // points that are missing there, at least one

	buffer string
}

var (
	errMissing = errors.New("frames are missing")
	errTail    = errors.New("the end of the log is lost")
)

// Walk calls f for what is not done of a lane, in order, until f returns false. Points that were counted as lost at an earlier start are
// passed over. The error is that of a disk that cannot be read; damage is an item.
func (v *View) Walk(l *ViewLane, f func(Item) bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v", r)
		}
	}()
	w := walk{view: v, lane: l, f: f, expected: l.low, at: l.low, apart: 1, sure: l.sure, more: true}
	for w.more && w.at < math.MaxUint64 {
		all, err := v.store.each(l.id, w.at, math.MaxUint64, w.frame)
		switch {
		case err == nil && all:
			w.at = math.MaxUint64
		case err == nil:
		case !isDamage(err):
			return err
		default:
			w.damaged(errors.New(line(err.Error())))
			to := uint64(math.MaxUint64)
			if m := v.marks[l.id.lane]; m.next > w.at {
				to = m.next
			}
			w.at = w.nearest(w.at, v.store.behind(l.id, w.at, to, w.apart))
		}
	}
	w.end()
	return nil
}

// walk is the state of Walk. It counts what is missing as the reader of the lane will.
type walk struct {
	view     *View
	lane     *ViewLane
	f        func(Item) bool
	at       uint64 // where the disk is read next
	expected uint64 // behind the last item
	apart    uint64 // how far frames are apart, as far as that is known
	sure     bool   // expected is
	why      error  // what was damaged since, nil if nothing was
	unread   uint64 // behind the last frame that is there and cannot be read
	more     bool
}

// frame takes the value of a key.
func (w *walk) frame(seq uint64, key, value []byte) bool {
	if !w.sure {
		w.expected, w.sure = seq, true
	}
	w.at = seq + 1
	f, err := readFrame(key, value)
	switch {
	case err != nil:
		w.damaged(err)
		w.unread = seq + 1
	case seq < w.expected: // below what is lost and counted
	case f.lost:
		w.gap(seq, errMissing)
		w.expected = seq + weight(f.Body.Points)
		w.at = w.expected
	default:
		w.gap(seq, errMissing)
		w.apart = weight(f.Body.Points)
		w.expected = seq + w.apart
		w.at = w.expected
		if w.more {
			w.more = w.f(Item{Entry: f.Entry, Sequence: seq, Bytes: int64(len(value) + keyBytes), buffer: f.buffer})
		}
	}
	return w.more
}

// nearest returns the lowest place above at, up to behind, from which reading is possible. What walks back to the damage stops before frames that
// stand in another file than the damaged ones.
func (w *walk) nearest(at, behind uint64) uint64 {
	if behind-at > maxSearch {
		return behind
	}
	low, high := at+1, behind
	for low < high {
		middle := low + (high-low)/2
		if _, err := w.view.store.each(w.lane.id, middle, math.MaxUint64, func(uint64, []byte, []byte) bool { return false }); err != nil {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return high
}

// maxSearch is the largest distance, in points, in which nearest looks.
const maxSearch = 1 << 20

// damaged notes why the next gap is one. The first reason is kept.
func (w *walk) damaged(why error) {
	if w.why == nil {
		w.why = why
	}
}

// gap tells of what is missing below to.
func (w *walk) gap(to uint64, unless error) {
	why := w.why
	w.why = nil
	if to <= w.expected || !w.more {
		return
	}
	if why == nil {
		why = unless
	}
	w.more = w.f(Item{Sequence: w.expected, Fault: why, Lost: int64(to - w.expected)})
	w.expected = to
}

// end tells of what is missing at the end of the lane: what the watermark file knows, and at least what was there and could not be read.
func (w *walk) end() {
	to := max(w.view.marks[w.lane.id.lane].next, w.unread)
	if w.why != nil {
		to = max(to, w.expected+1)
	}
	w.gap(to, errTail)
}

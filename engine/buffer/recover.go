package buffer

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// past is what recovery finds out about a lane.
type past struct {
	id           laneID
	buffer, lane string
	cursor       uint64
	first, next  uint64 // of the frames
	frames       bool
	bytes        int64
	lastBad      bool // the newest frame may be one that cannot be read: the reader finds out what is missing
}

// recover finds the lanes and what became of them.
func (s *Store) recover(found map[uint32]mark) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v: %w", r, errDamage)
		}
	}()
	lanes := map[laneID]*past{}
	if err := s.readNames(lanes); err != nil {
		return err
	}
	if err := s.readFrames(lanes, found); err != nil {
		return err
	}
	batch := s.db.NewBatch()
	for _, p := range lanes {
		s.nextID = max(s.nextID, p.id.buffer+1)
		s.nextLane = max(s.nextLane, p.id.lane+1)
		if p.buffer == "" { // nothing that can be read: its watermark is counted below
			if err := batch.DeleteRange(appendKey(nil, kindData, p.id, 0), appendKey(nil, kindData, p.id, math.MaxUint64), nil); err != nil {
				return errors.Join(err, batch.Close())
			}
			continue
		}
		m, marked := found[p.id.lane]
		if err := s.restore(p, m, marked, batch); err != nil {
			return errors.Join(err, batch.Close())
		}
		delete(found, p.id.lane)
	}
	for lane, m := range found {
		s.nextLane = max(s.nextLane, lane+1)
		if lost := m.next - m.low; lost > 0 {
			s.meter.lost["wal_tail"] += int64(lost)
			s.degrade("the end of the log is lost")
		}
	}
	if batch.Empty() {
		return batch.Close()
	}
	return s.applySynced(batch)
}

func (s *Store) readNames(lanes map[laneID]*past) error {
	at := func(id laneID) *past {
		if lanes[id] == nil {
			lanes[id] = &past{id: id}
		}
		return lanes[id]
	}
	_, err := s.iterate([]byte{kindName}, []byte{kindName + 1}, func(key, value []byte) bool {
		_, id, _, ok := readKey(key)
		if !ok {
			return true
		}
		if buffer, lane, ok := readNames(key, value); ok {
			at(id).buffer, at(id).lane = buffer, lane
		}
		return true
	})
	// Frames and watermarks know the same: without names and cursors there are repetitions, not losses.
	if err != nil && !pebble.IsCorruptionError(err) {
		return err
	}
	_, err = s.iterate([]byte{kindCursor}, []byte{kindCursor + 1}, func(key, value []byte) bool {
		_, id, _, ok := readKey(key)
		if !ok {
			return true
		}
		if low, ok := readCursor(key, value); ok {
			at(id).cursor = low
		}
		return true
	})
	if err != nil && !pebble.IsCorruptionError(err) {
		return err
	}
	return nil
}

// readFrames goes through all frames: how many bytes there are, and where each lane ends.
func (s *Store) readFrames(lanes map[laneID]*past, found map[uint32]mark) error {
	damaged := false
	defer func() {
		for _, p := range lanes {
			p.lastBad = p.lastBad || damaged
		}
	}()
	lower := []byte{kindData}
	var ahead stride
	for {
		at, seen := laneID{}, false
		next, apart := uint64(0), uint64(1)
		if _, id, seq, ok := readKey(lower); ok {
			at, next, seen = id, seq, true
		}
		upper, end := []byte{kindData + 1}, uint64(math.MaxUint64)
		if ahead > 0 {
			end = ahead.from(next, math.MaxUint64)
			upper = appendKey(nil, kindData, at, end)
		}
		_, err := s.iterate(lower, upper, func(key, value []byte) bool {
			_, id, seq, ok := readKey(key)
			if !ok {
				return true
			}
			if id == at && seq > next {
				apart = seq + 1 - next
			}
			at, next, seen = id, seq+1, true
			p := lanes[id]
			if p == nil {
				p = &past{id: id}
				lanes[id] = p
			}
			p.note(key, value, seq, found[id.lane].low)
			return true
		})
		if err != nil && !pebble.IsCorruptionError(err) || err == nil && ahead == 0 {
			return err
		}
		damaged = damaged || err != nil
		switch {
		case err == nil: // a part of the lane, see stride
			ahead.longer()
			next = end
		case seen && ahead.shorter(apart):
		case seen:
			to := uint64(math.MaxUint64)
			if m := found[at.lane]; m.next > next {
				to = m.next
			}
			next = s.behind(at, next, to, apart)
			ahead = 1
		}
		if !seen || next == math.MaxUint64 {
			// The end of the lane cannot be read. Those behind it are known by name.
			if at, seen = laneAfter(lanes, at); !seen {
				return nil
			}
			next, ahead = 0, 0
		}
		lower = appendKey(nil, kindData, at, next)
	}
}

// note takes a frame into account. Low is what the watermark says.
func (p *past) note(key, value []byte, seq, low uint64) {
	if !p.frames {
		p.frames, p.first = true, seq
	}
	if seq >= max(p.cursor, low) {
		p.bytes += int64(len(value) + keyBytes)
	}
	f, err := readHead(key, value)
	p.next, p.lastBad = seq+1, err != nil
	if err == nil {
		p.next = seq + weight(f.Body.Points)
		p.buffer, p.lane = f.buffer, f.Body.Lane
	}
}

// laneAfter returns the first lane behind id in the order of keys.
func laneAfter(lanes map[laneID]*past, id laneID) (next laneID, ok bool) {
	for x := range lanes {
		if compareLanes(x, id) > 0 && (!ok || compareLanes(x, next) < 0) {
			next, ok = x, true
		}
	}
	return next, ok
}

func compareLanes(a, b laneID) int {
	return cmp.Or(cmp.Compare(a.buffer, b.buffer), cmp.Compare(a.lane, b.lane))
}

// restore makes a lane of what was found. What the watermark knows and the log does not is lost: it is counted, and
// a frame of its own marks the place, so that it is not counted again.
func (s *Store) restore(p *past, m mark, marked bool, batch *pebble.Batch) error {
	low := max(p.cursor, m.low)
	if p.frames && p.cursor == 0 && !marked {
		low = p.first
	}
	next := max(p.next, low)
	lost := uint64(0)
	if m.next > next {
		if p.lastBad {
			next = m.next // its reader finds the hole
		} else {
			lost = m.next - next
		}
	}
	if lost > 0 {
		f := frame{buffer: p.buffer, lost: true}
		f.Body.Lane, f.Body.Points = p.lane, int(lost)
		value := appendFrame(nil, &f)
		key := appendKey(nil, kindData, p.id, next)
		if err := batch.Set(key, sealFrame(value, checksum(value), key), nil); err != nil {
			return err
		}
		next += lost
		s.degrade("the end of the log is lost")
	}
	l := newLane(s, p.id, p.lane, low, next)
	l.bytes = p.bytes
	if p.frames {
		l.trimmed = min(low, p.first) // what the last process had done is deleted with the next range
	}
	if lost > 0 {
		l.lostAtOpen = map[string]int64{"wal_tail": int64(lost)}
		s.o.Log.Error("disk buffer: the end of the log is lost", "dir", s.o.Dir, "buffer", p.buffer, "lane", p.lane, "points", lost)
	}
	s.orphans[p.buffer] = append(s.orphans[p.buffer], l)
	return nil
}

// writeMarks brings the watermark file up to date: what is counted as lost must not be counted again.
func (s *Store) writeMarks(unknown map[uint32]mark) error {
	for lane, m := range unknown {
		if err := s.marks.write(lane, mark{m.next, m.next}); err != nil {
			return err
		}
	}
	for _, lanes := range s.orphans {
		for _, l := range lanes {
			if err := s.marks.write(l.id.lane, mark{l.next, l.low}); err != nil {
				return err
			}
		}
	}
	return s.marks.file.Sync()
}

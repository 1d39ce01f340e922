package buffer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	readAhead    = 4 << 20     // bytes of data that one look at the disk brings
	readAttempts = 3           // before what cannot be read counts as lost
	readAgain    = time.Second // between them

	damagedName  = "damaged"
	damagedBytes = 64 << 20 // that are put aside
	damagedFiles = 1000
)

// fill sees to it that the front of the lane is in memory if there is anything to read.
func (l *Lane) fill(ctx context.Context) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	failures := 0
	for s.err == nil && ctx.Err() == nil && l.front() == nil && l.read < l.tailAt {
		if l.loading {
			changed := l.changed
			s.mu.Unlock()
			select {
			case <-changed:
			case <-ctx.Done():
			}
			s.mu.Lock()
			continue
		}
		l.loading = true
		from, to := l.read, l.tailAt
		s.mu.Unlock()
		found, err := s.load(l.id, from, to, failures >= readAttempts)
		s.mu.Lock()
		l.loading = false
		l.accept(found)
		l.wakeAll()
		if err == nil {
			continue
		}
		failures++
		s.o.Log.Warn("reading the disk buffer", "dir", s.o.Dir, "buffer", l.buffer.name, "lane", l.name, "error", err)
		s.mu.Unlock()
		pause(ctx, s.stop, readAgain)
		s.mu.Lock()
	}
}

func pause(ctx, stop context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-stop.Done():
	}
}

// accept takes over what was read from the disk.
func (l *Lane) accept(found []*stored) {
	for _, e := range found {
		e.lane = l
		l.read = e.end()
		if e.lost {
			l.buffer.tally.lost["gap"] += int64(e.Body.Points)
		}
	}
	l.ahead = append(l.ahead, found...)
	l.passHoles()
}

// passHoles takes holes off the front of what was read.
func (l *Lane) passHoles() {
	for len(l.ahead) > 0 && l.ahead[0].lost {
		e := l.ahead[0]
		l.ahead = l.ahead[1:]
		l.enter(e)
		l.finish(e)
	}
}

// load reads frames from sequence from on, which is below to, until it has readAhead bytes of them. What is missing
// comes as holes, whose Body.Points say how many points are lost and not counted before. With force, what cannot be read is missing; without,
// only what is damaged.
func (s *Store) load(id laneID, from, to uint64, force bool) (out []*stored, err error) {
	expected, at, budget, apart := from, from, readAhead, uint64(1)
	hole := func(upTo uint64, lost uint64) {
		if upTo > expected {
			e := &stored{seq: expected, points: upTo - expected, lost: true}
			e.Body.Points = int(lost)
			out = append(out, e)
			expected = upTo
		}
	}
	var ahead stride
	for at < to && budget > 0 {
		end := ahead.from(at, to)
		all, err := s.each(id, at, end, func(seq uint64, key, value []byte) bool {
			at = seq + 1
			f, err := readFrame(key, value)
			switch {
			case err != nil:
				s.putAside(id, seq, value, err)
			case seq < expected: // cannot be, but must not go back
			case f.lost:
				hole(seq, seq-expected)
				hole(seq+weight(f.Body.Points), 0)
				at = expected
			default:
				hole(seq, seq-expected)
				e := &stored{Entry: f.Entry, seq: seq, points: weight(f.Body.Points), size: int64(len(value) + keyBytes)}
				out = append(out, e)
				expected, at, apart = e.end(), e.end(), e.points
				budget -= len(f.Body.Data) + 1
			}
			return budget > 0
		})
		switch {
		case err == nil && all:
			at = end
			ahead.longer()
		case err == nil:
		case errors.Is(err, ErrClosed), !force && !pebble.IsCorruptionError(err):
			return out, err
		case ahead.shorter(apart):
		default:
			ahead = 1
			behind := s.behind(id, at, to, apart)
			s.putAside(id, at, nil, fmt.Errorf("up to %d: %w", behind, err))
			at = behind
		}
	}
	if at >= to {
		hole(to, to-min(expected, to))
	}
	return out, nil
}

// each calls f for the frames of a lane in [from, to) until it returns false. It reports whether it came to the end.
// The iterator is closed at once: an open one keeps memtables and files.
func (s *Store) each(id laneID, from, to uint64, f func(seq uint64, key, value []byte) bool) (all bool, err error) {
	return s.iterate(appendKey(nil, kindData, id, from), appendKey(nil, kindData, id, to), func(key, value []byte) bool {
		_, _, seq, ok := readKey(key)
		return !ok || f(seq, key, value)
	})
}

func (s *Store) iterate(lower, upper []byte, f func(key, value []byte) bool) (all bool, err error) {
	s.dbMu.RLock()
	defer s.dbMu.RUnlock()
	if s.db == nil {
		return false, ErrClosed
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return false, err
	}
	defer func() {
		if failed := it.Close(); err == nil && failed != nil {
			all, err = false, failed
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return false, err
		}
		if !f(it.Key(), value) {
			return false, nil
		}
	}
	return it.Error() == nil, it.Error()
}

// stride is how far ahead is looked, in sequences; 0 is without a bound. Reading begins with the first block of every file in
// range: one that is damaged is met long before its frames are due. So where that happens, shorter pieces are read, and longer ones again
// as long as that goes well. What cannot be read alone is what is damaged.
type stride uint64

// from returns the end of a piece that begins at seq.
func (w stride) from(seq, to uint64) uint64 {
	if w == 0 || uint64(w) >= to-seq {
		return to
	}
	return seq + uint64(w)
}

// longer is for a piece that could be read.
func (w *stride) longer() {
	if *w > 0 && *w <= math.MaxUint64/4 {
		*w *= 4
	}
}

// shorter is for one that could not. It reports false if it was one frame already. Frame is how far frames are apart.
func (w *stride) shorter(frame uint64) bool {
	switch {
	case *w == 0:
		*w = stride(max(min(frame, 1<<20), 1) * leap)
	case *w <= 1:
		return false
	default:
		*w = max(*w/4, 1)
	}
	return true
}

// behind returns where reading goes on after a place that cannot be read. Every look at a damaged block costs Pebble
// a search for the flipped bit, seconds where the block is large. So it leaps ahead until something can be read, and walks back from there: that
// meets the damage once. Frame is how far frames are apart, as far as that is known.
func (s *Store) behind(id laneID, at, to, frame uint64) uint64 {
	high := at
	for step := min(max(frame, 1), 1<<20) * leap; ; step *= leap {
		if step >= to-high || step > math.MaxUint64/leap {
			high = to
			break
		}
		high += step
		if _, err := s.each(id, high, min(high+step, to), func(uint64, []byte, []byte) bool { return false }); err == nil {
			break
		}
	}
	return max(s.lastGap(id, at, high), min(at+1, to))
}

const leap = 64 // frames

// lastGap walks back from high, to which reading is possible, and returns the sequence of the last frame that can be
// read, high if there is none.
func (s *Store) lastGap(id laneID, low, high uint64) uint64 {
	s.dbMu.RLock()
	defer s.dbMu.RUnlock()
	if s.db == nil {
		return high
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendKey(nil, kindData, id, low), UpperBound: appendKey(nil, kindData, id, high)})
	if err != nil {
		return high
	}
	for ok := it.Last(); ok; ok = it.Prev() {
		if _, err := it.ValueAndErr(); err != nil {
			break
		}
		_, _, high, _ = readKey(it.Key())
	}
	_ = it.Close() // the damage, again
	return high
}

// putAside keeps what could not be read for whoever wants to look into it, as long as there is room for that.
func (s *Store) putAside(id laneID, seq uint64, value []byte, why error) {
	name := fmt.Sprintf("%d-%d-%d", id.buffer, id.lane, seq)
	s.o.Log.Error("disk buffer: skipping what is damaged", "dir", s.o.Dir, "place", name, "bytes", len(value), "error", why)
	s.mu.Lock()
	if s.degraded == "" {
		s.degraded = "damaged data was skipped"
	}
	keep := s.meter.places < damagedFiles && s.meter.damaged+int64(len(value)) <= damagedBytes && !s.space.below()
	if keep {
		s.meter.places++
		s.meter.damaged += int64(len(value))
	}
	s.mu.Unlock()
	if !keep {
		return
	}
	dir := s.fs.PathJoin(s.o.Dir, damagedName)
	err := s.fs.MkdirAll(dir, 0o700)
	if err == nil && value != nil {
		err = writeFile(s.fs, dir, name+".frame", value)
	}
	if err == nil {
		err = writeFile(s.fs, dir, name+".txt", []byte(why.Error()+"\n"))
	}
	if err != nil {
		s.o.Log.Warn("disk buffer: putting damaged data aside", "dir", dir, "error", err)
	}
}

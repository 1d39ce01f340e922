package buffer

import (
	"maps"
	"time"
)

// tally is what a buffer counts. The store's lock guards it.
type tally struct {
	inBodies, inPoints, inBytes    int64
	outBodies, outPoints, outBytes int64
	putBack, late, waits           int64
	waited                         time.Duration
	dropped, lost                  map[string]int64
	droppedAge                     time.Duration
}

func (t *tally) init() { t.dropped, t.lost = map[string]int64{}, map[string]int64{} }

// Stats is what a buffer has done since it was opened, and what it holds.
type Stats struct {
	InBodies, InPoints, InBytes    int64
	OutBodies, OutPoints, OutBytes int64 // done
	LivePoints, LiveBytes          int64
	PutBack, Late                  int64
	Waits                          int64         // appends that found no room
	Waited                         time.Duration // of all appends
	Dropped                        map[string]int64
	DroppedAge                     time.Duration    // of the last one that was dropped for its age, or for room
	Lost                           map[string]int64 // points by reason: wal_tail, gap
	Oldest                         time.Duration    // since the oldest point that is not done was read, as far as that is known; 0 if there is none
}

// Stats returns the figures of a buffer.
func (b *Buffer) Stats() Stats {
	s := b.store
	now := s.o.Now().UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &b.tally
	out := Stats{
		InBodies: t.inBodies, InPoints: t.inPoints, InBytes: t.inBytes,
		OutBodies: t.outBodies, OutPoints: t.outPoints, OutBytes: t.outBytes,
		LiveBytes: b.bytes, PutBack: t.putBack, Late: t.late, Waits: t.waits, Waited: t.waited,
		Dropped: maps.Clone(t.dropped), DroppedAge: t.droppedAge, Lost: maps.Clone(t.lost),
	}
	for _, l := range b.lanes {
		// What is done behind an open body is not live, but only the watermark is known as a figure.
		out.LivePoints += int64(l.next) - l.tracker.Head().Offset
		oldest := l.tracker.Oldest()
		if front := l.front(); oldest == 0 && front != nil {
			oldest = front.Read
		}
		if oldest > 0 {
			out.Oldest = max(out.Oldest, time.Duration(now-oldest))
		}
	}
	return out
}

// meter is what a store counts. The store's lock guards what is not atomic.
type meter struct {
	lost        map[string]int64
	groups      int64
	syncs       int64
	syncTime    time.Duration
	stalls      int64
	stalledAt   time.Time // zero: writes do not wait
	errors      []time.Time
	background  int64
	slow        int64
	quarantined int
	damaged     int64 // bytes put aside
	places      int   // files put aside
}

func (m *meter) init() { m.lost = map[string]int64{} }

func (m *meter) synced(d time.Duration) {
	m.syncs++
	m.syncTime += d
}

func (m *meter) stalled(now time.Time) bool {
	return !m.stalledAt.IsZero() && now.Sub(m.stalledAt) > 5*time.Second
}

// StoreStats is what a store has done since it was opened, and what it takes.
type StoreStats struct {
	State            State
	Groups           int64 // batches of Pebble
	Syncs            int64
	SyncTime         time.Duration // from the start of a group to the end of its sync, of all
	Lost             map[string]int64
	Quarantined      int // databases put aside by this Open
	Stalls           int64
	SlowDisk         int64
	BackgroundErrors int64
	Free, Floor      int64 // bytes of the volume, 0 if it does not say
	DiskBytes        int64
	WALBytes         int64
	MemTableBytes    int64
	L0Sublevels      int
}

// Stats returns the figures of the store.
func (s *Store) Stats() StoreStats {
	state, _ := s.State()
	s.space.refresh(s.o.Now())
	s.mu.Lock()
	out := StoreStats{
		State: state, Groups: s.meter.groups, Syncs: s.meter.syncs, SyncTime: s.meter.syncTime, Lost: maps.Clone(s.meter.lost),
		Quarantined: s.meter.quarantined, Stalls: s.meter.stalls, SlowDisk: s.meter.slow, BackgroundErrors: s.meter.background,
		Free: s.space.free.Load(), Floor: s.space.floor.Load(),
	}
	s.mu.Unlock()
	s.dbMu.RLock()
	defer s.dbMu.RUnlock()
	if s.db != nil && state != Failed {
		m := s.db.Metrics()
		out.DiskBytes, out.WALBytes = int64(m.DiskSpaceUsage()), int64(m.WAL.PhysicalSize)
		out.MemTableBytes, out.L0Sublevels = int64(m.MemTable.Size), int(m.Levels[0].Sublevels)
	}
	return out
}

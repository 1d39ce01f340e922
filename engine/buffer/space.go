package buffer

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// spaceFor is how long an answer about free space is good.
const spaceFor = 100 * time.Millisecond

// space is what is known of the volume. Pebble must never meet a full disk: there it ends the process, or lets a writer
// hang.
type space struct {
	fs    vfs.FS
	dir   string
	bytes int64
	share float64

	asked atomic.Int64 // when it was asked, ns
	low   atomic.Bool
	free  atomic.Int64
	floor atomic.Int64
}

func (s *space) init(fs vfs.FS, o Options) {
	s.fs, s.dir, s.bytes, s.share = fs, o.Dir, max(o.FloorBytes, 0), max(o.FloorShare, 0)
}

// refresh asks the volume if the last answer is old. One caller asks, the others take what is known.
func (s *space) refresh(now time.Time) {
	asked := s.asked.Load()
	if t := now.UnixNano(); t-asked < int64(spaceFor) && t >= asked || !s.asked.CompareAndSwap(asked, t) {
		return
	}
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		return // a volume that cannot say it has no floor
	}
	floor := max(s.bytes, int64(s.share*float64(usage.TotalBytes)))
	s.free.Store(int64(usage.AvailBytes))
	s.floor.Store(floor)
	s.low.Store(int64(usage.AvailBytes) < floor)
}

func (s *space) below() bool { return s.low.Load() }

// VolumeBytes returns the size of the volume, 0 if it cannot be told.
func (s *Store) VolumeBytes() int64 {
	usage, err := s.fs.GetDiskUsage(s.o.Dir)
	if err != nil || usage.TotalBytes > math.MaxInt64 {
		return 0
	}
	return int64(usage.TotalBytes)
}

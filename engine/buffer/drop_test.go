package buffer

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lowFS is a volume that is nearly full while it is said to be.
type lowFS struct {
	vfs.FS
	low atomic.Bool
}

func (fs *lowFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	free := uint64(1 << 30)
	if fs.low.Load() {
		free = 1 << 10
	}
	return vfs.DiskUsage{TotalBytes: 2 << 30, AvailBytes: free}, nil
}

// TestDropOldestWaitsForSpace: what is dropped because the volume is full gives its space back later, if it was ours at all: a body
// that waits does not drop everything meanwhile.
func TestDropOldestWaitsForSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &lowFS{FS: vfs.NewMem()}
		o := smallOptions(fs)
		o.FloorBytes = 1 << 20
		s := openStore(t, o)
		defer closeStore(t, s)
		b := openBuffer(t, s, "dw", BufferOptions{WhenFull: DropOldest})
		for n := range uint64(200) {
			if err := b.Append(context.Background(), message(n, "logging", 100)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		fs.low.Store(true)
		time.AfterFunc(time.Second, func() { fs.low.Store(false) })
		if err := b.Append(context.Background(), message(200, "logging", 100)); err != nil {
			t.Error(err)
		}
		before := b.Stats().Dropped["full"]
		if before > 100 { // one or two bodies of three points for each look at the volume
			t.Errorf("%d of 600 points were dropped within a second of a full volume", before)
		}
	})
}

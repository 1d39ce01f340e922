package buffer

import (
	"context"
	"time"
)

// Trimmed is what Trim has dropped.
type Trimmed struct{ Bodies, Points, Bytes int64 }

// Trim drops bodies that are not handed out and were read before that time, all of them if it is zero, the oldest of all lanes first.
// What stands behind a younger body of its lane stays. Where ctx ends, so does Trim.
func (b *Buffer) Trim(ctx context.Context, before time.Time) (out Trimmed) {
	const reason = "trimmed"
	for {
		size := b.dropOne(ctx, reason, func(e *stored) bool { return before.IsZero() || e.Read < before.UnixNano() })
		if size == 0 {
			break
		}
		out.Bodies++
		out.Bytes += size
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	out.Points = b.tally.dropped[reason]
	return out
}

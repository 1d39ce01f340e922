package sources

import (
	"time"

	"dataflow/engine"
)

// Behind returns the age of the oldest message that is not done, by the messages' own times, 0 if all are. Where nothing is
// in flight of a partition that is behind, it is at least as old as the last one that was read.
func (k *kafka) Behind() time.Duration {
	now := k.env.Now().UnixNano()
	oldest := now
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.partitions {
		if p.high.Load() <= p.tracker.Head().Offset {
			continue
		}
		at := p.tracker.Oldest()
		if at == 0 {
			at = p.newest.Load()
		}
		if at > 0 {
			oldest = min(oldest, at)
		}
	}
	return time.Duration(now - oldest)
}

// dated returns the time of a batch's first message, that of reading if it has none, and notes it for [kafka.Behind].
func (p *partition) dated(b *engine.Batch) int64 {
	at := b.Read
	if len(b.Records) > 0 && b.Records[0].Time > 0 {
		at = b.Records[0].Time
	}
	p.newest.Store(at)
	return at
}

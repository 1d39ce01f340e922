package sinks

import (
	"sync"
	"time"
)

// bodyLimit is how large bodies may become: the option max_body, or less after the destination has refused one for its size. What it
// takes may grow again: now and then the limit is doubled to see, the less often the more often that was refused.
type bodyLimit struct {
	most int64 // max_body
	now  func() time.Time

	mu     sync.Mutex
	value  int64
	raised bool // since it was lowered for the last time
	wait   time.Duration
	next   time.Time // when it may be raised
}

// The limit is tried a minute after it was lowered, and after two, four and so on, if that is refused each time.
const (
	firstRaise = time.Minute
	lastRaise  = time.Hour
)

func newBodyLimit(most int64, now func() time.Time) *bodyLimit {
	return &bodyLimit{most: most, now: now, value: most}
}

// get returns the limit for a body that is made now.
func (l *bodyLimit) get() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.value == l.most {
		return l.value
	}
	if now := l.now(); !now.Before(l.next) {
		if l.raised { // which has held
			l.wait = firstRaise
		}
		l.value, l.raised, l.next = min(2*l.value, l.most), true, now.Add(l.wait)
	}
	return l.value
}

// lower notes that the destination takes no larger bodies than n. It reports whether that was news.
func (l *bodyLimit) lower(n int64) bool {
	n = max(n, int64(minBody))
	l.mu.Lock()
	defer l.mu.Unlock()
	if n >= l.value {
		return false
	}
	now := l.now()
	switch {
	case l.wait == 0, l.raised && !now.Before(l.next): // what it was raised to has held
		l.wait = firstRaise
	case l.raised:
		l.wait = min(2*l.wait, lastRaise)
	}
	l.value, l.raised, l.next = n, false, now.Add(l.wait)
	return true
}

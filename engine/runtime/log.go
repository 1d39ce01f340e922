package runtime

import (
	"log/slog"
	"sync"
	"time"
)

// A logger writes a repeated failure once a minute with a count.
type logger struct {
	*slog.Logger
	seen *repeats
}

type repeats struct {
	mu sync.Mutex
	m  map[string]*repeated
}

type repeated struct {
	since time.Time
	n     int
}

func newLogger(l *slog.Logger) logger { return logger{l, &repeats{m: map[string]*repeated{}}} }

const repeatEvery = time.Minute

// repeat logs a warning unless one with the same key was logged within the last minute; then it counts.
func (l logger) repeat(key, msg string, args ...any) {
	now := time.Now()
	l.seen.mu.Lock()
	r := l.seen.m[key]
	if r != nil && now.Sub(r.since) < repeatEvery {
		r.n++
		l.seen.mu.Unlock()
		return
	}
	n := 0
	if r != nil {
		n = r.n
	}
	l.seen.m[key] = &repeated{since: now}
	l.seen.mu.Unlock()
	if n > 0 {
		args = append(args, "repeated", n)
	}
	l.Warn(msg, args...)
}

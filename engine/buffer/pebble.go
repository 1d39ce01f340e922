package buffer

import (
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// format is the newest of Pebble v2.1.7, by name: another Pebble must not change what is on the disk by itself.
const format = pebble.FormatValueSeparation

// blockBytes is small, for what one damaged byte takes along, and for what it costs Pebble to look for it. Larger frames
// have a block of their own.
const blockBytes = 8 << 10

// pebbleOptions are those of a FIFO: see the table in guarantees B5 for why.
func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                          guardFS{s.fs, s},
		FormatMajorVersion:          format,
		MemTableSize:                uint64(s.o.MemTableBytes),
		MemTableStopWritesThreshold: 2,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		FlushDelayDeleteRange:       time.Second,
		CacheSize:                   16 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		Logger:                      logger{s},
		EventListener:               s.listener(),
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockBytes
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	o.Experimental.EnableDeleteOnlyCompactionExcises = func() bool { return true }
	if s.o.FS == nil {
		o.WithFSDefaults() // watches for a slow disk
	}
	return o
}

// logger is what Pebble says. Fatalf means that Pebble cannot go on: the store fails, and with it the process unless
// every buffer is detachable. Pebble must not go on then: it would work by a list of files that is not on the disk, or
// panic. So the goroutine stays here, with the locks that it has, and nobody touches that database again. Only while it
// opens Fatalf returns: the caller gets the error there.
type logger struct{ store *Store }

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.store.o.Log.Warn("pebble", "dir", l.store.o.Dir, "error", line(fmt.Sprintf(format, args...)))
}

func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("pebble: %s", line(fmt.Sprintf(format, args...)))
	if l.store.opened.Load() {
		l.store.abandon(err)
	}
	l.store.fail(err)
}

// line returns the first line: Pebble's errors may come with stacks.
func line(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}

const (
	backgroundErrors = 3 // in
	backgroundWithin = 10 * time.Second
)

func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			now := s.o.Now()
			s.mu.Lock()
			m := &s.meter
			m.background++
			for len(m.errors) > 0 && now.Sub(m.errors[0]) > backgroundWithin {
				m.errors = m.errors[1:]
			}
			m.errors = append(m.errors, now)
			bad := len(m.errors) == backgroundErrors
			if len(m.errors) >= backgroundErrors {
				m.errors = m.errors[1:]
				s.degraded = "background errors: " + line(err.Error())
			}
			s.mu.Unlock()
			if bad {
				s.o.Log.Warn("disk buffer: background errors", "dir", s.o.Dir, "error", line(err.Error()))
			}
		},
		// The default ends the process.
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			s.mu.Lock()
			s.degraded = "damaged file " + i.Path
			s.mu.Unlock()
			s.o.Log.Error("disk buffer: damaged file", "path", i.Path)
		},
		DiskSlow: func(i pebble.DiskSlowInfo) {
			s.mu.Lock()
			s.meter.slow++
			s.mu.Unlock()
			s.o.Log.Warn("disk buffer: slow disk", "path", i.Path, "duration", i.Duration)
		},
		WriteStallBegin: func(pebble.WriteStallBeginInfo) {
			now := s.o.Now()
			s.mu.Lock()
			s.meter.stalls++
			s.meter.stalledAt = now
			s.mu.Unlock()
		},
		WriteStallEnd: func() {
			s.mu.Lock()
			s.meter.stalledAt = time.Time{}
			s.mu.Unlock()
		},
	}
}

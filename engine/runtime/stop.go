package runtime

import (
	"sync"
	"sync/atomic"
)

// A stopper is the second phase of stopping. Soft is the end of the sources' contexts, from where closing
// runs down the graph. Hard means that stages keep reading their inlets and discard without acknowledging, so
// that nothing can hang on a send that nobody takes.
type stopper struct {
	flag  atomic.Bool
	once  sync.Once
	ended chan struct{}

	mu    sync.Mutex
	cause error
}

func newStopper() *stopper { return &stopper{ended: make(chan struct{})} }

func (s *stopper) hard() bool { return s.flag.Load() }

// fail asks the engine to stop because of err; the first cause is kept.
func (s *stopper) fail(err error) {
	s.mu.Lock()
	if s.cause == nil {
		s.cause = err
	}
	s.mu.Unlock()
	s.once.Do(func() { close(s.ended) })
}

func (s *stopper) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

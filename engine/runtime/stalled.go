package runtime

// stalled is Env.Stalled of a source: it reports whether every sink that required edges lead to from one of its ports backs
// off. One that is well may still get what is on its way, so that waiting for it makes sense; those that read only what failed or
// was dropped are left out. It is asked rarely.
func (e *Engine) stalled(node, port string) bool {
	behind := map[string]bool{}
	var follow func(node string, leads func(port string) bool)
	follow = func(node string, leads func(port string) bool) {
		for _, x := range e.edges {
			if x.from == node && x.required && leads(x.port) && !behind[x.to] {
				behind[x.to] = true
				follow(x.to, func(p string) bool { return p != failedPort && p != droppedPort })
			}
		}
	}
	follow(node, func(p string) bool { return p == port })
	found := false
	for _, s := range e.sinks {
		if behind[s.id] {
			if !s.backsOff() {
				return false
			}
			found = true
		}
	}
	return found
}

// backsOff reports whether all that the sink has in its lanes waits for its destination to recover. A sink with
// nothing to send does not.
func (s *sinkNode) backsOff() bool {
	s.lanesMu.Lock()
	defer s.lanesMu.Unlock()
	waits := false
	for _, l := range s.lanes {
		busy, ill := l.state()
		if busy && !ill {
			return false
		}
		waits = waits || busy
	}
	return waits
}

// state reports whether the lane has something to send, and whether its destination fails.
func (l *lane) state() (busy, ill bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active > 0, l.health.failures > 0
}

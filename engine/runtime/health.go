package runtime

import (
	"sync"
	"time"
)

// health is the state that the nodes report.
type health struct {
	mu    sync.Mutex
	nodes map[string]NodeHealth
}

// NodeHealth is a node that is not healthy, and since when.
type NodeHealth struct {
	Node  string
	Err   error
	Since time.Time
}

func (h *health) set(node string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.nodes, node)
		return
	}
	since := time.Now()
	if old, ok := h.nodes[node]; ok {
		since = old.Since
	}
	if h.nodes == nil {
		h.nodes = map[string]NodeHealth{}
	}
	h.nodes[node] = NodeHealth{node, err, since}
}

func (h *health) failing() []NodeHealth {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []NodeHealth
	for _, n := range h.nodes {
		out = append(out, n)
	}
	return out
}

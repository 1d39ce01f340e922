package sources

import (
	"strconv"

	"dataflow/engine"
)

// httpCounters are the node's counters. Labels that come from clients are bounded: later ones count as "other".
type httpCounters struct {
	env engine.Env
}

// count adds one.
func (c *httpCounters) count(name, label string) { c.env.Counter(name, label).Add(1) }

func (c *httpCounters) request(route string, status int) {
	c.count("http_requests", route+" "+strconv.Itoa(status))
}

func (c *httpCounters) refused(e *apiError) {
	reason := e.reason
	if reason == "" {
		reason = e.code
	}
	c.count("http_refused", reason)
}

// points counts points by what their sender calls itself.
func (c *httpCounters) points(input, source string, n int) {
	c.env.Counter("http_points_by_input", input).Add(int64(n))
	if source != "" {
		c.env.Counter("http_points_by_source", source).Add(int64(n))
	}
}

package sources

import (
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"dataflow/engine"
)

// httpCounters are the node's counters. Labels that come from clients are bounded and cleaned.
type httpCounters struct {
	requests, refusals, warnings, connections *labelled
	inputs, sources, lastErrors, precisions   *labelled // by what clients say
}

// What clients call themselves gets so many series; later ones count as "other".
const (
	maxOwnLabels    = 64
	maxInputLabels  = 32
	maxSourceLabels = 16
	maxOddLabels    = 8
)

func newHTTPCounters(env engine.Env) *httpCounters {
	set := func(name string, most int) *labelled {
		return &labelled{most: most, by: map[string]engine.Counter{}, open: func(label string) engine.Counter { return env.Counter(name, label) }}
	}
	return &httpCounters{
		requests: set("http_requests", maxOwnLabels), refusals: set("http_refused", maxOwnLabels), warnings: set("http_warnings", maxOwnLabels),
		connections: set("http_connections_closed", maxOddLabels),
		inputs:      set("http_points_by_input", maxInputLabels), sources: set("http_points_by_source", maxSourceLabels),
		lastErrors: set("http_last_errors", maxSourceLabels), precisions: set("http_precision_unknown", maxOddLabels),
	}
}

func (c *httpCounters) request(route string, status int) {
	c.requests.add(route+" "+strconv.Itoa(status), 1)
}

func (c *httpCounters) refused(e *apiError) {
	reason := e.reason
	if reason == "" {
		reason = e.code
	}
	c.refusals.add(reason, 1)
}

// labelled are the counters of one name, found by label without an allocation.
type labelled struct {
	most int
	open func(label string) engine.Counter

	mu sync.RWMutex
	by map[string]engine.Counter
}

const otherLabel = "other"

func (l *labelled) add(label string, n int) {
	l.mu.RLock()
	c := l.by[label]
	l.mu.RUnlock()
	if c == nil {
		c = l.make(label)
	}
	c.Add(int64(n))
}

func (l *labelled) make(label string) engine.Counter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.by) >= l.most {
		label = otherLabel
	}
	c := l.by[label]
	if c == nil {
		c = l.open(cleanLabel(label))
		l.by[strings.Clone(label)] = c // of a request: it would keep the whole query
	}
	return c
}

// cleanLabel makes a text of a client fit for a label: short, and without what the counters' names and the text
// format of Prometheus use.
func cleanLabel(s string) string {
	const most = 64
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == '{' || r == '}' || r == '"' || r == '\\' || r == 0x7f || r == utf8.RuneError {
			return '_'
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

package operators

import (
	"sync"

	"dataflow/engine"
	"dataflow/engine/point"
)

// scriptTally is what the runs of a script on points of one category came to.
type scriptTally struct {
	category                         point.Category
	points, dropped, failed, created int
}

// tally returns where the worker counts the runs of a script on points of a category.
func (w *pipelineWorker) tally(s *script, c point.Category) *scriptTally {
	t := &w.tallies[s.index]
	if *t == (scriptTally{}) {
		w.touched = append(w.touched, s.index)
	} else if t.category != c {
		w.counts.add(s, t.category, *t)
		*t = scriptTally{}
	}
	t.category = c
	return t
}

// flush adds what was counted in a batch to the node's counters.
func (w *pipelineWorker) flush() {
	for _, i := range w.touched {
		w.counts.add(w.scripts[i], w.tallies[i].category, w.tallies[i])
		w.tallies[i] = scriptTally{}
	}
	w.touched = w.touched[:0]
}

// scriptCounts are the counters of the scripts of a node, by category and script. They begin with script_, and stand for DataKit's
// datakit_pipeline_point_total, drop_point_total and error_point_total.
type scriptCounts struct {
	counter func(name, label string) engine.Counter
	mu      sync.Mutex
	of      map[scriptLabel]*[4]engine.Counter
}

type scriptLabel struct {
	script   int
	category point.Category
}

// maxScriptLabels bounds the scripts that have counters of their own; further ones share them. A node has room for 64 labels in all.
const maxScriptLabels = 12

func newScriptCounts(env engine.Env) *scriptCounts {
	return &scriptCounts{counter: env.Counter, of: map[scriptLabel]*[4]engine.Counter{}}
}

func (c *scriptCounts) add(s *script, category point.Category, t scriptTally) {
	for i, counter := range c.counters(s, category) {
		if n := [4]int{t.points, t.dropped, t.failed, t.created}[i]; n > 0 {
			counter.Add(int64(n))
		}
	}
}

func (c *scriptCounts) counters(s *script, category point.Category) *[4]engine.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := scriptLabel{s.index, category}
	set := c.of[key]
	if set == nil {
		label := category.String() + "/" + s.name()
		if len(c.of) >= maxScriptLabels {
			label = "other"
		}
		set = &[4]engine.Counter{
			c.counter("script_points", label), c.counter("script_dropped_points", label),
			c.counter("script_failed_points", label), c.counter("script_created_points", label),
		}
		c.of[key] = set
	}
	return set
}

package main

import (
	"cmp"
	"slices"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/eval"
)

// stopwatch measures the statements of a script. It is for one goroutine.
type stopwatch struct {
	statements []*timed
	inside     time.Duration // of the clock, that a measurement has in it
	around     time.Duration // of the clock and the wrapper, in and outside of a measurement
	below      time.Duration // what the statements within the present one took, clocks included
	points     int
}

// timed is a statement with what it took since the last lap and before.
type timed struct {
	at   pipeline.Place
	runs int64
	took time.Duration
	all  int64
	laps []float64 // ns a point
}

// observe wraps a statement.
func (s *stopwatch) observe(at pipeline.Place, run eval.Stmt) eval.Stmt {
	m := &timed{at: at}
	s.statements = append(s.statements, m)
	return func(f *eval.Frame) eval.Flow {
		outer := s.below
		s.below = 0
		start := time.Now()
		flow := run(f)
		took := time.Since(start)
		m.runs++
		m.took += took - s.below - s.inside
		s.below = outer + took - s.inside + s.around
		return flow
	}
}

// calibrate finds out what the clock itself takes.
func (s *stopwatch) calibrate() {
	nothing := func(*eval.Frame) eval.Flow { return eval.Next }
	const rounds, runs = 51, 1000
	var inside, around []float64
	for range rounds {
		probe := stopwatch{}
		run := probe.observe(pipeline.Place{}, nothing)
		start := time.Now()
		for range runs {
			run(nil)
		}
		all := time.Since(start)
		start = time.Now()
		for range runs {
			nothing(nil)
		}
		bare := time.Since(start)
		inside = append(inside, float64(probe.statements[0].took-bare)/runs)
		around = append(around, float64(all-bare)/runs)
	}
	s.inside, s.around = time.Duration(median(inside)), time.Duration(median(around))
}

// reset forgets what was measured.
func (s *stopwatch) reset() {
	s.points = 0
	for _, m := range s.statements {
		m.runs, m.took, m.all, m.laps = 0, 0, 0, nil
	}
}

// lap ends a round of n points.
func (s *stopwatch) lap(n int) {
	s.points += n
	for _, m := range s.statements {
		m.laps = append(m.laps, max(0, float64(m.took)/float64(n)))
		m.all += m.runs
		m.runs, m.took = 0, 0
	}
}

// costs returns the statements in the order of the text. What they take is the median of the rounds.
func (s *stopwatch) costs() []statementCost {
	all := make([]statementCost, 0, len(s.statements))
	sum := 0.0
	for _, m := range s.statements {
		c := statementCost{File: m.at.File, Line: m.at.Line, Column: m.at.Col, NanosOfRuns: median(m.laps)}
		if s.points > 0 {
			c.Runs = float64(m.all) / float64(s.points)
		}
		if c.Runs > 0 {
			c.Nanos = c.NanosOfRuns / c.Runs
		}
		sum += c.NanosOfRuns
		all = append(all, c)
	}
	for i := range all {
		if sum > 0 {
			all[i].Share = all[i].NanosOfRuns / sum
		}
	}
	rank := map[string]int{} // files in the order in which they end, the script itself last
	for i, c := range all {
		rank[c.File] = -i
	}
	slices.SortStableFunc(all, func(a, b statementCost) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return all
}

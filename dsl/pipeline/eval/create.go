package eval

import (
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// Create adds p to the points that the run created, for the call at pos in src. Before that prog, unless it is nil, runs on
// p: what it drops is p, not the point of the run, while what it creates counts as created by the run. It reports false, with
// an error, if prog fails or the budget is used up.
func (f *Frame) Create(p point.Point, prog *Program, src *syntax.Source, pos syntax.Pos) bool {
	if !f.Spend(p.HeapSize()) {
		return false
	}
	if prog != nil {
		if !f.Step(pos, src) { // see Use
			return false
		}
		made, dropped, ok := f.runOn(p, prog)
		if !ok {
			f.err.locate(src, pos)
			return false
		}
		if dropped {
			return true
		}
		p = made
	}
	f.Created = append(f.Created, p)
	return true
}

// runOn runs prog on p and returns what became of it. The point of the run and its verdict are left as they were.
func (f *Frame) runOn(p point.Point, prog *Program) (made point.Point, dropped, ok bool) {
	point, wasDropped, keepStatus := f.Point, f.Dropped, f.KeepStatus
	f.Point, f.Dropped = &p, false
	ok = f.call(prog)
	dropped = f.Dropped
	f.Point, f.Dropped, f.KeepStatus = point, wasDropped, keepStatus
	return p, dropped, ok
}

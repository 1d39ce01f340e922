package compile

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// walk is a chain of indexes: a name and its steps.
type walk struct {
	src   *syntax.Source
	at    syntax.Pos
	name  string
	base  eval.Lookup
	slot  int // of the name if it always means that variable, else noSlot
	steps []step
	keys  []string // of the first steps, as far as they are constant texts
}

type step struct {
	at    syntax.Pos
	expr  eval.Expr // nil: val is the key
	val   point.Value
	isKey bool // val is a text
	src   *syntax.Source
	keyAt syntax.Pos
}

// key evaluates the key of the step.
func (s *step) key(f *eval.Frame) (point.Value, bool) {
	if s.expr == nil {
		return s.val, true
	}
	v, ok := s.expr(f)
	if !ok {
		f.Locate(s.src, s.keyAt)
	}
	return v, ok
}

func (c *compiler) walk(x *syntax.Index) *walk {
	name := funcs.KeyName(x.X.Name)
	w := &walk{src: c.src, at: x.At, name: name, base: c.Lookup(name), slot: noSlot, steps: make([]step, len(x.Steps))}
	if p := c.resolve(name); p.static() {
		w.slot = p.slots[0]
	}
	for i, s := range x.Steps {
		o := c.operand(s.X)
		w.steps[i] = step{at: s.At, val: o.val, isKey: o.isConst && o.val.Kind() == point.KindString, src: c.src, keyAt: s.X.Pos()}
		if !o.isConst {
			w.steps[i].expr = o.expr()
		}
		if len(w.keys) == i && w.steps[i].isKey {
			w.keys = append(w.keys, o.val.Str())
		}
	}
	return w
}

// to goes the first n steps. found is false if the chain ended before, at a key that a map does not have.
func (w *walk) to(f *eval.Frame, n int) (v point.Value, found, ok bool) {
	v, known := w.base(f)
	if !known {
		f.FailAt(w.src, w.at, "`%s` is not known", w.name)
		return v, false, false
	}
	i := 0
	if v, i, found = w.members(f, v, n); !found {
		return point.Nil(), false, true
	}
	for ; i < n; i++ {
		s := &w.steps[i]
		key, ok := s.key(f)
		if !ok {
			return v, false, false
		}
		elem, ends, ok := eval.At(f, v, key)
		if !ok {
			f.Locate(w.src, s.at)
			return v, false, false
		}
		if ends {
			return point.Nil(), false, true
		}
		v = elem
	}
	return v, true, true
}

// members goes steps of constant keys through a JSON document, which is what chains are mostly made of. It returns
// the step at which it stops; found is false if that is because an object has no such key.
func (w *walk) members(f *eval.Frame, v point.Value, n int) (at point.Value, i int, found bool) {
	doc, node := eval.Doc(v)
	if doc == nil {
		return v, 0, true
	}
	keys := w.keys[:min(n, len(w.keys))]
	node, i = doc.Walk(node, keys)
	found = i == len(keys) || doc.Kind(node) != point.KindMap // no object: the step is left to fail
	return f.Node(doc, node), i, found
}

func (c *compiler) index(x *syntax.Index) eval.Expr {
	if x.X == nil {
		c.fault(x.At, "a path that begins with a dot stands as an argument of json only")
		return nil
	}
	w := c.walk(x)
	if c.Notes != nil {
		return c.noted(w)
	}
	n := len(w.steps)
	general := func(f *eval.Frame) (point.Value, bool) {
		v, _, ok := w.to(f, n)
		return v, ok
	}
	if w.slot < 0 || len(w.keys) < n || c.Plain {
		return general
	}
	keys, slot := w.keys, w.slot
	return func(f *eval.Frame) (point.Value, bool) { // what most chains are: constant keys into a document
		if doc, node := eval.Doc(f.Slots[slot]); doc != nil {
			if node, i := doc.Walk(node, keys); i == len(keys) {
				return f.Node(doc, node), true
			}
		}
		return general(f)
	}
}

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
	steps []step
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
	w := &walk{src: c.src, at: x.At, name: name, base: c.Lookup(name), steps: make([]step, len(x.Steps))}
	for i, s := range x.Steps {
		o := c.operand(s.X)
		w.steps[i] = step{at: s.At, val: o.val, isKey: o.isConst && o.val.Kind() == point.KindString, src: c.src, keyAt: s.X.Pos()}
		if !o.isConst {
			w.steps[i].expr = o.eval
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
	if v, i, found = w.members(v, n); !found {
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
func (w *walk) members(v point.Value, n int) (at point.Value, i int, found bool) {
	doc, node := eval.Doc(v)
	if doc == nil {
		return v, 0, true
	}
	for ; i < n && w.steps[i].isKey; i++ {
		child, has := doc.Get(node, w.steps[i].val.Str())
		if !has {
			found = doc.Kind(node) != point.KindMap // no object: the step is left to fail
			return eval.Node(doc, node), i, found
		}
		node = child
	}
	return eval.Node(doc, node), i, true
}

func (c *compiler) index(x *syntax.Index) eval.Expr {
	if x.X == nil {
		c.fault(x.At, "a path that begins with a dot stands as an argument of json only")
		return nil
	}
	w := c.walk(x)
	n := len(w.steps)
	return func(f *eval.Frame) (point.Value, bool) {
		v, _, ok := w.to(f, n)
		return v, ok
	}
}

package compile

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

func (c *compiler) assignment(s *syntax.Assign) eval.Stmt {
	if len(s.Left) > 1 || len(s.Right) > 1 {
		for _, x := range s.Right {
			c.Expr(x)
		}
		src := c.src
		return func(f *eval.Frame) eval.Flow {
			f.FailAt(src, s.At, "an assignment to several targets is not supported")
			return eval.Fail
		}
	}
	value := c.Expr(s.Right[0])
	if s.Op == syntax.OpDiv || s.Op == syntax.OpMod {
		c.checkDivisor(s.At, s.Right[0])
	}
	switch left := s.Left[0].(type) {
	case *syntax.Ident:
		if s.Op == syntax.OpNone {
			return c.bind(s, funcs.KeyName(left.Name), value)
		}
		return c.rebind(s, funcs.KeyName(left.Name), value)
	case *syntax.Index:
		return c.put(s, left, value)
	default: // accepted, and nothing is assigned
		c.Expr(left)
	}
	return c.effectOf(value, s.Right[0].Pos())
}

// located gives errors of x that have no place the place at.
func (c *compiler) located(x eval.Expr, at syntax.Pos) eval.Expr {
	src := c.src
	return func(f *eval.Frame) (point.Value, bool) {
		v, ok := x(f)
		if !ok {
			f.Locate(src, at)
		}
		return v, ok
	}
}

// bind compiles name = value.
func (c *compiler) bind(s *syntax.Assign, name string, value eval.Expr) eval.Stmt {
	to := c.assign(name)
	src, at := c.src, s.Right[0].Pos()
	if slot := to.own; to.static() {
		return func(f *eval.Frame) eval.Flow {
			v, ok := value(f)
			if !ok {
				f.Locate(src, at)
				return eval.Fail
			}
			f.Slots[slot] = eval.NotVoid(v)
			return eval.Next
		}
	}
	return func(f *eval.Frame) eval.Flow {
		v, ok := value(f)
		if !ok {
			f.Locate(src, at)
			return eval.Fail
		}
		to.set(f, v)
		return eval.Next
	}
}

// rebind compiles name += value and its like. A name that is not known stays so.
func (c *compiler) rebind(s *syntax.Assign, name string, value eval.Expr) eval.Stmt {
	src, at, op := c.src, s.Right[0].Pos(), s.Op
	p := c.resolve(name)
	if p.static() {
		slot := p.slots[0]
		return func(f *eval.Frame) eval.Flow {
			y, ok := value(f)
			if !ok {
				f.Locate(src, at)
				return eval.Fail
			}
			v, ok := eval.Arithmetic(f, op, f.Slots[slot], y)
			if !ok {
				f.Locate(src, s.At)
				return eval.Fail
			}
			f.Slots[slot] = v
			return eval.Next
		}
	}
	own := -1 // where a value read from the point goes
	if !p.bound {
		own = c.declareUnset(name).slot
		p = c.resolve(name)
	}
	return func(f *eval.Frame) eval.Flow {
		y, ok := value(f)
		if !ok {
			f.Locate(src, at)
			return eval.Fail
		}
		slot := p.get(f)
		var x point.Value
		if slot >= 0 {
			x = f.Slots[slot]
		} else if x, ok = f.Key(name); ok {
			slot = own
		} else {
			return eval.Next
		}
		v, ok := eval.Arithmetic(f, op, x, y)
		if !ok {
			f.Locate(src, s.At)
			return eval.Fail
		}
		f.Slots[slot] = v
		return eval.Next
	}
}

// put compiles v[i] = value and v[i] += value.
func (c *compiler) put(s *syntax.Assign, left *syntax.Index, value eval.Expr) eval.Stmt {
	if left.X == nil {
		c.fault(left.At, "a path that begins with a dot stands as an argument of json only")
		return nil
	}
	src, op, last := c.src, s.Op, len(left.Steps)-1
	walk := c.walk(left)
	valueAt, at := s.Right[0].Pos(), left.Steps[last].At
	return func(f *eval.Frame) eval.Flow {
		v, ok := value(f)
		if !ok {
			f.Locate(src, valueAt)
			return eval.Fail
		}
		container, found, ok := walk.to(f, last)
		if ok && !found {
			f.FailAt(src, left.At, "the key to assign below does not exist")
			return eval.Fail
		}
		var key point.Value
		if ok {
			key, ok = walk.steps[last].key(f)
		}
		if ok && op != syntax.OpNone {
			var old point.Value
			if old, _, ok = eval.At(f, container, key); ok {
				if v, ok = eval.Arithmetic(f, op, old, v); !ok {
					f.Locate(src, s.At)
				}
			}
		}
		if !ok || !eval.Put(f, container, key, v) {
			f.Locate(src, at)
			return eval.Fail
		}
		return eval.Next
	}
}

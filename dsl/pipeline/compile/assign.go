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
	o := c.operand(s.Right[0])
	value := o.expr()
	if s.Op == syntax.OpDiv || s.Op == syntax.OpMod {
		c.checkDivisor(s.At, s.Right[0])
	}
	switch left := s.Left[0].(type) {
	case *syntax.Ident:
		if s.Op == syntax.OpNone {
			return c.bind(s, funcs.KeyName(left.Name), o)
		}
		return c.rebind(s, funcs.KeyName(left.Name), o)
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
func (c *compiler) bind(s *syntax.Assign, name string, o operand) eval.Stmt {
	to := c.assign(name)
	src, at := c.src, s.Right[0].Pos()
	if slot := to.own; to.static() {
		value := o.eval
		return c.storing(slot, o.ints, func(f *eval.Frame) eval.Flow {
			v, ok := value(f)
			if !ok {
				f.Locate(src, at)
				return eval.Fail
			}
			f.Slots[slot] = eval.NotVoid(v)
			return eval.Next
		})
	}
	value := o.expr()
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

// storing puts the shortcut of an int expression, if there is one, before the statement that assigns it to the slot in
// general.
func (c *compiler) storing(slot int, tree *ints, general eval.Stmt) eval.Stmt {
	if tree == nil || tree.isLeaf() || c.Plain {
		return general
	}
	if l, r := tree.left, tree.right; tree.op == syntax.OpAdd && l.isSlot() && l.slot == slot && r.isConst() { // i += 1
		by := r.val
		return func(f *eval.Frame) eval.Flow {
			v := &f.Slots[slot]
			if v.Kind() != point.KindInt {
				return general(f)
			}
			*v = point.Int(v.Int() + by)
			return eval.Next
		}
	}
	code := tree.code()
	if code == nil {
		return general
	}
	return func(f *eval.Frame) eval.Flow {
		n, ok := code.run(f)
		if !ok {
			return general(f)
		}
		f.Slots[slot] = point.Int(n)
		return eval.Next
	}
}

// rebind compiles name += value and its like. A name that is not known stays so.
func (c *compiler) rebind(s *syntax.Assign, name string, o operand) eval.Stmt {
	src, at, op := c.src, s.Right[0].Pos(), s.Op
	p := c.resolve(name)
	if p.static() {
		slot := p.slots[0]
		tree := join(op, &ints{slot: slot}, o.ints)
		value := o.eval
		if tree == nil {
			value = o.expr()
		}
		return c.storing(slot, tree, func(f *eval.Frame) eval.Flow {
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
		})
	}
	value := o.expr()
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

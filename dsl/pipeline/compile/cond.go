package compile

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// cond compiles an expression whose truth is asked for.
func (c *compiler) cond(x syntax.Expr) eval.Cond {
	run := c.bareCond(x)
	if isConst(x) && !c.Plain {
		if truth, ok := run(c.scratch); ok {
			return func(*eval.Frame) (bool, bool) { return truth, true }
		}
	}
	return run
}

// isConst reports whether x has the same value whenever it is evaluated.
func isConst(x syntax.Expr) bool {
	switch x := x.(type) {
	case *syntax.Literal:
		return true
	case *syntax.Paren:
		return isConst(x.X)
	case *syntax.Unary:
		return isConst(x.X)
	case *syntax.Binary:
		return isConst(x.X) && isConst(x.Y)
	}
	return false
}

func (c *compiler) bareCond(x syntax.Expr) eval.Cond {
	switch x := x.(type) {
	case *syntax.Paren:
		return c.cond(x.X)
	case *syntax.Unary:
		if x.Op == syntax.OpNot {
			inner := c.cond(x.X)
			return func(f *eval.Frame) (truth, ok bool) {
				truth, ok = inner(f)
				return !truth, ok
			}
		}
	case *syntax.Binary:
		switch x.Op {
		case syntax.OpAnd, syntax.OpOr:
			return c.logic(x)
		case syntax.OpEq, syntax.OpNe:
			return c.equality(x)
		case syntax.OpLt, syntax.OpLe, syntax.OpGt, syntax.OpGe, syntax.OpIn:
			return c.relation(x)
		}
	}
	value := c.Expr(x)
	return func(f *eval.Frame) (truth, ok bool) {
		v, ok := value(f)
		return ok && eval.Truth(v), ok
	}
}

// yieldsBool reports whether the value of x, if there is one, is a bool.
func yieldsBool(x syntax.Expr) bool {
	switch x := x.(type) {
	case *syntax.Paren:
		return yieldsBool(x.X)
	case *syntax.Literal:
		return x.Val.Kind() == point.KindBool
	case *syntax.Unary:
		return x.Op == syntax.OpNot
	case *syntax.Binary:
		return x.Op >= syntax.OpEq
	}
	return false
}

// logic compiles && and ||. Other than elsewhere in the language, truth does not do here: both sides must be bools.
func (c *compiler) logic(x *syntax.Binary) eval.Cond {
	decides := x.Op == syntax.OpOr
	if yieldsBool(x.X) && yieldsBool(x.Y) {
		left, right := c.cond(x.X), c.cond(x.Y)
		return func(f *eval.Frame) (truth, ok bool) {
			if truth, ok = left(f); !ok || truth == decides {
				return truth, ok
			}
			return right(f)
		}
	}
	left, right := c.Expr(x.X), c.Expr(x.Y)
	src, at := c.src, x.At
	return func(f *eval.Frame) (truth, ok bool) {
		v, ok := left(f)
		if !ok {
			return false, false
		}
		isBool := v.Kind() == point.KindBool
		if isBool && v.Bool() == decides {
			return decides, true
		}
		w, ok := right(f)
		if !ok {
			return false, false
		}
		if !isBool {
			f.FailAt(src, at, "unsupported lhs data type: %s", eval.TypeName(v))
			return false, false
		}
		if w.Kind() != point.KindBool {
			f.FailAt(src, at, "unsupported rhs data type: %s", eval.TypeName(w))
			return false, false
		}
		return w.Bool(), true
	}
}

func (c *compiler) equality(x *syntax.Binary) eval.Cond {
	a, b := c.operand(x.X), c.operand(x.Y)
	left, right, want := a.expr(), b.expr(), x.Op == syntax.OpEq
	src, at := c.src, x.At
	if b.isConst {
		val := b.val
		return c.comparing(x.Op, a, b, func(f *eval.Frame) (truth, ok bool) {
			v, ok := left(f)
			if !ok {
				return false, false
			}
			same, ok := f.Same(v, val)
			if !ok {
				f.Locate(src, at)
			}
			return same == want, ok
		})
	}
	return c.comparing(x.Op, a, b, func(f *eval.Frame) (truth, ok bool) {
		v, ok := left(f)
		if !ok {
			return false, false
		}
		w, ok := right(f)
		if !ok {
			return false, false
		}
		same, ok := f.Same(v, w)
		if !ok {
			f.Locate(src, at)
		}
		return same == want, ok
	})
}

// relation compiles the ordering operators and in.
func (c *compiler) relation(x *syntax.Binary) eval.Cond {
	a, b := c.operand(x.X), c.operand(x.Y)
	left, right := a.expr(), b.expr()
	src, at, op := c.src, x.At, x.Op
	return c.comparing(op, a, b, func(f *eval.Frame) (truth, ok bool) {
		v, ok := left(f)
		if !ok {
			return false, false
		}
		w, ok := right(f)
		if !ok {
			return false, false
		}
		if op == syntax.OpIn {
			truth, ok = eval.In(f, v, w)
		} else {
			truth, ok = eval.Ordered(f, op, v, w)
		}
		if !ok {
			f.Locate(src, at)
		}
		return truth, ok
	})
}

// comparing puts the shortcut of a comparison of ints, if there is one, before the general one.
func (c *compiler) comparing(op syntax.Op, a, b operand, general eval.Cond) eval.Cond {
	if c.Plain || a.ints == nil || b.ints == nil || op == syntax.OpIn {
		return general
	}
	if a.ints.isSlot() && b.ints.isConst() {
		slot, y := a.ints.slot, b.ints.val
		return func(f *eval.Frame) (truth, ok bool) {
			v := &f.Slots[slot]
			if v.Kind() != point.KindInt {
				return general(f)
			}
			return compareInts(op, v.Int(), y), true
		}
	}
	left, right := a.ints.code(), b.ints.code()
	if left == nil || right == nil {
		return general
	}
	return func(f *eval.Frame) (truth, ok bool) {
		x, ok := left.run(f)
		if !ok {
			return general(f)
		}
		y, ok := right.run(f)
		if !ok {
			return general(f)
		}
		return compareInts(op, x, y), true
	}
}

// compareInts compares as the language does: for equality, as floats.
func compareInts(op syntax.Op, x, y int64) bool {
	switch op {
	case syntax.OpLt:
		return x < y
	case syntax.OpLe:
		return x <= y
	case syntax.OpGt:
		return x > y
	case syntax.OpGe:
		return x >= y
	}
	return (float64(x) == float64(y)) == (op == syntax.OpEq)
}

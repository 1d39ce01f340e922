package compile

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// cond compiles an expression whose truth is asked for.
func (c *compiler) cond(x syntax.Expr) eval.Cond {
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
	left, right, want := a.eval, b.eval, x.Op == syntax.OpEq
	if b.isConst {
		val := b.val
		return func(f *eval.Frame) (truth, ok bool) {
			v, ok := left(f)
			return ok && eval.Same(v, val) == want, ok
		}
	}
	return func(f *eval.Frame) (truth, ok bool) {
		v, ok := left(f)
		if !ok {
			return false, false
		}
		w, ok := right(f)
		return ok && eval.Same(v, w) == want, ok
	}
}

// relation compiles the ordering operators and in.
func (c *compiler) relation(x *syntax.Binary) eval.Cond {
	left, right := c.Expr(x.X), c.Expr(x.Y)
	src, at, op := c.src, x.At, x.Op
	return func(f *eval.Frame) (truth, ok bool) {
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
	}
}

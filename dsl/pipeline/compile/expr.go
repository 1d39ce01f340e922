package compile

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// operand is a compiled expression. If isConst is set val is its value.
type operand struct {
	eval    eval.Expr // in general, without the shortcut
	ints    *ints     // the shortcut, nil if there is none
	val     point.Value
	isConst bool
}

func constant(v point.Value) operand {
	return operand{val: v, isConst: true, eval: func(*eval.Frame) (point.Value, bool) { return v, true }, ints: intsOf(v)}
}

// expr returns how the operand is evaluated, with its shortcut where that pays.
func (o operand) expr() eval.Expr {
	if o.ints == nil || o.ints.isLeaf() {
		return o.eval
	}
	code, general := o.ints.code(), o.eval
	if code == nil {
		return general
	}
	return func(f *eval.Frame) (point.Value, bool) {
		if n, ok := code.run(f); ok {
			return point.Int(n), true
		}
		return general(f)
	}
}

// Expr compiles an expression. It is for funcs, too.
func (c *compiler) Expr(x syntax.Expr) eval.Expr { return c.operand(x).expr() }

func (c *compiler) operand(x syntax.Expr) operand {
	switch x := x.(type) {
	case *syntax.Literal:
		return constant(x.Val)
	case *syntax.Ident:
		return c.name(x.Name)
	case *syntax.Paren:
		return c.operand(x.X)
	case *syntax.List:
		return c.list(x)
	case *syntax.Map:
		return c.mapping(x)
	case *syntax.Call:
		return operand{eval: c.located(c.bareCall(x), x.At)}
	case *syntax.Unary:
		return c.unary(x)
	case *syntax.Binary:
		return c.binary(x)
	case *syntax.Index:
		return operand{eval: c.index(x)}
	case *syntax.Slice:
		return c.slice(x)
	}
	// An attribute path is no value. It stands for its text where a function asks for a key.
	return operand{eval: func(*eval.Frame) (point.Value, bool) { return eval.Void(), true }}
}

// bareCall binds a call. Its errors have no place yet.
func (c *compiler) bareCall(x *syntax.Call) eval.Expr {
	if x.Name == "exit" {
		c.exits = true
	}
	return funcs.Bind(c, x)
}

// list compiles a list literal. Where nothing is changed in place, one of constants is made once.
func (c *compiler) list(x *syntax.List) operand {
	items := make([]operand, len(x.Items))
	isConst := !c.mutates
	for i, item := range x.Items {
		items[i] = c.operand(item)
		items[i].eval = items[i].expr()
		isConst = isConst && items[i].isConst
	}
	build := func(f *eval.Frame) (point.Value, bool) {
		if !f.Spend(len(items) * eval.ItemSize) {
			return point.Nil(), false
		}
		list := make([]point.Value, len(items))
		for i := range items {
			v, ok := items[i].eval(f)
			if ok {
				list[i], ok = f.Tree(v)
			}
			if !ok {
				return point.Nil(), false
			}
		}
		return point.List(list), true
	}
	return c.folded(build, isConst)
}

func (c *compiler) mapping(x *syntax.Map) operand {
	keys, vals := make([]operand, len(x.Keys)), make([]operand, len(x.Keys))
	isConst := !c.mutates
	for i := range x.Keys {
		if l, isLiteral := x.Keys[i].(*syntax.Literal); isLiteral && l.Val.Kind() != point.KindString {
			c.fault(l.At, "the key of a map is not str but %s", eval.TypeName(l.Val))
		}
		keys[i], vals[i] = c.operand(x.Keys[i]), c.operand(x.Vals[i])
		vals[i].eval = vals[i].expr()
		isConst = isConst && keys[i].isConst && keys[i].val.Kind() == point.KindString && vals[i].isConst
	}
	src := c.src
	build := func(f *eval.Frame) (point.Value, bool) {
		if !f.Spend(len(keys) * 2 * eval.ItemSize) {
			return point.Nil(), false
		}
		m := make(map[string]point.Value, len(keys))
		for i := range keys {
			k, ok := keys[i].eval(f)
			if !ok {
				return point.Nil(), false
			}
			v, ok := vals[i].eval(f)
			if !ok {
				return point.Nil(), false
			}
			if k.Kind() != point.KindString {
				return f.FailAt(src, x.Keys[i].Pos(), "the key of a map is not str but %s", eval.TypeName(k))
			}
			if eval.IsVoid(v) {
				return f.FailAt(src, x.Vals[i].Pos(), "the value of a map is void")
			}
			if m[k.Str()], ok = f.Tree(v); !ok {
				return point.Nil(), false
			}
		}
		return point.Map(m), true
	}
	return c.folded(build, isConst)
}

func (c *compiler) unary(x *syntax.Unary) operand {
	if x.Op == syntax.OpNot {
		return c.fromCond(x)
	}
	o := c.operand(x.X)
	src, negative := c.src, x.Op == syntax.OpSub
	run := func(f *eval.Frame) (point.Value, bool) {
		v, ok := o.eval(f)
		if !ok {
			return v, false
		}
		if v, ok = eval.Sign(f, negative, v); !ok {
			f.Locate(src, x.At)
		}
		return v, ok
	}
	folded := c.folded(run, o.isConst)
	if !folded.isConst && negative && !c.Plain {
		folded.ints = join(syntax.OpSub, intConst(0), o.ints)
	}
	return folded
}

// fromCond compiles a condition whose truth is used as a value.
func (c *compiler) fromCond(x syntax.Expr) operand {
	cond := c.cond(x)
	return c.folded(func(f *eval.Frame) (point.Value, bool) {
		truth, ok := cond(f)
		return point.Bool(truth), ok
	}, isConst(x))
}

// folded evaluates what depends on constants only. What fails is left to fail when it runs.
func (c *compiler) folded(run eval.Expr, isConst bool) operand {
	if isConst && !c.Plain {
		if v, ok := run(c.scratch); ok {
			return constant(v.Clone())
		}
	}
	return operand{eval: run}
}

func (c *compiler) binary(x *syntax.Binary) operand {
	switch x.Op {
	case syntax.OpAdd, syntax.OpSub, syntax.OpMul, syntax.OpDiv, syntax.OpMod:
		return c.arithmetic(x)
	}
	return c.fromCond(x)
}

// checkDivisor reports a divisor that is a literal zero.
func (c *compiler) checkDivisor(at syntax.Pos, divisor syntax.Expr) {
	l, isLiteral := divisor.(*syntax.Literal)
	if !isLiteral || l.Val.Kind() == point.KindBool {
		return
	}
	if n, isNumber := l.Val.Number(); isNumber && n == 0 {
		c.fault(at, "division or modulo by zero")
	}
}

func (c *compiler) arithmetic(x *syntax.Binary) operand {
	a, b := c.operand(x.X), c.operand(x.Y)
	src, at, op := c.src, x.At, x.Op
	if op == syntax.OpDiv || op == syntax.OpMod {
		c.checkDivisor(at, x.Y)
	}
	tree := join(op, a.ints, b.ints)
	if c.Plain {
		tree = nil
	}
	left, right := a.eval, b.eval
	if tree == nil { // else theirs are part of it
		left, right = a.expr(), b.expr()
	}
	if b.isConst && !a.isConst {
		val := b.val
		return operand{ints: tree, eval: func(f *eval.Frame) (point.Value, bool) {
			v, ok := left(f)
			if !ok {
				return v, false
			}
			if v, ok = eval.Arithmetic(f, op, v, val); !ok {
				f.Locate(src, at)
			}
			return v, ok
		}}
	}
	run := func(f *eval.Frame) (point.Value, bool) {
		v, ok := left(f)
		if !ok {
			return v, false
		}
		w, ok := right(f)
		if !ok {
			return v, false
		}
		if v, ok = eval.Arithmetic(f, op, v, w); !ok {
			f.Locate(src, at)
		}
		return v, ok
	}
	o := c.folded(run, a.isConst && b.isConst)
	if !o.isConst {
		o.ints = tree
	}
	return o
}

func (c *compiler) slice(x *syntax.Slice) operand {
	base := c.operand(x.X)
	parts, isConst := [3]eval.Expr{}, base.isConst
	for i, part := range [3]syntax.Expr{x.Lo, x.Hi, x.Step} {
		if part != nil {
			o := c.operand(part)
			parts[i], isConst = o.expr(), isConst && o.isConst
		}
	}
	of, src := base.expr(), c.src
	return c.folded(func(f *eval.Frame) (point.Value, bool) {
		v, ok := of(f)
		if !ok {
			return v, false
		}
		vals := [3]point.Value{}
		for i, part := range parts {
			if part == nil {
				continue
			}
			if vals[i], ok = part(f); !ok {
				return v, false
			}
		}
		b := eval.Bounds{
			Lo: vals[0], HasLo: parts[0] != nil, Hi: vals[1], HasHi: parts[1] != nil, Step: vals[2], HasStep: parts[2] != nil,
		}
		if v, ok = eval.Cut(f, v, &b); !ok {
			f.Locate(src, x.At)
		}
		return v, ok
	}, isConst)
}

package compile

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// Most of the arithmetic of scripts is on ints. An expression of nothing but variables, int literals and operators is
// therefore compiled twice: in general, and as steps on bare numbers in the hope that all variables are ints. Where that
// does not come true, and before a division by zero, the steps give up and the general closure starts anew. It has all
// the rules and errors; nothing has happened yet, because such an expression has no effects.

// ints is a tree of which ints can be expected. A leaf has the operator OpNone and is a variable, or a number if slot
// is negative.
type ints struct {
	op          syntax.Op
	left, right *ints
	slot        int
	val         int64
}

const noSlot = -1

func intConst(v int64) *ints { return &ints{slot: noSlot, val: v} }

// intsOf returns the tree of a constant, nil if it is no int.
func intsOf(v point.Value) *ints {
	if v.Kind() != point.KindInt {
		return nil
	}
	return intConst(v.Int())
}

// join returns the tree of an operation, nil if a side has none.
func join(op syntax.Op, left, right *ints) *ints {
	if left == nil || right == nil {
		return nil
	}
	return &ints{op: op, left: left, right: right}
}

func (t *ints) isLeaf() bool  { return t.op == syntax.OpNone }
func (t *ints) isConst() bool { return t.isLeaf() && t.slot < 0 }
func (t *ints) isSlot() bool  { return t.isLeaf() && t.slot >= 0 }

// intCode is a tree as steps on one number.
type intCode []intStep

// intStep is number = number op operand. The operand is the variable in slot from, the number val if from is
// fromConst, and a number that was put aside below that.
type intStep struct {
	do   intOp
	from int32
	val  int64
}

type intOp uint8

const (
	load intOp = iota
	keep       // put the number aside at val
	add
	sub
	mul
	div
	mod
	subFrom // number = operand - number, and so on
	divInto
	modInto
)

const (
	fromConst = -1
	fromAside = -2 // the first number put aside; the next one is below
	maxAside  = 4
)

// code returns the steps, nil if the tree needs too many numbers put aside.
func (t *ints) code() intCode {
	c, ok := t.append(nil, 0)
	if !ok {
		return nil
	}
	return c
}

func (t *ints) leaf(do intOp) intStep {
	if t.slot >= 0 {
		return intStep{do: do, from: int32(t.slot)}
	}
	return intStep{do: do, from: fromConst, val: t.val}
}

// append adds the steps of the tree. aside numbers are in use.
func (t *ints) append(c intCode, aside int) (intCode, bool) {
	if t.isLeaf() {
		return append(c, t.leaf(load)), true
	}
	ahead := map[syntax.Op]intOp{syntax.OpAdd: add, syntax.OpSub: sub, syntax.OpMul: mul, syntax.OpDiv: div, syntax.OpMod: mod}
	back := map[syntax.Op]intOp{syntax.OpAdd: add, syntax.OpSub: subFrom, syntax.OpMul: mul, syntax.OpDiv: divInto, syntax.OpMod: modInto}
	switch ok := false; {
	case t.right.isLeaf():
		c, ok = t.left.append(c, aside)
		return append(c, t.right.leaf(ahead[t.op])), ok
	case t.left.isLeaf():
		c, ok = t.right.append(c, aside)
		return append(c, t.left.leaf(back[t.op])), ok
	case aside == maxAside:
		return nil, false
	}
	c, ok := t.left.append(c, aside)
	if !ok {
		return nil, false
	}
	c = append(c, intStep{do: keep, from: fromConst, val: int64(aside)})
	c, ok = t.right.append(c, aside+1)
	return append(c, intStep{do: back[t.op], from: int32(fromAside - aside)}), ok
}

// run returns the result. ok is false if a variable is no int and before a division by zero.
func (c intCode) run(f *eval.Frame) (n int64, ok bool) {
	var aside [maxAside]int64
	slots := f.Slots
	for i := range c {
		s := &c[i]
		y := s.val
		if s.from >= 0 {
			v := &slots[s.from]
			if v.Kind() != point.KindInt {
				return 0, false
			}
			y = v.Int()
		} else if s.from <= fromAside {
			y = aside[(fromAside-s.from)%maxAside]
		}
		switch s.do {
		case load:
			n = y
		case keep:
			aside[y%maxAside] = n
		case add:
			n += y
		case sub:
			n -= y
		case mul:
			n *= y
		case subFrom:
			n = y - n
		case div, mod:
			if y == 0 {
				return 0, false
			}
			if s.do == div {
				n /= y
			} else {
				n %= y
			}
		case divInto, modInto:
			if n == 0 {
				return 0, false
			}
			if s.do == divInto {
				n = y / n
			} else {
				n = y % n
			}
		}
	}
	return n, true
}

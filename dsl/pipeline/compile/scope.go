package compile

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/grok"
	"dataflow/engine/point"
)

// scope is a block. A variable belongs to the block that creates it, and is gone when the block ends.
//
// Whether a variable exists is mostly known at load: the statements of a block run in order, so behind "x = 1" it does.
// Where it is not ("x += 1" creates one only if x is known), its slot holds unset, is cleared when the block is
// entered, and is asked for at run time.
type scope struct {
	outer    *scope
	vars     map[string]*variable
	unset    []int // slots to clear on entry
	patterns *grok.Patterns
}

type variable struct {
	slot  int
	bound bool // it exists at the present place, whichever way that was reached
}

func (c *compiler) push() { c.scope = &scope{outer: c.scope, vars: map[string]*variable{}} }

// pop leaves the scope and returns the slots to clear on entry.
func (c *compiler) pop() []int {
	unset := c.scope.unset
	c.scope = c.scope.outer
	return unset
}

// declare returns the variable of the present block, which may be new.
func (c *compiler) declare(name string) *variable {
	v := c.scope.vars[name]
	if v == nil {
		v = &variable{slot: c.slots}
		c.slots++
		c.scope.vars[name] = v
	}
	return v
}

// declareUnset returns the variable of the present block, which may be unset.
func (c *compiler) declareUnset(name string) *variable {
	v, known := c.scope.vars[name]
	if !known {
		v = c.declare(name)
		c.scope.unset = append(c.scope.unset, v.slot)
	}
	return v
}

// place is where a name is found: the slots in the order in which they are asked. If bound is set the last of them
// exists, else the name may mean the key of the point.
type place struct {
	slots []int
	bound bool
}

// static reports whether the name always means the one variable.
func (p place) static() bool { return p.bound && len(p.slots) == 1 }

// get returns the slot that holds the variable at present, or -1.
func (p *place) get(f *eval.Frame) int {
	for _, slot := range p.slots {
		if !eval.IsUnset(f.Slots[slot]) {
			return slot
		}
	}
	return -1
}

func (c *compiler) resolve(name string) place {
	var p place
	for s := c.scope; s != nil; s = s.outer {
		if v := s.vars[name]; v != nil {
			p.slots = append(p.slots, v.slot)
			if v.bound {
				p.bound = true
				return p
			}
		}
	}
	return p
}

// target is where an assignment goes: to the variable that exists, else to a new one of the present block.
type target struct {
	place
	own int
}

// assign resolves the target of an unconditional assignment, behind which the name exists.
func (c *compiler) assign(name string) target {
	p := c.resolve(name)
	if p.bound {
		return target{place: p, own: p.slots[len(p.slots)-1]}
	}
	if len(p.slots) == 0 || len(p.slots) == 1 && c.scope.vars[name] != nil {
		v := c.declare(name)
		v.bound = true
		return target{place: place{slots: []int{v.slot}, bound: true}, own: v.slot}
	}
	return target{place: p, own: c.declareUnset(name).slot}
}

// set binds the variable.
func (t *target) set(f *eval.Frame, v point.Value) {
	slot := t.own
	if !t.static() {
		if s := t.get(f); s >= 0 {
			slot = s
		}
	}
	f.Slots[slot] = eval.NotVoid(v)
}

// Lookup is for funcs, and for identifiers: the variable, from the innermost block outwards, else the key of the point.
func (c *compiler) Lookup(name string) eval.Lookup {
	p := c.resolve(name)
	switch {
	case len(p.slots) == 0:
		return func(f *eval.Frame) (point.Value, bool) { return f.Key(name) }
	case p.static():
		slot := p.slots[0]
		return func(f *eval.Frame) (point.Value, bool) { return f.Slots[slot], true }
	}
	return func(f *eval.Frame) (point.Value, bool) {
		if slot := p.get(f); slot >= 0 {
			return f.Slots[slot], true
		}
		return f.Key(name)
	}
}

// name returns how an identifier is evaluated: nil if it is not known.
func (c *compiler) name(text string) operand {
	name := funcs.KeyName(text)
	look := c.Lookup(name)
	if p := c.resolve(name); p.static() { // always known
		return operand{eval: eval.Expr(look), ints: &ints{slot: p.slots[0]}}
	}
	return operand{eval: func(f *eval.Frame) (point.Value, bool) {
		v, _ := look(f)
		return v, true
	}}
}

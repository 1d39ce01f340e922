package compile

import (
	"maps"
	"slices"
	"unicode/utf8"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// block compiles statements in a scope of their own.
func (c *compiler) block(body []syntax.Stmt) eval.Stmt {
	c.push()
	stmts := make([]eval.Stmt, len(body))
	for i, s := range body {
		stmts[i] = c.stmt(s)
	}
	return entering(c.pop(), sequence(stmts))
}

func sequence(stmts []eval.Stmt) eval.Stmt {
	switch len(stmts) {
	case 0:
		return func(*eval.Frame) eval.Flow { return eval.Next }
	case 1:
		return stmts[0]
	}
	return func(f *eval.Frame) eval.Flow {
		for _, s := range stmts {
			if flow := s(f); flow != eval.Next {
				return flow
			}
		}
		return eval.Next
	}
}

// entering clears the slots before the statement runs.
func entering(unset []int, s eval.Stmt) eval.Stmt {
	if len(unset) == 0 {
		return s
	}
	return func(f *eval.Frame) eval.Flow {
		for _, slot := range unset {
			f.Slots[slot] = eval.Unset()
		}
		return s(f)
	}
}

func (c *compiler) stmt(s syntax.Stmt) eval.Stmt {
	outer := c.exits
	c.exits = false
	run := c.bareStmt(s)
	if c.exits {
		bare := run
		run = func(f *eval.Frame) eval.Flow {
			flow := bare(f)
			if f.Exiting() && flow != eval.Fail {
				return eval.Exit
			}
			return flow
		}
	}
	c.exits = outer
	if c.Observe != nil {
		run = c.Observe(c.src.Place(s.Pos()), run)
	}
	return run
}

func (c *compiler) bareStmt(s syntax.Stmt) eval.Stmt {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		return c.effect(s.X)
	case *syntax.Assign:
		return c.assignment(s)
	case *syntax.If:
		return c.ifStmt(s)
	case *syntax.ForIn:
		return c.forIn(s)
	case *syntax.For:
		return c.forStmt(s)
	case *syntax.Jump:
		return c.jump(s)
	}
	return nil
}

func (c *compiler) effect(x syntax.Expr) eval.Stmt {
	if call, isCall := x.(*syntax.Call); isCall {
		return c.effectOf(c.bareCall(call), x.Pos())
	}
	return c.effectOf(c.Expr(x), x.Pos())
}

// effectOf makes a statement of an expression. Errors of it that have no place get the place at.
func (c *compiler) effectOf(run eval.Expr, at syntax.Pos) eval.Stmt {
	src := c.src
	return func(f *eval.Frame) eval.Flow {
		if _, ok := run(f); !ok {
			f.Locate(src, at)
			return eval.Fail
		}
		return eval.Next
	}
}

func (c *compiler) jump(s *syntax.Jump) eval.Stmt {
	flow, word := eval.Break, "break"
	if s.Continue {
		flow, word = eval.Continue, "continue"
	}
	if c.loops == 0 {
		c.fault(s.At, "%s stands outside of a loop", word)
	}
	return func(*eval.Frame) eval.Flow { return flow }
}

func (c *compiler) ifStmt(s *syntax.If) eval.Stmt {
	type branch struct {
		cond eval.Cond
		body eval.Stmt
		at   syntax.Pos
	}
	branches := make([]branch, len(s.Branches))
	for i, b := range s.Branches {
		branches[i] = branch{cond: c.cond(b.Cond), at: b.Cond.Pos()}
		branches[i].body = c.block(b.Body)
	}
	otherwise := c.block(s.Else)
	src := c.src
	return func(f *eval.Frame) eval.Flow {
		for i := range branches {
			b := &branches[i]
			truth, ok := b.cond(f)
			if !ok {
				f.Locate(src, b.at)
				return eval.Fail
			}
			if truth {
				return b.body(f)
			}
		}
		return otherwise(f)
	}
}

// loopBody compiles the body of a loop.
func (c *compiler) loopBody(body []syntax.Stmt) eval.Stmt {
	c.loops++
	s := c.block(body)
	c.loops--
	return s
}

// round runs the body of a loop once. done is set when the loop ends with flow.
func round(f *eval.Frame, body eval.Stmt) (flow eval.Flow, done bool) {
	switch flow := body(f); flow {
	case eval.Break:
		return eval.Next, true
	case eval.Exit, eval.Fail:
		return flow, true
	}
	return eval.Next, false
}

func (c *compiler) forStmt(s *syntax.For) eval.Stmt {
	c.push()
	src, at := c.src, s.At
	nothing := sequence(nil)
	first, step := nothing, nothing
	cond := eval.Cond(func(*eval.Frame) (truth, ok bool) { return true, true })
	condAt := at
	if s.Init != nil {
		first = c.stmt(s.Init)
	}
	c.foresee(s.Step)
	if s.Cond != nil {
		cond, condAt = c.cond(s.Cond), s.Cond.Pos()
	}
	body := c.loopBody(s.Body)
	if s.Step != nil {
		step = c.stmt(s.Step)
	}
	return entering(c.pop(), func(f *eval.Frame) eval.Flow {
		if flow := first(f); flow != eval.Next {
			return flow
		}
		for {
			truth, ok := cond(f)
			if !ok {
				f.Locate(src, condAt)
				return eval.Fail
			}
			if !truth || f.Exiting() { // exit() in the condition
				return eval.Next
			}
			if flow, done := round(f, body); done {
				return flow
			}
			if flow := step(f); flow != eval.Next {
				return flow
			}
			if !f.Step(at, src) {
				return eval.Fail
			}
		}
	})
}

// foresee declares the variables that the step of a loop may create: condition and body, which are compiled
// before it, see them from the second round on.
func (c *compiler) foresee(step syntax.Stmt) {
	a, ok := step.(*syntax.Assign)
	if !ok {
		return
	}
	if id, isName := a.Left[0].(*syntax.Ident); isName {
		if name := funcs.KeyName(id.Name); !c.resolve(name).bound {
			c.declareUnset(name)
		}
	}
}

func (c *compiler) forIn(s *syntax.ForIn) eval.Stmt {
	if l, isLiteral := s.X.(*syntax.Literal); isLiteral && l.Val.Kind() != point.KindString {
		c.fault(l.At, "%s cannot be iterated over", eval.TypeName(l.Val))
	}
	over := c.Expr(s.X)
	c.push()
	to := c.assign(funcs.KeyName(s.Var.Name))
	body := c.loopBody(s.Body)
	src, at, overAt := c.src, s.At, s.X.Pos()
	loop := func(f *eval.Frame, v point.Value) (flow eval.Flow, done bool) {
		to.set(f, v)
		if flow, done := round(f, body); done {
			return flow, true
		}
		if !f.Step(at, src) {
			return eval.Fail, true
		}
		return eval.Next, false
	}
	return entering(c.pop(), func(f *eval.Frame) eval.Flow {
		v, ok := over(f)
		if !ok {
			f.Locate(src, overAt)
			return eval.Fail
		}
		switch eval.KindOf(v) {
		case point.KindString:
			return forText(f, v.Str(), loop)
		case point.KindList:
			for i, n := 0, eval.Len(v); i < n; i++ {
				if flow, done := loop(f, f.Element(v, i)); done {
					return flow
				}
			}
			return eval.Next
		case point.KindMap:
			if v, ok = f.Tree(v); !ok {
				f.Locate(src, overAt)
				return eval.Fail
			}
			for _, k := range slices.Sorted(maps.Keys(v.Map())) {
				if flow, done := loop(f, point.String(k)); done {
					return flow
				}
			}
			return eval.Next
		}
		f.FailAt(src, overAt, "%s cannot be iterated over", eval.TypeName(v))
		return eval.Fail
	})
}

// forText runs the loop for each character.
func forText(f *eval.Frame, s string, loop func(*eval.Frame, point.Value) (eval.Flow, bool)) eval.Flow {
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		char := s[:size]
		if r == utf8.RuneError && size == 1 {
			char = string(r)
		}
		s = s[size:]
		if flow, done := loop(f, point.String(char)); done {
			return flow
		}
	}
	return eval.Next
}

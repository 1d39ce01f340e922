package syntax

import "dataflow/engine/point"

// binaryOps gives the operators with their levels; a higher one binds tighter. All associate to the left.
var binaryOps = map[kind]struct {
	op    Op
	level int
}{
	tokOr: {OpOr, 1}, tokAnd: {OpAnd, 2}, tokIn: {OpIn, 3},
	tokGe: {OpGe, 4}, tokGt: {OpGt, 4}, tokNe: {OpNe, 4}, tokEq: {OpEq, 4}, tokLe: {OpLe, 4}, tokLt: {OpLt, 4},
	tokAdd: {OpAdd, 5}, tokSub: {OpSub, 5}, tokMul: {OpMul, 6}, tokDiv: {OpDiv, 6}, tokMod: {OpMod, 6},
}

func (p *parser) expr() Expr { return p.binary(1) }

func (p *parser) binary(level int) Expr {
	depth := p.depth
	x := p.unary()
	for {
		b, ok := binaryOps[p.kind()]
		if !ok || b.level < level {
			p.depth = depth
			return x
		}
		p.enter() // a chain a+b+c is a tree as deep as it is long
		at := p.next().pos
		p.skipNewlines()
		x = &Binary{At: at, Op: b.op, X: x, Y: p.binary(b.level + 1)}
	}
}

var unaryOps = map[kind]Op{tokNot: OpNot, tokAdd: OpAdd, tokSub: OpSub}

func (p *parser) unary() Expr {
	op, ok := unaryOps[p.kind()]
	if !ok {
		return p.postfix()
	}
	p.enter()
	p.mark(Sign)
	at := p.next().pos
	x := p.unary()
	p.depth--
	if n, isLiteral := x.(*Literal); isLiteral && op != OpNot {
		switch {
		case n.Val.Kind() == point.KindInt && op == OpSub:
			return &Literal{At: at, Val: point.Int(-n.Val.Int())}
		case n.Val.Kind() == point.KindFloat && op == OpSub:
			return &Literal{At: at, Val: point.Float(-n.Val.Float())}
		case n.Val.Kind() == point.KindInt || n.Val.Kind() == point.KindFloat:
			return &Literal{At: at, Val: n.Val}
		}
	}
	return &Unary{At: at, Op: op, X: x}
}

// postfix reads an operand with its indexes, attribute steps and slices. An index needs a name, a slice does not.
func (p *parser) postfix() Expr {
	x := p.operand()
	for {
		switch p.kind() {
		case tokLbrack:
			x = p.bracket(x)
		case tokDot:
			x = p.attr(x)
		default:
			return x
		}
	}
}

func (p *parser) bracket(x Expr) Expr {
	open := p.next().pos
	p.skipNewlines()
	p.enter()
	defer func() { p.depth-- }()
	var first Expr
	if p.kind() != tokColon {
		first = p.expr()
		if p.closes(tokRbrack) {
			return p.index(x, Step{At: open, X: first})
		}
	}
	if !sliceable(x) {
		p.fail(open, "this cannot be sliced: assign it to a variable first")
	}
	s := &Slice{At: x.Pos(), X: x, Lo: first}
	p.mark(SliceColon)
	p.expect(tokColon, "`:` or `]`")
	s.Hi = p.slicePart()
	if p.kind() == tokColon {
		p.mark(SliceColon)
		p.next()
		s.Step = p.slicePart()
	}
	p.skipNewlines()
	p.expect(tokRbrack, "`]`")
	return s
}

func (p *parser) slicePart() Expr {
	if k := p.kind(); k == tokColon || k == tokRbrack || k == tokNewline {
		return nil
	}
	return p.expr()
}

// closes skips newlines and takes the closing token k if it comes next. Newlines stay if it does not.
func (p *parser) closes(k kind) bool {
	at := p.at
	p.skipNewlines()
	if p.kind() == k {
		p.next()
		return true
	}
	p.at = at
	return false
}

func sliceable(x Expr) bool {
	switch x := x.(type) {
	case *Ident, *List, *Slice, *Call:
		return true
	case *Literal:
		return x.Val.Kind() == point.KindString || x.Val.Kind() == point.KindInt || x.Val.Kind() == point.KindFloat
	}
	return false
}

func (p *parser) index(x Expr, step Step) Expr {
	switch x := x.(type) {
	case *Ident:
		return &Index{At: x.At, X: x, Steps: []Step{step}}
	case *Index:
		x.Steps = append(x.Steps, step)
		return x
	case *Attr: // a.b[0]: the index belongs to the last step of the path
		x.Y = p.index(x.Y, step)
		return x
	}
	p.fail(step.At, "only a name can be indexed: assign this to a variable first")
	return nil
}

func (p *parser) attr(x Expr) Expr {
	dot := p.next().pos
	switch x.(type) {
	case *Ident, *Index, *Attr:
	default:
		p.fail(dot, "`.` continues a name only")
	}
	p.enter() // a.b.c is a tree as deep as it is long; the level is given back by binary
	return &Attr{At: x.Pos(), X: x, Y: p.ident()}
}

func (p *parser) operand() Expr {
	switch t := p.tok(); t.kind {
	case tokIdent:
		name := p.ident()
		if p.kind() == tokLparen {
			return p.call(name)
		}
		return name
	case tokNumber, tokString:
		return p.literal(t.value)
	case tokTrue, tokFalse:
		return p.literal(point.Bool(t.kind == tokTrue))
	case tokNil:
		return p.literal(point.Nil())
	case tokLparen, tokLbrack, tokLbrace:
		p.enter()
		defer func() { p.depth-- }()
		switch t.kind {
		case tokLparen:
			return p.paren()
		case tokLbrack:
			return p.list()
		}
		return p.mapping()
	case tokDot:
		if p.tokens[p.at+1].kind == tokLbrack {
			p.next()
			return p.index(&Index{At: t.pos}, p.rootStep())
		}
		p.fail(t.pos, "expected an expression, found `.` (a number begins with a digit)")
	}
	p.expected("an expression")
	return nil
}

func (p *parser) rootStep() Step {
	at := p.next().pos
	p.skipNewlines()
	step := Step{At: at, X: p.expr()}
	p.skipNewlines()
	p.expect(tokRbrack, "`]`")
	return step
}

func (p *parser) paren() Expr {
	at := p.next().pos
	p.skipNewlines()
	x := p.expr()
	p.skipNewlines()
	if p.kind() == tokAssign {
		p.noExpression()
	}
	p.expect(tokRparen, "`)`")
	return &Paren{At: at, X: x}
}

func (p *parser) list() Expr {
	l := &List{At: p.next().pos, Items: []Expr{}}
	p.skipNewlines()
	for p.kind() != tokRbrack {
		l.Items = append(l.Items, p.expr())
		p.skipNewlines() // in a list even before a comma
		if p.kind() != tokRbrack {
			p.expect(tokComma, "`,` or `]`")
			p.skipNewlines()
		}
	}
	p.next()
	return l
}

func (p *parser) mapping() Expr {
	m := &Map{At: p.next().pos}
	p.skipNewlines()
	for p.kind() != tokRbrace {
		m.Keys = append(m.Keys, p.expr())
		p.expect(tokColon, "`:`")
		p.skipNewlines()
		m.Vals = append(m.Vals, p.expr())
		if p.closes(tokRbrace) {
			return m
		}
		p.expect(tokComma, "`,` or `}`")
		p.skipNewlines()
	}
	p.next()
	return m
}

func (p *parser) call(name *Ident) Expr {
	c := &Call{At: name.At, Name: name.Name}
	p.mutates = p.mutates || name.Name == "delete"
	p.enter()
	defer func() { p.depth-- }()
	p.next()
	p.skipNewlines()
	for p.kind() != tokRparen {
		c.Args = append(c.Args, p.arg())
		if p.closes(tokRparen) {
			return c
		}
		p.expect(tokComma, "`,` or `)`")
		p.skipNewlines()
	}
	p.next()
	return c
}

func (p *parser) arg() Arg {
	x := p.expr()
	if id, isName := x.(*Ident); isName && p.kind() == tokAssign {
		p.mark(NamedAssign)
		p.next()
		p.skipNewlines()
		return Arg{At: id.At, Name: id.Name, X: p.expr()}
	}
	return Arg{At: x.Pos(), X: x}
}

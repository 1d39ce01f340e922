package syntax

import (
	"cmp"
	"slices"

	"dataflow/engine/point"
)

// MaxErrors is how many faults of a script are reported.
const MaxErrors = 50

const maxDepth = 1000 // of nested brackets, blocks and operators, so that no script exhausts the stack

// Parse reads a script. With errors the tree has the statements that could be read, so that what else is wrong with the script
// can be told, too; it is not to be run.
func Parse(src *Source) (*Script, Errors) {
	tokens, errs := scan(src)
	return (&parser{src: src, tokens: tokens, errs: errs}).parse()
}

func (p *parser) parse() (*Script, Errors) {
	script := &Script{Source: p.src, Body: p.script(tokEOF)}
	script.Mutates = p.mutates
	slices.SortStableFunc(p.errs, func(a, b *Error) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) })
	return script, p.errs
}

type parser struct {
	src     *Source
	tokens  []token
	at      int
	depth   int
	mutates bool
	errs    Errors
	roles   []Role // of the tokens, for Tokens; nil: nobody asks
}

// bailout unwinds from an error, which is reported already, to the statement that it stands in.
type bailout struct{}

func (p *parser) tok() *token { return &p.tokens[p.at] }

func (p *parser) kind() kind { return p.tokens[p.at].kind }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEOF {
		p.at++
	}
	return t
}

func (p *parser) skipNewlines() {
	for p.kind() == tokNewline {
		p.at++
	}
}

// mark notes what the present token is for.
func (p *parser) mark(r Role) {
	if p.roles != nil {
		p.roles[p.at] = r
	}
}

func (p *parser) fail(pos Pos, format string, args ...any) {
	if p.kind() != tokBad { // the scanner has said what is wrong there
		p.errs = append(p.errs, p.src.Errorf(pos, format, args...))
	}
	panic(bailout{})
}

func (p *parser) expected(what string) {
	if hint := p.guess(what); hint != "" && p.kind() != tokBad {
		defer func() { // the fault is reported by then
			p.errs[len(p.errs)-1].Hint = hint
		}()
	}
	switch t := p.tok(); t.kind {
	case tokReserved:
		p.fail(t.pos, "%v is a reserved word; as a name it stands in backquotes", t)
	case tokElse, tokElif:
		p.fail(t.pos, "%v must stand on the line of the preceding }", t)
	default:
		p.fail(t.pos, "expected %s, found %v", what, t)
	}
}

func (p *parser) expect(k kind, what string) token {
	if p.kind() != k {
		p.expected(what)
	}
	return p.next()
}

// enter counts a level of nesting; the caller leaves it by p.depth--.
func (p *parser) enter() {
	p.depth++
	if p.depth > maxDepth {
		p.fail(p.tok().pos, "nested too deeply")
	}
}

// script reads statements up to end, which it leaves.
func (p *parser) script(end kind) []Stmt {
	body := []Stmt{}
	for {
		for p.kind() == tokNewline || p.kind() == tokSemicolon {
			p.at++
		}
		if p.kind() == end || p.kind() == tokEOF || len(p.errs) >= MaxErrors {
			return body
		}
		if s := p.guarded(end); s != nil {
			body = append(body, s)
		}
	}
}

// guarded reads one statement with its separator. After an error it goes on behind the faulty line.
func (p *parser) guarded(end kind) (s Stmt) {
	depth := p.depth
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case bailout:
			s = nil
			p.depth = depth
			p.resync(end)
		default:
			panic(r)
		}
	}()
	s = p.statement()
	if k := p.kind(); k != tokNewline && k != tokSemicolon && k != end && k != tokEOF {
		p.expected("a newline or `;` after the statement")
	}
	return s
}

// resync skips to the end of the line, over the blocks that begin on it, so that one fault is reported once.
func (p *parser) resync(end kind) {
	for braces := 0; p.kind() != tokEOF; p.at++ {
		switch p.kind() {
		case tokNewline:
			if braces == 0 {
				return
			}
		case tokLbrace:
			braces++
		case tokRbrace:
			if braces == 0 && end == tokRbrace {
				return
			}
			braces = max(0, braces-1)
		}
	}
}

func (p *parser) statement() Stmt {
	t := p.tok()
	switch t.kind {
	case tokIf:
		return p.ifStmt()
	case tokFor:
		return p.forStmt()
	case tokBreak, tokContinue:
		p.next()
		return &Jump{At: t.pos, Continue: t.kind == tokContinue}
	}
	return p.simple()
}

func (p *parser) block() []Stmt {
	p.mark(BlockOpen)
	open := p.expect(tokLbrace, blockBrace)
	p.enter()
	body := p.script(tokRbrace)
	p.depth--
	if p.kind() != tokRbrace {
		p.fail(open.pos, "this block has no closing }")
	}
	p.mark(BlockClose)
	p.next()
	return body
}

func (p *parser) ifStmt() Stmt {
	s := &If{At: p.tok().pos}
	for p.kind() == tokIf || p.kind() == tokElif {
		p.next()
		cond := p.expr()
		s.Branches = append(s.Branches, Branch{Cond: cond, Body: p.block()})
		if p.kind() == tokIf {
			p.expected("a newline or `;` after the statement")
		}
	}
	if p.kind() == tokElse {
		p.next()
		s.Else = p.block()
	}
	return s
}

func (p *parser) forStmt() Stmt {
	at := p.next().pos
	if p.kind() == tokIdent && p.tokens[p.at+1].kind == tokIn {
		s := &ForIn{At: at, Var: p.ident()}
		p.next()
		p.skipNewlines()
		s.X = p.expr()
		s.Body = p.block()
		return s
	}
	s := &For{At: at}
	if p.kind() != tokSemicolon {
		s.Init = p.simple()
	}
	p.mark(HeaderSemicolon)
	p.expect(tokSemicolon, "`;` or `in`")
	if p.kind() != tokSemicolon {
		s.Cond = p.expr()
	}
	p.mark(HeaderSemicolon)
	p.expect(tokSemicolon, "`;`")
	if p.kind() != tokLbrace {
		s.Step = p.simple()
	}
	s.Body = p.block()
	return s
}

var assignOps = map[kind]Op{
	tokAssign: OpNone, tokAddAssign: OpAdd, tokSubAssign: OpSub, tokMulAssign: OpMul, tokDivAssign: OpDiv, tokModAssign: OpMod,
}

func (p *parser) simple() Stmt {
	left := p.exprs()
	op, isAssign := assignOps[p.kind()]
	if !isAssign {
		if len(left) > 1 {
			p.expected("`=`")
		}
		return &ExprStmt{X: left[0]}
	}
	if op != OpNone && len(left) > 1 {
		p.expected("`=`")
	}
	s := &Assign{At: p.next().pos, Op: op, Left: left}
	p.skipNewlines()
	if op == OpNone {
		s.Right = p.exprs()
	} else {
		s.Right = []Expr{p.expr()}
	}
	if _, again := assignOps[p.kind()]; again {
		p.noExpression()
	}
	if _, isIndex := left[0].(*Index); isIndex {
		p.mutates = true
	}
	return s
}

func (p *parser) exprs() []Expr {
	list := []Expr{p.expr()}
	for p.kind() == tokComma {
		p.next()
		p.skipNewlines()
		list = append(list, p.expr())
	}
	return list
}

func (p *parser) ident() *Ident {
	t := p.expect(tokIdent, "a name")
	return &Ident{At: t.pos, Name: t.text}
}

func (p *parser) literal(val point.Value) Expr {
	return &Literal{At: p.next().pos, Val: val}
}

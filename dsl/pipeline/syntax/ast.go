package syntax

import (
	"strconv"

	"dataflow/engine/point"
)

// Script is a parsed script.
type Script struct {
	Source *Source
	Body   []Stmt
	// Mutates is set if a list or map can be changed in place: an assignment to an index or a call of delete stands
	// somewhere.
	Mutates bool
}

// Stmt is a statement: *ExprStmt, *Assign, *If, *ForIn, *For or *Jump.
type Stmt interface {
	Pos() Pos
	stmt()
}

// Expr is an expression: *Literal, *Ident, *List, *Map, *Paren, *Call, *Unary, *Binary, *Index, *Attr or *Slice.
type Expr interface {
	Pos() Pos
	expr()
}

// Op is an operator.
type Op uint8

// The operators. OpNone is that of a plain assignment.
const (
	OpNone Op = iota
	OpAdd
	OpSub
	OpMul
	OpDiv
	OpMod
	OpEq
	OpNe
	OpLt
	OpLe
	OpGt
	OpGe
	OpAnd
	OpOr
	OpIn
	OpNot
)

var opText = [...]string{"", "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in", "!"}

// String returns the operator as it is written.
func (o Op) String() string { return opText[o] }

// Statements.
type (
	// ExprStmt evaluates X for its effect.
	ExprStmt struct{ X Expr }

	// Assign binds Left to Right. Op is OpNone for "=", or that of "+=" and its like, which have one of each.
	Assign struct {
		At    Pos // of the sign
		Op    Op
		Left  []Expr
		Right []Expr
	}

	// If runs the body of the first branch whose condition is true, or Else. Else is nil if there is none.
	If struct {
		At       Pos
		Branches []Branch
		Else     []Stmt
	}

	// Branch is one condition of an [If] with its body.
	Branch struct {
		Cond Expr
		Body []Stmt
	}

	// ForIn runs Body for each element of X.
	ForIn struct {
		At   Pos
		Var  *Ident
		X    Expr
		Body []Stmt
	}

	// For is the loop of three parts, each of which may be nil.
	For struct {
		At   Pos
		Init Stmt
		Cond Expr
		Step Stmt
		Body []Stmt
	}

	// Jump is break, or continue if Continue is set.
	Jump struct {
		At       Pos
		Continue bool
	}
)

// Expressions.
type (
	// Literal is nil, a bool, a number (its sign folded in) or a string.
	Literal struct {
		At  Pos
		Val point.Value
	}

	// Ident is a name, without its backquotes.
	Ident struct {
		At   Pos
		Name string
	}

	// List is [a, b].
	List struct {
		At    Pos
		Items []Expr
	}

	// Map is {k: v}; Keys and Vals are of one length.
	Map struct {
		At   Pos
		Keys []Expr
		Vals []Expr
	}

	// Paren is (X).
	Paren struct {
		At Pos
		X  Expr
	}

	// Call is Name(Args).
	Call struct {
		At   Pos
		Name string
		Args []Arg
	}

	// Arg is an argument of a call; Name is "" unless it is named.
	Arg struct {
		At   Pos
		Name string
		X    Expr
	}

	// Unary is Op X.
	Unary struct {
		At Pos
		Op Op
		X  Expr
	}

	// Binary is X Op Y; At is the place of the operator.
	Binary struct {
		At   Pos
		Op   Op
		X, Y Expr
	}

	// Index is X[step][step]. X is nil for a path that begins with ".[".
	Index struct {
		At    Pos
		X     *Ident
		Steps []Step
	}

	// Step is one [X] of an [Index]; At is the place of the bracket.
	Step struct {
		At Pos
		X  Expr
	}

	// Attr is X.Y, where X is an *Ident, *Index or *Attr and Y an *Ident or *Index.
	Attr struct {
		At   Pos
		X, Y Expr
	}

	// Slice is X[Lo:Hi:Step]; the parts may be nil.
	Slice struct {
		At           Pos
		X            Expr
		Lo, Hi, Step Expr
	}
)

// Pos returns where the statement begins.
func (s *ExprStmt) Pos() Pos { return Start(s.X) }

// Pos returns where the statement begins.
func (s *Assign) Pos() Pos { return Start(s.Left[0]) }

// Pos returns where the statement begins.
func (s *If) Pos() Pos { return s.At }

// Pos returns where the statement begins.
func (s *ForIn) Pos() Pos { return s.At }

// Pos returns where the statement begins.
func (s *For) Pos() Pos { return s.At }

// Pos returns where the statement begins.
func (s *Jump) Pos() Pos { return s.At }

// Pos returns where the literal begins.
func (e *Literal) Pos() Pos { return e.At }

// Pos returns where the name begins.
func (e *Ident) Pos() Pos { return e.At }

// Pos returns where the list begins.
func (e *List) Pos() Pos { return e.At }

// Pos returns where the map begins.
func (e *Map) Pos() Pos { return e.At }

// Pos returns the place of the opening parenthesis.
func (e *Paren) Pos() Pos { return e.At }

// Pos returns where the function's name begins.
func (e *Call) Pos() Pos { return e.At }

// Pos returns the place of the operator.
func (e *Unary) Pos() Pos { return e.At }

// Pos returns the place of the operator, where an error of the operation is reported.
func (e *Binary) Pos() Pos { return e.At }

// Pos returns where the indexed name begins.
func (e *Index) Pos() Pos { return e.At }

// Pos returns where the path begins.
func (e *Attr) Pos() Pos { return e.At }

// Pos returns where the sliced value begins.
func (e *Slice) Pos() Pos { return e.At }

func (*ExprStmt) stmt() {}
func (*Assign) stmt()   {}
func (*If) stmt()       {}
func (*ForIn) stmt()    {}
func (*For) stmt()      {}
func (*Jump) stmt()     {}

func (*Literal) expr() {}
func (*Ident) expr()   {}
func (*List) expr()    {}
func (*Map) expr()     {}
func (*Paren) expr()   {}
func (*Call) expr()    {}
func (*Unary) expr()   {}
func (*Binary) expr()  {}
func (*Index) expr()   {}
func (*Attr) expr()    {}
func (*Slice) expr()   {}

// Start returns where the text of an expression begins. That of a [Binary] is before its Pos.
func Start(x Expr) Pos {
	for {
		b, isBinary := x.(*Binary)
		if !isBinary {
			return x.Pos()
		}
		x = b.X
	}
}

// PathText returns the text that a name or an attribute path stands for as a key: a, a.b, a.l[0]. It reports
// false for everything else, also for an index alone and for steps that are no integer.
func PathText(e Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *Ident:
		return e.Name, true
	case *Attr:
		left, ok := pathPart(e.X)
		if !ok {
			return "", false
		}
		right, ok := pathPart(e.Y)
		return left + "." + right, ok
	}
	return "", false
}

func pathPart(e Expr) (string, bool) {
	x, isIndex := e.(*Index)
	if !isIndex {
		return PathText(e)
	}
	text := ""
	if x.X != nil {
		text = x.X.Name
	}
	for _, step := range x.Steps {
		n, isLiteral := step.X.(*Literal)
		if !isLiteral || n.Val.Kind() != point.KindInt {
			return "", false
		}
		text += "[" + strconv.FormatInt(n.Val.Int(), 10) + "]"
	}
	return text, true
}

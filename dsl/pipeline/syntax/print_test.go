package syntax

import (
	"math"
	"strconv"
	"strings"

	"dataflow/engine/point"
)

// printer writes a tree as a script, with parentheses as they are in the tree.
type printer struct{ strings.Builder }

func format(s *Script) string {
	var p printer
	p.stmts(s.Body)
	return p.String()
}

func (p *printer) put(parts ...any) {
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			p.WriteString(part)
		case Expr:
			p.expr(part)
		case Stmt:
			p.stmt(part)
		case []Stmt:
			p.put("{\n")
			p.stmts(part)
			p.put("}")
		case []Expr:
			for i, x := range part {
				if i > 0 {
					p.put(", ")
				}
				p.expr(x)
			}
		}
	}
}

func (p *printer) stmts(body []Stmt) {
	for _, s := range body {
		p.put(s, "\n")
	}
}

func (p *printer) stmt(s Stmt) {
	switch s := s.(type) {
	case *ExprStmt:
		p.put(s.X)
	case *Assign:
		p.put(s.Left, " ", s.Op.String(), "= ", s.Right)
	case *If:
		word := "if "
		for _, b := range s.Branches {
			p.put(word, b.Cond, " ", b.Body)
			word = " elif "
		}
		if s.Else != nil {
			p.put(" else ", s.Else)
		}
	case *ForIn:
		p.put("for ", s.Var, " in ", s.X, " ", s.Body)
	case *For:
		p.put("for ")
		if s.Init != nil {
			p.put(s.Init)
		}
		p.put("; ")
		if s.Cond != nil {
			p.put(s.Cond)
		}
		p.put("; ")
		if s.Step != nil {
			p.put(s.Step, " ")
		}
		p.put(s.Body)
	case *Jump:
		if s.Continue {
			p.put("continue")
		} else {
			p.put("break")
		}
	}
}

func (p *printer) expr(x Expr) {
	switch x := x.(type) {
	case *Literal:
		p.put(literalText(x.Val))
	case *Ident:
		p.put("`", x.Name, "`")
	case *List:
		p.put("[", x.Items, "]")
	case *Map:
		p.put("{")
		for i := range x.Keys {
			p.put(x.Keys[i], ": ", x.Vals[i], ", ")
		}
		p.put("}")
	case *Paren:
		p.put("(", x.X, ")")
	case *Call:
		p.put("`", x.Name, "`(")
		for _, a := range x.Args {
			if a.Name != "" {
				p.put("`", a.Name, "` = ")
			}
			p.put(a.X, ", ")
		}
		p.put(")")
	case *Unary:
		p.put(x.Op.String(), x.X)
	case *Binary:
		p.put(x.X, " ", x.Op.String(), " ", x.Y)
	case *Index:
		if x.X == nil {
			p.put(".")
		} else {
			p.put(x.X)
		}
		for _, s := range x.Steps {
			p.put("[", s.X, "]")
		}
	case *Attr:
		p.put(x.X, ".", x.Y)
	case *Slice:
		p.put(x.X, "[")
		if x.Lo != nil {
			p.put(x.Lo)
		}
		p.put(":")
		if x.Hi != nil {
			p.put(x.Hi)
		}
		if x.Step != nil {
			p.put(":", x.Step)
		}
		p.put("]")
	}
}

func literalText(v point.Value) string {
	switch v.Kind() {
	case point.KindBool:
		return strconv.FormatBool(v.Bool())
	case point.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case point.KindFloat:
		f := v.Float()
		switch {
		case math.IsNaN(f):
			return "nan"
		case math.IsInf(f, 0):
			return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)), "+")
		}
		s := strconv.FormatFloat(f, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += "."
		}
		return s
	case point.KindString:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(v.Str()) + `"`
	}
	return "nil"
}

// shape writes an expression with a parenthesis around each operation.
func shape(x Expr) string {
	switch x := x.(type) {
	case *Binary:
		return "(" + shape(x.X) + " " + x.Op.String() + " " + shape(x.Y) + ")"
	case *Unary:
		return "(" + x.Op.String() + shape(x.X) + ")"
	case *Paren:
		return shape(x.X)
	case *Ident:
		return x.Name
	}
	var p printer
	p.expr(x)
	return strings.ReplaceAll(p.String(), "`", "")
}

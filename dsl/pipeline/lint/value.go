package lint

import (
	"strconv"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

func itoa(n int) string { return strconv.Itoa(n) }

// value checks an expression whose value is used.
func (c *checker) value(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.Ident:
		c.read(funcs.KeyName(x.Name), x.At)
	case *syntax.Attr:
		if text, isPath := syntax.PathText(x); isPath {
			c.warn(x.At, text, "the path "+text+" is no value: it yields nil", pathHint(x))
		}
	case *syntax.List:
		for _, e := range x.Items {
			c.value(e)
		}
	case *syntax.Map:
		for i := range x.Keys {
			c.value(x.Keys[i])
			c.value(x.Vals[i])
		}
	case *syntax.Paren:
		c.value(x.X)
	case *syntax.Unary:
		c.value(x.X)
	case *syntax.Binary:
		c.value(x.X)
		c.value(x.Y)
		c.binary(x)
	case *syntax.Index:
		if x.X != nil {
			c.read(funcs.KeyName(x.X.Name), x.X.At)
		}
		for _, s := range x.Steps {
			c.value(s.X)
		}
	case *syntax.Slice:
		for _, e := range []syntax.Expr{x.X, x.Lo, x.Hi, x.Step} {
			c.value(e)
		}
	case *syntax.Call:
		c.call(x)
	}
}

// pathHint says how a member of a map, and a key with dots, is read.
func pathHint(x *syntax.Attr) string {
	text, _ := syntax.PathText(x)
	member := ""
	var walk func(x syntax.Expr) bool
	walk = func(x syntax.Expr) bool {
		switch x := x.(type) {
		case *syntax.Ident:
			if member == "" {
				member = x.Name
			} else {
				member += "[" + strconv.Quote(x.Name) + "]"
			}
			return true
		case *syntax.Attr:
			return walk(x.X) && walk(x.Y)
		}
		return false
	}
	if !walk(x) {
		return "a key of that name is read by get_key(" + text + ")"
	}
	return "a member of a map is " + member + ", a key of that name get_key(" + text + ")"
}

func (c *checker) binary(x *syntax.Binary) {
	switch x.Op {
	case syntax.OpLt, syntax.OpLe, syntax.OpGt, syntax.OpGe:
		if isText(x.X) || isText(x.Y) {
			c.warn(x.At, x.Op.String(), "texts have no order: this ends the script with an error", "compare numbers, or texts with == and in")
		}
	case syntax.OpIn:
		if y, isBinary := x.Y.(*syntax.Binary); isBinary && y.Op >= syntax.OpEq && y.Op <= syntax.OpGe {
			c.warn(y.At, y.Op.String(), "`"+y.Op.String()+"` binds tighter than `in`", "put the part with in into parentheses")
		}
	}
}

func isText(x syntax.Expr) bool {
	l, isLiteral := x.(*syntax.Literal)
	return isLiteral && l.Val.Kind() == point.KindString
}

// arguments calls f for each argument of a call with its parameter. Functions that do not exist have none.
func arguments(call *syntax.Call, f func(i int, p *funcs.Param, x syntax.Expr)) {
	d := funcs.Get(call.Name)
	if d == nil || len(d.Params) == 0 {
		return
	}
	for n, a := range call.Args {
		i := min(n, len(d.Params)-1)
		if a.Name != "" {
			for j := range d.Params {
				if d.Params[j].Name == a.Name {
					i = j
				}
			}
		}
		if p := &d.Params[i]; n < len(d.Params) || p.Kind == funcs.Rest {
			f(i, p, a.X)
		}
	}
}

// keyText is the name that a key argument stands for.
func keyText(x syntax.Expr) (name string, ok bool) {
	if l, isLiteral := x.(*syntax.Literal); isLiteral && isText(x) {
		return funcs.KeyName(l.Val.Str()), true
	}
	text, ok := syntax.PathText(x)
	return funcs.KeyName(text), ok
}

func (c *checker) call(call *syntax.Call) {
	arguments(call, func(i int, p *funcs.Param, x syntax.Expr) {
		c.mention(x)
		switch p.Kind {
		case funcs.Value, funcs.Rest:
			c.value(x)
		case funcs.Key, funcs.Name, funcs.Ident, funcs.Operand:
			if name, ok := keyText(x); ok && !(i == 0 && writes(call)) {
				c.read(name, x.Pos())
			}
		}
	})
	switch call.Name {
	case "cast":
		c.cast(call)
	case "agg_metric":
		c.aggregate(call)
	case "drop_origin_data":
		c.drop(call)
	case "drop_key":
		if len(call.Args) == 1 {
			if name, _ := keyText(call.Args[0].X); name == "message" {
				c.drop(call)
			}
		}
	}
}

// mention notes variables that a text names: agg_metric and its like look names up when the script runs.
func (c *checker) mention(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.List:
		for _, e := range x.Items {
			c.mention(e)
		}
	case *syntax.Literal:
		if v := c.find(funcs.KeyName(x.Val.Str())); v != nil {
			v.used = true
		}
	}
}

// writes reports whether the first argument of a call is written and not read.
func writes(call *syntax.Call) bool {
	switch call.Name {
	case "add_key", "set_tag":
		return len(call.Args) > 1
	case "strfmt", "drop_key", "rename", "get_key":
		return true
	}
	return false
}

// drop notes that the message is gone, if that happens in every run.
func (c *checker) drop(call *syntax.Call) {
	if len(c.scopes) == 1 && c.gone < 0 {
		c.gone = call.At
	}
}

func (c *checker) cast(call *syntax.Call) {
	if len(call.Args) != 2 {
		return
	}
	id, isName := call.Args[0].X.(*syntax.Ident)
	if isName && c.find(funcs.KeyName(id.Name)) != nil && !c.meant[id.Name] {
		c.warn(id.At, id.Name, "cast writes the field `"+id.Name+"`; the variable stays as it is", "drop_key("+id.Name+") drops the field, if it is not wanted")
	}
	if l, isLiteral := call.Args[1].X.(*syntax.Literal); isLiteral && l.Val.Str() == "string" {
		c.warn(l.At, `"string"`, `the type "string" writes nil`, `did you mean "str"?`)
	}
}

// aggregate warns of an aggregate that does not exist: the call does nothing then.
func (c *checker) aggregate(call *syntax.Call) {
	arguments(call, func(_ int, p *funcs.Param, x syntax.Expr) {
		if p.Name != "agg_fn" || !isText(x) {
			return
		}
		switch name := x.(*syntax.Literal).Val.Str(); name {
		case "avg", "sum", "max", "min", "set":
		default:
			hint := "choose avg, sum, max, min or set, which is the last value"
			if name == "count" {
				hint = "a sum of ones counts: n = 1"
			}
			c.warn(x.Pos(), strconv.Quote(name), "there is no aggregate "+strconv.Quote(name)+": the call does nothing", hint)
		}
	})
}

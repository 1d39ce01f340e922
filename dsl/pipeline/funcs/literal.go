package funcs

import (
	"strings"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// Literal returns the value of argument i if it is given and is nil, a bool, a number with its sign, or a text. ok is false for
// everything else, also in parentheses.
func (c *Call) Literal(i int) (v point.Value, ok bool) {
	if !c.Has(i) {
		return point.Nil(), false
	}
	return literal(c.args[i])
}

func literal(x syntax.Expr) (v point.Value, ok bool) {
	l, ok := x.(*syntax.Literal)
	if !ok {
		return point.Nil(), false
	}
	return l.Val, true
}

// TypedValue compiles argument i, whose value must be of one of the kinds: a literal of another kind, list and map included, is
// a fault of the script, a computed value of another kind, void included, a run error. It returns nil after a fault, and if the
// argument is not given. References count as the list or map that they stand for.
func (c *Call) TypedValue(i int, want ...point.Kind) eval.Expr {
	if !c.Has(i) {
		return nil
	}
	accept := uint32(0)
	names := make([]string, len(want))
	for n, k := range want {
		accept |= 1 << k
		names[n] = kindName(k)
	}
	name := c.decl.Params[i].Name
	if k, isLiteral := literalKind(c.args[i]); isLiteral && accept&(1<<k) == 0 {
		c.Fault(i, "the argument %s is not %s but %s", name, strings.Join(names, " or "), kindName(k))
		return nil
	}
	value, function := c.Value(i), c.decl.Name
	return func(f *eval.Frame) (point.Value, bool) {
		v, ok := value(f)
		if !ok {
			return failed()
		}
		if accept&(1<<eval.KindOf(v)) == 0 || eval.IsVoid(v) {
			return f.Failf("%s: the argument %s is not %s but %s", function, name, strings.Join(names, " or "), eval.TypeName(v))
		}
		return v, true
	}
}

// literalKind returns the kind of a literal, of a list or map, too.
func literalKind(x syntax.Expr) (k point.Kind, ok bool) {
	switch x := x.(type) {
	case *syntax.Literal:
		return x.Val.Kind(), true
	case *syntax.List:
		return point.KindList, true
	case *syntax.Map:
		return point.KindMap, true
	}
	return point.KindNil, false
}

// kindName returns the name of a type as messages have it.
func kindName(k point.Kind) string {
	if k == point.KindString {
		return "str"
	}
	return k.String()
}

// bounds returns the two numbers of argument i, which is a list literal of two number literals. Otherwise ok is false, and the
// fault is reported.
func (c *Call) bounds(i int) (lo, hi point.Value, ok bool) {
	var pair [2]point.Value
	list, isList := c.args[i].(*syntax.List)
	ok = isList && len(list.Items) == len(pair)
	for n := range pair {
		if ok {
			pair[n], ok = literal(list.Items[n])
			ok = ok && (pair[n].Kind() == point.KindInt || pair[n].Kind() == point.KindFloat)
		}
	}
	if !ok {
		c.Fault(i, "the argument %s must be a list of two number literals", c.decl.Params[i].Name)
	}
	return pair[0], pair[1], ok
}

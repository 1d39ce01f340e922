package eval

import (
	"math"
	"strings"

	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// TypeName returns the name of the type of v as messages have it.
func TypeName(v point.Value) string {
	if IsVoid(v) {
		return "void"
	}
	switch k := KindOf(v); k {
	case point.KindString:
		return "str"
	default:
		return k.String()
	}
}

func isNumber(k point.Kind) bool {
	return k == point.KindInt || k == point.KindFloat || k == point.KindBool
}

// integer returns an int, or a bool as 0 or 1.
func integer(v point.Value) int64 {
	if v.Kind() == point.KindBool {
		if v.Bool() {
			return 1
		}
		return 0
	}
	return v.Int()
}

// Arithmetic returns a op b for + - * / %.
func Arithmetic(f *Frame, op syntax.Op, a, b point.Value) (point.Value, bool) {
	ka, kb := a.Kind(), b.Kind()
	if ka == point.KindInt && kb == point.KindInt {
		return integers(f, op, a.Int(), b.Int())
	}
	if ka == point.KindString && kb == point.KindString {
		if op != syntax.OpAdd {
			return f.Failf("unsupported operator %v for text", op)
		}
		s, ok := f.Concat(a.Str(), b.Str())
		return point.String(s), ok
	}
	if !isNumber(ka) && ka != point.KindString {
		return f.Failf("unsupported lhs data type: %s", TypeName(a))
	}
	if !isNumber(kb) || !isNumber(ka) {
		return f.Failf("unsupported rhs data type: %s", TypeName(b))
	}
	if ka != point.KindFloat && kb != point.KindFloat {
		return integers(f, op, integer(a), integer(b))
	}
	x, _ := a.Number()
	y, _ := b.Number()
	switch op {
	case syntax.OpAdd:
		return point.Float(x + y), true
	case syntax.OpSub:
		return point.Float(x - y), true
	case syntax.OpMul:
		return point.Float(x * y), true
	case syntax.OpDiv:
		if y == 0 {
			return f.Failf("division or modulo by zero")
		}
		return point.Float(x / y), true
	}
	return f.Failf("unsupported operator %v for float", op)
}

func integers(f *Frame, op syntax.Op, x, y int64) (point.Value, bool) {
	switch op {
	case syntax.OpAdd:
		return point.Int(x + y), true
	case syntax.OpSub:
		return point.Int(x - y), true
	case syntax.OpMul:
		return point.Int(x * y), true
	}
	if y == 0 {
		return f.Failf("division or modulo by zero")
	}
	if op == syntax.OpDiv {
		return point.Int(x / y), true
	}
	return point.Int(x % y), true
}

// Sign returns -v, or +v if negative is not set.
func Sign(f *Frame, negative bool, v point.Value) (point.Value, bool) {
	switch v.Kind() {
	case point.KindBool, point.KindInt:
		if negative {
			return point.Int(-integer(v)), true
		}
		return point.Int(integer(v)), true
	case point.KindFloat:
		if negative {
			return point.Float(-v.Float()), true
		}
		return v, true
	}
	return f.Failf("unsupported data type for a sign: %s", TypeName(v))
}

// Same returns a == b.
func Same(a, b point.Value) bool {
	switch a.Kind() {
	case point.KindString:
		return b.Kind() == point.KindString && a.Str() == b.Str()
	case point.KindNil:
		return b.IsNil() || IsVoid(b)
	case point.KindBool, point.KindInt, point.KindFloat:
		x, _ := a.Number()
		y, ok := b.Number()
		return ok && x == y
	}
	return DeepEqual(a, b)
}

// Same returns a == b, as [Same] does, and pays for comparing lists and maps: ones that contain themselves, or share
// parts, are large. ok is false, with an error, if the budget is used up.
func (f *Frame) Same(a, b point.Value) (same, ok bool) {
	if a.Kind() < point.KindList {
		return Same(a, b), true
	}
	return f.DeepEqual(a, b)
}

// DeepEqual compares strictly: 1 and 1.0 differ.
func DeepEqual(a, b point.Value) bool {
	steps := maxNodes
	return KindOf(a) == KindOf(b) && equalTrees(Tree(a), Tree(b), &steps, 0)
}

// DeepEqual is [DeepEqual] and pays for it. ok is false, with an error, if the budget is used up.
func (f *Frame) DeepEqual(a, b point.Value) (equal, ok bool) {
	if KindOf(a) != KindOf(b) {
		return false, true
	}
	if a, ok = f.Tree(a); !ok {
		return false, false
	}
	if b, ok = f.Tree(b); !ok {
		return false, false
	}
	steps := maxNodes
	equal = equalTrees(a, b, &steps, 0)
	return equal, f.Work((maxNodes - steps) * bytesPerStep)
}

// equalTrees compares lists and maps, which may contain themselves.
func equalTrees(a, b point.Value, steps *int, depth int) bool {
	*steps--
	if *steps < 0 || depth > maxDepth || a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case point.KindList:
		x, y := a.Items(), b.Items()
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equalTrees(x[i], y[i], steps, depth+1) {
				return false
			}
		}
		return true
	case point.KindMap:
		x, y := a.Map(), b.Map()
		if len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !equalTrees(v, w, steps, depth+1) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}

// Ordered returns a op b for < <= > >=.
func Ordered(f *Frame, op syntax.Op, a, b point.Value) (truth, ok bool) {
	ka, kb := a.Kind(), b.Kind()
	if !isNumber(ka) {
		f.Failf("unsupported lhs data type: %s", TypeName(a))
		return false, false
	}
	if !isNumber(kb) {
		f.Failf("unsupported rhs data type: %s", TypeName(b))
		return false, false
	}
	if ka != point.KindFloat && kb != point.KindFloat {
		return compare(op, integer(a), integer(b)), true
	}
	x, _ := a.Number()
	y, _ := b.Number()
	return compare(op, x, y), true
}

func compare[T int64 | float64](op syntax.Op, x, y T) bool {
	switch op {
	case syntax.OpLt:
		return x < y
	case syntax.OpLe:
		return x <= y
	case syntax.OpGt:
		return x > y
	}
	return x >= y
}

// In returns whether a is in b.
func In(f *Frame, a, b point.Value) (truth, ok bool) {
	switch k := KindOf(b); k {
	case point.KindString, point.KindMap:
		if a.Kind() != point.KindString {
			f.Failf("unsupported lhs data type: %s", TypeName(a))
			return false, false
		}
		if k == point.KindString {
			return strings.Contains(b.Str(), a.Str()), f.Work(b.Len())
		}
		if doc, n := Doc(b); doc != nil {
			_, has := doc.Get(n, a.Str())
			return has, true
		}
		_, has := b.Map()[a.Str()]
		return has, true
	case point.KindList:
		a = NotVoid(a)
		for i, n := 0, Len(b); i < n; i++ {
			if equal, ok := f.DeepEqual(a, f.Element(b, i)); equal || !ok {
				return equal, ok
			}
		}
		return false, true
	}
	f.Failf("unsupported rhs data type: %s", TypeName(b))
	return false, false
}

// Element returns element i of a list, which it has.
func Element(list point.Value, i int) point.Value {
	if doc, n := Doc(list); doc != nil {
		return node(doc, doc.At(n, i))
	}
	return list.Items()[i]
}

// TruncateFloat returns the int that x is cut to; what fits no int64 becomes the smallest one.
func TruncateFloat(x float64) int64 {
	if x >= -(1<<63) && x < 1<<63 {
		return int64(x)
	}
	return math.MinInt64
}

package expr

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
	"github.com/expr-lang/expr/vm/runtime"

	"dataflow/engine"
	"dataflow/engine/point"
)

// checkTypes compiles the condition against the types of the names, only to see whether they fit.
func checkTypes(text string) error {
	texts := types.TypeOf(map[string]string{})
	_, err := exprlang.Compile(text, exprlang.AsBool(), exprlang.Env(types.Map{
		"name": types.String, "category": types.String, "time": types.Int,
		"tags": texts, "fields": types.TypeOf(map[string]any{}),
		"meta": types.Map{
			"topic": types.String, "partition": types.Int, "offset": types.Int, "timestamp": types.Int, "key": types.String, "headers": texts,
		},
	}))
	return err
}

// program is a part of a condition that expr-lang runs. Names are variables of its environment, filled in before
// each run; operators that would abort on a missing one, or misread an unsigned number, are calls of ours.
type program struct {
	code   *vm.Program
	names  []Name
	slots  []string
	runs   sync.Pool // of *run
	errors *atomic.Int64
}

// run is what one evaluation needs.
type run struct {
	machine vm.VM
	env     map[string]any
}

func (p *program) match(b *engine.Batch, i int) bool {
	r := p.runs.Get().(*run)
	defer p.runs.Put(r)
	for k, n := range p.names {
		r.env[p.slots[k]] = nil
		if v, ok := n.Value(b, i); ok {
			r.env[p.slots[k]] = toGo(v)
		}
	}
	result, err := r.machine.Run(p.code, r.env)
	clear(r.env) // its texts belong to the batch
	if err != nil {
		p.errors.Add(1)
		return false
	}
	yes, ok := result.(bool)
	if !ok && result != nil {
		p.errors.Add(1)
	}
	return yes
}

// general compiles a part of a condition with expr-lang.
func (b builder) general(n ast.Node) (matcher, error) {
	p := &program{errors: &b.compiled.errors}
	p.runs.New = func() any { return &run{env: make(map[string]any, len(p.slots))} }
	env := types.Map{}
	index := map[Name]string{}
	slotOf := func(name Name) ast.Node {
		slot, known := index[name]
		if !known {
			slot = "$" + strconv.Itoa(len(index)) // no text can name it
			index[name] = slot
			env[slot] = types.Any
			p.names, p.slots = append(p.names, name), append(p.slots, slot)
		}
		return &ast.IdentifierNode{Value: slot}
	}
	ast.Walk(&n, visitor(func(n *ast.Node) {
		if name, ok := nameOf(*n); ok {
			ast.Patch(n, slotOf(name))
		} else if in, ok := (*n).(*ast.BinaryNode); ok && in.Operator == "in" {
			if name, ok := keyIn(in); ok {
				ast.Patch(n, call("there()", slotOf(name)))
			}
		}
	}))
	ast.Walk(&n, visitor(replaceOperators))

	config := conf.CreateNew()
	for _, option := range append(functions(), exprlang.Env(env), exprlang.AsAny()) {
		option(config)
	}
	config.Check()
	tree := &parser.Tree{Node: n, Source: b.source}
	if _, err := new(checker.Checker).PatchAndCheck(tree, config); err != nil {
		return nil, err
	}
	if err := optimizer.Optimize(&tree.Node, config); err != nil {
		return nil, err
	}
	code, err := compiler.Compile(tree, config)
	if err != nil {
		return nil, err
	}
	p.code = code
	return p, nil
}

// functionOf names our functions for the operators of expr-lang.
var functionOf = map[string]string{
	"==": "equal()", "!=": "unequal()", "<": "less()", "<=": "less_equal()", ">": "greater()", ">=": "greater_equal()",
	"in": "in()", "contains": "contains()", "startsWith": "starts_with()", "endsWith": "ends_with()", "matches": "matches()",
	"+": "add()", "-": "subtract()", "*": "multiply()", "/": "divide()", "%": "modulo()", "**": "power()", "^": "power()",
}

func call(name string, args ...ast.Node) ast.Node {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
}

// replaceOperators turns an operator into a call, and asks for the truth where a condition stands.
func replaceOperators(n *ast.Node) {
	switch x := (*n).(type) {
	case *ast.BinaryNode:
		switch x.Operator {
		case "&&", "||", "and", "or":
			x.Left, x.Right = call("truth()", x.Left), call("truth()", x.Right)
			return
		}
		name, ok := functionOf[x.Operator]
		if !ok {
			return
		}
		operand, other := x.Left, x.Right
		if _, isNil := operand.(*ast.NilNode); isNil {
			operand, other = other, operand
		}
		if _, isNil := other.(*ast.NilNode); isNil && (x.Operator == "==" || x.Operator == "!=") {
			there := call("there()", operand)
			if x.Operator == "==" {
				there = &ast.UnaryNode{Operator: "!", Node: there}
			}
			ast.Patch(n, there)
			return
		}
		right := x.Right
		if text, isText := right.(*ast.StringNode); isText && x.Operator == "matches" {
			if re, err := regexp.Compile(text.Value); err == nil {
				right = &ast.ConstantNode{Value: re}
			}
		}
		ast.Patch(n, call(name, x.Left, right))
	case *ast.UnaryNode:
		switch x.Operator {
		case "!", "not":
			x.Node = call("truth()", x.Node)
		case "-":
			ast.Patch(n, call("negate()", x.Node))
		}
	case *ast.ConditionalNode:
		x.Cond = call("truth()", x.Cond)
	}
}

// functions are what stands for the operators. A nil operand is a name that the point lacks: a comparison is false,
// a sum is nil.
func functions() []exprlang.Option {
	compare := func(name string, op operator) exprlang.Option {
		return exprlang.Function(name, func(a ...any) (any, error) { return holdsAny(op, a[0], a[1]), nil }, new(func(any, any) bool))
	}
	text := func(name string, has func(s, part string) bool) exprlang.Option {
		return exprlang.Function(name, func(a ...any) (any, error) {
			s, ok := a[0].(string)
			part, also := a[1].(string)
			return ok && also && has(s, part), nil
		}, new(func(any, any) bool))
	}
	arithmetic := func(name string, f func(a, b any) any) exprlang.Option {
		return exprlang.Function(name, func(a ...any) (any, error) {
			if a[0] == nil || a[1] == nil {
				return nil, nil
			}
			return f(a[0], a[1]), nil // what does not go together panics; the machine makes an error of it
		}, new(func(any, any) any))
	}
	return []exprlang.Option{
		compare("equal()", equal), compare("unequal()", unequal), compare("less()", less), compare("less_equal()", lessEqual),
		compare("greater()", greater), compare("greater_equal()", greaterEqual),
		text("contains()", strings.Contains), text("starts_with()", strings.HasPrefix), text("ends_with()", strings.HasSuffix),
		arithmetic("add()", runtime.Add), arithmetic("subtract()", runtime.Subtract), arithmetic("multiply()", runtime.Multiply),
		arithmetic("divide()", func(a, b any) any { return runtime.Divide(a, b) }),
		arithmetic("modulo()", func(a, b any) any { return runtime.Modulo(a, b) }),
		arithmetic("power()", func(a, b any) any { return runtime.Exponent(a, b) }),
		exprlang.Function("negate()", func(a ...any) (any, error) {
			if a[0] == nil {
				return nil, nil
			}
			return runtime.Negate(a[0]), nil
		}, new(func(any) any)),
		exprlang.Function("truth()", func(a ...any) (any, error) {
			yes, ok := a[0].(bool)
			if !ok && a[0] != nil {
				return nil, fmt.Errorf("%T is neither true nor false", a[0])
			}
			return yes, nil
		}, new(func(any) bool)),
		exprlang.Function("there()", func(a ...any) (any, error) { return a[0] != nil, nil }, new(func(any) bool)),
		exprlang.Function("in()", func(a ...any) (any, error) { return isIn(a[0], a[1]), nil }, new(func(any, any) bool)),
		exprlang.Function("matches()", matchesAny, new(func(any, any) bool)),
	}
}

// holdsAny compares values of expr-lang, of which nil is one that is not there.
func holdsAny(op operator, a, b any) bool {
	if a == nil || b == nil {
		return false
	}
	x, ok := fromGo(a)
	y, also := fromGo(b)
	if ok && also {
		return op.holds(x, y)
	}
	switch op { // lists, maps, times
	case equal:
		return runtime.Equal(a, b)
	case unequal:
		return !runtime.Equal(a, b)
	case less:
		return runtime.Less(a, b)
	case lessEqual:
		return runtime.LessOrEqual(a, b)
	case greater:
		return runtime.More(a, b)
	}
	return runtime.MoreOrEqual(a, b)
}

func isIn(x, list any) bool {
	if x == nil || list == nil {
		return false
	}
	if items, ok := list.([]any); ok {
		for _, y := range items {
			if y != nil && holdsAny(equal, x, y) {
				return true
			}
		}
		return false
	}
	return runtime.In(x, list)
}

func matchesAny(a ...any) (any, error) {
	s, ok := a[0].(string)
	if !ok {
		return false, nil
	}
	switch re := a[1].(type) {
	case *regexp.Regexp:
		return re.MatchString(s), nil
	case string:
		compiled, err := regexp.Compile(re)
		return err == nil && compiled.MatchString(s), err
	}
	return false, nil
}

// toGo returns a value as expr-lang knows it.
func toGo(v point.Value) any {
	switch v.Kind() {
	case point.KindBool:
		return v.Bool()
	case point.KindInt:
		return int(v.Int())
	case point.KindUint:
		if u := v.Uint(); u > 1<<63-1 {
			return u
		}
		return int(v.Uint())
	case point.KindFloat:
		return v.Float()
	case point.KindString, point.KindBytes:
		return textOf(v)
	case point.KindList:
		items := make([]any, v.Len())
		for i, x := range v.Items() {
			items[i] = toGo(x)
		}
		return items
	case point.KindMap:
		m := make(map[string]any, v.Len())
		for k, x := range v.Map() {
			m[k] = toGo(x)
		}
		return m
	}
	return nil
}

// fromGo is the other way for what is compared by our own rules.
func fromGo(x any) (v point.Value, ok bool) {
	switch x := x.(type) {
	case bool:
		return point.Bool(x), true
	case int:
		return point.Int(int64(x)), true
	case int64:
		return point.Int(x), true
	case uint64:
		return point.Uint(x), true
	case float64:
		return point.Float(x), true
	case string:
		return point.String(x), true
	}
	return v, false
}

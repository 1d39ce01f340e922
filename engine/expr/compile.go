package expr

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// maxText bounds a condition. The parser of expr-lang recurses.
const maxText = 8 << 10

func compile(text string) (c *compiled, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, &diag.TextError{Message: "the condition is empty"}
	}
	if len(text) > maxText || !utf8.ValidString(text) {
		return nil, &diag.TextError{Message: "a condition is a text of at most " + strconv.Itoa(maxText) + " bytes of UTF-8"}
	}
	defer func() {
		if r := recover(); r != nil { // the library's parser and checker are not ours to trust with every text
			c, err = nil, &diag.TextError{Message: "this is no condition"}
		}
	}()
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, textError(text, err)
	}
	if err := checkNames(text, tree.Node); err != nil {
		return nil, err
	}
	if err := checkTypes(text); err != nil {
		return nil, textError(text, err)
	}
	c = &compiled{text: text}
	c.perBatch = true
	for _, n := range namesIn(tree.Node) { // before the builder changes the tree
		c.perBatch = c.perBatch && n.PerBatch()
	}
	b := builder{source: tree.Source, compiled: c}
	if c.match, err = b.build(tree.Node); err != nil {
		return nil, textError(text, err)
	}
	return c, nil
}

// textError translates an error of expr-lang, which counts characters, to one that counts bytes.
func textError(text string, err error) error {
	var at *file.Error
	if !errors.As(err, &at) {
		var own *diag.TextError
		if errors.As(err, &own) {
			return own
		}
		return &diag.TextError{Message: err.Error()}
	}
	message, _, _ := strings.Cut(at.Message, "\n")
	e := &diag.TextError{Start: byteOffset(text, at.From), End: byteOffset(text, at.To), Message: message}
	if strings.Contains(text, " = ") && !strings.Contains(text, "==") {
		e.Hint = "equality is =="
	} else if strings.HasPrefix(message, "unexpected token Identifier") {
		e.Hint = diag.DidYouMean(text[e.Start:e.End], []string{"startsWith", "endsWith", "contains", "matches", "in", "and", "or", "not"})
	}
	return e
}

func byteOffset(text string, runes int) int {
	for i := range text {
		if runes <= 0 {
			return i
		}
		runes--
	}
	return len(text)
}

// visitor calls a function for every node, those below first.
type visitor func(*ast.Node)

// Visit implements ast.Visitor.
func (v visitor) Visit(n *ast.Node) { v(n) }

// nameOf returns the name that a node reads.
func nameOf(n ast.Node) (name Name, ok bool) {
	switch n := n.(type) {
	case *ast.ChainNode: // tags?.env
		return nameOf(n.Node)
	case *ast.IdentifierNode:
		if n.Value == "tags" || n.Value == "fields" || n.Value == "meta" {
			return name, false
		}
		name, err := ParseName(n.Value)
		return name, err == nil
	case *ast.MemberNode:
		key, isText := n.Property.(*ast.StringNode)
		if !isText || n.Method {
			return name, false
		}
		prefix, ok := holderOf(n.Node)
		if !ok {
			return name, false
		}
		name, err := ParseName(prefix + "." + key.Value)
		return name, err == nil
	}
	return name, false
}

// holderOf returns tags, fields, meta or meta.headers, where a node is that.
func holderOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.ChainNode:
		return holderOf(n.Node)
	case *ast.IdentifierNode:
		return n.Value, n.Value == "tags" || n.Value == "fields" || n.Value == "meta"
	case *ast.MemberNode:
		key, ok := n.Property.(*ast.StringNode)
		if outer, isMeta := holderOf(n.Node); ok && isMeta && outer == "meta" && key.Value == "headers" {
			return "meta.headers", true
		}
	}
	return "", false
}

func namesIn(root ast.Node) (names []Name) {
	ast.Walk(&root, visitor(func(n *ast.Node) {
		if name, ok := nameOf(*n); ok {
			names = append(names, name)
		} else if b, ok := (*n).(*ast.BinaryNode); ok && b.Operator == "in" {
			if name, ok := keyIn(b); ok {
				names = append(names, name)
			}
		}
	}))
	return names
}

// keyIn returns the name of `"env" in tags`.
func keyIn(n *ast.BinaryNode) (Name, bool) {
	key, isText := n.Left.(*ast.StringNode)
	prefix, ok := holderOf(n.Right)
	if !isText || !ok {
		return Name{}, false
	}
	name, err := ParseName(prefix + "." + key.Value)
	return name, err == nil
}

// checkNames finds unknown names before expr-lang does, which has no suggestions, and holders (tags, fields) that
// stand for themselves.
func checkNames(text string, root ast.Node) error {
	fine := map[ast.Node]bool{} // what is a part of something that was understood
	var declared []string
	ast.Walk(&root, visitor(func(n *ast.Node) {
		switch n := (*n).(type) {
		case *ast.CallNode:
			fine[n.Callee] = true
		case *ast.VariableDeclaratorNode:
			declared = append(declared, n.Name)
		case *ast.MemberNode:
			_, key := n.Property.(*ast.StringNode)
			if _, holder := holderOf(n.Node); holder && key {
				fine[n.Node] = true
			}
		case *ast.ChainNode:
			_, holder := holderOf(n)
			fine[n.Node] = holder
		case *ast.BinaryNode:
			if _, ok := keyIn(n); ok && n.Operator == "in" {
				fine[n.Right] = true
			}
		}
	}))
	var wrong error
	ast.Walk(&root, visitor(func(n *ast.Node) {
		if wrong != nil || fine[*n] {
			return
		}
		at := (*n).Location()
		fail := func(message, hint string) {
			wrong = &diag.TextError{Start: byteOffset(text, at.From), End: byteOffset(text, at.To), Message: message, Hint: hint}
		}
		switch n := (*n).(type) {
		case *ast.BinaryNode:
			if n.Operator == ".." { // nothing of a point needs a range, and nested ones run for ever
				fail("a range has no place in a condition", "write x >= 1 && x <= 9")
			}
		case *ast.IdentifierNode:
			if _, ok := nameOf(n); ok {
				return
			}
			for _, d := range declared {
				if d == n.Value {
					return
				}
			}
			if _, ok := holderOf(n); ok {
				fail(n.Value+" stands for nothing by itself", "write "+n.Value+".KEY, with a KEY that is a constant")
				return
			}
			fail(strconv.Quote(n.Value)+" is no name", nameHint(n.Value))
		case *ast.MemberNode:
			if _, ok := nameOf(n); ok {
				return
			}
			if _, ok := holderOf(n); ok {
				fail("meta.headers stands for nothing by itself", "write meta.headers.KEY")
			} else if holder, ok := holderOf(n.Node); ok {
				if key, isText := n.Property.(*ast.StringNode); isText && holder == "meta" {
					fail(strconv.Quote("meta."+key.Value)+" is no name", nameHint("meta."+key.Value))
				}
			}
		}
	}))
	return wrong
}

// builder makes matchers of a syntax tree.
type builder struct {
	source   file.Source
	compiled *compiled
}

func (b builder) build(n ast.Node) (matcher, error) {
	switch n := n.(type) {
	case *ast.BoolNode:
		return always(n.Value), nil
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			x, err := b.build(n.Node)
			return not{x}, err
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&", "and":
			x, y, err := b.both(n)
			return all{x, y}, err
		case "||", "or":
			x, y, err := b.both(n)
			return either{x, y}, err
		}
		m, err := byHand(n)
		if m != nil || err != nil {
			return m, err
		}
	}
	if name, ok := nameOf(n); ok {
		return flag{name}, nil
	}
	return b.general(n)
}

func (b builder) both(n *ast.BinaryNode) (x, y matcher, err error) {
	if x, err = b.build(n.Left); err != nil {
		return nil, nil, err
	}
	y, err = b.build(n.Right)
	return x, y, err
}

// byHand compiles a comparison of names and constants, nil if it is something else.
func byHand(n *ast.BinaryNode) (matcher, error) {
	left, isName := nameOf(n.Left)
	if op, ok := operators[n.Operator]; ok {
		right, alsoName := nameOf(n.Right)
		switch {
		case isName && alsoName:
			return withName{left, op, right}, nil
		case isName:
			return comparison(left, op, n.Right), nil
		case alsoName:
			return comparison(right, mirrored[op], n.Left), nil
		}
		return nil, nil
	}
	if n.Operator == "in" {
		if name, ok := keyIn(n); ok {
			return present{name, true}, nil
		}
	}
	if !isName {
		return nil, nil
	}
	if n.Operator == "in" {
		return membership(left, n.Right), nil
	}
	text, isText := n.Right.(*ast.StringNode)
	if !isText {
		return nil, nil
	}
	if has := parts[n.Operator]; has != nil {
		return part{left, has, text.Value}, nil
	}
	if n.Operator == "matches" {
		re, err := regexp.Compile(text.Value)
		if err != nil {
			at := n.Right.Location()
			return nil, &file.Error{Location: at, Message: err.Error()}
		}
		return pattern{left, re}, nil
	}
	return nil, nil
}

func comparison(name Name, op operator, right ast.Node) matcher {
	if _, ok := right.(*ast.NilNode); ok && (op == equal || op == unequal) {
		return present{name, op == unequal}
	}
	v, ok := constant(right)
	switch {
	case !ok:
		return nil
	case isText(v) && (op == equal || op == unequal):
		return withText{name, v.Str(), op == equal}
	}
	return withConst{name, op, v}
}

func membership(name Name, list ast.Node) matcher {
	array, ok := list.(*ast.ArrayNode)
	if !ok {
		return nil
	}
	m := oneOf{name: name, texts: map[string]struct{}{}}
	for _, x := range array.Nodes {
		v, ok := constant(x)
		if !ok {
			return nil
		}
		if isText(v) {
			m.texts[v.Str()] = struct{}{}
		} else {
			m.others = append(m.others, v)
		}
	}
	return m
}

func constant(n ast.Node) (v point.Value, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return point.String(n.Value), true
	case *ast.IntegerNode:
		return point.Int(int64(n.Value)), true
	case *ast.FloatNode:
		return point.Float(n.Value), true
	case *ast.BoolNode:
		return point.Bool(n.Value), true
	case *ast.UnaryNode:
		x, ok := constant(n.Node)
		switch {
		case ok && n.Operator == "-" && x.Kind() == point.KindInt:
			return point.Int(-x.Int()), true
		case ok && n.Operator == "-" && x.Kind() == point.KindFloat:
			return point.Float(-x.Float()), true
		}
	}
	return v, false
}

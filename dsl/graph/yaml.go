package graph

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"

	"dataflow/engine/diag"
)

// Bounds on a file, far above what people write. The YAML library takes quadratic time in the entries of a
// mapping and in the depth of flow collections, and aliases multiply.
const (
	maxBytes  = 1 << 20
	maxTokens = 50_000
	maxDepth  = 100
	maxValues = 100_000
)

// parseYAML reads one file into a tree. The tree is nil if the text is no YAML; the diagnostics of what it
// can read around (duplicate keys, unknown aliases) come beside a tree.
func parseYAML(file string, src []byte) (root *value, list diag.List) {
	whole := func(format string, a ...any) diag.List {
		return diag.List{{Pos: diag.Pos{File: file}, Message: fmt.Sprintf(format, a...)}}
	}
	src = bytes.TrimPrefix(src, []byte("\uFEFF"))
	if len(src) > maxBytes {
		return nil, whole("the file is larger than %d bytes", maxBytes)
	}
	if !utf8.Valid(src) {
		good := 0
		for r, size := utf8.DecodeRune(src); r != utf8.RuneError || size > 1; r, size = utf8.DecodeRune(src[good:]) {
			good += size
		}
		line := 1 + bytes.Count(src[:good], []byte("\n"))
		col := 1 + utf8.RuneCount(src[bytes.LastIndexByte(src[:good], '\n')+1:good])
		return nil, diag.List{{Pos: diag.Pos{File: file, Line: line, Col: col}, Message: "the file is not UTF-8 from here on"}}
	}
	defer func() {
		if r := recover(); r != nil { // the library's parser is not ours to trust with every text
			root, list = nil, whole("this is no YAML: %v", r)
		}
	}()
	c := &converter{file: file, anchors: map[string]*value{}, budget: maxValues}
	tokens, tooLarge := tokenize(src)
	if tooLarge != nil {
		d := c.at(tooLarge).errorf("the file has too many values or is nested too deeply from here on")
		return nil, diag.List{d}
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, diag.List{c.syntax(err, src)}
	}
	for _, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		v := c.convert(doc.Body, 0)
		if root != nil {
			c.errorAt(v, "a file holds one document, this is a second one")
			break
		}
		root = v
	}
	if root == nil {
		root = &value{pos: diag.Pos{File: file, Line: 1, Col: 1}}
	}
	return root, c.list
}

// tokenize returns the tokens of src, or the one at which a bound is exceeded.
func tokenize(src []byte) (tokens token.Tokens, tooLarge *token.Token) {
	var s scanner.Scanner
	s.Init(string(src))
	depth, run := 0, 0
	var open []token.Type // of the flow collections around
	for {
		some, err := s.Scan()
		if errors.Is(err, io.EOF) {
			return tokens, nil
		}
		for _, t := range some {
			switch t.Type {
			case token.SequenceStartType, token.MappingStartType:
				depth++
				open = append(open, t.Type)
			case token.SequenceEndType, token.MappingEndType:
				depth--
				open = open[:max(len(open)-1, 0)]
			}
			if t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType {
				run++
			} else {
				run = 0
			}
			if depth > maxDepth || run > maxDepth || len(tokens) > maxTokens {
				return nil, t
			}
			if n := len(tokens); n >= 2 && len(open) > 0 && open[len(open)-1] == token.SequenceStartType && torn(tokens[n-2], tokens[n-1], t) {
				key := tokens[n-2]
				t = token.String(key.Value+":"+t.Value, key.Origin+":"+t.Origin, key.Position)
				tokens = tokens[:n-2]
			}
			tokens.Add(t)
		}
	}
}

// torn reports whether the library has made a pair of one plain scalar: in a sequence inside of a flow mapping,
// as in {brokers: [localhost:9092]}, it takes every colon for that of a pair. YAML wants a blank behind it.
func torn(key, colon, value *token.Token) bool {
	plain := func(t *token.Token) bool {
		return t.Type == token.StringType || t.Type == token.IntegerType || t.Type == token.FloatType
	}
	return plain(key) && colon.Type == token.MappingValueType && plain(value) &&
		key.Position.Line == value.Position.Line &&
		colon.Position.Column == key.Position.Column+utf8.RuneCountInString(key.Value) &&
		value.Position.Column == colon.Position.Column+1
}

// converter turns the library's tree into ours.
type converter struct {
	file    string
	anchors map[string]*value
	budget  int
	list    diag.List
}

func (c *converter) errorAt(v *value, format string, a ...any) {
	c.list = append(c.list, v.errorf(format, a...))
}

// syntax translates the library's error.
func (c *converter) syntax(err error, src []byte) diag.Diagnostic {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return diag.Diagnostic{Pos: diag.Pos{File: c.file}, Message: "this is no YAML: " + err.Error()}
	}
	d := c.at(at.GetToken()).errorf("this is no YAML: %s", at.GetMessage())
	d.EndCol = 0
	lines := bytes.Split(src, []byte("\n"))
	if d.Line < 1 || d.Line > len(lines) {
		return d
	}
	switch line := string(lines[d.Line-1]); {
	case strings.Contains(at.GetMessage(), "'\t'"):
		d.Message, d.Hint = "this is no YAML: a tab", "indent with spaces"
	case strings.Contains(line, "${") && strings.ContainsAny(at.GetMessage(), "{}[]"):
		d.Hint = `inside of { } and [ ] a text with ${...} needs quotes: "${NAME}"`
	case strings.Contains(at.GetMessage(), "reserved character"):
		d.Hint = "put the text in quotes"
	}
	return d
}

// at returns an empty value at the position of a token.
func (c *converter) at(t *token.Token) *value {
	v := &value{pos: diag.Pos{File: c.file}}
	if t == nil || t.Position == nil {
		return v
	}
	v.pos.Line, v.pos.Col = t.Position.Line, t.Position.Column
	if text := strings.TrimSpace(t.Origin); text != "" && !strings.Contains(text, "\n") {
		v.end = v.pos.Col + utf8.RuneCountInString(text)
	}
	return v
}

func (c *converter) convert(n ast.Node, depth int) *value {
	if c.budget--; c.budget < 0 || depth > maxDepth {
		v := &value{pos: diag.Pos{File: c.file}}
		if n != nil {
			v = c.at(n.GetToken())
		}
		if c.budget == -1 || depth > maxDepth {
			c.errorAt(v, "the file has too many values or is nested too deeply from here on")
		}
		return v
	}
	switch n := n.(type) {
	case nil:
		return &value{pos: diag.Pos{File: c.file}}
	case *ast.StringNode:
		v := c.at(n.Token)
		v.kind, v.text, v.plain = scalar, n.Value, n.Token.Type == token.StringType
		return v
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		v := c.at(n.GetToken())
		v.kind, v.text, v.plain = scalar, n.GetToken().Value, true
		return v
	case *ast.LiteralNode:
		v := c.at(n.Start)
		v.kind, v.text = scalar, n.Value.Value
		v.lines = 1 + strings.Count(strings.TrimRight(n.Value.GetToken().Origin, " \n"), "\n")
		return v
	case *ast.MappingNode:
		v := c.at(n.Start)
		v.kind = mapping
		c.entries(v, n.Values, depth)
		if !n.IsFlowStyle && len(v.keys) > 0 { // the library puts a block mapping at its first colon
			v.pos, v.end = v.keys[0].pos, v.keys[0].end
		}
		return v
	case *ast.MappingValueNode:
		v := c.at(n.Start)
		v.kind = mapping
		c.entries(v, []*ast.MappingValueNode{n}, depth)
		return v
	case *ast.SequenceNode:
		v := c.at(n.Start)
		v.kind = sequence
		for _, x := range n.Values {
			v.items = append(v.items, c.convert(x, depth+1))
		}
		return v
	case *ast.AnchorNode:
		v := c.convert(n.Value, depth+1)
		c.anchors[n.Name.GetToken().Value] = v
		return v
	case *ast.AliasNode:
		return c.alias(n)
	case *ast.TagNode:
		return c.tag(n, depth)
	}
	return c.at(n.GetToken())
}

func (c *converter) alias(n *ast.AliasNode) *value {
	at, name := c.at(n.Start), n.Value.GetToken().Value
	if at.end > 0 {
		at.end = at.pos.Col + 1 + utf8.RuneCountInString(name)
	}
	from, ok := c.anchors[name]
	if !ok {
		names := make([]string, 0, len(c.anchors))
		for a := range c.anchors {
			names = append(names, a)
		}
		d := at.errorf("the anchor %q is not known here", name)
		d.Hint = didYouMean(name, names)
		c.list = append(c.list, d)
		return at
	}
	v := from.clone(&c.budget)
	if v == nil {
		c.errorAt(at, "the aliases of this file stand for too many values")
		return at
	}
	return v
}

// tag accepts the tags of YAML's own types, which say what the options' types say already.
func (c *converter) tag(n *ast.TagNode, depth int) *value {
	v := c.convert(n.Value, depth+1)
	switch name := n.Start.Value; name {
	case "!!str":
		v.plain = false
		if v.kind == null {
			v.kind = scalar
		}
	case "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
	default:
		c.errorAt(c.at(n.Start), "the tag %s is not known", name)
	}
	return v
}

func (c *converter) entries(v *value, entries []*ast.MappingValueNode, depth int) {
	var merged []*value
	for _, e := range entries {
		if e.Key != nil && e.Key.IsMergeKey() {
			merged = append(merged, c.merge(e.Value, depth)...)
			continue
		}
		k, ok := c.key(e.Key, depth)
		x := c.convert(e.Value, depth+1)
		if !ok {
			continue
		}
		if x.pos.Line == 0 {
			x.pos, x.end = k.pos, k.end
		}
		if i := v.index(k.name); i >= 0 {
			d := k.errorf("the key %q stands here twice", k.name)
			d.Hint = fmt.Sprintf("the first one is in line %d", v.keys[i].pos.Line)
			c.list = append(c.list, d)
			continue
		}
		v.keys, v.items = append(v.keys, k), append(v.items, x)
	}
	for _, m := range merged { // what stands in the mapping itself wins, then what was merged first
		for i, k := range m.keys {
			if v.index(k.name) < 0 {
				v.keys, v.items = append(v.keys, k), append(v.items, m.items[i])
			}
		}
	}
}

// merge returns the mappings that a merge key names.
func (c *converter) merge(n ast.Node, depth int) []*value {
	v := c.convert(n, depth+1)
	list := []*value{v}
	if v.kind == sequence {
		list = v.items
	}
	for _, m := range list {
		if m.kind != mapping {
			if m.kind != null || len(c.list) == 0 { // an unknown alias was reported
				c.errorAt(m, "a merge key (<<) wants an alias of a mapping")
			}
			return nil
		}
	}
	return list
}

func (c *converter) key(n ast.MapKeyNode, depth int) (key, bool) {
	var node ast.Node = n
	if q, ok := n.(*ast.MappingKeyNode); ok {
		node = q.Value
	}
	v := c.convert(node, depth+1)
	if v.kind == null && node != nil && node.GetToken() != nil { // a key like `null` is a text all the same
		v.kind, v.text = scalar, node.GetToken().Value
	}
	if v.kind != scalar {
		c.errorAt(v, "a key must be a text")
		return key{}, false
	}
	return key{name: v.text, pos: v.pos, end: v.end}, true
}

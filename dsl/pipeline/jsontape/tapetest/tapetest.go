// Package tapetest compares what scripts read from a JSON text by and by, without building a tree of it, with what they
// read from the whole tree, and the tree with what package encoding/json makes of the text.
package tapetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"dataflow/dsl/pipeline/compile"
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/grok"
	"dataflow/dsl/pipeline/jsontape"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// bodies are what is done with a chain of indexes, which stands for %s.
var bodies = []string{
	"add_key(v, d%s)",
	"x = d%s\nadd_key(v, x[\"a\"])\nadd_key(w, x[-1])",
	"add_key(n, d%s == nil)\nadd_key(t, \"a\" in d%[1]s)",
	"if d%s { add_key(t, 1) }",
	"for x in d%s { add_key(v, x) }",
	"x = d%s\nadd_key(v, x[0:2])\nadd_key(w, x == d%[1]s)\nadd_key(u, [x, {\"k\": x}])",
	"v = d%s\nset_tag(v, v)\ncast(v, \"int\")",
}

// mutates makes a script load JSON as trees.
const mutates = "\nm = {}\nm[\"x\"] = 1"

// Compare makes n random texts, most of them JSON, some with changed bytes, and runs a script on each, once with the text
// as it is and once with the tree. The error is the first difference.
func Compare(seed uint64, n int) error {
	const textsPerScript = 50 // compiling takes longer than running
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	c := newComparison()
	for i := range n {
		if i%textsPerScript == 0 {
			if err := c.compile(fmt.Sprintf(bodies[g.IntN(len(bodies))], g.chain())); err != nil {
				return err
			}
		}
		if err := c.text(g.text()); err != nil {
			return fmt.Errorf("text %d of seed %d: %w", i, seed, err)
		}
	}
	return nil
}

type comparison struct {
	script     string
	lazy, full *eval.Program
	lazyFrame  *eval.Frame
	fullFrame  *eval.Frame
	doc        jsontape.Doc
}

func newComparison() *comparison {
	frame := func() *eval.Frame { return eval.NewFrame(eval.Limits{}, time.Now, time.UTC) }
	return &comparison{lazyFrame: frame(), fullFrame: frame()}
}

func (c *comparison) compile(body string) error {
	c.script = "d = load_json(_)\n" + body
	for _, x := range []struct {
		prog **eval.Program
		text string
	}{{&c.lazy, c.script}, {&c.full, c.script + mutates}} {
		prog, errs := compile.Compile(&syntax.Source{Text: x.text}, compile.Options{Patterns: grok.Builtin()})
		if len(errs) > 0 {
			return fmt.Errorf("compiling %q: %w", x.text, errs)
		}
		*x.prog = prog
	}
	return nil
}

// text compares the ways to read one text.
func (c *comparison) text(text string) error {
	lazy, full := outcome(c.lazyFrame, c.lazy, text), outcome(c.fullFrame, c.full, text)
	if lazy != full {
		return fmt.Errorf("script %q on %q: lazily %s, from the tree %s", c.script, text, lazy, full)
	}
	return judge(&c.doc, text)
}

func outcome(f *eval.Frame, prog *eval.Program, text string) string {
	var room [8]point.Field
	p := point.Point{Fields: append(room[:0], point.Field{Key: "message", Value: point.String(text)})}
	var b []byte
	if err := f.Run(prog, &p); err != nil {
		b = append(b, err.Error()...)
	}
	for _, x := range p.Fields[1:] {
		b = append(append(append(b, ' '), x.Key...), " = "...)
		b = append(append(point.AppendJSON(b, x.Value), ' '), x.Value.Kind().String()...)
	}
	return string(b)
}

// judge parses the text and compares the document with its tree, and the tree with that of encoding/json. Known
// differences are left out: leading zeros, control characters in strings, nesting.
func judge(doc *jsontape.Doc, text string) error {
	err := doc.Parse(text)
	var want any
	wantErr := json.Unmarshal([]byte(text), &want)
	if err != nil {
		if wantErr == nil && strings.Count(text, "[")+strings.Count(text, "{") <= jsontape.MaxDepth {
			return fmt.Errorf("%q is refused, %w; encoding/json accepts it", text, err)
		}
		return nil
	}
	if wantErr != nil {
		if !hasControl(text) && !hasLeadingZero(text) {
			return fmt.Errorf("%q is accepted; encoding/json: %w", text, wantErr)
		}
		return nil
	}
	tree := doc.Value(0)
	if utf8.ValidString(text) {
		if got := plain(tree); !reflect.DeepEqual(got, want) {
			return fmt.Errorf("%q is %v; encoding/json: %v", text, got, want)
		}
	}
	return walk(doc, 0, tree)
}

// walk compares a node with its tree.
func walk(d *jsontape.Doc, n jsontape.Node, v point.Value) error {
	if d.Kind(n) != v.Kind() || d.Len(n) != v.Len() {
		return fmt.Errorf("%s reads as %v of length %d, its tree as %v of length %d", d.Raw(n), d.Kind(n), d.Len(n), v.Kind(), v.Len())
	}
	switch v.Kind() {
	case point.KindList:
		for i, x := range v.Items() {
			if err := walk(d, d.At(n, i), x); err != nil {
				return err
			}
		}
	case point.KindMap:
		for k, x := range v.Map() {
			m, ok := d.Get(n, k)
			if !ok {
				return fmt.Errorf("%s has no key %q, its tree has", d.Raw(n), k)
			}
			if err := walk(d, m, x); err != nil {
				return err
			}
		}
	default:
		if text := d.AppendString(nil, n); !d.Value(n).Equal(v) || string(text) != v.Str() {
			return fmt.Errorf("%s reads as %q, its tree as %q", d.Raw(n), text, v.Str())
		}
	}
	return nil
}

// plain returns v as encoding/json decodes it.
func plain(v point.Value) any {
	switch v.Kind() {
	case point.KindBool:
		return v.Bool()
	case point.KindFloat:
		return v.Float()
	case point.KindString:
		return v.Str()
	case point.KindList:
		items := make([]any, 0, v.Len())
		for _, x := range v.Items() {
			items = append(items, plain(x))
		}
		return items
	case point.KindMap:
		m := make(map[string]any, v.Len())
		for k, x := range v.Map() {
			m[k] = plain(x)
		}
		return m
	}
	return nil
}

func hasControl(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) }

// hasLeadingZero reports whether a 0 stands before a digit where no digit, point or exponent precedes it.
func hasLeadingZero(s string) bool {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '0' && s[i+1]-'0' <= 9 && (i == 0 || !strings.ContainsRune("0123456789.eE+", rune(s[i-1]))) {
			return true
		}
	}
	return false
}

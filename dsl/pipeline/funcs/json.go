package funcs

import (
	"strings"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/jsontape"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "load_json",
	Group:   OnData,
	Summary: "Yields what a JSON text says; numbers are floats. Text that is no JSON gives nil.",
	Result:  "any",
	Params:  []Param{{Name: "text", Kind: Value}},
	Doc: "Numbers are always floats, so that integers beyond 2^53 lose digits. A missing key ends a chain of indexes with nil; an index " +
		"into what is no list or map fails. Text that is no JSON, or has more behind the value, yields nil: test for it before " +
		"an index. Of equal keys the last one counts.\n\nThe text is checked as a whole but only what is asked for is read, so that a long chain costs " +
		"little more than a short one.\n\nNumbers with leading zeros and raw control characters in a text are read, although they are no JSON: `valid_json` is strict.",
	Examples: []Example{
		{Script: "d = load_json(_)\nadd_key(x, d[\"a\"][\"b\"][-1])\nadd_key(l, d[\"a\"])", Message: `{"a": {"b": [1, 2]}}`,
			Want: "x=2.0\nl=\"{\\\"b\\\":[1,2]}\""},
		{Script: "d = load_json(_)\nif d == nil { add_key(kind, \"text\"); exit() }\nadd_key(kind, \"json\")", Message: "plain text",
			Want: "kind=\"text\""},
		{Script: "d = load_json(_)\nadd_key(none, d[\"x\"][\"y\"])\nfor item in d[\"items\"] { add_key(sku, item[\"sku\"]) }\nadd_key(n, len(d[\"items\"]))",
			Message: `{"items": [{"sku": "x1"}, {"sku": "y9"}]}`, Want: "none=nil\nsku=\"y9\"\nn=2"},
		{Script: "d = load_json(_)\nadd_key(id, d[\"id\"])\nadd_key(bad, d[\"id\"][\"x\"])", Message: `{"id": 12345678901234567}`,
			Want: "error 3:21: unindexable data type: float\nid=1.2345678901234568e+16"},
	},
	Bind: func(c *Call) eval.Expr {
		value, asTree := c.Value(0), c.Mutates()
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := value(f)
			if !ok {
				return failed()
			}
			if v.Kind() != point.KindString {
				return f.Failf("load_json: the argument is not str but %s", eval.TypeName(v))
			}
			if !f.Spend(v.Len()) {
				return failed()
			}
			return f.LoadJSON(v.Str(), asTree), true
		}
	},
})

// jsonStep is a step of a path: a member, or an element if isIndex is set.
type jsonStep struct {
	key     string
	index   int
	isIndex bool
}

// jsonWalk is a path as it is followed: keys, then an element, then keys again and so on.
type jsonWalk struct {
	keys  []string
	index int
	last  bool // there is no element behind the keys
}

var _ = declare(Decl{
	Name:    "json",
	Group:   OnData,
	Summary: "Takes one value out of the JSON text of a key and writes it to another key. What is not there writes nothing.",
	Params: []Param{
		{Name: "input", Kind: Key},
		{Name: "json_path", Kind: Path, Summary: "`a.b[0].c`, `.[1].x` for a list at the root"},
		{Name: "newkey", Kind: Key, Optional: true, Summary: "by default the text of the path; of a path like `a[0]`, the empty text"},
		{Name: "trim_space", Kind: Flag, Optional: true, Summary: "strip white space from a text, by default true"},
		{Name: "delete_after_extract", Kind: Flag, Optional: true, Summary: "remove the value from the JSON text"},
	},
	Named: true,
	Examples: []Example{
		{Script: "json(_, a.b[-1], x)\njson(_, `k-y`)\njson(_, a, all)", Message: `{"a": {"b": [1, " two "]}, "k-y": 3}`,
			Want: "x=\"two\"\nk-y=3.0\nall=\"{\\\"b\\\":[1,\\\" two \\\"]}\""},
		{Script: "json(_, a.b, x, true, true)", Message: `{"c": 1, "a": {"b": 2}}`,
			Want: "message=\"{\\\"a\\\":{},\\\"c\\\":1}\"\nx=2.0"},
		{Script: "json(_, .[1].n, second)\njson(_, .[7].n, none)\njson(_, .[0].s, raw, trim_space=false)", Message: `[{"s": " a "}, {"n": 2}]`,
			Want: "second=2.0\nraw=\" a \""},
	},
	Bind: bindJSON,
})

func bindJSON(c *Call) eval.Expr {
	steps, ok := jsonPath(nil, c.Arg(1))
	if !ok {
		c.Fault(1, "the argument json_path must be %v", Path)
		return nil
	}
	walks := jsonWalks(steps)
	key, read := c.Key(0), c.Read(0)
	target, _ := syntax.PathText(c.Arg(1))
	if c.Has(2) {
		target = c.Key(2)
	}
	trim, del := c.Flag(3, true), c.Flag(4, false)
	if isIndex := steps[len(steps)-1].isIndex; c.Has(4) && del == isIndex {
		if isIndex {
			c.Fault(4, "an element of a list cannot be deleted")
		} else {
			c.Fault(4, "delete_after_extract is true or left out")
		}
		return nil
	}
	return func(f *eval.Frame) (point.Value, bool) {
		text, known, ok := readText(f, read)
		if !known || !ok {
			return wrote(ok)
		}
		if !f.Work(len(text)) {
			return failed()
		}
		doc, ok := f.Parse(text)
		if !ok {
			return done()
		}
		n, ok := findNode(doc, walks)
		if !ok {
			return done()
		}
		v := doc.Value(n)
		if trim && v.Kind() == point.KindString {
			v = point.String(strings.TrimSpace(v.Str()))
		}
		if !del {
			return wrote(f.Write(target, v))
		}
		if !f.Spend(len(text)) {
			return failed()
		}
		root := doc.Value(0)
		deletePath(root, steps)
		rest, ok := f.Text(root)
		return wrote(ok && f.Write(key, point.String(rest)) && f.Write(target, v))
	}
}

// jsonPath takes a path apart, from its first step on.
func jsonPath(steps []jsonStep, x syntax.Expr) ([]jsonStep, bool) {
	switch x := x.(type) {
	case *syntax.Ident:
		return append(steps, jsonStep{key: x.Name}), true
	case *syntax.Attr:
		steps, ok := jsonPath(steps, x.X)
		if !ok {
			return nil, false
		}
		return jsonPath(steps, x.Y)
	case *syntax.Index:
		if x.X != nil {
			steps = append(steps, jsonStep{key: x.X.Name})
		}
		for _, step := range x.Steps {
			l, ok := step.X.(*syntax.Literal)
			if !ok || l.Val.Kind() != point.KindInt {
				return nil, false
			}
			steps = append(steps, jsonStep{index: int(l.Val.Int()), isIndex: true})
		}
		return steps, true
	}
	return nil, false
}

// jsonWalks returns how the steps are followed.
func jsonWalks(steps []jsonStep) []jsonWalk {
	walks := []jsonWalk{{last: true}}
	for _, s := range steps {
		w := &walks[len(walks)-1]
		if s.isIndex {
			w.index, w.last = s.index, false
			walks = append(walks, jsonWalk{last: true})
		} else {
			w.keys = append(w.keys, s.key)
		}
	}
	return walks
}

// findNode follows the path. It reports false where a step is missing, and for null.
func findNode(doc *jsontape.Doc, walks []jsonWalk) (n jsontape.Node, ok bool) {
	for i := range walks {
		w := &walks[i]
		if len(w.keys) > 0 {
			var steps int
			if n, steps = doc.Walk(n, w.keys); steps < len(w.keys) {
				return 0, false
			}
		}
		if w.last {
			break
		}
		if doc.Kind(n) != point.KindList {
			return 0, false
		}
		at, size := w.index, doc.Len(n)
		if at < 0 {
			at += size
		}
		if at < 0 || at >= size {
			return 0, false
		}
		n = doc.At(n, at)
	}
	return n, doc.Kind(n) != point.KindNil
}

// deletePath removes the member that the path, which exists, leads to.
func deletePath(v point.Value, steps []jsonStep) {
	last := len(steps) - 1
	for _, s := range steps[:last] {
		if s.isIndex {
			items := v.Items()
			v = items[(s.index+len(items))%len(items)]
		} else {
			v = v.Map()[s.key]
		}
	}
	delete(v.Map(), steps[last].key)
}

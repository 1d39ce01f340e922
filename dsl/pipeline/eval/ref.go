package eval

import (
	"unsafe"

	"dataflow/dsl/pipeline/jsontape"
	"dataflow/engine/point"
)

// Doc returns the document of a reference and the place in it, nil if v is no reference.
func Doc(v point.Value) (*jsontape.Doc, jsontape.Node) {
	doc, pos := v.Ref()
	return (*jsontape.Doc)(doc), jsontape.Node(pos)
}

// maxDocs bounds the documents that a run keeps parsed. A script that parses more, in a loop, gets trees.
const maxDocs = 16

// LoadJSON returns what the JSON text says, nil if it is none. Lists and maps come as references into a
// document, which lives until the next run, or as a tree if asTree is set.
func (f *Frame) LoadJSON(text string, asTree bool) point.Value {
	doc := &f.plain.doc
	if !asTree && f.used < maxDocs {
		if f.used == len(f.docs) {
			f.docs = append(f.docs, &jsontape.Doc{Depth: f.limits.Depth})
		}
		doc = f.docs[f.used]
	}
	isPlain := doc == &f.plain.doc
	if isPlain {
		f.plain.text = ""
	}
	if doc.Parse(text) != nil {
		return point.Nil()
	}
	if k := doc.Kind(0); isPlain || k != point.KindList && k != point.KindMap {
		return doc.Value(0)
	}
	f.used++
	return f.Node(doc, 0)
}

// Tree returns what v stands for, as [Tree] does, and pays for what it makes. ok is false, with an error, if the budget
// is used up.
func (f *Frame) Tree(v point.Value) (tree point.Value, ok bool) {
	if doc, n := Doc(v); doc != nil && !f.Spend(len(doc.Raw(n))) {
		return point.Nil(), false
	}
	return Tree(v), true
}

// read is a document that is good until the next call of a function, and what it was made of.
type read struct {
	doc  jsontape.Doc
	text string
	ok   bool
}

// Parse parses a text that is read at once: the document is good until the next call of a function. Scripts take one value after the other
// out of the same text, which is parsed once.
func (f *Frame) Parse(text string) (doc *jsontape.Doc, ok bool) {
	r := &f.plain
	if text == "" || len(text) != len(r.text) || unsafe.StringData(text) != unsafe.StringData(r.text) {
		r.text, r.ok = text, r.doc.Parse(text) == nil
	}
	return &r.doc, r.ok
}

// Node returns the value at n, lists and maps as references. A text with escapes is made anew for each call.
func (f *Frame) Node(doc *jsontape.Doc, n jsontape.Node) point.Value {
	if v, ok := doc.Plain(n); ok {
		return v
	}
	if doc.Kind(n) != point.KindString {
		return point.Ref(unsafe.Pointer(doc), uint64(n))
	}
	text := f.End(doc.AppendString(f.Begin(), n))
	f.output -= int64(len(text)) // the next step notices
	return point.String(text)
}

// node is [Frame.Node] for those who have no frame: a text with escapes costs an allocation.
func node(doc *jsontape.Doc, n jsontape.Node) point.Value {
	if k := doc.Kind(n); k == point.KindList || k == point.KindMap {
		return point.Ref(unsafe.Pointer(doc), uint64(n))
	}
	return doc.Value(n)
}

// Element is [Element] with texts made in the frame.
func (f *Frame) Element(list point.Value, i int) point.Value {
	if doc, n := Doc(list); doc != nil {
		return f.Node(doc, doc.At(n, i))
	}
	return list.Items()[i]
}

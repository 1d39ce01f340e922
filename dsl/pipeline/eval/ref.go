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
	doc := &f.plain
	if !asTree && f.used < maxDocs {
		if f.used == len(f.docs) {
			f.docs = append(f.docs, &jsontape.Doc{Depth: f.limits.Depth})
		}
		doc = f.docs[f.used]
	}
	if doc.Parse(text) != nil {
		return point.Nil()
	}
	if k := doc.Kind(0); doc == &f.plain || k != point.KindList && k != point.KindMap {
		return doc.Value(0)
	}
	f.used++
	return Node(doc, 0)
}

// Parse parses a text that is read at once: the document is good until the next call of a function.
func (f *Frame) Parse(text string) (doc *jsontape.Doc, ok bool) {
	return &f.plain, f.plain.Parse(text) == nil
}

// Node returns the value at n, lists and maps as references.
func Node(doc *jsontape.Doc, n jsontape.Node) point.Value {
	if k := doc.Kind(n); k == point.KindList || k == point.KindMap {
		return point.Ref(unsafe.Pointer(doc), uint64(n))
	}
	return doc.Value(n)
}

// Package jsontape parses a JSON text into a tape: one small entry per value and key, in the order of the
// text. The text is validated as a whole; numbers and strings are decoded only when they are asked for.
package jsontape

import (
	"fmt"
	"unsafe"

	"dataflow/engine/point"
)

// MaxDepth is the deepest nesting of objects and arrays that [Doc.Parse] accepts.
const MaxDepth = 512

// maxSource keeps offsets and counts of elements within the bits that an entry has for them.
const maxSource = 1<<28 - 1

// Node is the position of a value in the tape of a [Doc]. The root is 0.
type Node uint32

// Doc is a parsed JSON text. The zero Doc holds null. It is for one goroutine at a time: reading moves a
// cursor, too. Parsing anew ends the life of its nodes, but not of the values made from them.
type Doc struct {
	// Depth is the deepest nesting that is accepted, at most [MaxDepth]; 0 is that.
	Depth int

	src  string
	tape []entry
	err  SyntaxError

	search
	memory
}

// An entry is a value or a key. The key of a member stands before its value. An object or array stands
// before its members; next leads past them.
//
//	info: 27 bits count of elements or members (duplicates included) | 1 bit escapes | 4 bits kind
type entry struct {
	start, end uint32 // of the text, quotes and brackets included; while a container is open, end is the one around it
	next       uint32
	info       uint32
}

const (
	kindBits = 1<<4 - 1
	escaped  = 1 << 4
	countAt  = 5
)

func (e *entry) kind() point.Kind { return point.Kind(e.info & kindBits) }

// A SyntaxError says why a text is not JSON.
type SyntaxError struct {
	Offset int // of the offending byte; the length of the text if it ends too early
	Reason string
}

// Error returns the reason with the offset.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("parsing JSON at offset %d: %s", e.Offset, e.Reason)
}

var nothing entry // null, for nodes that are not in the tape

func (d *Doc) entry(n Node) *entry {
	if int(n) < len(d.tape) {
		return &d.tape[n]
	}
	return &nothing
}

// Kind returns the type of the value at n: nil, bool, float, string, list or map.
func (d *Doc) Kind(n Node) point.Kind { return d.entry(n).kind() }

// Raw returns the text of the value at n as it stands in the source.
func (d *Doc) Raw(n Node) string {
	if d.bare {
		d.settle()
	}
	e := d.entry(n)
	return d.src[e.start:e.end]
}

// Get returns the member of the object at n that has the given key, the last one if there are several. There
// is none if n is no object.
func (d *Doc) Get(n Node, key string) (Node, bool) {
	if int(n) >= len(d.tape) || d.tape[n].kind() != point.KindMap {
		return 0, false
	}
	if d.bare {
		d.settle()
	}
	if d.tape[n].info>>countAt > many {
		return d.getLarge(n, key)
	}
	return d.scan(n, key)
}

// scan is Get for an object, by going through it.
func (d *Doc) scan(n Node, key string) (Node, bool) {
	found, tape := uint32(0), d.tape
	end, size := tape[n].next, uint32(len(key))+2
	for i := uint32(n) + 1; i+1 < end; i = tape[i+1].next {
		k := &tape[i]
		if k.info&escaped != 0 {
			if d.keyIs(k, key) {
				found = i + 1
			}
		} else if k.end-k.start == size && d.src[k.start+1:k.end-1] == key {
			found = i + 1
		}
	}
	return Node(found), found != 0
}

// Walk follows keys from n on. It returns the node that it gets to and how many keys that took: less than all where a
// node is no object, or one without the key. The keys must stay what they are: a document remembers where they led.
func (d *Doc) Walk(n Node, keys []string) (Node, int) {
	if d.fits == nil || len(keys) == 0 {
		return d.walk(n, keys)
	}
	first := unsafe.SliceData(keys)
	at := uintptr(unsafe.Pointer(first)) >> 4 // the size of a key
	p := &d.paths[(at^at>>4^uintptr(n))%uintptr(len(d.paths))]
	if p.keys != first || p.count != len(keys) || p.from != n || p.layout != d.fits.id {
		*p = path{keys: first, count: len(keys), from: n, layout: d.fits.id}
		p.to, p.steps = d.walk(n, keys)
	}
	return p.to, p.steps
}

func (d *Doc) walk(n Node, keys []string) (Node, int) {
	for i, key := range keys {
		member, ok := d.Get(n, key)
		if !ok {
			return n, i
		}
		n = member
	}
	return n, len(keys)
}

func (d *Doc) keyIs(k *entry, key string) bool {
	var room [64]byte
	return string(point.AppendUnescaped(room[:0], d.src[k.start+1:k.end-1])) == key
}

// Len returns the number of distinct keys of an object, of elements of an array, of bytes of a string once
// decoded, and 0 for all else.
func (d *Doc) Len(n Node) int {
	e := d.entry(n)
	switch e.kind() {
	case point.KindString:
		if e.info&escaped == 0 {
			return int(e.end - e.start - 2)
		}
		var room [256]byte
		return len(point.AppendUnescaped(room[:0], d.src[e.start+1:e.end-1]))
	case point.KindList:
		return int(e.info >> countAt)
	case point.KindMap:
		return d.distinct(n, e)
	}
	return 0
}

func (d *Doc) distinct(n Node, e *entry) int {
	if d.bare {
		d.settle()
	}
	if e.info>>countAt > many { // comparing each key with all others would cost more than a set
		return d.countLarge(n, e)
	}
	count := 0
	for i := uint32(n) + 1; i < e.next; i = d.tape[i+1].next {
		if last, _ := d.Get(n, d.text(&d.tape[i])); last == Node(i+1) {
			count++
		}
	}
	return count
}

// At returns element i of the array at n, 0 <= i < Len(n). Asking for the elements in turn takes constant
// time for each; so does, after a while, asking for them in any order. Outside of the array it returns a node that reads as null.
func (d *Doc) At(n Node, i int) Node {
	const outside = ^Node(0)
	e := d.entry(n)
	size := int(e.info >> countAt)
	if e.kind() != point.KindList || i < 0 || i >= size {
		return outside
	}
	if size > many {
		return d.atLarge(n, i, size)
	}
	at := n + 1
	for range i {
		at = Node(d.tape[at].next)
	}
	return at
}

// Value returns the value at n: a number is a float, a string shares the source unless it has escapes, a list
// or map is made with all that is in it.
func (d *Doc) Value(n Node) point.Value {
	if v, ok := d.Plain(n); ok {
		return v
	}
	if d.bare {
		d.settle()
	}
	switch e := &d.tape[n]; e.kind() {
	case point.KindString:
		return point.String(d.text(e))
	case point.KindList:
		items := make([]point.Value, 0, e.info>>countAt)
		for i := uint32(n) + 1; i < e.next; i = d.tape[i].next {
			items = append(items, d.Value(Node(i)))
		}
		return point.List(items)
	case point.KindMap:
		m := make(map[string]point.Value, e.info>>countAt)
		for i := uint32(n) + 1; i < e.next; i = d.tape[i+1].next {
			m[d.text(&d.tape[i])] = d.Value(Node(i + 1))
		}
		return point.Map(m)
	}
	return point.Nil()
}

// Plain returns the value at n if it can be had without making anything. ok is false for a list, a map and a string with
// escapes.
func (d *Doc) Plain(n Node) (v point.Value, ok bool) {
	e := d.entry(n)
	switch e.info & (escaped | kindBits) {
	case uint32(point.KindString):
		return point.String(d.src[e.start+1 : e.end-1]), true
	case uint32(point.KindFloat):
		f, _ := point.ParseDecimal(d.src[e.start:e.end]) // Parse has checked the form and the range
		return point.Float(f), true
	case uint32(point.KindBool):
		return point.Bool(d.src[e.start] == 't'), true
	case uint32(point.KindNil):
		return point.Nil(), true
	}
	return point.Nil(), false
}

// AppendString appends what the string at n says. Nothing is appended if n is no string.
func (d *Doc) AppendString(dst []byte, n Node) []byte {
	e := d.entry(n)
	if e.kind() != point.KindString {
		return dst
	}
	return point.AppendUnescaped(dst, d.src[e.start+1:e.end-1])
}

// text returns what the string or key e says.
func (d *Doc) text(e *entry) string {
	s := d.src[e.start+1 : e.end-1]
	if e.info&escaped == 0 {
		return s
	}
	return string(point.AppendUnescaped(make([]byte, 0, len(s)), s))
}

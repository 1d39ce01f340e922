package eval

import (
	"strconv"
	"unsafe"

	"dataflow/dsl/pipeline/jsontape"
	"dataflow/engine/point"
)

const (
	chunkSize = 32 << 10
	chunkRest = 64 // a chunk with less than this left is given up
)

// chunk hands out memory for texts. Points refer to it, so it is never taken back: a full chunk is left to the
// garbage collector.
type chunk struct{ buf []byte }

// begin returns an empty slice to append a text to. One text is made at a time.
func (c *chunk) begin() []byte {
	if cap(c.buf)-len(c.buf) < chunkRest {
		c.buf = make([]byte, 0, chunkSize)
	}
	return c.buf[len(c.buf):]
}

// end returns the text b, which was begun with begin and may have outgrown the chunk.
func (c *chunk) end(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if rest := c.buf[len(c.buf):cap(c.buf)]; len(b) <= len(rest) && &b[0] == &rest[0] {
		c.buf = c.buf[:len(c.buf)+len(b)]
	} else if len(b) < chunkSize/4 {
		c.buf = nil // so that a chunk which is nearly full is not tried again and again
	}
	return unsafe.String(&b[0], len(b))
}

// Begin returns an empty slice to append a text to, which is then given to [Frame.End]. In between no other text
// may be made.
func (f *Frame) Begin() []byte { return f.text.begin() }

// End returns the text that was appended to the slice of [Frame.Begin]. It may stay on a point for ever.
func (f *Frame) End(b []byte) string { return f.text.end(b) }

// Concat returns the texts one after the other.
func (f *Frame) Concat(a, b string) (string, bool) {
	if a == "" {
		return b, true
	}
	if b == "" {
		return a, true
	}
	if !f.Spend(len(a) + len(b)) {
		return "", false
	}
	return f.End(append(append(f.Begin(), a...), b...)), true
}

// Text returns v as text. ok is false, with an error, if it is too long.
func (f *Frame) Text(v point.Value) (text string, ok bool) {
	switch v.Kind() {
	case point.KindString:
		return v.Str(), true
	case point.KindBool:
		return strconv.FormatBool(v.Bool()), true
	case point.KindInt:
		return f.End(strconv.AppendInt(f.Begin(), v.Int(), 10)), true
	case point.KindFloat:
		return f.End(jsontape.AppendFloat(f.Begin(), v.Float())), true
	case point.KindNil:
		return "", true
	}
	v = Tree(v)
	if v.IsNil() {
		return "", true
	}
	if !f.Measure(v) {
		return "", false
	}
	text = f.End(jsontape.AppendText(f.Begin(), v))
	return text, f.SpendOutput(len(text))
}

const (
	maxNodes = 1 << 20
	maxDepth = 2000
)

// Measure checks that v, a tree, can be written down, and pays for the work: shared parts can make a small list a text
// without end. The text is paid for by whoever makes it.
func (f *Frame) Measure(v point.Value) bool {
	room := maxText
	if !fits(v, &room, 0) {
		f.failFatal("a list or map is too large or nested too deeply")
		return false
	}
	return f.Work(maxText - room)
}

func fits(v point.Value, room *int, depth int) bool {
	const perValue = maxText / maxNodes
	*room -= perValue
	if *room < 0 || depth > maxDepth {
		return false
	}
	switch v.Kind() {
	case point.KindString:
		*room -= v.Len()
	case point.KindList:
		for _, x := range v.Items() {
			if !fits(x, room, depth+1) {
				return false
			}
		}
	case point.KindMap:
		for k, x := range v.Map() {
			*room -= len(k)
			if !fits(x, room, depth+1) {
				return false
			}
		}
	}
	return *room >= 0
}

// Package sinks holds the sinks, one file each.
package sinks

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/klauspost/compress/gzip"

	"dataflow/engine"
	"dataflow/engine/point"
)

// compressAt is how much is encoded before it goes through the compressor: large enough for one call to cost
// nothing, small enough to stay in the cache.
const compressAt = 16 << 10

// packing collects points in bodies. One body is open for each kind of point, so that mixed batches do not
// cut each other's bodies short. It is reused by one Encode after the other and for one goroutine at a time.
type packing struct {
	level int                        // of gzip, 0 is off
	limit int                        // bytes of a body before compression
	seal  func(bodyKind) engine.Body // a body without its data
	add   func(engine.Body, []engine.PointRef) error

	open  []*openBody // in the order in which they were opened
	spare []*openBody
}

// maxOpen bounds how many bodies are open at once: each has a compressor of half a megabyte, and what a kind is made of comes
// from the data.
const maxOpen = 16

// bodyKind is what all points of a body have in common.
type bodyKind struct {
	category point.Category
	index    string // storage index, "" is the default one
	tags     string // the value of X-Global-Tags, "" is none
}

// openBody is a body that points are added to.
type openBody struct {
	kind   bodyKind
	plain  []byte // encoded, not compressed yet; all of the body when gzip is off
	size   int    // of the body before compression
	points int
	refs   []engine.PointRef
	zip    *gzip.Writer
	out    sliceWriter
}

type sliceWriter struct{ data []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.data = append(w.data, p...)
	return len(p), nil
}

// body returns the open body of the given kind. If too many are open the oldest is finished.
func (k *packing) body(kind bodyKind) (*openBody, error) {
	for _, b := range k.open {
		if b.kind == kind {
			return b, nil
		}
	}
	if len(k.open) == maxOpen {
		if err := k.finish(k.open[0]); err != nil {
			return nil, err
		}
		k.spare = append(k.spare, k.open[0])
		k.open = slices.Delete(k.open, 0, 1)
	}
	var b *openBody
	if n := len(k.spare); n > 0 {
		b, k.spare = k.spare[n-1], k.spare[:n-1]
	} else {
		b = new(openBody)
	}
	b.begin(kind, k.level)
	k.open = append(k.open, b)
	return b, nil
}

func (b *openBody) begin(kind bodyKind, level int) {
	b.kind, b.size, b.points = kind, 0, 0
	b.plain, b.out.data = b.plain[:0], b.out.data[:0]
	clear(b.refs)
	b.refs = b.refs[:0]
	if level == 0 {
		return
	}
	if b.zip == nil {
		b.zip, _ = gzip.NewWriterLevel(&b.out, level) // the level was checked with the options
		return
	}
	b.zip.Reset(&b.out)
}

// took notes that the point that was just encoded behind b.plain[:start] is point i of batch bi. If the body
// became too large by it, what stood before leaves and the point begins the next one.
func (k *packing) took(b *openBody, start, bi, i int) error {
	n := len(b.plain) - start
	if b.points > 0 && b.size+n > k.limit {
		tail := b.plain[start:]
		b.plain = b.plain[:start]
		if err := k.finish(b); err != nil {
			return err
		}
		b.begin(b.kind, k.level)
		b.plain = append(b.plain, tail...) // the same memory, further to the front
	}
	b.size += n
	b.points++
	if last := len(b.refs) - 1; last >= 0 && b.refs[last].Batch == bi && b.refs[last].First+b.refs[last].Count == i {
		b.refs[last].Count++
	} else {
		b.refs = append(b.refs, engine.PointRef{Batch: bi, First: i, Count: 1})
	}
	if k.level > 0 && len(b.plain) >= compressAt {
		return b.compress()
	}
	return nil
}

func (b *openBody) compress() error {
	if _, err := b.zip.Write(b.plain); err != nil {
		return fmt.Errorf("compressing a body: %w", err)
	}
	b.plain = b.plain[:0]
	return nil
}

// finish hands the body on. Its data is copied to memory of its exact size: bodies can wait for long.
func (k *packing) finish(b *openBody) error {
	if b.points == 0 {
		return nil
	}
	body := k.seal(b.kind)
	body.Points, body.PlainBytes = b.points, b.size
	if k.level == 0 {
		body.Data = bytes.Clone(b.plain)
		return k.add(body, b.refs)
	}
	if err := b.compress(); err != nil {
		return err
	}
	if err := b.zip.Close(); err != nil {
		return fmt.Errorf("compressing a body: %w", err)
	}
	body.Data = bytes.Clone(b.out.data)
	return k.add(body, b.refs)
}

// finishAll hands on what is open.
func (k *packing) finishAll() error {
	for _, b := range k.open {
		if err := k.finish(b); err != nil {
			return err
		}
	}
	return nil
}

// reset makes k ready for the next use, also after an error.
func (k *packing) reset() {
	const keep = 8 // bodies, and with them compressors of half a megabyte each
	k.spare = append(k.spare, k.open...)
	clear(k.open)
	k.open = k.open[:0]
	if len(k.spare) > keep {
		clear(k.spare[keep:])
		k.spare = k.spare[:keep]
	}
	k.add = nil
}

// plainOf returns the bytes of a body before compression.
func plainOf(body engine.Body, zipped bool) ([]byte, error) {
	if !zipped {
		return body.Data, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(body.Data))
	if err != nil {
		return nil, fmt.Errorf("decompressing a body: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(body.PlainBytes)+1))
	if err != nil {
		return nil, fmt.Errorf("decompressing a body: %w", err)
	}
	if len(plain) != body.PlainBytes {
		return nil, fmt.Errorf("decompressing a body: it is not %d bytes long", body.PlainBytes)
	}
	return plain, nil
}

// headerOf returns the value of a header of a body.
func headerOf(body engine.Body, key string) string {
	for _, h := range body.Header {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// extraTags returns the tags that are added to every point: those of the node and, behind them, an option's.
func extraTags(node []point.Field, option map[string]string) []point.Field {
	tags := append([]point.Field(nil), node...)
	for _, key := range slices.Sorted(maps.Keys(option)) {
		if !slices.ContainsFunc(tags, func(f point.Field) bool { return f.Key == key }) {
			tags = append(tags, point.Field{Key: key, Value: point.String(option[key]), Tag: true})
		}
	}
	return tags
}

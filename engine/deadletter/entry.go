// Package deadletter is the store of what could not be processed: bounded, fsynced segment files that a
// later version of the engine can read (guarantees B7).
package deadletter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"dataflow/engine"
	"dataflow/engine/point"
)

// Kind is what an entry holds.
type Kind uint8

// The kinds of entries. The numbers stand in files.
const (
	Record Kind = 1 // original bytes, replayed into the source that read them
	Point  Kind = 2 // a point, replayed into the sink that could not deliver it
)

// Entry is one dead letter.
type Entry struct {
	ID       ID // set by Read
	Kind     Kind
	Time     int64  // of the failure, ns since 1970
	Node     string // id of the node that failed
	Error    string // of which the first KiB is kept
	Attempts int
	Version  string // of the engine

	// Where it was read. Node is empty when that is unknown.
	Origin engine.Origin
	Offset int64
	Read   int64 // time of the record, ns since 1970; 0 is unknown

	// Of records, and of points whose record is known. A nil key or value differs from an empty one.
	Key     []byte
	Value   []byte
	Headers []engine.KV

	// Of points.
	Point point.Point
}

const maxError = 1 << 10

// appendEntry appends the payload of an entry: its parts in the order below, numbers as varints, texts with
// their length before them, byte strings with their length plus one, where 0 is nil.
func appendEntry(dst []byte, e *Entry) []byte {
	dst = append(dst, byte(e.Kind))
	dst = binary.AppendVarint(dst, e.Time)
	dst = appendText(dst, e.Node)
	text := e.Error
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "")
	}
	dst = appendText(dst, text)
	dst = binary.AppendUvarint(dst, uint64(max(e.Attempts, 0)))
	dst = appendText(dst, e.Version)
	dst = appendText(dst, e.Origin.Node)
	dst = appendText(dst, e.Origin.Topic)
	dst = binary.AppendVarint(dst, int64(e.Origin.Partition))
	dst = binary.AppendVarint(dst, int64(e.Origin.Epoch))
	dst = binary.AppendVarint(dst, e.Offset)
	dst = binary.AppendVarint(dst, e.Read)
	dst = appendBytes(dst, e.Key)
	dst = appendBytes(dst, e.Value)
	dst = binary.AppendUvarint(dst, uint64(len(e.Headers)))
	for _, h := range e.Headers {
		dst = appendText(dst, h.Key)
		dst = appendBytes(dst, h.Value)
	}
	if e.Kind == Point {
		dst = append(dst, byte(e.Point.Category))
		index := ""
		if e.Point.Extra != nil {
			index = e.Point.Extra.StorageIndex
		}
		dst = appendText(dst, index)
		dst = point.AppendProtobuf(dst, &e.Point, nil)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(b))+1)
	return append(dst, b...)
}

var errMalformed = errors.New("malformed entry")

// readEntry reads a payload. The entry's byte strings and the texts of its point share the payload's memory.
func readEntry(payload []byte) (Entry, error) {
	r := reader{rest: payload}
	e := Entry{Kind: Kind(r.byte())}
	e.Time = r.varint()
	e.Node = r.text()
	e.Error = r.text()
	e.Attempts = int(r.uvarint())
	e.Version = r.text()
	e.Origin.Node = r.text()
	e.Origin.Topic = r.text()
	e.Origin.Partition = int32(r.varint())
	e.Origin.Epoch = int32(r.varint())
	e.Offset = r.varint()
	e.Read = r.varint()
	e.Key = r.bytes()
	e.Value = r.bytes()
	if n := r.uvarint(); n > 0 && n <= uint64(len(r.rest)) {
		e.Headers = make([]engine.KV, 0, min(n, 64))
		for range n {
			e.Headers = append(e.Headers, engine.KV{Key: r.text(), Value: r.bytes()})
		}
	} else if n > 0 {
		r.bad = true
	}
	switch {
	case r.bad:
		return Entry{}, errMalformed
	case e.Kind == Record && len(r.rest) == 0:
		return e, nil
	case e.Kind == Point:
		return e, r.point(&e)
	}
	return Entry{}, errMalformed
}

// reader takes parts from the front of a payload. After the first one that is not there it is bad.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.bad, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) text() string { return string(r.take(r.uvarint())) }

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n == 0 {
		return nil
	}
	return r.take(n - 1)
}

func (r *reader) point(e *Entry) error {
	category, index := point.Category(r.byte()), r.text()
	if r.bad || category >= point.Categories {
		return errMalformed
	}
	ps, err := point.ParseProtobuf(nil, new(point.Arena), r.rest, point.ReadOptions{Precision: point.Nanoseconds, Category: category})
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	if len(ps) != 1 {
		return errMalformed
	}
	e.Point = ps[0]
	if index != "" {
		if e.Point.Extra == nil {
			e.Point.Extra = new(point.Extra)
		}
		e.Point.Extra.StorageIndex = index
	}
	return nil
}

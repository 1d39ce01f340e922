package point

import "unsafe"

// Arena holds what the readers of this package make: fields, list elements, and text that differs from its
// encoding. The zero Arena is ready. It is for one goroutine.
//
// Points refer to it; [Arena.Reset] takes the memory back for the next body and so ends their life.
type Arena struct {
	fields []Field
	values []Value
	bytes  []byte
	keys   []lineKey // room of a reader of lines, clear between two bodies
}

// Reset takes back all that was given out and forgets what it referred to. Of each kind of memory the last
// chunk is kept, which is the largest.
func (a *Arena) Reset() {
	clear(a.fields[:min(len(a.fields)+1, cap(a.fields))]) // with a slot that became no field
	clear(a.values)
	a.fields, a.values, a.bytes = a.fields[:0], a.values[:0], a.bytes[:0]
}

// ResetFields takes back the fields alone, and returns for how many there is room. Texts and list elements stay where they are, so that
// copies of the points, which have fields of their own, may live on.
func (a *Arena) ResetFields() int {
	clear(a.fields[:min(len(a.fields)+1, cap(a.fields))]) // with a slot that became no field
	a.fields, a.values, a.bytes = a.fields[:0], nil, nil
	return cap(a.fields)
}

// room returns a chunk with capacity for n more elements behind its length. What was given out of the old
// chunk stays where it is; the part of it from keep on, which is still being built, moves along.
func room[T any](chunk []T, keep, n int) (_ []T, start int) {
	if cap(chunk)-len(chunk) >= n {
		return chunk, keep
	}
	bigger := make([]T, 0, max(64, 2*cap(chunk), 2*(len(chunk)-keep+n)))
	return append(bigger, chunk[keep:]...), 0
}

// take returns the elements from start on as a slice with spare capacity of its own.
func take[T any](chunk []T, start, spare int) (rest, taken []T) {
	end := len(chunk)
	if spare > 0 {
		chunk, start = room(chunk, start, spare)
		end = len(chunk)
		chunk = chunk[:end+spare]
	}
	return chunk, chunk[start:end:len(chunk)]
}

// text returns what build appends to the arena as a string. build must only append.
func (a *Arena) text(build func([]byte) []byte) string {
	start := len(a.bytes)
	if cap(a.bytes)-start < 64 {
		a.bytes, start = room(a.bytes, start, 4096)
	}
	a.bytes = build(a.bytes)
	b := a.bytes[start:]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// shared returns the bytes of b as a string without copying them.
func shared(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

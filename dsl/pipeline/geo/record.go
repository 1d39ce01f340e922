package geo

import "unsafe"

// records reads the data section of a database: values with a byte in front that says type and size. The library's own decoder
// makes Go values of a whole record by reflection; this one finds four texts without an allocation, and gives up on what is
// damaged or goes in circles.
type records struct{ data []byte }

// The types of values that matter here.
const (
	typeExtended = 0
	typePointer  = 1
	typeText     = 2
	typeMap      = 7
	typeList     = 11
	typeBool     = 14
)

const maxLooks = 4096 // at values of one record

// read puts what the record at offset knows into place.
func (r records) read(offset uint, place *Place) {
	looks := maxLooks
	if country, ok := r.member(offset, "country", &looks); ok {
		r.text(country, "iso_code", &place.Country, &looks)
	}
	if list, ok := r.member(offset, "subdivisions", &looks); ok {
		if first, ok := r.first(list, &looks); ok {
			r.name(first, &place.Province, &looks)
		}
	}
	if city, ok := r.member(offset, "city", &looks); ok {
		r.name(city, &place.City, &looks)
	}
}

// name reads the English name of what is described at offset.
func (r records) name(offset uint, to *string, looks *int) {
	if names, ok := r.member(offset, "names", looks); ok {
		r.text(names, "en", to, looks)
	}
}

// text reads the text of a key, unless it is empty.
func (r records) text(offset uint, key string, to *string, looks *int) {
	at, ok := r.member(offset, key, looks)
	if !ok {
		return
	}
	if v, ok := r.value(at, looks); ok && v.kind == typeText && v.size > 0 {
		*to = r.view(v)
	}
}

// value is the head of a value.
type value struct {
	kind byte
	size uint // bytes of a text, entries of a map or list
	body uint // offset behind the head
}

func (r records) view(v value) string { return unsafe.String(&r.data[v.body], int(v.size)) }

// member returns the offset of the value of a key of the map at offset.
func (r records) member(offset uint, key string, looks *int) (at uint, ok bool) {
	m, ok := r.value(offset, looks)
	if !ok || m.kind != typeMap {
		return 0, false
	}
	at = m.body
	for range m.size {
		k, ok := r.value(at, looks)
		if !ok || k.kind != typeText {
			return 0, false
		}
		found := k.size > 0 && r.view(k) == key
		if at, ok = r.skip(at, looks); !ok {
			return 0, false
		}
		if found {
			return at, true
		}
		if at, ok = r.skip(at, looks); !ok {
			return 0, false
		}
	}
	return 0, false
}

// bounded reports whether the map at the beginning has only maps and lists that are small: the library makes room for as many
// entries as they claim to have.
func (r records) bounded() bool {
	const maxEntries = 256
	looks := maxLooks
	m, ok := r.value(0, &looks)
	if !ok || m.kind != typeMap || m.size > maxEntries {
		return false
	}
	at := m.body
	for range 2 * m.size {
		v, ok := r.value(at, &looks)
		if !ok || (v.kind == typeMap || v.kind == typeList) && v.size > maxEntries {
			return false
		}
		if at, ok = r.skip(at, &looks); !ok {
			return false
		}
	}
	return true
}

// first returns the offset of the first element of the list at offset.
func (r records) first(offset uint, looks *int) (at uint, ok bool) {
	v, ok := r.value(offset, looks)
	return v.body, ok && v.kind == typeList && v.size > 0
}

// value reads the head of the value at offset, or of what the pointer at offset leads to. A text lies within the data.
func (r records) value(offset uint, looks *int) (v value, ok bool) {
	if v, ok = r.head(offset, looks); ok && v.kind == typePointer {
		// A pointer never leads to a pointer.
		v, ok = r.head(r.target(v), looks)
	}
	if !ok || v.kind == typePointer || v.kind == typeText && v.size > uint(len(r.data))-v.body {
		return value{}, false
	}
	return v, true
}

// head reads the head at offset. For a pointer the size is what the first byte says; its bytes lie within the data.
func (r records) head(offset uint, looks *int) (v value, ok bool) {
	if *looks--; *looks < 0 || offset >= uint(len(r.data)) {
		return value{}, false
	}
	b := r.data[offset]
	v = value{kind: b >> 5, size: uint(b & 0x1f), body: offset + 1}
	if v.kind == typePointer {
		return v, v.body+pointerBytes(v) <= uint(len(r.data))
	}
	if v.kind == typeExtended {
		const lastExtended = 15 - 7
		if v.body >= uint(len(r.data)) || r.data[v.body] > lastExtended {
			return value{}, false
		}
		v.kind = r.data[v.body] + 7
		v.body++
	}
	if v.size < 29 {
		return v, true
	}
	more := v.size - 28
	if v.body+more > uint(len(r.data)) {
		return value{}, false
	}
	base := [...]uint{0, 29, 285, 65821}[more]
	v.size = base + number(0, r.data[v.body:v.body+more])
	v.body += more
	return v, true
}

// pointerBytes returns how many bytes stand behind the head of a pointer.
func pointerBytes(v value) uint { return v.size>>3 + 1 }

func (r records) target(v value) uint {
	n := pointerBytes(v)
	high := v.size & 7
	if n == 4 {
		high = 0
	}
	base := [...]uint{0, 0, 2048, 526336, 0}[n]
	return base + number(high, r.data[v.body:v.body+n])
}

func number(high uint, b []byte) uint {
	for _, c := range b {
		high = high<<8 | uint(c)
	}
	return high
}

// skip returns the offset behind the value at offset.
func (r records) skip(offset uint, looks *int) (behind uint, ok bool) {
	for left := uint(1); left > 0; left-- {
		v, ok := r.head(offset, looks)
		if !ok {
			return 0, false
		}
		offset = v.body
		switch v.kind {
		case typePointer:
			offset += pointerBytes(v)
		case typeMap:
			left += 2 * v.size
		case typeList:
			left += v.size
		case typeBool:
		default:
			offset += v.size
		}
	}
	return offset, true
}

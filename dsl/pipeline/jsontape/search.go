package jsontape

// Values are found by going through what stands before them. In an object of many keys, or a long list, that is done so
// often only; then it gets an index, so that going through all of it by key, or in any order, does not take a time that
// grows with the square of its size.

const (
	many     = 64 // keys or elements from which on it matters
	patience = 64 // how often all of them may be looked at before an index is made
)

// indexed marks the entry of an object that is in the index. A string's bit of that place means something else.
const indexed = escaped

// search is what Doc knows about large objects and lists.
type search struct {
	members map[member]Node // of the objects that are indexed
	passed  int             // entries that were looked at in large objects since one was indexed

	counted Node // the large object whose keys were counted last
	keys    int  // how many it has; 0: none was counted

	// Walking a list by index continues where the last call of At ended.
	walked   Node // the list
	walkedTo Node // its element, 0 is none yet
	walkedAt int

	placed  Node // the list that places are of
	places  []Node
	skipped int // elements that were walked over again since a list was placed
}

type member struct {
	of  Node
	key string
}

// reset forgets what is known, but for room that is worth keeping.
func (s *search) reset() { *s = search{places: s.places[:0]} }

// getLarge is Get for an object of many keys.
func (d *Doc) getLarge(n Node, key string) (Node, bool) {
	e := &d.tape[n]
	if e.info&indexed == 0 {
		count := int(e.info >> countAt)
		if d.passed += count; d.passed <= patience*count {
			return d.scan(n, key)
		}
		d.index(n, e)
	}
	found, ok := d.members[member{n, key}]
	return found, ok
}

// index puts the members of an object into the index. Of equal keys the last one counts.
func (d *Doc) index(n Node, e *entry) {
	if d.members == nil {
		d.members = make(map[member]Node, e.info>>countAt)
	}
	for i := uint32(n) + 1; i < e.next; i = d.tape[i+1].next {
		d.members[member{n, d.text(&d.tape[i])}] = Node(i + 1)
	}
	e.info |= indexed
	d.passed = 0
}

// countLarge returns the number of distinct keys of an object of many keys.
func (d *Doc) countLarge(n Node, e *entry) int {
	if d.keys == 0 || d.counted != n {
		keys := make(map[string]struct{}, e.info>>countAt)
		for i := uint32(n) + 1; i < e.next; i = d.tape[i+1].next {
			keys[d.text(&d.tape[i])] = struct{}{}
		}
		d.counted, d.keys = n, len(keys)
	}
	return d.keys
}

// atLarge is At for a long list.
func (d *Doc) atLarge(n Node, i, size int) Node {
	if d.placed == n && len(d.places) == size {
		return d.places[i]
	}
	at, k := n+1, 0
	if d.walked == n && d.walkedTo != 0 && d.walkedAt <= i {
		at, k = d.walkedTo, d.walkedAt
	} else if d.skipped += i; d.skipped > patience*size {
		return d.place(n, size)[i]
	}
	for ; k < i; k++ {
		at = Node(d.tape[at].next)
	}
	d.walked, d.walkedTo, d.walkedAt = n, at, i
	return at
}

// place notes where all elements of a list stand.
func (d *Doc) place(n Node, size int) []Node {
	d.placed, d.places, d.skipped = n, d.places[:0], 0
	for at := n + 1; len(d.places) < size; at = Node(d.tape[at].next) {
		d.places = append(d.places, at)
	}
	return d.places
}

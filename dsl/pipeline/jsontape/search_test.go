package jsontape

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// large returns a text with two objects of 200 keys, every fourth key twice and some with escapes, and two lists of 300 elements.
func large() string {
	var b strings.Builder
	for o := range 2 {
		fmt.Fprintf(&b, `"o%d":{"first":0`, o)
		for i := range 250 {
			fmt.Fprintf(&b, `,"k\u0020%d":%d`, i%200, o*1000+i)
		}
		fmt.Fprintf(&b, `},"l%d":[0`, o)
		for i := range 299 {
			fmt.Fprintf(&b, `,{"n":[%d]}`, o*1000+i)
		}
		b.WriteString(`],`)
	}
	return "{" + b.String() + `"end":1}`
}

// TestSearch asks a document for keys and elements in any order, often enough that all of it is indexed, and compares what it
// says with the tree.
func TestSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d Doc
	for round := range 3 { // a document is used again
		if err := d.Parse(large()); err != nil {
			t.Fatal(err)
		}
		if d.members != nil || len(d.places) != 0 {
			t.Error("a new text has an index")
		}
		tree := d.Value(0).Map()
		for range 4000 {
			name := fmt.Sprintf("o%d", r.IntN(2))
			o, _ := d.Get(0, name)
			key := fmt.Sprintf("k %d", r.IntN(220))
			n, ok := d.Get(o, key)
			if want, has := tree[name].Map()[key]; ok != has || !d.Value(n).Equal(want) && has {
				t.Fatalf("round %d: %s of %s is %s, %v", round, key, name, d.Raw(n), ok)
			}
			name = fmt.Sprintf("l%d", r.IntN(2))
			l, _ := d.Get(0, name)
			at := r.IntN(d.Len(l))
			if n := d.At(l, at); !d.Value(n).Equal(tree[name].Items()[at]) {
				t.Fatalf("round %d: element %d of %s is %s", round, at, name, d.Raw(n))
			}
			if got := d.Len(o); got != 201 {
				t.Fatalf("an object has %d keys", got)
			}
		}
		if len(d.members) != 402 || len(d.places) != 300 {
			t.Errorf("%d members and %d places are indexed", len(d.members), len(d.places))
		}
	}
}

// TestFewSearchesMakeNoIndex holds the usual script to no memory: some keys of a large object, one way through a long list.
func TestFewSearchesMakeNoIndex(t *testing.T) {
	var d Doc
	text := large()
	if n := testing.AllocsPerRun(100, func() {
		if d.Parse(text) != nil {
			t.Fatal("no JSON")
		}
		o, _ := d.Get(0, "o1")
		for range 20 {
			if _, ok := d.Get(o, "k 7"); !ok {
				t.Fatal("the key is gone")
			}
		}
		l, _ := d.Get(0, "l1")
		for i := range d.Len(l) {
			d.At(l, i)
		}
		d.At(l, d.Len(l)-1)
		d.At(l, 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

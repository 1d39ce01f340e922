package jsontape

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// same checks that a document that has parsed others before reads src as a fresh one does.
func same(t *testing.T, d *Doc, src string) {
	t.Helper()
	var fresh Doc
	err, want := d.Parse(src), fresh.Parse(src)
	if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
		t.Fatalf("%q: %v, a fresh document: %v", src, err, want)
	}
	if err != nil {
		return
	}
	for _, keys := range paths {
		node, steps := d.Walk(0, keys)
		if n, k := fresh.Walk(0, keys); n != node || k != steps {
			t.Fatalf("%q: %q leads to %d in %d steps, in a fresh document to %d in %d", src, keys, node, steps, n, k)
		}
	}
	if d.bare {
		d.settle()
	}
	if !slices.Equal(d.tape, fresh.tape) {
		t.Fatalf("%q:\n%v, a fresh document:\n%v", src, d.tape, fresh.tape)
	}
}

// paths are constant keys, as those of a script are.
var paths = [][]string{{"a"}, {"b", "c"}, {"b"}, {"b", "none"}, {"list", "x"}, {"e\ns"}, {"dimensions", "ip"}}

// TestLayouts: what is known of the texts before changes nothing about a text.
func TestLayouts(t *testing.T) {
	templates := []string{
		`{"a": %s, "b": {"c": %s, "d": [%s, {"x": %s}]}, "list": [%s,%s]}`,
		` { "a" : %s , "a" : %s,"e\ns":%s, "b":{"c":{},"none":[]}} `,
		`[%s,[[%s]],{"b":%s}]`, `%s`, `{"b":%s}`, `{"b":%s,"c":1}`, `{"b":%s `, `{}`,
	}
	r := rand.New(rand.NewPCG(1, 1))
	scalars := []string{
		"1", "-0.5e+10", "12345678901234567890", "0", "007", `""`, `"x"`, `"a text of more than eight bytes"`, `"with \"escapes\" \u00e9"`, "true", "false", "null",
		`"raw	tab"`, // and what is none
		`{}`, `[]`, `"open`, "tru", "-", `"bad \x"`, "1e999", " 1", "2 ", "",
	}
	d := new(Doc)
	fits := 0
	for range 20_000 {
		text := templates[min(r.IntN(len(templates)), r.IntN(len(templates)))]
		for strings.Contains(text, "%s") {
			text = strings.Replace(text, "%s", scalars[min(r.IntN(len(scalars)), r.IntN(len(scalars)))], 1)
		}
		if same(t, d, text); d.fits != nil {
			fits++
		}
		d.rest, d.doubt = 0, 0
	}
	if fits < 1000 {
		t.Errorf("%d texts had a layout: this tests little", fits)
	}
}

// TestLayoutsRest: texts of ever new kinds are parsed without trying what never fits; when they become alike again that is noticed.
func TestLayoutsRest(t *testing.T) {
	d := new(Doc)
	tried := 0
	const texts = 10_000
	for i := range texts {
		same(t, d, fmt.Sprintf(`{"key%d": 1}`, i))
		if d.rest == 0 {
			tried++
		}
	}
	if tried > texts/50 {
		t.Errorf("layouts were tried on %d of %d texts that never fit", tried, texts)
	}
	fits := 0
	for i := range 2 * lastRest {
		same(t, d, fmt.Sprintf(`{"key": %d}`, i))
		if d.fits != nil {
			fits++
		}
	}
	if fits < lastRest/2 {
		t.Errorf("%d of %d texts alike had a layout", fits, 2*lastRest)
	}
}

// TestLayoutsOdd: as many kinds as there are layouts keep theirs beside a few texts that are like no other, and make room for new kinds.
func TestLayoutsOdd(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	d := new(Doc)
	const texts, oddOf = 10_000, 50
	for turn := range 2 {
		fits := 0
		for n := range texts {
			kind := layouts*turn + r.IntN(layouts)
			if r.IntN(oddOf) == 0 {
				kind = texts*(turn+1) + n
			}
			if same(t, d, fmt.Sprintf(`{"kind%d": %d}`, kind, n)); d.fits != nil {
				fits++
			}
		}
		if fits < texts*8/10 {
			t.Errorf("turn %d: %d of %d texts had a layout", turn, fits, texts)
		}
	}
	fits := 0
	for n := range texts { // in turns, none twice in a row
		if same(t, d, fmt.Sprintf(`{"new%d": %d}`, n%layouts, n)); d.fits != nil {
			fits++
		}
	}
	if fits < texts*8/10 {
		t.Errorf("new kinds: %d of %d texts had a layout", fits, texts)
	}
}

// TestLayoutsTooMuch: texts with more between their values than a layout holds are given up, too.
func TestLayoutsTooMuch(t *testing.T) {
	d := new(Doc)
	text := `{"` + strings.Repeat("k", maxGaps) + `": 1}`
	tried := 0
	const texts = 10_000
	for range texts {
		if d.Parse(text) != nil || d.fits != nil {
			t.Fatal("a layout holds more than it should")
		}
		if d.rest == 0 {
			tried++
		}
	}
	if tried > texts/50 {
		t.Errorf("layouts were tried on %d of %d texts that have none", tried, texts)
	}
}

// TestLayoutsLongText: a text that is too long stays so when its layout is known.
func TestLayoutsLongText(t *testing.T) {
	text := make([]byte, maxSource+1) // of raw control characters
	text[0], text[maxSource] = '"', '"'
	long := unsafe.String(&text[0], len(text))
	d := new(Doc)
	for _, src := range []string{long, `"x"`, long} {
		if err := d.Parse(src); (err != nil) != (len(src) > maxSource) {
			t.Errorf("%d bytes: %v", len(src), err)
		}
	}
}

func TestLayoutAllocations(t *testing.T) {
	d := new(Doc)
	a, b := `{"a": 1, "b": {"c": "x"}}`, `{"a": 22, "b": {"c": "longer than that"}}`
	other := `{"c": 1}`
	run := func() {
		for _, src := range []string{a, b, other} {
			if d.Parse(src) != nil {
				t.Error("parse failed")
			}
			if node, _ := d.Walk(0, paths[1]); src != other && d.Raw(node)[0] != '"' {
				t.Error("wrong value")
			}
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if d.fits == nil {
		t.Error("nothing fits")
	}
}

func FuzzLayouts(f *testing.F) {
	f.Add(`{"a": 1, "b": {"c": [true]}}`, `{"a": "x", "b": {"c": [null]}}`)
	f.Add(`{"a":"\u0061"}`, `{"a":"\u006"}`)
	f.Add("12", " 12")
	f.Add(metric, record)
	f.Fuzz(func(t *testing.T, a, b string) {
		d := new(Doc)
		for _, src := range []string{a, b, a, b} {
			same(t, d, src)
		}
	})
}

func BenchmarkLayouts(b *testing.B) {
	for _, x := range []struct{ name, text string }{{"metric", metric}, {"record", record}} {
		b.Run(x.name, func(b *testing.B) {
			d := new(Doc)
			for b.Loop() {
				_ = d.Parse(x.text)
			}
		})
		b.Run(x.name+" parsed", func(b *testing.B) {
			d := new(Doc)
			for b.Loop() {
				d.rest = 1
				_ = d.Parse(x.text)
			}
		})
	}
}

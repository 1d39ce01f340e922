package eval

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// TestIndex changes points at random and checks that a name is found where it is, whatever was remembered of it.
func TestIndex(t *testing.T) {
	f := newFrame()
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprintf("key%d", i%50) // two addresses for each name
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		p := point.Point{}
		f.Point = &p
		for range 100 {
			name := names[r.IntN(len(names))]
			switch r.IntN(4) {
			case 0:
				f.Delete(name)
			case 1:
				p.Rename(name, names[r.IntN(len(names))])
			default:
				f.Write(name, point.Int(1))
			}
			for _, name := range names {
				if got, want := f.Index(name), p.Index(name); got != want {
					t.Fatalf("%s is at %d, want %d", name, got, want)
				}
			}
		}
	}
}

// TestWrites checks what writing makes of kinds, and that a new key is paid for.
func TestWrites(t *testing.T) {
	f := newFrame()
	p := point.Point{Fields: []point.Field{{Key: "t", Value: point.String("x"), Tag: true}}}
	f.Point = &p
	f.reset()
	f.Write("t", point.Int(1))
	f.Write("v", Void())
	f.Write("l", point.List([]point.Value{point.Int(1)}))
	f.WriteTag("v", point.Float(1))
	for i, want := range []point.Field{
		{Key: "t", Value: point.String("1"), Tag: true}, {Key: "v", Value: point.String("1"), Tag: true}, {Key: "l", Value: point.String("[1]")},
	} {
		if got := p.Fields[i]; got.Key != want.Key || got.Tag != want.Tag || !got.Value.Equal(want.Value) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if spent := f.limits.Output - f.output; spent != 2*keySize+int64(len("[1]")) {
		t.Errorf("%d bytes spent", spent)
	}
	f.output = 0
	if f.Write("t", point.String("other")); !p.Fields[0].Value.Equal(point.String("other")) {
		t.Error("a text that costs nothing is not written")
	}
	if f.Write("new", point.Int(1)) || f.err == nil || !f.fatal || f.Recover() {
		t.Error("a key beyond the budget was written")
	}
}

// TestEscapedTexts checks that reading texts with escapes allocates nothing in the long run, and that they stay.
func TestEscapedTexts(t *testing.T) {
	f := newFrame()
	var p point.Point
	text := `{"a": "line\nline", "l": ["\u00e4", "` + strings.Repeat(`\\`, 100) + `"]}`
	var last point.Value
	prog := &Program{Source: &syntax.Source{}, Body: func(f *Frame) Flow {
		doc := f.LoadJSON(text, false)
		last, _, _ = At(f, doc, point.String("a"))
		list, _, _ := At(f, doc, point.String("l"))
		for i := range Len(list) {
			if v := f.Element(list, i); Len(v) != [...]int{len("ä"), 100}[i] {
				return Fail
			}
		}
		return Next
	}}
	if n := testing.AllocsPerRun(2000, func() {
		if f.Run(prog, &p) != nil {
			t.Error("a length is wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	first := last
	for range 1000 {
		f.Run(prog, &p)
	}
	if first.Str() != "line\nline" || last.Str() != first.Str() {
		t.Errorf("the texts are %q and %q", first.Str(), last.Str())
	}
}

// TestUsualStatus checks the short cut for a status that is in its usual form.
func TestUsualStatus(t *testing.T) {
	for _, s := range []string{
		"", "info", "INFO", "i", "warn", "warning", "OK", "ok", "s", "error", "Error", "err", "critical", "notice", "alert", "emerg", "debug", "trace",
		"unknown", "A Status That Is Too Long",
	} {
		if isUsual(s) && Status(s) != s {
			t.Errorf("%q is usual, but becomes %q", s, Status(s))
		}
		p := point.Point{Category: point.Logging, Fields: []point.Field{{Key: "status", Value: point.String(s)}}}
		f := newFrame()
		f.Point = &p
		if f.After(); p.Fields[0].Value.Str() != Status(s) {
			t.Errorf("%q became %q, want %q", s, p.Fields[0].Value.Str(), Status(s))
		}
	}
}

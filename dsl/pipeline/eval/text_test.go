package eval

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

func newFrame() *Frame { return NewFrame(Limits{}, time.Now, time.UTC) }

// TestTextsStay makes texts of many lengths, some longer than a chunk, and checks that none is overwritten by a later one.
func TestTextsStay(t *testing.T) {
	f := newFrame()
	var texts, want []string
	for i := range 3000 {
		s := fmt.Sprintf("%d", i) + strings.Repeat("x", i%200)
		if i%500 == 0 {
			s += strings.Repeat("y", 2*chunkSize)
		}
		texts = append(texts, f.End(append(f.Begin(), s...)))
		want = append(want, s)
		n, _ := f.Text(point.Int(int64(i)))
		texts, want = append(texts, n), append(want, fmt.Sprint(i))
	}
	for i := range texts {
		if texts[i] != want[i] {
			t.Fatalf("text %d became %.40q, want %.40q", i, texts[i], want[i])
		}
	}
	if got := f.End(f.Begin()); got != "" {
		t.Errorf("an empty text is %q", got)
	}
}

func TestTextAllocations(t *testing.T) {
	f := newFrame()
	if n := testing.AllocsPerRun(10000, func() { f.Text(point.Int(1234567890)) }); n != 0 {
		t.Errorf("%v allocations for a short text", n)
	}
	long := strings.Repeat("x", 1000)
	if n := testing.AllocsPerRun(10000, func() { f.reset(); f.Concat(long, long) }); n > 1 {
		t.Errorf("%v allocations for a text of 2000 bytes", n)
	}
}

func TestMarkers(t *testing.T) {
	for _, v := range []point.Value{point.Nil(), point.Int(0), point.String(""), Void()} {
		if IsUnset(v) {
			t.Errorf("%v is unset", v.Kind())
		}
	}
	if !IsVoid(Void()) || IsVoid(Unset()) || IsVoid(point.Nil()) || !IsUnset(Unset()) || !NotVoid(Void()).IsNil() {
		t.Error("void and unset are mixed up")
	}
	if Truth(Void()) || Len(Void()) != 0 || KindOf(Void()) != point.KindNil || !Tree(Void()).IsNil() {
		t.Error("void does not read as nil")
	}
}

// TestReferences checks that a reference answers as the tree that it stands for.
func TestReferences(t *testing.T) {
	f := newFrame()
	const text = `{"a": [1, {"b": "c"}, []], "d": {"e": null}, "f": {}}`
	ref, tree := f.LoadJSON(text, false), f.LoadJSON(text, true)
	if ref.Kind() != point.KindRef || tree.Kind() != point.KindMap {
		t.Fatalf("kinds are %v and %v", ref.Kind(), tree.Kind())
	}
	if !DeepEqual(ref, tree) || !Same(ref, tree) || Len(ref) != Len(tree) || KindOf(ref) != KindOf(tree) || TypeName(ref) != "map" {
		t.Error("a reference and its tree differ")
	}
	for _, key := range []string{"a", "d", "f", "x"} {
		r, ends, ok := At(f, ref, point.String(key))
		w, wends, wok := At(f, tree, point.String(key))
		if ends != wends || ok != wok || !DeepEqual(r, w) || Truth(r) != Truth(w) || Len(r) != Len(w) {
			t.Errorf("%s: got %v, want %v", key, Tree(r), w)
		}
		in, _ := In(f, point.String(key), ref)
		if win, _ := In(f, point.String(key), tree); in != win {
			t.Errorf("%s in the reference: %v", key, in)
		}
	}
	a, _ := f.Text(ref)
	if b, _ := f.Text(tree); a != b {
		t.Errorf("texts %s and %s", a, b)
	}
}

// TestDocumentsAreReused checks that parsing costs no memory in the long run.
func TestDocumentsAreReused(t *testing.T) {
	f := newFrame()
	var p point.Point
	prog := &Program{Source: &syntax.Source{}, Body: func(f *Frame) Flow {
		for range 3 {
			f.LoadJSON(`{"a": [1, 2, {"b": "c"}]}`, false)
		}
		return Next
	}}
	if n := testing.AllocsPerRun(100, func() { f.Run(prog, &p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(f.docs) != 3 {
		t.Errorf("%d documents, want 3", len(f.docs))
	}
}

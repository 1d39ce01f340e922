package funcs

import (
	"slices"
	"testing"
)

// TestNames checks that the functions of DataKit 1.84 are all there, or known to be absent.
func TestNames(t *testing.T) {
	const functions = 75
	names := slices.Clone(absent)
	for _, d := range All() {
		if slices.Contains(absent, d.Name) {
			t.Errorf("%s is declared and absent", d.Name)
		}
		names = append(names, d.Name)
	}
	slices.Sort(names)
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) || len(names) != functions {
		t.Errorf("%d names, %d of them different, want %d", len(names), len(unique), functions)
	}
}

func TestDeclarations(t *testing.T) {
	for _, d := range All() {
		for i, p := range d.Params {
			if p.Name == "" || p.Kind == Rest && i != len(d.Params)-1 {
				t.Errorf("%s: parameter %d", d.Name, i)
			}
			if p.Optional && i+1 < len(d.Params) && !d.Params[i+1].Optional && !d.Named {
				t.Errorf("%s: parameter %s follows an optional one", d.Name, d.Params[i+1].Name)
			}
		}
	}
}

func TestContainsFold(t *testing.T) {
	for _, x := range []struct {
		s, word string
		want    bool
	}{{"Out Of Memory", "of mem", true}, {"OOM", "oom", true}, {"oo", "oom", false}, {"o[m", "o{m", false}, {"aab", "ab", true}, {"1-2", "-2", true}, {"", "a", false}} {
		if got := containsFold(x.s, x.word); got != x.want {
			t.Errorf("%q in %q: got %v", x.word, x.s, got)
		}
	}
}

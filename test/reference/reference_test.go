package reference

import (
	"fmt"
	"strings"
	"testing"
)

// TestReference holds the engine to every result of the page.
func TestReference(t *testing.T) {
	r, err := Run()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Faults {
		t.Error(f)
	}
	t.Logf("figure: %d of %d results of the page, %v; %d checks", r.Passed, r.Entries, r.Kinds, r.Checks)
	for _, e := range r.Exceptions {
		t.Logf("figure: exception: %s", e)
	}
	if r.Kinds[Arrow] != 98 || r.Kinds[Function] != 75 {
		t.Errorf("%d results behind an arrow and %d functions, the page has 98 in sections 2 to 12 and 75", r.Kinds[Arrow], r.Kinds[Function])
	}
}

const page = "# A page\n## 1. Before\n`x` -> 1\n## 2. Within\nA text (`1.0` -> `1`, `a, b` -> 2); nil -> `\"\"`. Next. `q` of\nx, c -> true.\n\n" +
	"* item **`f(K)`** -> int: much, more.\n\n| a | b |\n| --- | --- |\n| `x | y` -> 1 | `p` -> 3 but `q` -> 4 |\n\n```\nf(x)   # says -> x\nplain\n```\n" +
	"### 2.1 Deeper\n\nSELECT 1 -- c\n\n### 11.4 Functions\n\n* **`len(e)`** and **`lne`**: no `other(x)`.\n\n## 13. Behind\na -> b\n\n## 15. Examples\n\n-> fields\nand more\n"

func TestExtract(t *testing.T) {
	var got []string
	for _, e := range Extract(page) {
		got = append(got, fmt.Sprintf("%s %s:%d %s", e.Kind, e.Section, e.Line, e.Text))
	}
	want := []string{
		"arrow 2:5 A text (`1.0` -> `1`,", "arrow 2:5 `a, b` -> 2);", "arrow 2:5 nil -> `\"\"`.", "arrow 2:6 `q` of x, c -> true.",
		"arrow 2:8 * item **`f(K)`** -> int: much, more.", "row 2:12 | `x | y` -> 1 | `p` -> 3 but `q` -> 4 |", "arrow 2:12 `x | y` -> 1",
		"arrow 2:12 `p` -> 3 but", "arrow 2:12 `q` -> 4", "comment 2:15 f(x) # says -> x", "example 15:31 -> fields and more",
		"function 11.4:24 len", "function 11.4:24 lne",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	entries := Extract(page)
	again, err := Parse(Format(entries))
	if err != nil || fmt.Sprint(again) != fmt.Sprint(entries) {
		t.Errorf("the table read back is %v, %v", again, err)
	}
}

// TestHold: what is missing, left over, changed or wrong is a fault.
func TestHold(t *testing.T) {
	entries := []Entry{{1, Arrow, "2", 1, "one"}, {2, Arrow, "2", 2, "two"}, {3, Arrow, "2", 3, "three"}, {4, Row, "2", 4, "four"}, {5, Row, "2", 5, "five"}, {6, Function, "11", 6, "len"}, {7, Function, "11", 7, "lne"}}
	sets, err := parseChecks("@ 1 one\n= 1 + 1 => 2\n\n@ 2 two, before\n= 1 => 1\n@ 4 four\n= 1 => 2\n@ 5 five\nexcept better\n| drop()\n> dropped\n@ 6 len\n= len(\"a\") => 1\n@ 9 nine\n= 1 => 1\n")
	if err != nil {
		t.Fatal(err)
	}
	r := hold(entries, sets)
	want := []string{"check of 9", "2 (section 2, line 2) two: its text was", "3 (section 2, line 3) three: no check", "4 (section 2, line 4) four: checks.txt:7",
		"7 (section 11, line 7) lne: there is no such function"}
	if len(r.Faults) != len(want) || r.Passed != 3 || len(r.Exceptions) != 1 {
		t.Fatalf("%+v", r)
	}
	for i, w := range want {
		if !strings.HasPrefix(r.Faults[i], w) {
			t.Errorf("fault %d is %q, want %q", i, r.Faults[i], w)
		}
	}
	for _, bad := range []string{"= 1 => 1", "@ x y", "@ 1 y\n= 1", "@ 1 y\n> x", "@ 1 y\nwhat", "@ 1 y\n! point"} {
		if _, err := parseChecks(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, x := range []struct {
		got, want string
		matches   bool
	}{{"abc", "abc", true}, {"abc", "a…", true}, {"abc", "…b…", true}, {"abc", "a…d", false}, {"abc", "b…", false}, {"abc", "…x…c", false}, {"abc", "…", true}} {
		if matches(x.got, x.want) != x.matches {
			t.Errorf("%q as %q", x.got, x.want)
		}
	}
}

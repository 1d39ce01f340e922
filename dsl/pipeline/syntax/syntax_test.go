package syntax

import (
	"strings"
	"testing"
)

func TestPrecedence(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"a || b && c", "(a || (b && c))"}, {"a && b || c && d", "((a && b) || (c && d))"}, {"a && b in c", "(a && (b in c))"},
		{"a in b == c", "(a in (b == c))"}, {"a in b in c", "((a in b) in c)"}, {"a == b + c", "(a == (b + c))"}, {"a < b == c", "((a < b) == c)"},
		{"a - b - c", "((a - b) - c)"}, {"a + b * c % d", "(a + ((b * c) % d))"}, {"!a == b", "((!a) == b)"}, {"-a * b", "((-a) * b)"}, {"- - a", "(-(-a))"},
		{"!a.b", "(!a.b)"}, {"-a[0]", "(-a[0])"}, {"-5", "-5"}, {"a -5", "(a - 5)"}, {"-5 - -5", "(-5 - -5)"}, {"+1.5", "1.5"}, {"-(5)", "(-5)"}, {"!5", "(!5)"},
		{"a.b.c", "a.b.c"}, {"a.b[0].c[1][2]", "a.b[0].c[1][2]"}, {".[0].a", ".[0].a"}, {"a[0][b]", "a[0][b]"}, {"a[1:2:3]", "a[1:2:3]"}, {"a[::c]", "a[::c]"}, {"a[:][:b]", "a[:][:b]"},
		{"f(a, b = c)[1:]", "f(a, b = c, )[1:]"},
	} {
		s, errs := Parse(&Source{Text: x.text})
		if len(errs) > 0 {
			t.Errorf("%s: %v", x.text, errs)
			continue
		}
		if got := shape(s.Body[0].(*ExprStmt).X); got != x.want {
			t.Errorf("%s: got %s, want %s", x.text, got, x.want)
		}
	}
}

func TestPositions(t *testing.T) {
	src := &Source{Name: "x.p", Text: "a = 1\n é = b ! c\n"}
	_, errs := Parse(src)
	if got := errs.Error(); got != "x.p:2:8: expected a newline or `;` after the statement, found `!`" {
		t.Errorf("got %s", got)
	}
	for pos, want := range map[Pos][2]int{0: {1, 1}, 4: {1, 5}, 6: {2, 1}, 7: {2, 2}, 9: {2, 3}, 1000: {3, 1}, NoPos: {0, 0}} {
		if line, col := src.LineCol(pos); line != want[0] || col != want[1] {
			t.Errorf("position %d is %d:%d, want %v", pos, line, col, want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, x := range []struct {
		err  Error
		want string
	}{
		{Error{Place: Place{"f.p", 1, 2}, Msg: "m"}, "f.p:1:2: m"}, {Error{Place: Place{"", 1, 2}, Msg: "m", Hint: "h"}, "1:2: m (h)"},
		{Error{Place: Place{File: "f.p"}, Msg: "m"}, "f.p: m"},
		{Error{Msg: "m"}, "m"},
	} {
		if got := x.err.Error(); got != x.want {
			t.Errorf("got %s, want %s", got, x.want)
		}
	}
}

func TestMutates(t *testing.T) {
	for text, want := range map[string]bool{"a = 1": false, "a[0] = 1": true, "if x { for ;; a[\"b\"] += 1 { } }": true, "x = a[0]": false, "a.b[0] = 1": false} {
		if s, errs := Parse(&Source{Text: text}); len(errs) > 0 || s.Mutates != want {
			t.Errorf("%s: %v, errors %v", text, s, errs)
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	for _, text := range []string{"= =\n", "^", "\"\\d\"\n"} {
		if _, errs := Parse(&Source{Text: strings.Repeat(text, 100_000)}); len(errs) != MaxErrors {
			t.Errorf("%q: got %d errors, want %d", text, len(errs), MaxErrors)
		}
	}
}

// FuzzParse checks that a tree, printed and parsed again, is the same, and that errors have a place.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a = 1\nb += x.y[0]\n", "if a { } elif b { c() } else { d(x = 1, [2, 3.0], {\"k\": nil}) }", "for i = 0; i < 5; i += 1 { break }", "for x in [1] { continue }", "for ;; {}",
		"`a b`.`if`[1:2:-3]", "x = \"\\x41\\u00e9\\n\" + '''raw\n''' + inf - -nan", "a, b = 1, 2 # c\n;;", ".[0].a", "!(-a * +b) || c in d", "a = 0x1F + 017 + 08 + 1e3",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, errs := Parse(&Source{Text: text})
		if len(errs) > 0 {
			for _, e := range errs {
				if e.Line < 1 || e.Col < 1 || e.Msg == "" {
					t.Errorf("%q: error %+v", text, e)
				}
			}
			return
		}
		first := format(s)
		again, errs := Parse(&Source{Text: first})
		if len(errs) > 0 {
			t.Fatalf("%q: printed as %q, which has %v", text, first, errs)
		}
		if second := format(again); second != first {
			t.Errorf("%q: printed as %q, then as %q", text, first, second)
		}
	})
}

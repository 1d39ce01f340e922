package grok

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"testing"
)

// parse returns the tree and the text of what a pattern stands for.
func parse(t testing.TB, pattern string) (*syntax.Regexp, string) {
	t.Helper()
	expr, err := Builtin().Expression(pattern)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	return tree, expr
}

// TestSteps holds hostile patterns and texts to the steps that a match may take, which grow with the text and no
// faster. Where they run out package regexp goes on, in its own linear time.
func TestSteps(t *testing.T) {
	repeat := strings.Repeat
	for _, c := range []struct {
		pattern string
		text    func(n int) string
		bounded bool // the steps do not run out
	}{
		{`(?:a|aa)*b`, func(n int) string { return repeat("a", n) }, false},
		{`(?:a|a|ab)*[bc]$`, func(n int) string { return repeat("ab", n/2) + "x" }, false},
		{`(?:(?:a|b)+)+c`, func(n int) string { return repeat("ab", n/2) }, false},
		{`(?:x+x+)+y`, func(n int) string { return repeat("x", n) }, false},
		{`a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaaaaaaaaab`, func(n int) string { return repeat("a", n) }, false},
		{`(?:%{WORD}\s?)+!`, func(n int) string { return repeat("ab ", n/3) }, false},
		{`.{1,30}.{1,30}.{1,30}!`, func(n int) string { return repeat("ä", n/2) }, false},
		{`(?:%{DATA:x} )*y`, func(n int) string { return repeat("a ", n/2) }, true},
		{`(?:%{DATA:x} )*%{DATA:z}=y`, func(n int) string { return repeat("a ", n/2) }, true},
		{`x*y`, func(n int) string { return repeat("x", n) }, true},
		{`%{NOTSPACE:a} %{NOTSPACE:b} %{NOTSPACE:c}$`, func(n int) string { return repeat("x", n/2) + repeat(" y", n/4) }, true},
		{`%{GREEDYDATA:a} %{GREEDYDATA:b} %{GREEDYDATA:c}=`, func(n int) string { return repeat(" ", n) }, true},
		{`%{GREEDYDATA:a}:%{DATA:b}:%{GREEDYDATA:c}:%{DATA:d};`, func(n int) string { return repeat("a:", n/2) }, true},
		{`"%{DATA:a}" "%{DATA:b}" "%{DATA:c}" "%{DATA:d}" "%{DATA:e}" %{INT:n}$`, func(n int) string { return repeat(`"x" `, n/4) + "!" }, true},
		{`%{COMMONENVOYACCESSLOG}`, func(n int) string {
			return `[2026-11-18T09:14:07Z] "` + repeat("GET / ", n/6) + repeat(`" 1 "`, n/5)
		}, true},
		{accessLog, func(n int) string { return strings.Replace(repeat(accessLine, 1+n/len(accessLine)), `"GET`, `GET`, -1) }, true},
		{accessLog, func(n int) string { return accessLine[:len(accessLine)-1] + repeat("x", n) }, true},
		{`%{COMBINEDAPACHELOG}`, func(n int) string { return repeat("a.b.c ", n/6) }, true},
		{`%{IPORHOST:h} %{NUMBER:n}$`, func(n int) string { return repeat("10.0.0.", n/7) }, true},
		{`%{IPV6:h} `, func(n int) string { return repeat("fe80:", n/5) }, true},
		{`%{URI:u} !`, func(n int) string { return "http://" + repeat("a/b?c=d&", n/8) }, true},
		{`%{QS:q} !`, func(n int) string { return repeat(`"a\" `, n/5) }, true},
	} {
		tree, expr := parse(t, c.pattern)
		p := newProgram(tree, true)
		if p == nil {
			t.Fatalf("%s: no program", c.pattern)
		}
		for _, n := range []int{100, 1000, 20000} {
			text := c.text(n)
			s := new(scratch)
			s.begin(p, text)
			whole := s.steps
			start, end := p.search(s, text, 0)
			if over := -s.steps; over > len(text)/4+1 {
				t.Errorf("%s, %d bytes: %d steps more than the %d", c.pattern, len(text), over, whole)
			}
			if c.bounded && start == exhausted {
				t.Errorf("%s, %d bytes: more than %d steps", c.pattern, len(text), whole)
			}
			if n > 1000 || start == exhausted {
				continue // package regexp would take long
			}
			if want := regexp.MustCompile(expr).FindStringIndex(text); (want == nil) != (start < 0) || want != nil && !slices.Equal(want, []int{start, end}) {
				t.Errorf("%s, %d bytes: found %d, %d, package regexp %v", c.pattern, len(text), start, end, want)
			}
		}
	}
}

// A search that has run out of steps has the result, and the groups, of package regexp.
func TestExhausted(t *testing.T) {
	m := compile(t, Builtin(), `(?P<a>(?:x|xx)+)(?P<b>y|z)`)
	text := strings.Repeat("x", 60) + "!" + strings.Repeat("x", 3) + "z"
	s := new(scratch)
	s.begin(m.program, text)
	if start, _ := m.program.search(s, text, 0); start != exhausted {
		t.Fatalf("found at %d: the case is too easy", start)
	}
	if got := groups(m, text, true); got != `a=string "xxx", b=string "z"` {
		t.Errorf("got %s", got)
	}
	r, err := CompileRegexp(`(x|xx)+(y|z)`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.FindAll(text, []int{7}), []int{7, 61, 65, 63, 64, 64, 65}; !slices.Equal(got, want) || !r.Match(text) || r.Groups() != 3 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := string(r.Expand([]byte("<"), "$2${1}$$", text, r.FindAll(text, nil))); got != "<zx$" {
		t.Errorf("expanded to %s", got)
	}
}

// Expressions that programs do not do are left to package regexp: loops whose body may match nothing, texts that no
// UTF-8 has, and very large ones. No built-in pattern is among them.
func TestPrograms(t *testing.T) {
	for expr, want := range map[string]bool{
		`(?:a*b*)*`: false, `(a?)+`: false, `(?:a|b*){2,}`: false, `\x{D800}`: false, `(?:[ab]{1,9}c){50}`: true, `(?:a[bc]d|e[fg]h|i[jk]l|m[no]p|q[rs]t|u[vw]x|y[z0]1){1000}`: false,
		`(?:a*){2,3}`: true, `(?:a*)*`: true, `(?:(?:ab?)+c?)*`: true, `[\x{D800}-\x{DFFF}]`: true, `[^\x{D800}]+x`: true,
	} {
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := newProgram(tree, true) != nil; got != want {
			t.Errorf("%s: a program is %v, want %v", expr, got, want)
		}
	}
	for name := range Builtin().named {
		if compile(t, Builtin(), "%{"+name+"}").program == nil {
			t.Errorf("%s is left to package regexp", name)
		}
	}
}

// One matcher serves several goroutines.
func TestConcurrent(t *testing.T) {
	m := compile(t, Builtin(), accessLog)
	want := groups(m, accessLine, true)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if got := groups(m, accessLine, true); got != want {
					t.Errorf("got %s", got)
				}
				if got := groups(m, accessLine[1:90], true); got != "no match" {
					t.Errorf("got %s", got)
				}
			}
		})
	}
	wg.Wait()
}

package grok

import (
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dataflow/engine/point"
)

func compile(t testing.TB, p *Patterns, pattern string) *Matcher {
	t.Helper()
	m, err := p.Compile(pattern)
	if err != nil {
		t.Fatalf("Compile(%q): %v", pattern, err)
	}
	return m
}

// groups returns the groups of a match as name=JSON, or "no match".
func groups(m *Matcher, text string, trim bool) string {
	values, ok := m.Match(text, trim, nil)
	if !ok {
		return "no match"
	}
	var parts []string
	for i, name := range m.Names() {
		parts = append(parts, name+"="+string(point.AppendJSON([]byte(values[i].Kind().String()+" "), values[i])))
	}
	return strings.Join(parts, ", ")
}

func TestMatch(t *testing.T) {
	for _, c := range []struct{ pattern, text, want string }{
		{"%{INT:a.b}", "x 5", `a_b=string "5"`},
		{"%{INT:a-b:int}", "x 5", `a_b=int 5`},
		{`(?:x%{INT:v}|y%{INT:v})`, "x5", `v=string ""`},
		{`(?:x%{INT:v}|y%{INT:v})`, "y5", `v=string "5"`},
		{`(?:x%{INT:v:int}|y%{INT:v})`, "x5", `v=int 0`},
		{`%{SYSLOGPROG}`, "sshd[42]", `program=string "sshd", pid=string "42"`},
		{`(?P<x>a+)(?<y>b)?`, "caa", `x=string "aa", y=string ""`},
		{`%{INT:@e}`, "%{INT:@e}", ""},
		{`%{DATA:}`, "a%{DATA:}b", ""},
		{`%{INT} %{WORD}`, "5 x", ""},
		{`%{DATA:d},`, " a b ,", `d=string "a b"`},
		{`%{GREEDYDATA:g}`, "a\nb", `g=string "a"`},
		{`%{GREEDYLINES:g}`, "a\nb", `g=string "a\nb"`},
		{`%{GREEDYLINES:g}.`, "a\nb\n", `g=string "a"`}, // . outside of the group does not match the newline
		{`%{WORD:w}`, "ä b", `w=string "b"`},
		{`[(]%{INT:n}[)]`, "x(5)", `n=string "5"`},
		{`\(%{INT:n}\)[]()]\Q(a\E(b)`, "(5)](ab", `n=string "5"`},
		{`[[:alpha:](]+%{INT:n}`, "a(5", `n=string "5"`},
		{`((a)|(?i:B))%{INT:n:int}`, "b7", `n=int 7`},
		{`%{NUMBER:f:float} %{WORD:b:bool} %{WORD:s:str} %{WORD:t:string}`, "1.5 true x y", `f=float 1.5, b=bool true, s=string "x", t=string "y"`},
		{`%{NOTSPACE:f:float} %{NOTSPACE:b:bool} %{NOTSPACE:i:int}`, "x yes -", `f=float 0, b=bool false, i=int 0`},
		{`%{INT:x}%{INT:y:int}?$`, "12", `x=string "12", y=int 0`},
		{`nothing`, "x", "no match"},
	} {
		if got := groups(compile(t, Builtin(), c.pattern), c.text, true); got != c.want {
			t.Errorf("%s on %q: %s, want %s", c.pattern, c.text, got, c.want)
		}
	}
	if got := groups(compile(t, Builtin(), "%{DATA:d},"), " a ,", false); got != `d=string " a "` {
		t.Errorf("without trimming: %s", got)
	}
}

func TestAccessLog(t *testing.T) {
	m := compile(t, Builtin(), accessLog)
	want := `client_ip=string "203.0.113.77", ident=string "-", auth=string "alice", time=string "18/Nov/2026:09:14:07 +0000", method=string "GET", ` +
		`url=string "/api/v2/orders/8841?expand=items", http_version=string "1.1", status_code=int 200, bytes=int 5120, referrer=string "https://shop.example/cart", agent=string "Mozilla/5.0 (X11; Linux x86_64)"`
	if got := groups(m, accessLine, true); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

func TestParseInt(t *testing.T) {
	for s, want := range map[string]int64{
		"007": 7, "010": 8, "08": 0, "0x1F": 31, "3.00": 3, "3.7": 0, "3.": 0, "": 0, "-": 0, "+5": 5, "-12": -12, "0": 0, "00": 0, "0.0": 0, "100": 100, "1.10": 0,
		"9223372036854775807": math.MaxInt64, "9223372036854775808": 0, " 5": 0, "abc": 0, ".0": 0, "-.0": 0, "0b101": 5, "0o17": 15, "1e3": 0, "-0x10": -16, "10.0.0": 0,
	} {
		if got := ParseInt(s); got != want {
			t.Errorf("ParseInt(%q) = %d, want %d", s, got, want)
		}
	}
	for s, want := range map[string]float64{"1.5": 1.5, "": 0, "x": 0, "1e400": 0, "inf": math.Inf(1), "0x1p4": 16, "-": 0, "1e3": 1000} {
		if got := parseFloat(s); got != want {
			t.Errorf("parseFloat(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestScopes(t *testing.T) {
	outer := Builtin().Child()
	add := func(p *Patterns, name, def string) {
		t.Helper()
		if err := p.Add(name, def); err != nil {
			t.Fatal(err)
		}
	}
	add(outer, "ID", `[A-Z]{2}`)
	add(outer, "PAIR", `%{ID:id}%{INT:n:int}`)
	inner := outer.Child()
	add(inner, "ID", `[a-z]{2}`)
	add(inner, "INT", `x`)
	for _, c := range []struct {
		p                   *Patterns
		pattern, text, want string
	}{
		{outer, "%{ID:v}", "ab CD", `v=string "CD"`},
		{inner, "%{ID:v}", "ab CD", `v=string "ab"`},
		{inner, "%{PAIR}", "ab1 CD2", `id=string "CD", n=int 2`},               // defined with what was known then
		{outer, "%{PAIR:n}", "CD2", `n=int 2, id=string "CD"`},                 // the inner n is the last one, and has a type
		{outer, "%{PAIR:n:float}", "CD2", `n=float 2, id=string "CD"`},         // the outer type wins
		{outer, "%{PAIR:p}", "CD2", `p=string "CD2", id=string "CD", n=int 2`}, // captured around and inside
		{inner, "%{INT}", "x", ""},
	} {
		if got := groups(compile(t, c.p, c.pattern), c.text, true); got != c.want {
			t.Errorf("%s on %q: %s, want %s", c.pattern, c.text, got, c.want)
		}
	}
	if _, err := Builtin().Compile("%{PAIR}"); err == nil {
		t.Error("a pattern of a child is seen outside")
	}
	add(outer, "ID", `\d\d`)
	if got := groups(compile(t, outer, "%{ID:v}"), "CD 12", true); got != `v=string "12"` {
		t.Errorf("a pattern defined again: %s", got)
	}
}

func TestErrors(t *testing.T) {
	p := Builtin().Child()
	for pattern, want := range map[string]string{
		"%{NOPE}": `unknown grok pattern "NOPE"`, "%{INT:a:long}": `unknown type "long" in %{INT:a:long}: want str, string, int, float or bool`, "(": "missing closing ): `(?:`",
		`(a)\1`: "invalid escape sequence: `\\1`", "a(?=b)": "invalid or unsupported Perl syntax: `(?=`", "(?P<a-b>x)": "invalid named capture: `(?P<a-b>`", "(?P<a": "invalid named capture: `(?P<a`", "[a": "missing closing ]: `[a`",
	} {
		if _, err := p.Compile(pattern); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", pattern, err, want)
		}
	}
	if err := p.Add("SELF", "%{SELF}"); err == nil || err.Error() != `defining grok pattern SELF: unknown grok pattern "SELF"` {
		t.Errorf("a pattern that uses itself: %v", err)
	}
	for _, name := range []string{"", "a b", "a:b", "%{INT}", "}"} {
		if err := p.Add(name, "x"); err == nil {
			t.Errorf("the name %q was accepted", name)
		}
	}
	if p.Add("P", strings.Repeat("x", 1000)) != nil {
		t.Fatal("the first pattern was refused")
	}
	var err error
	for range 60 {
		if err = p.Add("P", "%{P}%{P}"); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "expands to more than") {
		t.Errorf("doubling patterns: %v", err)
	}
}

// Every built-in pattern compiles, and to what its definition says: the plain expansion with all captures
// finds the same matches.
func TestBuiltin(t *testing.T) {
	b := Builtin()
	file, err := os.ReadFile("patterns.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(file)), "\n")
	if len(lines) != 78 || len(b.named) != 78 {
		t.Fatalf("%d lines, %d patterns, want 78", len(lines), len(b.named))
	}
	for name, e := range b.named {
		m := compile(t, b, "%{"+name+"}")
		plain := regexp.MustCompile(plainGroups(e.text))
		for _, text := range texts {
			want := plain.FindStringIndex(text)
			s := new(scratch)
			if ok := m.find(s, text); ok != (want != nil) || ok && !slices.Equal(s.slots[:2], want) {
				t.Errorf("%s on %q: %v, want %v", name, text, s.slots, want)
			}
		}
	}
}

// plainGroups removes the names of groups, which package regexp wants to be distinct.
func plainGroups(s string) string { return regexp.MustCompile(`\(\?P<\w+>`).ReplaceAllString(s, "(") }

var texts = []string{
	accessLine, "", "2026-11-18T09:14:07.512Z host sshd[42]: x", "Nov 18 09:14:07 web-07 cron[1]: run", "fe80::1%eth0 ::ffff:10.0.0.1", "C:\\a\\b /var/log/x", "00:1A:2b:3c:4d:5e",
	"https://user:pw@example.org:8080/a/b?c=d", "Mon Nov 18 2026", "\"quoted \\\" text\"", "ERROR warn Alert", "a@b.example 0x1f -1.5 7f0c1a92-b3d4-4e5f-8a6b-7c8d9e0f1a2b",
}

// A name may stand anywhere: what is captured is what the expression with one name at a time captures.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		accessLog, "%{INT:a:int}", `(?P<x>a)|(b)[(]\((?i)%{DATA:d}`, `\Q(\E(`, "[^](]", "[[:alpha:](](", "%{SYSLOGBASE}%{GREEDYLINES:m}", "(?<n>(?:x))", `(\pL)\x{28}(`,
	} {
		f.Add(s, "a 1 b")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 200 || len(text) > 1000 || strings.Count(pattern, "%{") > 3 {
			return
		}
		m, err := Builtin().Compile(pattern)
		if err != nil {
			return
		}
		values, ok := m.Match(text, false, nil)
		e, _ := Builtin().expand(pattern)
		plain, err := regexp.Compile(e.text)
		if err != nil {
			return // two groups of one name
		}
		at := plain.FindStringSubmatchIndex(text)
		if ok != (at != nil) {
			t.Fatalf("%q on %q: %v, the plain expression %v", pattern, text, ok, at)
		}
		if !ok {
			return
		}
		if len(values) != len(m.Names()) {
			t.Fatalf("%d values of %d names", len(values), len(m.Names()))
		}
		for i, name := range plain.SubexpNames() {
			if name == "" {
				continue
			}
			k := slices.Index(m.Names(), name)
			want := ""
			if at[2*i] >= 0 {
				want = text[at[2*i]:at[2*i+1]]
			}
			if k < 0 || values[k].Kind() == point.KindString && values[k].Str() != want {
				t.Fatalf("%q on %q: group %s is %v, want %q", pattern, text, name, values, want)
			}
		}
	})
}

const (
	accessLog = `%{NOTSPACE:client_ip} %{NOTSPACE:ident} %{NOTSPACE:auth} \[%{HTTPDATE:time}\] "%{WORD:method} %{NOTSPACE:url} HTTP/%{NUMBER:http_version}" ` +
		`%{INT:status_code:int} %{INT:bytes:int} "%{DATA:referrer}" "%{DATA:agent}"`
	accessLine = `203.0.113.77 - alice [18/Nov/2026:09:14:07 +0000] "GET /api/v2/orders/8841?expand=items HTTP/1.1" 200 5120 "https://shop.example/cart" "Mozilla/5.0 (X11; Linux x86_64)"`
)

// matches are the lines of the benchmarks.
var matches = []struct{ name, pattern, line string }{
	{"b", strings.Replace(accessLog, "%{NOTSPACE:client_ip}", "%{IPORHOST:client_ip}", 1), browserLine},
	{"b2", accessLog, browserLine},
	{"syslog", `%{SYSLOGBASE} %{GREEDYDATA:text}`, `Nov 18 09:14:07 web-07 sshd[4242]: Failed password for root from 203.0.113.77 port 22 ssh2`},
	{"apache", `%{COMBINEDAPACHELOG}`, browserLine},
}

const browserLine = `203.0.113.77 - alice [18/Nov/2026:09:14:07 +0000] "GET /api/v2/orders/8841?expand=items HTTP/1.1" 200 5120 "https://shop.example/cart" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"`

// BenchmarkMatch has package regexp with the same expression beside each match, and a line without a match.
func BenchmarkMatch(b *testing.B) {
	for _, c := range matches {
		m := compile(b, Builtin(), c.pattern)
		dst := make([]point.Value, 0, 16)
		b.Run(c.name+"/grok", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if dst, _ = m.Match(c.line, true, dst); len(dst) == 0 {
					b.Fatal("no match")
				}
			}
		})
		b.Run(c.name+"/fails", func(b *testing.B) {
			line := strings.ReplaceAll(c.line, ":", ";")
			for b.Loop() {
				if dst, _ = m.Match(line, true, dst); len(dst) != 0 {
					b.Fatal("a match")
				}
			}
		})
		b.Run(c.name+"/regexp", func(b *testing.B) {
			re := m.plain()
			b.ReportAllocs()
			for b.Loop() {
				if re.FindStringSubmatchIndex(c.line) == nil {
					b.Fatal("no match")
				}
			}
		})
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

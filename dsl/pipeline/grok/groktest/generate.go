package groktest

import (
	"fmt"
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

type generator struct{ *rand.Rand }

func (g *generator) pick(list []string) string { return list[g.IntN(len(list))] }

// fixedPatterns are real ones. They are large, and so compiled once for all inputs.
var fixedPatterns = []string{
	`%{NOTSPACE:a} %{NOTSPACE:b} \[%{HTTPDATE:t}\] "%{WORD:m} %{NOTSPACE:u} HTTP/%{NUMBER:v}" %{INT:s:int} "%{DATA:r}" "%{DATA:g}"`,
	`%{IPORHOST:ip} %{NOTSPACE:b} %{NUMBER:n}`, `%{SYSLOGBASE} %{GREEDYDATA:m}`, `%{COMBINEDAPACHELOG}`, `%{COMMONAPACHELOG}`,
	`%{TIMESTAMP_ISO8601:t} +%{LOGLEVEL:l} +\[%{DATA:c}\] %{GREEDYLINES:m}`, `%{IPV6:a}`, `%{IPV4:a}`, `%{IP:a}:%{POSINT:p}`, `%{IPORHOST:h}$`,
	`%{HOSTNAME:h}:`, `^%{HOSTNAME:h}$`, `%{URI:u}`, `%{URIPATHPARAM:p} `, `%{QUOTEDSTRING:q}`, `%{EMAILADDRESS:e}`, `%{UNIXPATH:p}`,
	`%{PATH:p}`, `%{UUID:u}`, `%{MAC:m}`, `%{DATE:d}`, `%{DATESTAMP:d}`, `%{HTTPDATE:t}`, `%{DATESTAMP_RFC2822:d}`, `%{DATESTAMP_OTHER:d}`,
	`%{TIME:t}`, `%{MONTH:m} +%{MONTHDAY:d}`, `%{SYSLOGPROG}:`, `%{NUMBER:a}%{NUMBER:b}`, `%{BASE16NUM:a}`, `%{HTTPD_ERRORLOG}`,
	`%{DATA:a},%{DATA:b},%{GREEDYDATA:c}`, `%{GREEDYDATA:a}=%{GREEDYDATA:b}`, `%{SPACE}%{WORD:w}%{SPACE}`, `(%{WORD} )*%{INT:n}`, `%{TTY:t}`,
	`%{GREEDYDATA:a} %{WORD:w}$`, `(?:%{WORD:k}=%{DATA:v};)+`, `%{LOGLEVEL:l}`, `%{PROG:p}\[`, `(?i)status=(4|5)\d\d`, `(%{INT:n},?)+`,
}

// small are built-in patterns that are used inside random ones.
var small = []string{
	"INT", "WORD", "DATA", "NOTSPACE", "SPACE", "GREEDYDATA", "GREEDYLINES", "NUMBER", "POSINT", "NONNEGINT", "YEAR", "MONTHDAY", "HOUR",
	"MINUTE", "SECOND", "USER", "QS", "MONTHNUM", "URIPATH", "BASE16NUM", "TZ", "DAY", "IPV4", "HOSTNAME", "TIME", "MONTH",
}

// pair returns a random pattern, or the first difference in compiling one. Fixed ones are kept.
func (g *generator) pair(fixed map[string]*pair) (*pair, error) {
	for {
		pattern, keep := g.pick(fixedPatterns), true
		if g.IntN(3) > 0 {
			names := 0
			pattern, keep = g.pattern(3, &names), false
			if g.IntN(4) == 0 {
				pattern = g.several(&names)
			}
		}
		if p := fixed[pattern]; p != nil {
			return p, nil
		}
		p, err := newPair(pattern)
		if err != nil {
			return nil, err
		}
		if p == nil || len(p.expr) > 4000 && !keep {
			continue
		}
		if keep {
			fixed[pattern] = p
		}
		return p, nil
	}
}

var (
	atoms = []string{
		"a", "b", "ab", "abc", "1", " ", ": ", "-", `\.`, "=", `"`, "ä", "日", "k", "s", "x", "\\n", `\[`, "/", "\uFFFD", "aa",
		"[ab]", "[^a]", "[a-c1]", `[^"]`, `[^"\\]`, "[ä-ü]", "[^日]", "[a日]", `[\x00-\x{10FFFF}]`, `[^\n]`, ".", ".", `\d`, `\w`, `\s`, `\S`, `\W`, `\D`,
		`\pL`, `\PN`, "(?s:.)", "(?i:a)", "(?i:ks)", "(?i:[k-s])", "(?i:Äb)", "(?i:abc)", "[[:alpha:]]", `[^\x00-\x7f]`, `[\x{FFFD}]`,
	}
	assertions = []string{`\b`, `\B`, "^", "$", `\A`, `\z`, "(?m:^)", "(?m:$)", ""}
	repeats    = []string{"*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,3}", "{2,}", "{1,3}?", "{2,}?", "{0}", "{0,3}?", "*", "+"}
)

// several returns a pattern of several runs one after the other, as in lines that are taken apart at separators. On texts
// of few different bytes there are many ways to share the text between them, of which most fail.
func (g *generator) several(names *int) string {
	var b strings.Builder
	for range 2 + g.IntN(5) {
		run := g.pick(runs)
		switch g.IntN(5) {
		case 0:
			*names++
			run = fmt.Sprintf("(?P<s%d>%s)", *names, run)
		case 1:
			run = "(?:" + run + g.pick(separators) + "|" + g.pick(runs) + ")"
		case 2:
			run = "(?:" + run + g.pick(separators) + ")" + g.pick(repeats)
		}
		b.WriteString(run)
		if g.IntN(4) > 0 {
			b.WriteString(g.pick(separators))
		}
	}
	return b.String()
}

var (
	runs = []string{
		".*", ".*?", ".+", ".+?", "(?s:.*)", "(?s:.*?)", "(?s:.+?)", `\S+`, `\S*?`, "[^:]*", "[^:]+?", "a*", "a+?", "[a:]*", `\w+`, "[aä]*", "[aä]+?",
		"[^a]{1,3}", ".{0,4}?", "a{2,}", "[^x]{2,}?", `\b\w+\b`, ".{3}", `[^"\\]*`, "ä*", `\s*`,
	}
	separators = []string{":", " ", "a", "::", "ä", ", ", "\n", "=", "$", `\b`, "(?m:$)", "^", "aa", "[:=]", "(?i:x)", "x?", "\uFFFD"}
	few        = []string{"a", "a", ":", ":", " ", "a", "ä", "\n", "=", "x", "aa", "\xff", "\xa4", "\xc3", ", "}
)

// pattern returns a random pattern.
func (g *generator) pattern(depth int, names *int) string {
	switch k := g.IntN(16); {
	case depth == 0 || k < 2:
		return g.pick(atoms)
	case k < 7:
		var b strings.Builder
		for range 2 + g.IntN(4) {
			b.WriteString(g.pattern(depth-1, names))
		}
		return b.String()
	case k < 9:
		parts := make([]string, 2+g.IntN(3))
		for i := range parts {
			parts[i] = g.pattern(depth-1, names)
		}
		return "(?:" + strings.Join(parts, "|") + ")"
	case k < 12:
		x := g.pick(atoms)
		if g.IntN(2) == 0 {
			x = g.pattern(depth-1, names)
		}
		return "(?:" + x + ")" + g.pick(repeats)
	case k < 14:
		x := g.pattern(depth-1, names)
		if g.IntN(2) == 0 {
			return "(" + x + ")"
		}
		*names++
		return fmt.Sprintf("(?P<g%d>%s)", *names, x)
	case k < 15:
		return g.pick(assertions)
	}
	*names++
	return fmt.Sprintf("%%{%s:n%d}", g.pick(small), *names)
}

// text returns a text that the expression often matches: something that it describes, with mistakes, between other
// things.
func (g *generator) text(tree *syntax.Regexp) string {
	var b []byte
	if g.IntN(4) == 0 {
		for range g.IntN(40) {
			b = append(b, g.pick(few)...)
		}
		return string(b)
	}
	if g.IntN(3) == 0 {
		b = g.noise(b, g.IntN(6))
	}
	for range 1 + g.IntN(2) {
		b = g.sample(b, tree)
		if g.IntN(4) == 0 {
			b = g.noise(b, g.IntN(4))
		}
	}
	const most = 600
	b = b[:min(len(b), most)]
	if len(b) > 0 && g.IntN(3) == 0 {
		for range 1 + g.IntN(3) {
			i := g.IntN(len(b))
			switch g.IntN(3) {
			case 0:
				b[i] = g.noise(nil, 1)[0]
			case 1:
				b = append(b[:i], b[min(i+1, len(b)):]...)
			case 2:
				b = append(b[:i], g.noise(nil, 1)...)
			}
			if len(b) == 0 {
				break
			}
		}
	}
	return string(b)
}

var noise = []string{"a", "b", "c", "1", "9", " ", "\n", "-", ".", ":", "\"", "\\", "/", "=", "ä", "日", "K", "ſ", "s", "k", "x", "\x80", "\xe6", "\xff", "\uFFFD", "%", "é", ",", "😀"}

func (g *generator) noise(b []byte, n int) []byte {
	for range n {
		b = append(b, g.pick(noise)...)
	}
	return b
}

// sample appends something that the expression describes, assertions aside.
func (g *generator) sample(b []byte, re *syntax.Regexp) []byte {
	const most = 2000
	if len(b) > most {
		return b
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 && g.IntN(2) == 0 {
				r ^= 0x20 & -(r >> 6 & 1) // another case of letters, and noise for the rest
			}
			b = utf8.AppendRune(b, r)
		}
	case syntax.OpCharClass:
		if n := len(re.Rune) / 2; n > 0 {
			i := g.IntN(n)
			lo, hi := re.Rune[2*i], re.Rune[2*i+1]
			if hi > '~' && lo < '~' && g.IntN(8) > 0 {
				lo, hi = max(lo, min(' ', hi)), '~'
			}
			b = utf8.AppendRune(b, lo+rune(g.IntN(int(hi-lo)+1)))
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b = g.noise(b, 1)
	case syntax.OpCapture:
		b = g.sample(b, re.Sub[0])
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		n := g.IntN(4)
		switch re.Op {
		case syntax.OpPlus:
			n++
		case syntax.OpQuest:
			n &= 1
		case syntax.OpRepeat:
			n += re.Min
			if re.Max >= 0 {
				n = min(n, re.Max)
			}
		}
		for range n {
			b = g.sample(b, re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			b = g.sample(b, sub)
		}
	case syntax.OpAlternate:
		b = g.sample(b, re.Sub[g.IntN(len(re.Sub))])
	}
	return b
}

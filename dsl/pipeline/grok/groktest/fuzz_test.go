package groktest

import (
	"strings"
	"testing"
)

// FuzzMatch holds every group of every match to package regexp, whatever pattern and text are.
func FuzzMatch(f *testing.F) {
	const line = `203.0.113.77 - alice [18/Nov/2026:09:14:07 +0000] "GET /a?b=c HTTP/1.1" 200 5120 "-" "curl"`
	for _, p := range fixedPatterns {
		f.Add(p, line)
	}
	for _, p := range []string{
		`(a|ab)(c|bcd)(d*)`, `(a+)(b+)?.*?(\d{2,3}?)$`, `(?i)kSä[^\x{80}-\x{FFFF}]`, `(?m)^\s*(\w+)\b.$`, `(?s:.{2,5})(x?){3}\B`, `((a)|b)*\xFF?`,
		`(?:a{2,}?|.)+?c`, `[^日]{1,3}本*`, `\x{FFFD}.?`, `(?:(a)|b|(c))+`, `a??(b|a)*$`, `.*(?:=|:).*;`, `(\S+) (\S+)$`, `(?:a?)*b`, `\pL+\PL?`,
	} {
		f.Add(p, "aabcd ks\u212aä日本\xff\n\xe6\x97 a=b:c;")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 150 || len(text) > 1000 || strings.Count(pattern, "%{") > 3 {
			return
		}
		if _, err := CompareOne(pattern, text); err != nil {
			t.Fatal(err)
		}
	})
}

package groktest

import "testing"

// TestSameAsRegexp compares random inputs. Texts are derived from their patterns, so that most match.
func TestSameAsRegexp(t *testing.T) {
	const inputs = 20_000
	matched, err := Compare(1, inputs)
	if err != nil {
		t.Fatal(err)
	}
	if matched < inputs/3 {
		t.Errorf("only %d of %d inputs matched", matched, inputs)
	}
}

// TestCorners has what random inputs seldom hit.
func TestCorners(t *testing.T) {
	for _, c := range []struct {
		pattern string
		texts   []string
	}{
		{`(?:(?:ab){0,2}c)*d`, []string{"cd", "abcd", "ccababcd", "abd"}},
		{`\S{2,} `, []string{"ä ", "ää ", "aä ", " ä"}},
		{`\S{2,}?[\x{FFFD}]`, []string{"ä\xff", "ää\xff\xff", "日\xe6\x97\xff"}},
		{`.*[\x{FFFD}]`, []string{"ä", "aä\xff", "\xc3", "\xe6\x97", "日本\xa5x"}},
		{`(.*?)\pN?[^\x00-\x7f]$`, []string{"ä", "aä\xa4", "日\x97"}},
		{`\b\w*\b`, []string{"", "a", " a", "aä", "ä"}},
		{`x?\b`, []string{"xx", "", "a"}},
		{`(?m)^.*$`, []string{"", "\n", "a\n\nb", "a\n"}},
		{`a*?$|b`, []string{"aab", "b", ""}},
		{`(?i)ſk`, []string{"SK", "s\u212a", "ſk", "\u017f\u212a"}},
		{`(?s)(.*)\n(.*)`, []string{"\n", "a\nb\nc", "ab"}},
		{`(.*)\n`, []string{"\n", "a\nb\nc", "ab"}},
		{`(a|b)*?(c|)(d|)`, []string{"abcd", "abd", "dab"}},
		{`(?:(a)|(b)|c)+$`, []string{"abc", "cba", "bac"}},
		{`(?:a|b|c|d|e|f|g|h|i|j|k1|l1|m1|n1|o1|p1|q1|r1|s1|t1|u1|v1|w1|x1|y1|z1|A1|B1|C1|D1|E1|F1|G1|H1|(I1)|(J1))+`, []string{"I1J1a", "H1", "aJ1", "K1"}},
		{`(?:%{DATA:x} )*%{DATA:z}=(y|z)`, []string{"a b c=z", "a = b=y", "a b c", "a\nb =y"}},
		{`(%{GREEDYDATA:a}:)?%{DATA:b};`, []string{"a:b:c;", "a;b:c", ":\n:;"}},
	} {
		for _, text := range c.texts {
			if _, err := CompareOne(c.pattern, text); err != nil {
				t.Error(err)
			}
		}
	}
}

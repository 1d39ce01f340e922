package funcs

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// matcher finds a regular expression in a text. Expressions that are plain words, in one case or any, are searched for
// as such: scripts that classify messages consist of them.
type matcher struct {
	re   *regexp.Regexp
	word string // if not "": this and nothing else is searched for
	fold bool   // in any case; word is in lower case and ASCII
}

func newMatcher(c *Call, i int) *matcher {
	m := &matcher{re: c.regexp(i)}
	tree, err := syntax.Parse(c.Str(i), syntax.Perl)
	if err != nil {
		return m
	}
	if tree = tree.Simplify(); tree.Op != syntax.OpLiteral {
		return m
	}
	word := string(tree.Rune)
	if strings.ContainsRune(word, utf8.RuneError) {
		return m // the expression finds it in bytes that are no UTF-8, too
	}
	if tree.Flags&syntax.FoldCase == 0 {
		m.word = word
		return m
	}
	for _, r := range word {
		if r >= utf8.RuneSelf || r == 'k' || r == 'K' || r == 's' || r == 'S' {
			return m // these letters have a third form beyond ASCII
		}
	}
	m.word, m.fold = strings.ToLower(word), true
	return m
}

func (m *matcher) matches(s string) bool {
	switch {
	case m.word == "":
		return m.re.MatchString(s)
	case !m.fold:
		return strings.Contains(s, m.word)
	}
	return containsFold(s, m.word)
}

// containsFold reports whether s contains word, which is in lower case, in any case of ASCII letters.
func containsFold(s, word string) bool {
	lower, upper := word[0], word[0]
	if lower >= 'a' && lower <= 'z' {
		upper -= 'a' - 'A'
	}
	for i := 0; i+len(word) <= len(s); i++ {
		if c := s[i]; (c == lower || c == upper) && equalFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

func equalFold(s, lower string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

package grok

import "strings"

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

// equalFold reports whether s is lower, which is in lower case and as long, in any case of ASCII letters.
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

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

func hasLetter(lower string) bool {
	return strings.ContainsFunc(lower, func(r rune) bool { return r >= 'a' && r <= 'z' })
}

package grok

import "strings"

// opening is the beginning of a capturing group in an expression: "(" or "(?P<name>".
type opening struct {
	start, end int
	name       string
}

// groupsOf returns the capturing groups of an expression in the order of writing. What is wrong with it the
// compiler of regular expressions will say.
func groupsOf(s string) (found []opening) {
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], `\Q`):
			n := strings.Index(s[i:], `\E`)
			if n < 0 {
				return found
			}
			i += n + 2
		case s[i] == '\\':
			i += 2
		case s[i] == '[':
			i = endOfClass(s, i)
		case s[i] != '(':
			i++
		case !strings.HasPrefix(s[i:], "(?"):
			found = append(found, opening{start: i, end: i + 1})
			i++
		default:
			name, end := nameOf(s, i)
			if name != "" {
				found = append(found, opening{i, end, name})
			}
			i = end
		}
	}
	return found
}

// endOfClass returns the position after the character class that begins at i.
func endOfClass(s string, i int) int {
	i++
	if i < len(s) && s[i] == '^' {
		i++
	}
	for first := true; i < len(s) && (first || s[i] != ']'); first = false {
		if strings.HasPrefix(s[i:], "[:") {
			if n := strings.Index(s[i+2:], ":]"); n >= 0 {
				i += n + 4
				continue
			}
		}
		if s[i] == '\\' {
			i++
		}
		i++
	}
	return i + 1
}

// nameOf returns the name of the group whose "(?" is at i and the position behind its ">". If the
// group has no valid name the position is the one after the parenthesis.
func nameOf(s string, i int) (name string, end int) {
	rest, ok := strings.CutPrefix(s[i:], "(?P<")
	if !ok {
		rest, ok = strings.CutPrefix(s[i:], "(?<")
	}
	n := strings.IndexByte(rest, '>')
	if !ok || n <= 0 {
		return "", i + 1
	}
	name = rest[:n]
	if strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return "", i + 1
	}
	return name, len(s) - len(rest) + n + 1
}

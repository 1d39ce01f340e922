package grok

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"dataflow/engine/point"
)

// Matcher is a compiled pattern. It may be used from several goroutines.
type Matcher struct {
	names  []string
	groups []group // by name
	re     *regexp.Regexp
}

// group is what becomes of a named group.
type group struct {
	capture int // the number of the capture in re
	convert conversion
}

// Compile compiles a pattern with the named patterns of the scope.
func (p *Patterns) Compile(pattern string) (*Matcher, error) {
	e, err := p.expand(pattern)
	if err != nil {
		return nil, err
	}
	m := &Matcher{}
	text := m.capture(e)
	if m.re, err = regexp.Compile(text); err != nil {
		var bad *syntax.Error
		if errors.As(err, &bad) {
			return nil, fmt.Errorf("%s: `%s`", bad.Code, shorten(bad.Expr))
		}
		return nil, err
	}
	return m, nil
}

func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// capture returns the expression with a capture for every name, and for nothing else. Of groups with the same
// name only the last one counts, and nothing can refer to an unnamed one; the fewer captures, the
// faster the match.
func (m *Matcher) capture(e *expression) string {
	found := groupsOf(e.text)
	last := make(map[string]int)
	for i, g := range found {
		if g.name == "" {
			continue
		}
		if _, ok := last[g.name]; !ok {
			m.names = append(m.names, g.name)
		}
		last[g.name] = i
	}
	m.groups = make([]group, len(m.names))
	var b strings.Builder
	done, captures := 0, 0
	for i, g := range found {
		b.WriteString(e.text[done:g.start])
		done = g.end
		if g.name == "" || last[g.name] != i {
			b.WriteString("(?:")
			continue
		}
		b.WriteByte('(')
		captures++
		m.groups[slices.Index(m.names, g.name)] = group{captures, e.types[g.name]}
	}
	b.WriteString(e.text[done:])
	return b.String()
}

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

// Names returns the distinct names of groups in the order of writing. It is shared.
func (m *Matcher) Names() []string { return m.names }

// Match finds the first match in text. It returns dst with one value for each name, converted to the type
// of its group; a group that took no part gives "" or the zero of its type. With trim white space around a
// group is left out. Strings share text. Without a match dst comes back empty.
//
// A match with groups costs one allocation inside package regexp.
func (m *Matcher) Match(text string, trim bool, dst []point.Value) ([]point.Value, bool) {
	dst = dst[:0]
	if len(m.groups) == 0 {
		return dst, m.re.MatchString(text)
	}
	at := m.re.FindStringSubmatchIndex(text)
	if at == nil {
		return dst, false
	}
	for _, g := range m.groups {
		s := ""
		if start := at[2*g.capture]; start >= 0 {
			s = text[start:at[2*g.capture+1]]
		}
		if trim {
			s = strings.TrimSpace(s)
		}
		dst = append(dst, g.convert.value(s))
	}
	return dst, true
}

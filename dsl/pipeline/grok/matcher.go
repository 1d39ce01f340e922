package grok

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"

	"dataflow/engine/point"
)

// Matcher is a compiled pattern. It may be used from several goroutines.
type Matcher struct {
	finder
	names  []string
	groups []group // by name
}

// group is what becomes of a named group.
type group struct {
	capture int // the number of the capture in the expression
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
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		var bad *syntax.Error
		if errors.As(err, &bad) {
			return nil, fmt.Errorf("%s: `%s`", bad.Code, shorten(bad.Expr))
		}
		return nil, err
	}
	m.finder = newFinder(tree, text, true)
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

// Names returns the distinct names of groups in the order of writing. It is shared.
func (m *Matcher) Names() []string { return m.names }

// Match finds the first match in text. It returns dst with one value for each name, converted to the type
// of its group; a group that took no part gives "" or the zero of its type. With trim white space around a
// group is left out. Strings share text. Without a match dst comes back empty.
func (m *Matcher) Match(text string, trim bool, dst []point.Value) ([]point.Value, bool) {
	dst = dst[:0]
	if m.impossible(text) {
		return dst, false
	}
	s := scratches.Get().(*scratch)
	ok := m.find(s, text)
	if ok {
		for i := range m.groups {
			g := &m.groups[i]
			part := ""
			if start := s.slots[2*g.capture]; start >= 0 {
				part = text[start:s.slots[2*g.capture+1]]
			}
			if trim {
				part = trimmed(part)
			}
			dst = append(dst, g.convert.value(part))
		}
	}
	s.release()
	return dst, ok
}

// trimmed is strings.TrimSpace, which has little to do for most groups.
func trimmed(s string) string {
	if s == "" || isGraphic(s[0]) && isGraphic(s[len(s)-1]) {
		return s
	}
	return strings.TrimSpace(s)
}

func isGraphic(b byte) bool { return b > ' ' && b < utf8.RuneSelf }

// Package grok matches text against grok patterns: RE2 expressions with %{NAME}, %{NAME:key} and
// %{NAME:key:type} in them.
//
// A pattern expands to an expression (patterns.go). Its tree becomes a program (tree.go, repeat.go, look.go), which
// backtracks (machine.go, run.go) from wherever a match may begin (seek.go). Trying the ways in the order of Perl finds the
// match of package regexp. Three things keep that from taking long: a look at the next byte rules out most ways, runs
// such as .* remember where nothing goes on (memo.go), and steps are counted. When they are used up, or the expression
// has something that a program does not do, package regexp does the match (finder.go).
package grok

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
)

// maxExpanded is the longest expression that a pattern may expand to. Patterns that use each other can double
// in length with every step.
const maxExpanded = 256 << 10

//go:embed patterns.tsv
var builtinText string

// Patterns is a scope of named patterns. What it does not define itself is looked up in the scope around it.
// A scope must not be changed while it is in use elsewhere.
type Patterns struct {
	outer *Patterns
	named map[string]*expression
}

// expression is a pattern in which all names are replaced.
type expression struct {
	text  string
	types map[string]conversion // of the groups that have a type
}

// Builtin returns the scope of the built-in patterns. It is shared and never changes: patterns are added to a
// child of it.
func Builtin() *Patterns { return builtin() }

var builtin = sync.OnceValue(func() *Patterns {
	todo := make(map[string]string)
	for line := range strings.Lines(builtinText) {
		if name, def, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			todo[name] = def
		}
	}
	p := &Patterns{named: make(map[string]*expression, len(todo))}
	// Each round adds those whose parts are there; the list has no cycles and no unknown names.
	for added := true; added; {
		added = false
		for name, def := range todo {
			if p.Add(name, def) == nil {
				delete(todo, name)
				added = true
			}
		}
	}
	return p
})

// Child returns an empty scope inside p.
func (p *Patterns) Child() *Patterns { return &Patterns{outer: p} }

// Add defines a pattern, which hides one of the name in the scopes around and replaces one in p. The names in
// it are looked up at once: it can use what is known so far, but not itself, and later definitions do not
// change it.
func (p *Patterns) Add(name, def string) error {
	if m := reference.FindString("%{" + name + "}"); m != "%{"+name+"}" || strings.Contains(name, ":") {
		return fmt.Errorf("invalid name %q of a grok pattern: want word characters, '-' and '.'", name)
	}
	e, err := p.expand(def)
	if err != nil {
		return fmt.Errorf("defining grok pattern %s: %w", name, err)
	}
	if p.named == nil {
		p.named = make(map[string]*expression)
	}
	p.named[name] = e
	return nil
}

// Expression returns the regular expression that a pattern stands for, with a group for every name in it.
func (p *Patterns) Expression(pattern string) (string, error) {
	e, err := p.expand(pattern)
	if err != nil {
		return "", err
	}
	return e.text, nil
}

func (p *Patterns) find(name string) *expression {
	for ; p != nil; p = p.outer {
		if e := p.named[name]; e != nil {
			return e
		}
	}
	return nil
}

// reference is what stands for a pattern; anything else that begins with %{ is literal text.
var reference = regexp.MustCompile(`%\{([\w.-]+)(?::([\w.-]+))?(?::([\w.-]+))?\}`)

// expand replaces the names in text by groups.
func (p *Patterns) expand(text string) (*expression, error) {
	var b strings.Builder
	inner, own := map[string]conversion{}, map[string]conversion{}
	done := 0
	for _, m := range reference.FindAllStringSubmatchIndex(text, -1) {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		name, key, kind := part(1), groupName(part(2)), part(3)
		e := p.find(name)
		if e == nil {
			return nil, &UnknownError{Name: name, Known: p.names()}
		}
		if kind != "" {
			c, ok := conversions[kind]
			if !ok {
				return nil, fmt.Errorf("unknown type %q in %s: want str, string, int, float or bool", kind, text[m[0]:m[1]])
			}
			own[key] = c
		}
		maps.Copy(inner, e.types)
		b.WriteString(text[done:m[0]])
		done = m[1]
		if key != "" {
			b.WriteString("(?P<" + key + ">")
		} else {
			b.WriteByte('(')
		}
		b.WriteString(e.text)
		b.WriteByte(')')
		if b.Len() > maxExpanded {
			return nil, fmt.Errorf("grok pattern expands to more than %d bytes", maxExpanded)
		}
	}
	b.WriteString(text[done:])
	if b.Len() > maxExpanded {
		return nil, fmt.Errorf("grok pattern expands to more than %d bytes", maxExpanded)
	}
	maps.Copy(inner, own) // a type given further out wins
	return &expression{text: b.String(), types: inner}, nil
}

// groupName makes the name of a group out of a key.
func groupName(key string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return '_'
		}
		return r
	}, key)
}

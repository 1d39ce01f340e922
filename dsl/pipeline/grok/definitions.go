package grok

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Definition is a named pattern as it was written.
type Definition struct{ Name, Text string }

// Definitions returns the built-in patterns, sorted by name, for the reference.
func Definitions() []Definition {
	var all []Definition
	for line := range strings.Lines(builtinText) {
		if name, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			all = append(all, Definition{name, text})
		}
	}
	return all
}

// UnknownError is a reference to a pattern that is not there.
type UnknownError struct {
	Name  string
	Known []string // what is there, sorted
}

// Error names the pattern.
func (e *UnknownError) Error() string { return fmt.Sprintf("unknown grok pattern %q", e.Name) }

// names returns the names of the scope and of those around it, sorted.
func (p *Patterns) names() []string {
	all := map[string]bool{}
	for ; p != nil; p = p.outer {
		for name := range p.named {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

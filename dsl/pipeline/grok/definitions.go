package grok

import "strings"

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

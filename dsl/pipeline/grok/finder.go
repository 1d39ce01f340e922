package grok

import (
	"math"
	"regexp"
	"regexp/syntax"
	"sync"
)

// finder finds what an expression matches, in the same way as package regexp: by a program, and where that
// takes too many steps, or there is none, by package regexp itself.
type finder struct {
	program *program              // nil: there is something that it cannot do
	plain   func() *regexp.Regexp // made when it is needed for the first time
}

// newFinder makes a finder of an expression and its tree. Without groups it finds only where the whole match is.
func newFinder(tree *syntax.Regexp, expr string, groups bool) finder {
	return finder{
		program: newProgram(tree, groups),
		// What has a tree compiles.
		plain: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) }),
	}
}

// longest is the longest text that a program can search.
const longest = math.MaxInt32 - 1<<10

// impossible reports whether the first byte of text rules out a match. It saves the scratch for one.
func (f *finder) impossible(text string) bool {
	if f.program == nil || !f.program.seek.anchored {
		return false
	}
	if text == "" {
		return !f.program.seek.end
	}
	return !f.program.seek.first[text[0]]
}

// find finds the first match in text. Its positions are in the slots of s then.
func (f *finder) find(s *scratch, text string) bool {
	if f.program != nil && len(text) <= longest {
		s.begin(f.program, text)
		start, end := f.program.search(s, text, 0)
		if start != exhausted {
			if start < 0 {
				return false
			}
			s.slots[0], s.slots[1] = start, end
			return true
		}
	}
	s.slots = append(s.slots[:0], f.plain().FindStringSubmatchIndex(text)...)
	return len(s.slots) > 0
}

package grok

import (
	"regexp/syntax"
	"strings"
	"sync"
	"unicode/utf8"
)

// Regexp is a compiled regular expression (RE2) without grok patterns. It finds what package regexp finds, faster. It
// may be used from several goroutines.
type Regexp struct {
	finder               // without groups
	full   func() finder // with them; made when it is needed for the first time
	groups int

	// An expression that is a plain word is searched for as such: scripts that classify messages consist of them.
	word string // "" if it is none
	fold bool   // in any case; word is in lower case and ASCII
}

// CompileRegexp compiles an expression. Its errors are those of [regexp.Compile].
func CompileRegexp(expr string) (*Regexp, error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	r := &Regexp{finder: newFinder(tree, expr, false), groups: tree.MaxCap() + 1}
	r.full = sync.OnceValue(func() finder { return newFinder(tree, expr, true) })
	r.word, r.fold = wordOf(tree)
	return r, nil
}

// wordOf returns the word that an expression stands for.
func wordOf(tree *syntax.Regexp) (word string, fold bool) {
	fold = tree.Flags&syntax.FoldCase != 0
	if tree.Op != syntax.OpLiteral {
		return "", false
	}
	for _, r := range tree.Rune {
		if !isPlain(r, fold) || fold && r >= utf8.RuneSelf {
			return "", false
		}
	}
	word = string(tree.Rune)
	if fold {
		word = lowerASCII(word)
	}
	return word, fold && hasLetter(word)
}

// Match reports whether the expression matches somewhere in text.
func (r *Regexp) Match(text string) bool {
	switch {
	case r.word != "" && r.fold:
		return containsFold(text, r.word)
	case r.word != "":
		return strings.Contains(text, r.word)
	case r.impossible(text):
		return false
	}
	s := scratches.Get().(*scratch)
	ok := r.find(s, text)
	s.release()
	return ok
}

// Groups returns how many groups a match has, with the one of the whole match.
func (r *Regexp) Groups() int { return r.groups }

// FindAll appends the positions of all matches that do not overlap to at and returns it: for each match the start and
// the end of each group, -1 for one that took no part. These are the matches of
// [regexp.Regexp.FindAllStringSubmatchIndex], one after the other.
func (r *Regexp) FindAll(text string, at []int) []int {
	full := r.full()
	s := scratches.Get().(*scratch)
	defer s.release()
	found, ok := full.findAll(s, text, 2*r.groups, at)
	if ok {
		return found
	}
	for _, m := range full.plain().FindAllStringSubmatchIndex(text, -1) {
		at = append(at, m...)
	}
	return at
}

// findAll is FindAll. ok is false if package regexp must do it.
func (f *finder) findAll(s *scratch, text string, size int, at []int) (found []int, ok bool) {
	if f.program == nil || len(text) > longest {
		return at, false
	}
	s.begin(f.program, text) // the steps are for all matches together
	for pos, last := 0, -1; pos <= len(text); {
		s.forget()
		start, end := f.program.search(s, text, pos)
		if start == exhausted {
			return at, false
		}
		if start < 0 {
			break
		}
		s.slots[0], s.slots[1] = start, end
		// An empty match right behind another one does not count.
		if end != pos || start != last {
			at = append(at, s.slots[:size]...)
		}
		if last = end; end > pos {
			pos = end
			continue
		}
		_, w := utf8.DecodeRuneInString(text[pos:])
		pos += max(w, 1)
	}
	return at, true
}

// Expand appends template to dst with the groups of a match in place of $1, ${1} and $name, as
// [regexp.Regexp.ExpandString] does.
func (r *Regexp) Expand(dst []byte, template, text string, match []int) []byte {
	return r.plain().ExpandString(dst, template, text, match)
}

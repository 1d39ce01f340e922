// Package groktest compares the matcher of package grok with package regexp on random patterns and texts.
package groktest

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"

	"dataflow/dsl/pipeline/grok"
	"dataflow/engine/point"
)

// textsPerPattern is how many texts each random pattern is tried on: compiling takes longer than matching.
const textsPerPattern = 24

// Compare tries n random texts on random patterns, the same ones for the same seed. It returns on how many of them
// there was a match, and the first difference between the matcher and package regexp.
func Compare(seed uint64, n int) (matched int, err error) {
	g := &generator{rand.New(rand.NewPCG(seed, 0))}
	fixed := make(map[string]*pair)
	for done := 0; done < n; {
		p, err := g.pair(fixed)
		if err != nil {
			return matched, fmt.Errorf("seed %d, input %d: %w", seed, done, err)
		}
		for range min(textsPerPattern, n-done) {
			done++
			text := g.text(p.tree)
			ok, err := p.compare(text)
			if err != nil {
				return matched, fmt.Errorf("seed %d, input %d: %w", seed, done, err)
			}
			if ok {
				matched++
			}
		}
	}
	return matched, nil
}

// CompareOne compares what the two find of a pattern in a text. It reports whether there is a match; a pattern that
// neither compiles has none.
func CompareOne(pattern, text string) (matched bool, err error) {
	p, err := newPair(pattern)
	if p == nil || err != nil {
		return false, err
	}
	return p.compare(text)
}

// pair is a pattern for both.
type pair struct {
	pattern string
	expr    string
	tree    *syntax.Regexp
	plain   *regexp.Regexp
	own     *grok.Regexp
	matcher *grok.Matcher
}

// newPair compiles a pattern for both. It returns nil if it is wrong for both.
func newPair(pattern string) (*pair, error) {
	p := &pair{pattern: pattern}
	var err error
	if p.expr, err = grok.Builtin().Expression(pattern); err != nil {
		return nil, nil
	}
	p.plain, err = regexp.Compile(p.expr)
	var ownErr error
	p.own, ownErr = grok.CompileRegexp(p.expr)
	if err != nil || ownErr != nil {
		if fmt.Sprint(err) != fmt.Sprint(ownErr) {
			return nil, fmt.Errorf("%q: package regexp says %v, package grok %v", p.expr, err, ownErr)
		}
		return nil, nil
	}
	if p.matcher, err = grok.Builtin().Compile(pattern); err != nil {
		return nil, fmt.Errorf("%q: package regexp compiles it, package grok says %w", pattern, err)
	}
	p.tree, err = syntax.Parse(p.expr, syntax.Perl)
	return p, err
}

func (p *pair) compare(text string) (matched bool, err error) {
	all := p.plain.FindAllStringSubmatchIndex(text, -1)
	own := p.own.FindAll(text, nil)
	if want := slices.Concat(all...); !slices.Equal(own, want) {
		return false, fmt.Errorf("%q on %q: found %v, package regexp %v", p.expr, text, own, want)
	}
	matched = len(all) > 0
	if p.own.Match(text) != matched {
		return matched, fmt.Errorf("%q on %q: a match is %v, in package regexp %v", p.expr, text, !matched, matched)
	}
	values, ok := p.matcher.Match(text, false, nil)
	if ok != matched {
		return matched, fmt.Errorf("pattern %q on %q: a match is %v, in package regexp %v", p.pattern, text, ok, matched)
	}
	if !ok {
		return false, nil
	}
	names := p.plain.SubexpNames()
	for i, name := range names {
		if name == "" || slices.Contains(names[i+1:], name) {
			continue // the last group of a name decides
		}
		want := ""
		if start := all[0][2*i]; start >= 0 {
			want = text[start:all[0][2*i+1]]
		}
		k := slices.Index(p.matcher.Names(), name)
		if k < 0 || k >= len(values) {
			return matched, fmt.Errorf("pattern %q on %q: there is no group %s", p.pattern, text, name)
		}
		if v := values[k]; v.Kind() == point.KindString && v.Str() != want {
			return matched, fmt.Errorf("pattern %q on %q: group %s is %q, in package regexp %q", p.pattern, text, name, v.Str(), want)
		}
	}
	return matched, nil
}

package funcs

import "dataflow/dsl/pipeline/grok"

// matcher finds a regular expression in a text.
type matcher struct{ re *grok.Regexp }

// newMatcher compiles the text literal i. What it returns after a fault is never used.
func newMatcher(c *Call, i int) matcher {
	re, err := grok.CompileRegexp(c.Str(i))
	if err != nil {
		c.Fault(i, "%v", err)
	}
	return matcher{re}
}

func (m matcher) matches(s string) bool { return m.re.Match(s) }

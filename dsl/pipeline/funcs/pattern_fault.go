package funcs

import (
	"errors"
	"fmt"

	"dataflow/dsl/pipeline/grok"
	"dataflow/engine/diag"
)

// patternFault reports the grok pattern that is argument i.
func (c *Call) patternFault(i int, err error) {
	hint := ""
	if unknown := (*grok.UnknownError)(nil); errors.As(err, &unknown) {
		hint = diag.DidYouMean(unknown.Name, unknown.Known)
	}
	c.bad = true
	c.Report(c.args[i].Pos(), hint, fmt.Sprintf("%s: %v", c.decl.Name, err))
}

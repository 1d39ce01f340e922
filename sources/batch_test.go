package sources

import (
	"dataflow/engine"
	"dataflow/engine/enginetest"
)

// done ends a batch as the runtime does.
func done(b *engine.Batch) { enginetest.Done(b) }

// verdicts returns the errors of the points of b that failed and the reasons of those that were dropped, by index.
func verdicts(b *engine.Batch) (failed, dropped map[int]string) {
	o := enginetest.Verdicts(b)
	return o.Failed, o.Dropped
}

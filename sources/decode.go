package sources

import (
	"context"

	"dataflow/engine"
)

// Decode makes the points of a batch whose messages are more than text. It runs on the workers of the port.
// A message that cannot be decoded keeps its point, with the text in message, and fails.
func (k *kafka) Decode(_ context.Context, b *engine.Batch) error {
	st := k.byStream[b.Port]
	if st == nil {
		return nil
	}
	switch st.decode {
	case decodeJSON:
		decodeJSONBatch(b, k.env.Limits.Depth)
	case decodePoints:
		decodePointsBatch(b, st.extra)
	}
	return nil
}

package bench

import (
	"encoding/json"
	"testing"
)

// TestLogMessage: the messages of the job are JSON of the size that its figures are said for, and differ.
func TestLogMessage(t *testing.T) {
	seen := map[string]bool{}
	for n := range logMessages {
		text := LogMessage(n)
		if len(text) != 500 || !json.Valid([]byte(text)) || seen[text] {
			t.Fatalf("message %d: %d bytes: %s", n, len(text), text)
		}
		seen[text] = true
	}
}

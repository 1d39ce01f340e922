package groktest

import "testing"

// TestSameAsRegexp compares random inputs. Texts are derived from their patterns, so that most match.
func TestSameAsRegexp(t *testing.T) {
	const inputs = 20_000
	matched, err := Compare(1, inputs)
	if err != nil {
		t.Fatal(err)
	}
	if matched < inputs/2 {
		t.Errorf("only %d of %d inputs matched", matched, inputs)
	}
}

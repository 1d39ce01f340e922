package diag

// TextError is a mistake in a text that stands inside of something else, a condition in a graph file say. Whoever
// knows where the text stands makes a [Diagnostic] of it.
type TextError struct {
	Start, End int // bytes of the text; both 0 if all of it is meant
	Message    string
	Hint       string
}

// Error returns the message with the hint.
func (e *TextError) Error() string { return Diagnostic{Message: e.Message, Hint: e.Hint}.String() }

package batch

import (
	"errors"

	"dataflow/engine/point"
)

// errNoReason stands for the error of a component that fails a point without one.
var errNoReason = errors.New("failed without an error")

// VerdictKind says what is to become of a point that does not simply go on.
type VerdictKind uint8

// The verdicts.
const (
	Failed VerdictKind = iota
	Dropped
	Routed
)

// Verdict is what an operator decided about one point.
type Verdict struct {
	Index int32
	Kind  VerdictKind
	Text  string // the reason of a drop, the port of a route
	Err   error
}

// Fail sends point i to .failed, or where the node's on_error says. I indexes b.Points as it is when the
// call to the component returns. Each point is counted once: of several verdicts the first holds.
func (b *Batch) Fail(i int, err error) {
	if err == nil {
		err = errNoReason
	}
	b.verdicts = append(b.verdicts, Verdict{Index: int32(i), Kind: Failed, Err: err})
}

// Drop removes point i by policy, which is not a loss. Reason is a label: a word from a fixed set.
func (b *Batch) Drop(i int, reason string) {
	b.verdicts = append(b.verdicts, Verdict{Index: int32(i), Kind: Dropped, Text: reason})
}

// Route sends point i out of the given port.
func (b *Batch) Route(i int, port string) {
	b.verdicts = append(b.verdicts, Verdict{Index: int32(i), Kind: Routed, Text: port})
}

// Verdicts returns the verdicts of b and forgets them; the slice is good until the next verdict.
func Verdicts(b *Batch) []Verdict {
	v := b.verdicts
	b.verdicts = b.verdicts[:0]
	return v
}

// HasVerdicts reports whether b carries verdicts.
func HasVerdicts(b *Batch) bool { return len(b.verdicts) > 0 }

// Rest returns the points of b that have no verdict: b.Points itself if none has one, else a copy.
func Rest(b *Batch) []point.Point {
	if len(b.verdicts) == 0 {
		return b.Points
	}
	marked := make([]bool, len(b.Points))
	for _, v := range b.verdicts {
		if i := int(v.Index); i >= 0 && i < len(marked) {
			marked[i] = true
		}
	}
	var out []point.Point
	for i := range b.Points {
		if !marked[i] {
			out = append(out, b.Points[i])
		}
	}
	return out
}

// Only returns a view of the points of b that have a verdict, with these verdicts. It has no reference of its
// own: Split b to send it on.
func Only(b *Batch) *Batch {
	first := make([]int32, len(b.Points)) // verdict of each point, counted from 1
	for n, v := range b.verdicts {
		if i := int(v.Index); i >= 0 && i < len(first) && first[i] == 0 {
			first[i] = int32(n + 1)
		}
	}
	out := *b
	out.Points, out.verdicts = nil, nil
	for i, n := range first {
		if n > 0 {
			v := b.verdicts[n-1]
			v.Index = int32(len(out.Points))
			out.Points = append(out.Points, b.Points[i])
			out.verdicts = append(out.verdicts, v)
		}
	}
	b.verdicts = b.verdicts[:0]
	return &out
}

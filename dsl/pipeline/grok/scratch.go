package grok

import (
	"math"
	"sync"
)

// How an attempt ends that finds no match.
const (
	noMatch   = -1
	exhausted = -2 // it took too many steps: package regexp must do it
)

// maxChoices bounds the stack of choices, and with it the memory of a match.
const maxChoices = 1 << 16

// choice is a way not taken yet.
type choice struct {
	node int32 // its id
	pos  int32
	a, b int32 // what the node needs to go on
}

// scratch is the memory of a match. Matches of all programs share them.
type scratch struct {
	slots []int // -1: not set
	memos []span
	stack []choice
	steps int // left
}

var scratches = sync.Pool{New: func() any {
	return &scratch{slots: make([]int, 0, 64), memos: make([]span, 0, 32), stack: make([]choice, 0, 128)}
}}

// begin makes s ready for a search of p in text.
func (s *scratch) begin(p *program, text string) {
	s.slots = grown(s.slots, p.slots)
	s.forget()
	s.memos = grown(s.memos, p.memos)
	for i := range s.memos {
		s.memos[i] = span{math.MaxInt32, -1}
	}
	s.steps = p.budget * (len(text) + 64)
}

// forget unsets the slots for another match in the same text.
func (s *scratch) forget() {
	for i := range s.slots {
		s.slots[i] = -1
	}
}

// release gives a scratch back, unless a hard match has blown it up.
func (s *scratch) release() {
	const most = 4096
	if cap(s.stack) <= most {
		scratches.Put(s)
	}
}

// grown returns s, or new memory, with the length n.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

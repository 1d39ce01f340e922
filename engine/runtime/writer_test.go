package runtime

import (
	"context"
	"errors"
	"slices"
	"testing"

	"dataflow/engine"
)

// A writer keeps what is undelivered in b.Points and is called with it again.
func TestWriterDeliversInParts(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 10)
		l.write["out"] = func(_ context.Context, b *engine.Batch) error {
			if len(b.Points) > 3 {
				l.deliver("out", numbers(b.Points[:3])...)
				b.Points = b.Points[3:]
				return errors.New("later")
			}
			return nil
		}
		e := l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_writer, from: in}, too: {type: test_writer, from: in}}
`)
		l.wantDelivered("out", upTo(10))
		l.wantDelivered("too", upTo(10))
		if s := statsOf(e, "out"); s.Out != 10 {
			t.Errorf("counted %d out", s.Out)
		}
	})
}

// A writer's verdicts hold for the call that gave them, whether it succeeded or not.
func TestWriterVerdicts(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 10)
		calls := 0
		l.write["out"] = func(_ context.Context, b *engine.Batch) error {
			if calls++; calls == 1 {
				b.Fail(2, errors.New("two"))
				b.Drop(4, "four")
				return errors.New("later")
			}
			for i := range b.Points {
				if n := number(&b.Points[i]); n == 6 {
					b.Fail(i, errors.New("six"))
				} else {
					l.deliver("out", n)
				}
			}
			return errSkipRecording
		}
		e := l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_writer, from: in}, too: {type: test_writer, from: in}}
`)
		l.wantDelivered("out", upTo(10, 2, 4, 6))
		l.wantDelivered("too", upTo(10))
		if got := l.letterNumbers(); !slices.Equal(got, []int64{2, 6}) {
			t.Errorf("dead letters of %v", got)
		}
		if s := statsOf(e, "out"); s.Out != 7 || total(s.Failed) != 2 || total(s.Dropped) != 1 {
			t.Errorf("counted %+v", s)
		}
	})
}

func TestWriterPermanentError(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.source("in", 5, 5)
		l.write["out"] = func(_ context.Context, b *engine.Batch) error {
			if number(&b.Points[0]) == 0 {
				return engine.Permanent(errors.New("never"))
			}
			return nil
		}
		l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_writer, from: in}}
`)
		l.wantDelivered("out", []int64{5, 6, 7, 8, 9})
		if got := l.letterNumbers(); !slices.Equal(got, upTo(5)) {
			t.Errorf("dead letters of %v", got)
		}
	})
}

package runtime

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// A panic is the points' fault: it is narrowed like bad data, in Encode as in Send.
func TestPanicInEncoder(t *testing.T) {
	bad := []int64{7, 88}
	arm := map[string]func(l *lab){
		"encode": func(l *lab) {
			l.encode["out"] = func(p *point.Point) error {
				if slices.Contains(bad, number(p)) {
					panic("poison")
				}
				return nil
			}
		},
		"send": func(l *lab) {
			l.send["out"] = func(ctx context.Context, body engine.Body) error {
				if refuse(engine.BadData, bad...)(ctx, body) != nil {
					panic("poison")
				}
				return nil
			}
		},
	}
	for name, f := range arm {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.source("in", 50, 50)
				f(l)
				l.finish(`
sources: {in: {type: test_source}}
sinks: {out: {type: test_encoder, from: in}}
`)
				l.wantDelivered("out", upTo(100, bad...))
				if got := l.letterNumbers(); !slices.Equal(got, bad) {
					t.Errorf("dead letters of %v", got)
				}
			})
		})
	}
}

// A sink that panics on everything stops the engine instead of filling the dead letters.
func TestTooManyPanicsInSink(t *testing.T) {
	for _, typ := range []string{"test_encoder", "test_writer"} {
		t.Run(typ, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
					for n := 0; ; n++ {
						if err := emit(ctx, l.points(&engine.Origin{}, n, 1)); err != nil {
							return nil
						}
						if pause(ctx, nil, nil, time.Second) != nil {
							return nil
						}
					}
				}
				l.send["out"] = func(context.Context, engine.Body) error { panic("poison") }
				l.write["out"] = func(context.Context, *engine.Batch) error { panic("poison") }
				r := l.start("sources: {in: {type: test_source}}\nsinks: {out: {type: " + typ + ", from: in}}\n").wait()
				if r.Code != ExitFailed || r.Err == nil || !strings.Contains(r.Err.Error(), "too many panics") {
					t.Errorf("ended with %d: %v", r.Code, r.Err)
				}
				if n := len(l.letterNumbers()); n != 10 {
					t.Errorf("%d dead letters", n)
				}
				if made, acks := l.acked(); acks != 10 || made < 11 {
					t.Errorf("%d of %d batches were acknowledged", acks, made)
				}
				forgetLive()
			})
		})
	}
}

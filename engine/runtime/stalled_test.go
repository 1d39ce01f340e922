package runtime

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// TestStalled asks, as a source does, whether what it has emitted can get done: not while every sink behind the port backs off. A sink that is well, or
// has a lane that is, can still take something; one on another port, or on a branch that is not required, does not count.
func TestStalled(t *testing.T) {
	down := func(until time.Duration) func(l *lab) func(context.Context, engine.Body) error {
		return func(l *lab) func(context.Context, engine.Body) error {
			return func(context.Context, engine.Body) error {
				if l.clock() < until {
					return &engine.SendError{Class: engine.Retry, Err: errors.New("down")}
				}
				return nil
			}
		}
	}
	slow := func(l *lab) func(context.Context, engine.Body) error {
		return func(ctx context.Context, _ engine.Body) error { return pause(ctx, nil, nil, 10*time.Second) }
	}
	const sick = 30 * time.Second
	for _, c := range []struct {
		name  string
		graph string
		send  map[string]func(l *lab) func(context.Context, engine.Body) error
		want  bool
	}{
		{"one sink", `{a: {type: test_encoder, from: in.x}}`, map[string]func(l *lab) func(context.Context, engine.Body) error{"a": down(sick)}, true},
		{"one slow sink", `{a: {type: test_encoder, from: in.x}}`, map[string]func(l *lab) func(context.Context, engine.Body) error{"a": slow}, false},
		{"two sinks one slow", `{a: {type: test_encoder, from: in.x}, b: {type: test_encoder, from: in.x}}`,
			map[string]func(l *lab) func(context.Context, engine.Body) error{"a": down(sick), "b": slow}, false},
		{"two sinks one idle", `{a: {type: test_encoder, from: in.x}, b: {type: test_encoder, from: in.x}}`,
			map[string]func(l *lab) func(context.Context, engine.Body) error{"a": down(sick)}, false},
		{"two sinks both fail", `{a: {type: test_encoder, from: in.x}, b: {type: test_encoder, from: in.x}}`,
			map[string]func(l *lab) func(context.Context, engine.Body) error{"a": down(sick), "b": down(sick)}, true},
		{"the other is not required", `{a: {type: test_encoder, from: in.x}, b: {type: test_encoder, from: {node: in.x, required: false}}}`,
			map[string]func(l *lab) func(context.Context, engine.Body) error{"a": down(sick), "b": slow}, true},
		{"behind an operator", `{a: {type: test_encoder, from: op}, b: {type: test_encoder, from: op.failed}}`, map[string]func(l *lab) func(context.Context, engine.Body) error{"a": down(sick)}, true},
		{"another port", `{a: {type: test_encoder, from: in.x}, b: {type: test_encoder, from: in.y}}`,
			map[string]func(l *lab) func(context.Context, engine.Body) error{"a": down(sick), "b": slow}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *lab) {
				l.ports["in"] = []engine.Port{{Name: "x"}, {Name: "y"}}
				hold := make(chan struct{})
				l.sources["in"] = func(ctx context.Context, emit engine.Emit) error {
					for i, port := range []string{"x", "y"} {
						b := l.points(&engine.Origin{Node: "in", Topic: port}, 10*i, 10)
						b.Port = port
						if err := l.emit(ctx, emit, b, 10*pointBytes); err != nil {
							return err
						}
					}
					<-hold
					return nil
				}
				for node, send := range c.send {
					l.send[node] = send(l)
				}
				sinks := c.graph
				if c.name != "another port" {
					sinks = sinks[:len(sinks)-1] + ", rest: {type: test_encoder, from: in.y}}"
				}
				operators := ""
				if c.name == "behind an operator" {
					operators = "operators: {op: {type: test_process, from: in.x}}\n"
				}
				x := l.start("sources: {in: {type: test_source}}\n" + operators + "sinks: " + sinks + "\n")
				advance(2 * time.Second)
				synctest.Wait()
				env := l.envs["in"]
				if got := env.Stalled("x"); got != c.want {
					t.Errorf("stalled is %v, want %v", got, c.want)
				}
				advance(2 * time.Minute)
				synctest.Wait()
				if env.Stalled("x") {
					t.Error("stalled after all has been delivered")
				}
				close(hold)
				l.clean(x)
			})
		})
	}
}

// TestBacksOff: a lane that is well counts for its sink as long as it has something to send.
func TestBacksOff(t *testing.T) {
	s := &sinkNode{lanes: map[string]*lane{}, health: func(error) {}, retry: retry{Initial: time.Second, Max: time.Second}}
	if s.backsOff() {
		t.Error("a sink without lanes backs off")
	}
	ill, well := newLane(s, "logging", 1), newLane(s, "metric", 1)
	s.lanes[point.Logging.String()], s.lanes[point.Metric.String()] = ill, well
	ill.active = 1
	ill.failed(0, &engine.SendError{Err: errors.New("down")})
	if !s.backsOff() {
		t.Error("the only lane with something to send fails")
	}
	well.active = 1
	if s.backsOff() {
		t.Error("a lane is well and busy")
	}
	well.active, ill.active = 0, 0
	if s.backsOff() {
		t.Error("nothing is to be sent")
	}
}

package sources

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
)

// health turns what happens to the client into the node's state, and a repeated failure into one line of the log a minute.
// It hooks into the client.
type health struct {
	env      engine.Env
	security *kafkaSecurity
	group    func(error) string // says what keeps a member out
	alarms   alarms             // for the lookout

	mu      sync.Mutex
	failing bool
	// broker is what the last failed connection was about, nil once something works. It stays the state while the
	// library says the same in words that do not help.
	broker *trouble
	lines  map[string]*line
}

// line is a message of the log that is held back when it repeats.
type line struct {
	last  time.Time
	count int // since last
}

var errNotConnected = errors.New("waiting for Kafka")

func newHealth(env engine.Env) *health {
	return &health{env: env, lines: map[string]*line{}, alarms: newAlarms()}
}

// watching makes h, before it hooks into a client, explain what happens to brokers and, where group is set, to the member.
func (h *health) watching(s *kafkaSecurity, group func(error) string) *health {
	h.security, h.group = s, group
	return h
}

// waiting sets the state of before the first answer.
func (h *health) waiting() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing = true
	h.env.Health(errNotConnected)
}

// good says that the group or a fetch works.
func (h *health) good() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broker = nil
	if h.failing {
		h.failing = false
		h.env.Health(nil)
	}
}

// bad says that something fails that will be tried again.
func (h *health) bad(what string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing = true
	if h.broker == nil {
		h.env.Health(err)
		h.say(what, what, "error", err)
	}
}

// connecting says that a broker cannot be used. Each kind of trouble of each broker has a line of its own.
func (h *health) connecting(t *trouble) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing, h.broker = true, t
	h.env.Health(t)
	h.say("connecting "+t.broker+" "+t.cause, "connecting to a Kafka broker fails", "error", t)
}

// said reports whether a broker that cannot be used is the state.
func (h *health) said() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.broker != nil
}

// note logs what happened once without a change of state.
func (h *health) note(what string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.say(what, what, args...)
}

// say writes a line unless one with the key has been written within the last minute.
func (h *health) say(key, what string, args ...any) {
	if h.env.Log == nil {
		return
	}
	now := h.env.Now()
	l := h.lines[key]
	if l == nil {
		l = &line{}
		h.lines[key] = l
	}
	l.count++
	if !l.last.IsZero() && now.Sub(l.last) < time.Minute {
		return
	}
	if l.count > 1 {
		args = append(args, "times", l.count)
	}
	l.last, l.count = now, 0
	h.env.Log.Warn(what, args...)
}

// OnBrokerConnect is called by the client for every attempt, after the TLS handshake, the question for versions and the login.
func (h *health) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	h.security.silent.note(meta, err)
	if t := h.security.explain(meta, err); t != nil {
		h.connecting(t)
	}
}

// OnGroupManageError is called by the client when the group has to be joined anew after an error.
func (h *health) OnGroupManageError(err error) {
	const what = "taking part in the consumer group fails"
	if text := h.group(err); text != "" {
		err = fmt.Errorf("%s: %w", text, err)
		h.mu.Lock()
		h.broker = nil // it answers
		h.mu.Unlock()
	}
	h.bad(what, err)
	if errors.Is(err, kerr.UnknownTopicID) {
		h.alarms.renewal() // a start is committed under the id that the client knows
	}
}

// Keys of requests whose answer shows that the source works: fetch and heartbeat.
const (
	fetchKey     = 1
	heartbeatKey = 12
)

// OnBrokerE2E is called by the client for every answered or failed request.
func (h *health) OnBrokerE2E(meta kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	h.security.silent.note(meta, e2e.Err())
	if (key == fetchKey || key == heartbeatKey) && e2e.Err() == nil {
		h.good()
	}
}

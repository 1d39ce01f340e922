package sources

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
)

// health turns what happens to the client into the node's state, and a repeated failure into one line of the log a minute.
// It hooks into the client.
type health struct {
	env engine.Env

	mu      sync.Mutex
	failing bool
	lines   map[string]*line
}

// line is a message of the log that is held back when it repeats.
type line struct {
	last  time.Time
	count int // since last
}

var errNotConnected = errors.New("waiting for Kafka")

func newHealth(env engine.Env) *health { return &health{env: env, lines: map[string]*line{}} }

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
	h.env.Health(err)
	h.say(what, "error", err)
}

// note logs what happened once without a change of state.
func (h *health) note(what string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.say(what, args...)
}

func (h *health) say(what string, args ...any) {
	if h.env.Log == nil {
		return
	}
	now := h.env.Now()
	l := h.lines[what]
	if l == nil {
		l = &line{}
		h.lines[what] = l
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

// OnBrokerConnect is called by the client for every attempt.
func (h *health) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		h.bad("connecting to a Kafka broker fails", err)
	}
}

// OnGroupManageError is called by the client when the group has to be joined anew after an error.
func (h *health) OnGroupManageError(err error) { h.bad("taking part in the consumer group fails", err) }

// Keys of requests whose answer shows that the source works: fetch and heartbeat.
const (
	fetchKey     = 1
	heartbeatKey = 12
)

// OnBrokerE2E is called by the client for every answered or failed request.
func (h *health) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if (key == fetchKey || key == heartbeatKey) && e2e.Err() == nil {
		h.good()
	}
}

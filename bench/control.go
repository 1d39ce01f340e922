package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"dataflow/engine/embedded"
)

// Produce writes count messages of the text to a topic; "" is the manual's metric, or on [LogTopic] a log.
func (s *StandIn) Produce(topic string, count int, text string) error {
	return s.call("POST", fmt.Sprintf("/produce?topic=%s&count=%d", url.QueryEscape(topic), count), strings.NewReader(text), nil)
}

// MakeUp is Produce for so many messages that they are made up when they are fetched, a few of them again and again. It returns how many
// there are, about count; the topic must be empty.
func (s *StandIn) MakeUp(topic string, count int, text string) (made int, err error) {
	return made, s.call("POST", fmt.Sprintf("/produce?made=1&topic=%s&count=%d", url.QueryEscape(topic), count), strings.NewReader(text), &made)
}

// Seen returns what the DataWay has received.
func (s *StandIn) Seen() (Seen, error) {
	var out Seen
	return out, s.call("GET", "/seen", nil, &out)
}

// Lag returns how many records of a topic a group has not committed.
func (s *StandIn) Lag(group, topic string) (n int64, err error) {
	return n, s.call("GET", "/lag?group="+url.QueryEscape(group)+"&topic="+url.QueryEscape(topic), nil, &n)
}

// Reset forgets what was received.
func (s *StandIn) Reset() error { return s.call("POST", "/reset", nil, nil) }

// SetFault changes how the DataWay behaves; nil is good behaviour.
func (s *StandIn) SetFault(f *embedded.Fault) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return s.call("POST", "/fault", bytes.NewReader(text), nil)
}

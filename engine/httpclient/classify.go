package httpclient

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dataflow/engine"
)

const (
	// ProbeInterval is when a destination that refuses us is asked again.
	ProbeInterval = 30 * time.Second
	maxRetryAfter = 5 * time.Minute
	maxExcerpt    = 256
)

// Classify says what can be done about what [Client.Do] returned, nil after a 2xx. Its After is the
// destination's Retry-After, or [ProbeInterval] when it refuses us. The text holds the start of the answer.
func (c *Client) Classify(a Answer, err error) *engine.SendError {
	if err != nil {
		return &engine.SendError{Class: engine.Retry, Err: err}
	}
	if a.Status/100 == 2 {
		return nil
	}
	e := &engine.SendError{Class: classOf(a.Status), After: retryAfter(a.Header, c.now), Err: answerError(a)}
	if e.Class == engine.Refused && e.After == 0 {
		e.After = ProbeInterval
	}
	return e
}

// classOf is the table of guarantees B6. What the table does not name is taken for a matter of
// configuration: that loses nothing and is noticed.
func classOf(status int) engine.ErrorClass {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return engine.BadData
	case http.StatusRequestEntityTooLarge:
		return engine.TooLarge
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return engine.Retry
	}
	if status >= 500 {
		return engine.Retry
	}
	return engine.Refused
}

func answerError(a Answer) error {
	status := strconv.Itoa(a.Status)
	if text := http.StatusText(a.Status); text != "" {
		status += " " + text
	}
	if said := excerpt(a.Body); said != "" {
		return fmt.Errorf("answered %s: %s", status, said)
	}
	return fmt.Errorf("answered %s", status)
}

// excerpt returns the start of an answer on one line, without control characters.
func excerpt(body []byte) string {
	cut := len(body) > maxExcerpt
	if cut {
		body = body[:maxExcerpt]
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(body), ""))
	text = strings.Join(strings.Fields(text), " ")
	if cut {
		text += " ..."
	}
	return text
}

// retryAfter returns the wait that the destination asks for, at most 5 minutes: so many seconds, or until a
// date, which is compared with the answer's own Date so that a wrong clock does no harm. What cannot be read
// or lies in the past is no wish.
func retryAfter(h http.Header, now func() time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return capAfter(time.Duration(min(max(seconds, 0), math.MaxInt64/int64(time.Second))) * time.Second)
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		from = now()
	}
	return capAfter(until.Sub(from))
}

func capAfter(d time.Duration) time.Duration { return min(max(d, 0), maxRetryAfter) }

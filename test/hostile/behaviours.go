package hostile

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Status reads requests and answers them with a status, header lines and a body. Nothing is taken.
func Status(status int, body string, header ...string) Behaviour {
	return func(l *Link) {
		if l.Read() {
			l.Answer(status, body, header...)
		}
	}
}

// UntilDate answers 429 and asks to wait until a date.
func UntilDate(d time.Duration) Behaviour {
	return func(l *Link) {
		if l.Read() {
			now := time.Now().UTC()
			l.Answer(http.StatusTooManyRequests, "", "Date: "+now.Format(http.TimeFormat), "Retry-After: "+now.Add(d).Format(http.TimeFormat))
		}
	}
}

// AboveUnread answers 413 to bodies of more than so many bytes without reading them, and closes the connection. Unless the client has waited
// with its body, that is a reset, and the answer is lost. Others are taken.
func AboveUnread(most int64) Behaviour {
	return func(l *Link) {
		req := l.Head()
		switch {
		case req == nil:
		case req.ContentLength <= most:
			Accept(l)
		default:
			l.Answer(http.StatusRequestEntityTooLarge, "", "Connection: close")
			if req.Header.Get("Expect") == "" {
				l.Raw.Reset()
			}
			l.End()
		}
	}
}

// Above answers 413 to bodies of more than so many bytes and takes the others.
func Above(most int64) Behaviour {
	return func(l *Link) {
		req := l.Head()
		if req == nil || !l.Body(req) {
			return
		}
		if req.ContentLength > most {
			l.Answer(http.StatusRequestEntityTooLarge, "")
			return
		}
		l.Store()
		l.Answer(http.StatusOK, "")
	}
}

// NeverRead leaves the request in the buffers.
func NeverRead(l *Link) {
	l.Raw.AwaitGone()
	l.End()
}

// NeverAnswer takes the points and says nothing.
func NeverAnswer(l *Link) { after(l, func() {}) }

// after takes the points, does something else than to answer, and waits for the client to go.
func after(l *Link, do func()) {
	if l.Read() {
		l.Store()
		do()
		l.Raw.AwaitGone()
		l.End()
	}
}

// ContinueOnly says 100 Continue, and nothing more.
func ContinueOnly(l *Link) {
	after(l, func() { _, _ = io.WriteString(l, "HTTP/1.1 100 Continue\r\n\r\n") })
}

// ContinueForEver says 102 Processing every second.
func ContinueForEver(l *Link) {
	after(l, func() { every(time.Second, l, "HTTP/1.1 102 Processing\r\n\r\n") })
}

// every writes the text once in a while until nobody reads it.
func every(d time.Duration, l *Link, text string) {
	for {
		if _, err := io.WriteString(l, text); err != nil {
			return
		}
		<-time.After(d) // the clock of the bubble moves
	}
}

// DripBody takes the points, says so at once, and then sends the answer's body a byte a second.
func DripBody(l *Link) {
	after(l, func() {
		l.server.change(func() { l.request.Status = http.StatusOK })
		_, _ = io.WriteString(l, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
		every(time.Second, l, "x")
	})
}

// DripHeader takes the points and sends the header of its answer a byte a second.
func DripHeader(l *Link) {
	after(l, func() {
		_, _ = io.WriteString(l, "HTTP/1.1 200 OK\r\nX-Drip: ")
		every(time.Second, l, "x")
	})
}

// HalfClose takes the points and closes its direction of the connection without an answer.
func HalfClose(l *Link) { after(l, func() { _ = l.Raw.CloseWrite() }) }

// ResetInBody resets the connection when it has read a part of the body.
func ResetInBody(l *Link) {
	if req := l.Head(); req != nil {
		_, _ = io.CopyN(io.Discard, req.Body, 100)
		l.Raw.Reset()
		l.End()
	}
}

// ResetAfterBody takes the points and resets the connection.
func ResetAfterBody(l *Link) { after(l, l.Raw.Reset) }

// Huge answers with a status and a body of 1 GB. Took is called with how much of it the client took.
func Huge(status int, took func(n int64)) Behaviour {
	return func(l *Link) {
		if !l.Read() {
			return
		}
		if status == http.StatusOK {
			l.Store()
		}
		l.server.change(func() { l.request.Status = status })
		_, _ = io.WriteString(l, "HTTP/1.1 "+strconv.Itoa(status)+" Here\r\nContent-Length: 1073741824\r\n\r\n")
		n, chunk := int64(0), bytes.Repeat([]byte("x"), 1<<10)
		for n < 1<<30 {
			k, err := l.Write(chunk)
			if n += int64(k); err != nil {
				break
			}
		}
		took(n)
		l.End()
	}
}

// Raw takes the points and answers with bytes.
func Raw(text string) Behaviour {
	return func(l *Link) {
		if l.Read() {
			l.Store()
			_, _ = io.WriteString(l, text)
			_ = l.Raw.Close()
			l.End()
		}
	}
}

// Garbage is what no client of HTTP/1.1 understands.
var Garbage = strings.Repeat("\x00\xff\x1b[31m<html>", 50) + "\r\n\r\n"

// GoAway is an HTTP/2 server that leaves: SETTINGS, then GOAWAY.
const GoAway = "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// Slowly takes points at so many bytes a second.
func Slowly(perSecond int) Behaviour {
	return func(l *Link) {
		l.r = bufio.NewReader(&slowReader{l.r, perSecond})
		l.End()
		Accept(l)
	}
}

type slowReader struct {
	r         io.Reader
	perSecond int
}

// Read reads what comes in a second.
func (s *slowReader) Read(p []byte) (int, error) {
	<-time.After(time.Second) // the clock of the bubble moves
	return s.r.Read(p[:min(len(p), s.perSecond)])
}

// On is a behaviour on the requests of one category; the others are accepted.
func On(lane string, ill Behaviour) Behaviour {
	return func(l *Link) {
		switch {
		case l.Head() == nil:
		case l.request.Lane == lane:
			ill(l)
		default:
			Accept(l)
		}
	}
}

// Then is one behaviour for a time, counted from the first request, and another one from then on.
func Then(first Behaviour, d time.Duration, second Behaviour) Behaviour {
	var once sync.Once
	var start time.Time
	return func(l *Link) {
		once.Do(func() { start = time.Now() })
		if time.Since(start) < d {
			first(l)
		} else {
			second(l)
		}
	}
}

// Refusing answers 400 to bodies that hold a guilty point, and takes the others.
func Refusing(guilty func(n int64) bool) Behaviour {
	return func(l *Link) {
		if !l.Read() {
			return
		}
		if slices.ContainsFunc(l.request.Points, guilty) {
			l.Answer(http.StatusBadRequest, `{"error_code":"guance.invalidPoint"}`)
			return
		}
		l.Store()
		l.Answer(http.StatusOK, "")
	}
}

// AnyOf is another behaviour for each request, drawn by lot.
func AnyOf(seed uint64, all ...Behaviour) Behaviour {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	return func(l *Link) {
		mu.Lock()
		b := all[random.IntN(len(all))]
		mu.Unlock()
		b(l)
	}
}

package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"dataflow/engine"
)

// ErrTooLong is the cause of an error when an answer is longer than the limit.
var ErrTooLong = errors.New("the answer is too long")

// ErrNoRoom is the cause of an error when there is no memory for an answer.
var ErrNoRoom = errors.New("there is no memory for the answer")

// FetchOptions bound what a [Fetcher] does. All but Guard are needed.
type FetchOptions struct {
	Guard   *Guard        // nil: it connects wherever it is told to
	Timeout time.Duration // of a request, from the look-up of the name to the end of the answer
	MaxBody int64         // bytes of an answer
}

// Fetcher asks for answers that are read: whole, or not at all. It follows no redirects, which are answers, and takes no proxy from
// the environment. It is safe for use by several goroutines.
type Fetcher struct {
	http    http.Client
	options FetchOptions
}

// NewFetcher returns a fetcher that connects by env.Dial.
func NewFetcher(env engine.Env, o FetchOptions) *Fetcher {
	dial := DialFunc(env.Dial)
	if o.Guard != nil {
		dial = o.Guard.Dial(dial)
	}
	return &Fetcher{options: o, http: http.Client{
		Transport: &http.Transport{
			DialContext:            dial,
			IdleConnTimeout:        idleTimeout,
			MaxIdleConnsPerHost:    idlePerHost,
			MaxResponseHeaderBytes: maxAnswer,
			DisableCompression:     true, // what is read is what was sent: no bombs
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends req and returns the whole answer, whatever its status. An error wraps [ErrRefused], [ErrTooLong] or says why there
// was no answer; it does not name the URL's query or user.
func (f *Fetcher) Do(ctx context.Context, req *http.Request) (Answer, error) {
	return f.DoWithin(ctx, req, func(int) bool { return true })
}

// DoWithin is [Fetcher.Do] for those who count memory: take is asked for so many bytes before the answer gets them. An error
// wraps [ErrNoRoom] when it says no.
func (f *Fetcher) DoWithin(ctx context.Context, req *http.Request, take func(n int) bool) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, f.options.Timeout)
	defer cancel()
	a, err := f.do(req.WithContext(ctx), take)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", req.Method, Where(req.URL), presentable(withoutURL(err), req.URL))
	}
	return a, nil
}

func (f *Fetcher) do(req *http.Request, take func(int) bool) (Answer, error) {
	resp, err := f.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	if resp.ContentLength > f.options.MaxBody {
		return Answer{}, ErrTooLong
	}
	body, err := readWithin(resp.Body, f.options.MaxBody, take)
	if err != nil {
		return Answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// readWithin reads at most limit bytes. The memory grows with what has come: what a header promises is not reserved.
func readWithin(r io.Reader, limit int64, take func(int) bool) ([]byte, error) {
	const least = 4 << 10
	var body []byte
	for {
		if len(body) == cap(body) {
			size := int(min(max(least, 2*int64(cap(body))), limit+1))
			if !take(size - cap(body)) {
				return nil, ErrNoRoom
			}
			body = append(make([]byte, 0, size), body...)
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, ErrTooLong
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}

// Close closes the connections that no request uses.
func (f *Fetcher) Close() { f.http.CloseIdleConnections() }

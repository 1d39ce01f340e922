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
	ctx, cancel := context.WithTimeout(ctx, f.options.Timeout)
	defer cancel()
	a, err := f.do(req.WithContext(ctx))
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", req.Method, Where(req.URL), withoutURL(err))
	}
	return a, nil
}

func (f *Fetcher) do(req *http.Request) (Answer, error) {
	resp, err := f.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	if resp.ContentLength > f.options.MaxBody {
		return Answer{}, ErrTooLong
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, f.options.MaxBody+1))
	switch {
	case err != nil:
		return Answer{}, fmt.Errorf("reading the answer: %w", err)
	case int64(len(body)) > f.options.MaxBody:
		return Answer{}, ErrTooLong
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Close closes the connections that no request uses.
func (f *Fetcher) Close() { f.http.CloseIdleConnections() }

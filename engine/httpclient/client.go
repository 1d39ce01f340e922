// Package httpclient is the one outgoing HTTP client of the engine: pools, time limits, the classes of
// answers (guarantees B6) and errors that never show a token.
package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"dataflow/engine"
)

// Time and size limits of a request (guarantees B6).
const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	requestTimeout   = 30 * time.Second
	slowestUpload    = 100_000         // bytes per second that a destination must take
	continueTimeout  = time.Second     // for an answer to Expect: 100-continue; then the body is sent
	answerTimeout    = 5 * time.Second // from the header of an answer to its end
	maxAnswer        = 64 << 10
	idleTimeout      = 90 * time.Second
	idlePerHost      = 64
)

// Options is how the client connects.
type Options struct {
	Proxy engine.Secret // of http(s) requests, http:// or https://; none if empty
	TLS   TLS
}

// Client sends requests and reads short answers. It is safe for use by several goroutines.
type Client struct {
	http      http.Client
	transport *http.Transport
	now       func() time.Time
	plain     bool
}

// Answer is what a destination said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte               // of a [Client] at most its first 64 KiB
	TLS    *tls.ConnectionState // nil of a connection without
}

// New returns a client. An error is one of [engine.FieldError] with the path proxy or tls.*.
//
// It speaks HTTP/1.1 only: bodies are few and large, and several connections carry them better than the one
// of HTTP/2. Proxies of the environment do not count: what a graph does stands in the graph.
func New(env engine.Env, o Options) (*Client, error) {
	tlsConfig, err := o.TLS.Config(env.Now)
	if err != nil {
		return nil, err
	}
	proxy, err := proxyOf(o.Proxy.Reveal())
	if err != nil {
		return nil, engine.FieldError("proxy", err)
	}
	if env.Plain {
		proxy = nil
	}
	c := &Client{now: env.Now, plain: env.Plain}
	c.transport = &http.Transport{
		Proxy:                  proxy,
		DialContext:            dialWithin(env),
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    handshakeTimeout,
		ExpectContinueTimeout:  continueTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		MaxResponseHeaderBytes: maxAnswer,
		DisableCompression:     true,
		WriteBufferSize:        64 << 10,
	}
	c.http = http.Client{
		Transport:     c.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

func dialWithin(env engine.Env) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		c, err := env.Dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &metered{Conn: c}, nil
	}
}

func proxyOf(text string) (func(*http.Request) (*url.URL, error), error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("must be a URL as in http://proxy.example:3128") // without its text: it may hold a password
	}
	return http.ProxyURL(u), nil
}

// Do sends req and returns what the destination said, whatever its status. The whole exchange takes at most
// 30 s and a second more for each 100 kB of the body, and no longer than ctx lasts. Redirects are answers. The status decides:
// of the answer's body there is what came within 5 s. An error means that there was no answer; neither its text, which is short,
// nor its causes name the URL's query or user. It wraps [ErrSlow] where the body was still on its way.
func (c *Client) Do(ctx context.Context, req *http.Request) (Answer, error) {
	limit := requestTimeout
	if req.ContentLength > 0 {
		limit += time.Duration(req.ContentLength) * (time.Second / slowestUpload)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var u upload
	defer u.end()
	req = req.WithContext(u.watch(ctx, limit))
	if c.plain && req.URL.Scheme == "https" {
		u := *req.URL
		u.Scheme = "http"
		req.URL = &u
	}
	resp, err := c.http.Do(req)
	if err != nil {
		err = presentable(withoutURL(err), req.URL)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && u.slow() {
			err = fmt.Errorf("%w: %w", ErrSlow, err)
		}
		return Answer{}, fmt.Errorf("%s %s: %w", req.Method, Where(req.URL), err)
	}
	defer resp.Body.Close()
	late := time.AfterFunc(answerTimeout, cancel)
	defer late.Stop()
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: hide(readAnswer(resp), req.URL), TLS: resp.TLS}, nil
}

// readAnswer returns the first 64 KiB of an answer. What is missing of a broken one changes nothing.
func readAnswer(resp *http.Response) []byte {
	if resp.ContentLength == 0 {
		return nil
	}
	const usual = 512
	body := make([]byte, 0, usual)
	for len(body) < maxAnswer {
		if len(body) == cap(body) {
			body = append(make([]byte, 0, min(4*cap(body), maxAnswer)), body...)
		}
		n, err := resp.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err != nil {
			break
		}
	}
	return body
}

// Close closes the connections that no request uses.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Where returns scheme, host and path of u: what may stand in a log.
func Where(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// withoutURL returns the cause of an error of net/http, which puts the whole URL into its text.
func withoutURL(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}

// hide replaces the values of u's query in an answer: destinations like to repeat a token that they refuse.
func hide(body []byte, u *url.URL) []byte {
	text := string(body)
	if hidden := hideIn(text, u); hidden != text {
		return []byte(hidden)
	}
	return body
}

// hideIn replaces the values of u's query, and its password, in a text.
func hideIn(text string, u *url.URL) string {
	const shortestSecret = 8 // shorter ones are flags
	if text == "" {
		return ""
	}
	replace := func(secret string) {
		if len(secret) >= shortestSecret {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	for _, values := range u.Query() {
		for _, v := range values {
			replace(v)
			replace(url.QueryEscape(v))
		}
	}
	if password, ok := u.User.Password(); ok {
		replace(password)
	}
	return text
}

// presentable returns err as it is, or, if its text is long or holds a secret of u, an error of what may be shown: net/http puts into
// its errors what a destination has said in place of HTTP, which may be anything and as long as a header.
func presentable(err error, u *url.URL) error {
	text := err.Error()
	hidden := hideIn(text, u)
	if len(hidden) <= maxExcerpt && hidden == text {
		return err
	}
	return errors.New(excerpt([]byte(hidden)))
}

package sinks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"dataflow/engine"
	"dataflow/engine/httpclient"
)

// checkTimeout bounds each of the two requests of a check.
const checkTimeout = 15 * time.Second

// datawayCheck looks at a destination.
type datawayCheck struct {
	sink  *dataway
	found func(engine.Finding)
}

func (c *datawayCheck) say(grade, format string, a ...any) {
	c.found(engine.Finding{Grade: grade, Text: fmt.Sprintf(format, a...)})
}

// Check asks the destination whether it would take points that come with this token. Nothing is written: the body is empty.
func (d *dataway) Check(ctx context.Context, found func(engine.Finding)) {
	c := &datawayCheck{sink: d, found: found}
	c.settings()
	a, err := c.ask(ctx, http.MethodPost, "/v1/write/metric")
	where := httpclient.Where(&d.base)
	if err != nil {
		c.say(engine.Fault, "%s: %s", where, c.explain(err))
		return
	}
	c.connection(where, a)
	c.answer(ctx, where, a)
}

// settings says what the options themselves show.
func (c *datawayCheck) settings() {
	d := c.sink
	if token := d.base.Query().Get("token"); token != "" {
		if err := checkToken(token); err != nil {
			c.say(engine.Advice, "url: the token looks wrong: %v", err)
		}
		if d.base.Scheme == "http" && !isLoopback(d.base.Hostname()) {
			c.say(engine.Advice, "url: http:// shows the token to whoever listens on the way")
		}
	}
	if d.config.TLS.InsecureSkipVerify {
		c.say(engine.Advice, "tls.insecure_skip_verify believes whoever answers, and gives away the token")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ask sends a request without a body. An error does not name its path, which may hold the token.
func (c *datawayCheck) ask(ctx context.Context, method, path string) (httpclient.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	u := c.sink.base
	u.Path = path
	req, err := http.NewRequest(method, u.String(), http.NoBody)
	if err != nil {
		return httpclient.Answer{}, errors.New("no request can be made for it")
	}
	req.Header.Set("Content-Type", typeLine)
	req.Header.Set("User-Agent", c.sink.agent)
	a, err := c.sink.client.Do(ctx, req)
	if cause := errors.Unwrap(err); cause != nil {
		err = cause
	}
	return a, err
}

// explain says what hinders a connection, and which option may help.
func (c *datawayCheck) explain(err error) string {
	var (
		name    *net.DNSError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		alert   tls.AlertError
		plain   tls.RecordHeaderError
		timeout net.Error
	)
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the name %s does not resolve; is the address right, or is there a proxy to go through: %v", name.Name, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nobody listens there; is it running, and is the port right: %v", err)
	case errors.As(err, &unknown):
		return fmt.Sprintf("nobody that is trusted has signed its certificate; tls.ca names the authority of a private one: %v", err)
	case errors.As(err, &host):
		return fmt.Sprintf("its certificate is for another name; tls.server_name says which one to expect: %v", err)
	case errors.As(err, &invalid):
		return fmt.Sprintf("its certificate is not valid, or the clock of this machine is wrong: %v", err)
	case errors.As(err, &alert):
		return fmt.Sprintf("it refuses the handshake; does it want a certificate, tls.cert and tls.key: %v", err)
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &plain):
		return fmt.Sprintf("it does not speak TLS; is it http://, or another port: %v", err)
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("it does not answer; is there a firewall, or a proxy to go through: %v", err)
	}
	return err.Error()
}

// connection says what the connection was like.
func (c *datawayCheck) connection(where string, a httpclient.Answer) {
	what := "DataWay"
	if id := a.Header.Get("X-Datakit"); id != "" {
		what = fmt.Sprintf("DataKit %q", id)
	}
	if a.TLS == nil || len(a.TLS.PeerCertificates) == 0 {
		c.say(engine.Fact, "%s answers: %s", where, what)
		return
	}
	until := a.TLS.PeerCertificates[0].NotAfter
	c.say(engine.Fact, "%s answers: %s, %s, certificate until %s", where, what, tls.VersionName(a.TLS.Version), until.UTC().Format(time.DateOnly))
	const soon = 14 * 24 * time.Hour
	if left := until.Sub(c.sink.env.Now()); left > 0 && left < soon {
		c.say(engine.Advice, "%s: its certificate ends in %d days", where, left/(24*time.Hour))
	}
}

// answer says what the answer to an empty body means. A 400 complains of the body, so that a token may not have been looked at: DataWay has a
// request for that, too.
func (c *datawayCheck) answer(ctx context.Context, where string, a httpclient.Answer) {
	failure := c.sink.client.Classify(a, nil)
	token := c.sink.base.Query().Get("token")
	switch {
	case a.Status == http.StatusBadRequest && wantsTLS(a.Body):
		c.say(engine.Fault, "%s: it speaks TLS: write https://", where)
	case failure == nil, failure.Class == engine.BadData && token == "":
		c.say(engine.Fact, "%s takes points", where)
	case failure.Class == engine.BadData:
		c.token(ctx, where, token)
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		c.say(engine.Fault, "%s: the token is refused, or may not write: %v", where, failure.Err)
	case failure.Class == engine.Refused:
		c.say(engine.Fault, "%s: there is no write API; a path of url is dropped, is the host right: %v", where, failure.Err)
	case a.Status == http.StatusTooManyRequests:
		c.say(engine.Advice, "%s takes no points now, and would be tried again: %v", where, failure.Err)
	default:
		c.say(engine.Fault, "%s: it fails, and would be tried again: %v", where, failure.Err)
	}
}

// wantsTLS reports whether a server says that it was spoken to without TLS. They say so with 400.
func wantsTLS(body []byte) bool {
	return bytes.Contains(body, []byte("HTTPS server")) || bytes.Contains(body, []byte("HTTPS port"))
}

func (c *datawayCheck) token(ctx context.Context, where, token string) {
	a, err := c.ask(ctx, http.MethodGet, "/v1/check/token/"+token)
	if err != nil {
		c.say(engine.Advice, "%s did not say whether it knows the token: %s", where, c.explain(err))
		return
	}
	failure := c.sink.client.Classify(a, nil)
	switch {
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		c.say(engine.Fault, "%s: the token is refused: %v", where, failure.Err)
	case failure != nil:
		c.say(engine.Advice, "%s did not say whether it knows the token: %v", where, failure.Err)
	case bytes.Contains(a.Body, []byte(`"error_code"`)):
		c.say(engine.Fault, "%s: the token is refused: %.256q", where, a.Body)
	default:
		c.say(engine.Fact, "%s knows the token", where)
	}
}

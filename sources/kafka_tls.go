package sources

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"dataflow/engine"
	"dataflow/engine/httpclient"
)

// kafkaTLS is the tls option of what speaks to Kafka.
type kafkaTLS struct {
	Enabled            *bool       `yaml:"enabled" doc:"speak TLS to every broker; without it nothing is encrypted. It must be said where another option of tls stands"`
	CA                 engine.File `yaml:"ca" doc:"PEM file of the authorities that are trusted, instead of the system's"`
	Cert               engine.File `yaml:"cert" doc:"PEM file of the client's certificate, where brokers ask for one"`
	Key                engine.File `yaml:"key" doc:"PEM file of the client's key"`
	ServerName         string      `yaml:"server_name" doc:"name that every broker's certificate must have, if it is not the broker's host"`
	InsecureSkipVerify bool        `yaml:"insecure_skip_verify" doc:"accept any certificate: whoever answers gets the password. Said in the log every hour"`
}

func (t *kafkaTLS) on() bool { return t.Enabled != nil && *t.Enabled }

// config returns the configuration of connections, nil where they are in clear. It checks the options either way.
func (t *kafkaTLS) config(now func() time.Time) (*tls.Config, error) {
	said := t.CA.Path != "" || t.Cert.Path != "" || t.Key.Path != "" || t.ServerName != "" || t.InsecureSkipVerify
	if t.Enabled == nil && said {
		return nil, engine.FieldError("tls", errors.New("does not say enabled: write enabled: true, else everything goes out in clear"))
	}
	c, err := httpclient.TLS{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}.Config(now)
	if err != nil || !t.on() {
		return nil, err
	}
	return c, nil
}

// dialTimeout bounds a connection to a broker and, apart from it, the TLS handshake. Both together are within what the
// library gives them, so that the error says which of the two it was.
const dialTimeout = 4 * time.Second

// handshakeError is a TLS handshake that failed, after the broker had accepted the connection.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// dialFunc is the type of engine.Env.Dial.
type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// dialer returns how brokers are connected to. Where TLS is on, no byte leaves before the broker's certificate has
// been verified, because the library gets the connection only then.
func (s *kafkaSecurity) dialer(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.silent.refuse(network, addr); err != nil {
			return nil, err
		}
		dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		conn, err := dial(dialCtx, network, addr)
		if err != nil || s.tls == nil {
			return conn, err
		}
		c := s.tls
		if c.ServerName == "" {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				conn.Close()
				return nil, err
			}
			c = c.Clone()
			c.ServerName = host
		}
		secure := tls.Client(conn, c)
		handCtx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		if err := secure.HandshakeContext(handCtx); err != nil {
			conn.Close()
			return nil, &handshakeError{err}
		}
		return secure, nil
	}
}

package sources

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// tlsListener makes TLS connections of those of another listener. The handshake is done here, not by the server: only
// then is it known which protocol a connection speaks, and that of HTTP/1 gets a strict reader.
type tlsListener struct {
	net.Listener
	config *tls.Config
	within time.Duration // a handshake must succeed

	ready  chan net.Conn
	failed chan error // of Accept; the server says whether it goes on
	ended  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	open   sync.WaitGroup
}

func newTLSListener(l net.Listener, config *tls.Config, within time.Duration) *tlsListener {
	t := &tlsListener{Listener: l, config: config, within: within, ready: make(chan net.Conn), failed: make(chan error), ended: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.open.Go(t.run)
	return t
}

// run accepts connections and shakes hands with each in a goroutine of its own; the listener below bounds their number. It ends at
// Close only: a process that has used up its files for a moment must not be deaf from then on.
func (t *tlsListener) run() {
	defer close(t.ended)
	for {
		c, err := t.Listener.Accept()
		if err == nil {
			t.open.Go(func() { t.shake(c) })
			continue
		}
		select {
		case t.failed <- err:
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *tlsListener) shake(c net.Conn) {
	conn := tls.Server(c, t.config)
	ctx, cancel := context.WithTimeout(t.ctx, t.within)
	defer cancel()
	if conn.HandshakeContext(ctx) != nil {
		c.Close()
		return
	}
	var out net.Conn = conn // HTTP/2: the server wants to see what it is
	if conn.ConnectionState().NegotiatedProtocol != "h2" {
		out = &strictConn{Conn: conn}
	}
	select {
	case t.ready <- out:
	case <-t.ctx.Done():
		out.Close()
	}
}

// Accept returns the next connection whose handshake has succeeded.
func (t *tlsListener) Accept() (net.Conn, error) {
	select {
	case c := <-t.ready:
		return c, nil
	case err := <-t.failed:
		return nil, err
	case <-t.ended:
		return nil, net.ErrClosed
	}
}

// Close closes the listener and the connections that nobody has got.
func (t *tlsListener) Close() error {
	err := t.Listener.Close()
	t.cancel()
	t.open.Wait()
	return err
}

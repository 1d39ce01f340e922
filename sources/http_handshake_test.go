package sources

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"
)

// outOfFiles is a listener that cannot accept at first, as a process that has used up its files.
type outOfFiles struct {
	net.Listener
	tries int
}

// Accept fails twice.
func (l *outOfFiles) Accept() (net.Conn, error) {
	if l.tries++; l.tries <= 2 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// TestHTTPSOutOfFiles: HTTPS is served again when there are files again, and a request of HTTP/2 knows the connection that counts.
func TestHTTPSOutOfFiles(t *testing.T) {
	own := httptest.NewUnstartedServer(nil)
	own.StartTLS()
	config := &tls.Config{Certificates: own.TLS.Certificates, NextProtos: protocols}
	own.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{TLSConfig: config, ConnContext: withConn, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if connOf(r.Context()) == nil || r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})}
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(newTLSListener(newLimitedListener(&outOfFiles{Listener: l}, 10, nil, time.Now), config, 10*time.Second))
	}()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	resp, err := client.Get("https://" + l.Addr().String())
	if err != nil {
		t.Error(err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

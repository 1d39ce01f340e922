package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"dataflow/engine"
)

// secure starts a server with TLS and returns its certificate and key as PEM.
func secure(t *testing.T, c *tls.Config, serve http.HandlerFunc) (s *httptest.Server, cert, key []byte) {
	t.Helper()
	s = httptest.NewUnstartedServer(serve)
	s.TLS = c
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	pair := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestClientCertificate(t *testing.T) {
	s, cert, key := secure(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.PeerCertificates[0].Subject.Organization[0])
	})
	ca := engine.File{Path: "ca.pem", Data: cert}
	if _, err := newClient(t, testEnv(), Options{TLS: TLS{CA: ca}}).Do(context.Background(), request(t, s.URL)); err == nil {
		t.Error("a server that wants a certificate did without one")
	}
	own := TLS{CA: ca, Cert: ca, Key: engine.File{Path: "key.pem", Data: key}}
	a, err := newClient(t, testEnv(), Options{TLS: own}).Do(context.Background(), request(t, s.URL))
	if err != nil || string(a.Body) != "Acme Co" {
		t.Errorf("the server saw %q, error %v", a.Body, err)
	}
}

// TLS goes through a proxy that sees neither path nor token.
func TestProxyOfTLS(t *testing.T) {
	s, cert, _ := secure(t, nil, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.String()) })
	asked := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.RequestURI + " " + r.Header.Get("Proxy-Authorization")
		far, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer near.Close()
		io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			io.Copy(far, near)
			far.Close()
		}()
		io.Copy(near, far)
	}))
	defer proxy.Close()
	c := newClient(t, testEnv(), Options{
		Proxy: engine.NewSecret("http://user:hunter22@" + proxy.Listener.Addr().String()),
		TLS:   TLS{CA: engine.File{Path: "ca.pem", Data: cert}, ServerName: "example.com"},
	})
	a, err := c.Do(context.Background(), request(t, "https://far.example/v1?token="+token))
	if err != nil || string(a.Body) != "/v1?token=[redacted]" {
		t.Errorf("the server saw %q, error %v", a.Body, err)
	}
	if got, want := <-asked, "CONNECT far.example:443 Basic dXNlcjpodW50ZXIyMg=="; got != want {
		t.Errorf("the proxy saw %q, want %q", got, want)
	}
	c.Close()
}
